"""Starts real nodes for the live tests, speaks HTTP to them, hurts them, and always clears them away.

Nothing here knows the replication core: a node is a command line, an address, a process group and a log
file. Three rules keep the tests that use this deterministic:

* A port that a node has been given stays reserved for as long as its cluster lives (see `reserve_port`),
  so that a killed node can be started again at the same address even while other test runs choose ports.
* Nothing sleeps for a fixed time: `wait_until` polls for the condition that is meant.
* A process that was paused, killed or started is known to be in that state when the call returns.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self, TypeVar
from urllib.parse import quote

import httpx

Kind = Literal["quart", "wsgi", "mixed"]

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"quart": "frontends.quart_app", "wsgi": "frontends.wsgi_app"}
T = TypeVar("T")

START_TIMEOUT = 60.0  # generous: several test runs may start dozens of interpreters at the same time
PORT_TAKEN_STATUS = 2


class NodeExitedError(AssertionError):
    """A node's process ended although it should be running."""


def wait_until(predicate: Callable[[], T], what: str, timeout: float = 30.0) -> T:
    """Poll `predicate` until it is true and return its value; otherwise say what never happened.

    A transport error counts as "not yet": a node that is starting, or was just killed, refuses connections.
    """
    deadline = time.monotonic() + timeout
    pause = 0.01
    while True:
        last: object
        try:
            value = predicate()
            if value:
                return value
            last = value
        except httpx.TransportError as error:
            last = error
        if time.monotonic() >= deadline:
            raise AssertionError(f"waited {timeout:g} s in vain: {what}; last value: {last!r}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.2)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def reserve_port() -> socket.socket:
    """A socket that keeps a port for us without listening on it.

    Servers bind with SO_REUSEADDR, and so does this socket: the kernel then lets a server listen beside it,
    but gives the port to nobody who asks for "any free port", be it for a listener or for a connection. A
    killed node's port would otherwise be up for grabs until the node is started again.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


class Watchdog:
    """A small process that tidies up after a test process that could not do it itself (SIGKILL, OOM).

    It holds the reading end of a pipe. When the pipe closes, whichever way the test process ended, it kills
    the process groups and runs the commands that were guarded and not released until then. Unlike
    PR_SET_PDEATHSIG this reaches the grandchildren of servers with a supervising parent, and does not
    depend on which thread started the node.
    """

    _PROGRAM = """
import json, os, signal, subprocess, sys
guarded = {}
for line in sys.stdin:
    word, what = json.loads(line)
    if word == "guard":
        guarded[json.dumps(what)] = what
    else:
        guarded.pop(json.dumps(what), None)
for what in guarded.values():
    if isinstance(what, int):
        try:
            os.killpg(what, signal.SIGKILL)
        except ProcessLookupError:
            pass
for what in reversed(guarded.values()):
    if not isinstance(what, int):
        subprocess.run(what, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def guard(self, what: int | list[str]) -> None:
        """Kill this process group, or run this command, if we die before `release`."""
        self._send("guard", what)

    def release(self, what: int | list[str]) -> None:
        """Forget what was guarded: it has been tidied up."""
        self._send("release", what)

    def _send(self, word: str, what: int | list[str]) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", self._PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal, or a kill of our group, must not reach it
            )
            atexit.register(self._stop, self._process)
        pipe = self._process.stdin
        assert pipe is not None
        # One short write per line: atomic on a pipe, whichever thread it comes from.
        os.write(pipe.fileno(), (json.dumps([word, what]) + "\n").encode())

    @staticmethod
    def _stop(process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(timeout=30)


watchdog = Watchdog()


def _environment(overrides: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what would change a node's behaviour behind the test's back."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("PBPROTO_")
        and name != "NODE_IDENTIFIER"
        and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"} | dict(overrides)


def _group_states(group: int) -> list[str]:
    """The scheduler states (R, S, T, Z, …) of all processes in a process group."""
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group:
                states.append(fields[0])
    return states


class Node:
    """One node: how it is started, where it listens, and the HTTP client to talk to it.

    `address` is what peers and views call it; `bind` is what it listens on (the same unless given).
    """

    def __init__(
        self,
        node_id: int,
        frontend: str,
        address: str,
        log: Path,
        *,
        server: str | None = None,
        env: Mapping[str, str] | None = None,
        bind: str | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.id = node_id
        self.frontend = frontend
        self.server = server
        self.address = address
        self.bind = bind
        self.log = log
        self.env = dict(env or {})
        self.token = ""
        """What the requests below are sent with."""
        self.process: subprocess.Popen[bytes] | None = None
        self._prefix = tuple(prefix)
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()  # tests send requests from many threads

    def __repr__(self) -> str:
        return f"<Node {self.id} {self.frontend} {self.address}>"

    @property
    def url(self) -> str:
        return f"{'https' if 'PBPROTO_TLS_CERT' in self.env else 'http'}://{self.address}"

    @property
    def member(self) -> dict[str, Any]:
        """This node as `PUT /view` names it."""
        return {"address": self.address, "id": self.id}

    # ---- the process

    def command(self) -> list[str]:
        command = [*self._prefix, sys.executable, "-m", MODULES[self.frontend]]
        command += ["--id", str(self.id), "--bind", self.bind or self.address]
        if self.server is not None:
            command += ["--server", self.server]
        return command

    def start(self) -> None:
        """Start the process (a new incarnation, without memory); `wait_ping` says when it serves."""
        assert self.process is None, f"{self!r} runs already"
        stderr: IO[bytes]
        with self.log.open("ab") as stderr:
            stderr.write(f"---- {' '.join(self.command())}\n".encode())
            stderr.flush()
            self.process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env=_environment(self.env),
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
        watchdog.guard(self.process.pid)

    def wait_ping(self, timeout: float = START_TIMEOUT) -> None:
        """Wait until the process answers; an early end of the process is reported with its last words."""

        def answers() -> bool:
            assert self.process is not None, f"{self!r} was not started"
            status = self.process.poll()
            if status is not None:
                raise NodeExitedError(f"{self!r} ended with status {status}:\n{self.log_tail()}")
            return self.request("GET", "/ping").status_code == 200

        wait_until(answers, f"{self!r} answers GET /ping", timeout)

    def kill(self) -> None:
        """SIGKILL the whole process group and wait until it is gone; no harm if it is not running."""
        self._forget(self._signal(signal.SIGKILL))

    def terminate(self, timeout: float = 30.0) -> int:
        """SIGTERM, as an operator would; returns the exit status. What is left of the group is killed."""
        process = self.process
        assert process is not None, f"{self!r} is not running"
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self!r} did not end within {timeout:g} s:\n{self.log_tail()}") from None
        finally:
            self.kill()
        return status

    def pause(self) -> None:
        """SIGSTOP the process group; on return none of its processes runs any more."""
        process = self._signal(signal.SIGSTOP)
        assert process is not None, f"{self!r} is not running"
        wait_until(lambda: set(_group_states(process.pid)) <= {"T", "Z"}, f"{self!r} has stopped")

    def resume(self) -> None:
        """SIGCONT the process group. Harmless if it was not paused."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill the node and start it again, empty, at the same address."""
        self.kill()
        self.start()
        self.wait_ping()

    def _signal(self, number: signal.Signals) -> subprocess.Popen[bytes] | None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
        return self.process

    def _forget(self, process: subprocess.Popen[bytes] | None) -> None:
        """Wait for the end of a killed process group and drop everything that belonged to it."""
        if process is None:
            return
        process.wait(timeout=30)
        # Workers of a supervising parent are not our children: see them go before the port is used again.
        wait_until(lambda: set(_group_states(process.pid)) <= {"Z"}, f"the processes of {self!r} are gone")
        watchdog.release(process.pid)
        self.process = None

    # ---- HTTP

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Send one request. `path` goes into the request line byte for byte: httpx alone would tidy it up."""
        assert "params" not in kwargs, "write the query into the path"
        with self._lock:
            if self._client is None:
                # No proxies, no certificates to load. Idle connections are given up sooner than any server
                # does it: a request must not meet a connection that the server is just closing.
                self._client = httpx.Client(
                    trust_env=False, verify=False, timeout=90.0, limits=httpx.Limits(keepalive_expiry=1.0)
                )
            client = self._client
        if self.token:
            kwargs["headers"] = {"authorization": f"Bearer {self.token}"} | dict(kwargs.get("headers", {}))
        return client.request(method, self.url, extensions={"target": path.encode()}, **kwargs)

    def put(self, key: str | bytes, value: str, **kwargs: Any) -> httpx.Response:
        return self.request("PUT", data_path(key), json={"value": value}, **kwargs)

    def get(self, key: str | bytes, **kwargs: Any) -> httpx.Response:
        return self.request("GET", data_path(key), **kwargs)

    def delete(self, key: str | bytes, **kwargs: Any) -> httpx.Response:
        return self.request("DELETE", data_path(key), **kwargs)

    def data(self, **kwargs: Any) -> httpx.Response:
        return self.request("GET", "/data", **kwargs)

    def view(self, **kwargs: Any) -> dict[str, Any]:
        """What `GET /view` answers, parsed."""
        response = self.request("GET", "/view", **kwargs)
        assert response.status_code == 200, f"GET /view of {self!r}: {response.status_code} {response.text}"
        parsed: dict[str, Any] = response.json()
        return parsed

    def ready(self) -> bool:
        """Whether `GET /ready` says that the node answers requests for data."""
        return self.request("GET", "/ready").status_code == 200

    def close_client(self) -> None:
        """Close the client's connections, when no request is under way any more.

        A restart of the node needs no new client: the client sees that its connections were closed.
        """
        if self._client is not None:
            self._client.close()
            self._client = None

    # ---- the log

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])


def data_path(key: str | bytes) -> str:
    """The path of a key, with everything escaped that can be escaped."""
    return "/data/" + quote(key, safe="")


class Cluster:
    """Some nodes on this machine, and the outside world that tells them their views.

    Use it as a context manager: every process group is killed on the way out, and if the way out is an
    exception the last log lines of each node are printed, where pytest shows them with the failure.
    """

    def __init__(
        self,
        tmp_path: Path,
        kind: Kind,
        n: int = 3,
        *,
        first_id: int = 1,
        env: Mapping[str, str] | None = None,
        servers: Mapping[str, str] | None = None,
    ) -> None:
        """`servers` names the server program per frontend, e.g. {"quart": "uvicorn"}."""
        self.tmp_path = tmp_path
        self.kind = kind
        self.env = dict(env or {})
        self.servers = dict(servers or {})
        self.members: tuple[int, ...] = ()  # of the view told last
        self._reserved: list[socket.socket] = []
        self.nodes: dict[int, Node] = {
            node_id: self.make_node(node_id) for node_id in range(first_id, first_id + n)
        }

    def make_node(self, node_id: int) -> Node:
        """A node of this cluster's kind at a new address, not started yet."""
        frontend = self.frontend_of(node_id)
        log = self.tmp_path / f"node-{node_id}.log"
        server = self.servers.get(frontend)
        return Node(node_id, frontend, self.new_address(), log, server=server, env=self.env)

    def frontend_of(self, node_id: int) -> str:
        """The frontend of a node: in a mixed cluster odd ids run Quart, even ones WSGI."""
        return ("wsgi", "quart")[node_id % 2] if self.kind == "mixed" else self.kind

    def new_address(self) -> str:
        """An address nobody else gets while this cluster lives."""
        holder = reserve_port()
        self._reserved.append(holder)
        return f"127.0.0.1:{holder.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.print_logs()
        self.close()

    def print_logs(self) -> None:
        """Print each node's last log lines (pytest shows what a failed test printed)."""
        for node in self.nodes.values():
            print(f"==== {node!r}\n{node.log_tail()}")

    def start_all(self) -> None:
        """Start every node that is not running, and wait until all answer."""
        for node in self.nodes.values():
            if node.process is None:
                node.start()
        for node in self.nodes.values():
            self._wait_started(node)

    def _wait_started(self, node: Node) -> None:
        """Wait for a node; if a stranger has its port, try others (no view names its address yet)."""
        for _ in range(5):
            try:
                return node.wait_ping()
            except NodeExitedError:
                status = node.process.returncode if node.process is not None else None
                words = node.log_text().rpartition("\n---- ")[2].lower()
                node.kill()
                if status != PORT_TAKEN_STATUS or not ("in use" in words or "taken" in words):
                    raise
                node.address = self.new_address()
                node.start()
        node.wait_ping()

    def tell(
        self,
        ids: Iterable[int],
        epoch: int | None = None,
        to: Iterable[int] | None = None,
        expect: int | None = 200,
    ) -> dict[int, httpx.Response]:
        """PUT the view with these members to those nodes, one after the other (default: to its members).

        Returns the answers by node; each must have the status `expect`, unless that is None.
        """
        self.members = tuple(ids)
        body = self.view_body(self.members, epoch)
        answers: dict[int, httpx.Response] = {}
        for node_id in self.members if to is None else to:
            answer = answers[node_id] = self.nodes[node_id].request("PUT", "/view", json=body)
            assert expect is None or answer.status_code == expect, (
                f"PUT /view {body} to {node_id}: {answer.status_code} {answer.text}"
            )
        return answers

    def view_body(self, ids: Iterable[int], epoch: int | None = None) -> dict[str, Any]:
        """The body of `PUT /view` for these members."""
        body: dict[str, Any] = {"view": [self.nodes[node_id].member for node_id in ids]}
        return body if epoch is None else body | {"epoch": epoch}

    def wait_active(self, ids: Iterable[int], timeout: float = 60.0) -> None:
        """Wait until exactly this view is active, in the same epoch, on each of its members."""
        wanted = sorted(ids)
        members = sorted((member["id"], member["address"]) for member in self.view_body(wanted)["view"])

        def active() -> bool:
            views = [self.nodes[node_id].view() for node_id in wanted]
            return (
                all(view["status"] == "active" for view in views)
                and all(
                    sorted((member["id"], member["address"]) for member in view["view"]) == members
                    for view in views
                )
                and {(view["epoch"], view["primary"]) for view in views} == {(views[0]["epoch"], wanted[0])}
            )

        try:
            wait_until(active, f"the view {wanted} is active on all its members", timeout)
        except AssertionError as error:
            seen = {}
            for node_id in wanted:
                try:
                    seen[node_id] = json.dumps(self.nodes[node_id].view())
                except httpx.TransportError as trouble:
                    seen[node_id] = repr(trouble)
            lines = "\n".join(f"  {node_id}: {text}" for node_id, text in seen.items())
            raise AssertionError(f"{error}\n{lines}") from None

    def install(self, ids: Iterable[int], epoch: int | None = None, to: Iterable[int] | None = None) -> None:
        """Tell a view and wait until it is active on all its members."""
        wanted = tuple(ids)
        self.tell(wanted, epoch, to)
        self.wait_active(wanted)

    def node(self, node_id: int) -> Node:
        return self.nodes[node_id]

    @property
    def primary(self) -> Node:
        """The member with the lowest id of the view told last."""
        return self.nodes[min(self.members)]

    def assert_none_died(self) -> None:
        """No node may have ended by itself, because of a broken invariant for example."""
        for node in self.nodes.values():
            if node.process is not None and node.process.poll() is not None:
                raise NodeExitedError(f"{node!r} ended with status {node.process.poll()}:\n{node.log_tail()}")

    def end_faults(self) -> None:
        """Undo what a test did to running nodes; those that are dead stay dead until `start_all`."""
        for node in self.nodes.values():
            node.resume()

    def close(self) -> None:
        """Kill every process group. Safe to call twice."""
        for node in self.nodes.values():  # first all signals, then the waiting
            node._signal(signal.SIGKILL)
        for node in self.nodes.values():
            node.kill()
            node.close_client()
        for holder in self._reserved:
            holder.close()
        self._reserved.clear()
