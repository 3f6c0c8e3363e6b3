"""The process contract: how a node starts, refuses to start, logs, waits and ends, under every server.

A node is one process that an operator starts and stops, and that clients hang on while it waits for others.
What is asked here is what no HTTP client sees, but every operator does.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from . import api
from .api import expect_json, expect_problem
from .harness import MODULES, ROOT, Cluster, Kind, Node, wait_until
from .raw_http import Answer, Wire, call, request_bytes

SERVERS: dict[str, Kind] = {
    "hypercorn": "quart",
    "uvicorn": "quart",
    "granian": "quart",
    "waitress": "wsgi",
    "gunicorn": "wsgi",
}
THREADS = 8
WAITING = 30  # clients, several times the threads

TRIO_ENV = {
    # So long that whatever is answered in these tests is not answered because time ran out.
    "PBPROTO_REQUEST_TIMEOUT": "100",
    # So long that writes which a paused backup does not acknowledge stand in the log, where they are counted.
    "PBPROTO_SUSPECT_AFTER": "50",
    "PBPROTO_THREADS": str(THREADS),
}


# ---------------------------------------------------------------- waiting clients


@pytest.fixture(
    scope="module",
    params=[pytest.param(server, marks=pytest.mark.xdist_group(f"process-{server}")) for server in SERVERS],
)
def started(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes under one server, shared by the tests of waiting clients."""
    server: str = request.param
    kind = SERVERS[server]
    directory = tmp_path_factory.mktemp(server)
    with Cluster(directory, kind, env=TRIO_ENV, servers={kind: server}) as cluster:
        yield cluster
        for node in cluster.nodes.values():
            assert "Traceback" not in node.log_text(), f"{node!r}:\n{node.log_tail()}"


@pytest.fixture
def trio(started: Cluster) -> Cluster:
    """The shared nodes, all running and in one active view, whatever the test before did to them."""
    for node in started.nodes.values():
        node.resume()
        if node.process is not None and node.process.poll() is not None:
            node.kill()
    started.start_all()
    started.tell([1, 2, 3])
    started.wait_active([1, 2, 3])
    return started


def waiting_put(address: str, key: str) -> Wire:
    """Send a whole PUT and leave its answer unread."""
    wire = Wire(address)
    body = api.json_body(f"value of {key}")
    assert wire.send(request_bytes("PUT", api.target_of(key), body, [("Connection", "keep-alive")]))
    return wire


def in_log(cluster: Cluster) -> int:
    """How many writes stand in the primary's log that not every member has."""
    view = cluster.node(1).view()
    return int(view["log_end"]) - int(view["commit"])


def test_more_waiting_clients_than_threads(trio: Cluster) -> None:
    """Clients that wait never keep a node from its other duties, however few threads it has.

    A paused backup makes 30 writes wait at the primary and 30 at the other backup. Both nodes still answer
    everything that waits for nobody, garbage from peers included, and they still hear each other: told a view
    without the paused node, they install it, and whoever waited is answered.
    """
    trio.node(3).pause()
    here = [trio.node(1).address, trio.node(2).address]
    wires = [waiting_put(address, f"many-{n}") for n in range(WAITING) for address in here]
    wait_until(lambda: in_log(trio) > 0, "writes wait")
    for address in here * 3:
        assert expect_json(call(address, "GET", "/ping"), 200)["status"] == "ok"
        assert call(address, "GET", "/ready").status in {200, 503}
        assert expect_json(call(address, "GET", "/view"), 200)["role"] in {"primary", "backup"}
        expect_problem(call(address, "POST", "/peer", b"garbage"), 400)
        expect_problem(call(address, "PUT", "/data/many-0", b"{}"), 400)
    trio.tell([1, 2])
    trio.wait_active([1, 2])
    answers = []
    for wire in wires:
        answers.append(wire.answer("PUT"))
        wire.close()
    taken = 0
    for answer in answers:
        assert answer is not None
        if answer.status == 503:
            # A frontend of threads may turn clients away, for certain, rather than run out of threads.
            assert trio.kind == "wsgi"
            assert expect_problem(answer, 503)["outcome"] == "not_applied"
        else:
            assert answer.status in {200, 201}, (answer.status, answer.body)
            taken += 1
    assert taken > 0


def test_client_that_hangs_up_cancels_nothing(trio: Cluster) -> None:
    """A write belongs to the store, not to the connection that it came on.

    A paused backup makes writes wait at the primary and at the other backup; when they stand in the log,
    their clients hang up. Resumed, the backup acknowledges them, and they appear.
    """
    trio.node(3).pause()
    wires = [waiting_put(trio.node(number).address, f"hung-up-{number}") for number in (1, 2)]
    wait_until(lambda: in_log(trio) == 2, "both writes wait")
    for wire in wires:
        wire.close()
    for number in (1, 2):
        expect_json(call(trio.node(number).address, "GET", "/ping"), 200)
    trio.node(3).resume()
    for number in (1, 2):
        for node in trio.nodes.values():
            answer = api.get(node.address, f"hung-up-{number}")
            assert expect_json(answer, 200) == {"value": f"value of hung-up-{number}"}


def test_clients_that_do_not_hang_up_hold_up_nobody(trio: Cluster) -> None:
    """A client that has its answer and keeps its connection costs the others nothing.

    40 clients, one after the other, ask for their connection to be closed and get their answer, but do not
    hang up themselves; after each, another client is served. A server that gives each of them seconds to hang
    up before it goes on would need minutes.
    """
    address = trio.node(1).address
    wires: list[Wire] = []

    def take_turns() -> None:
        for _ in range(40):
            wire = Wire(address)
            wires.append(wire)
            wire.send(request_bytes("GET", "/ping", headers=[("Connection", "close")]))
            while b'"ok"' not in wire.socket.recv(2**16):
                pass
            expect_json(call(address, "GET", "/ping"), 200)

    with ThreadPoolExecutor(1) as pool:
        turns = pool.submit(take_turns)
        try:
            wait_until(turns.done, "40 clients were served beside 40 others", timeout=30)
        finally:
            for wire in wires:
                wire.close()
    turns.result()


def test_half_sent_requests_hold_up_nobody(trio: Cluster) -> None:
    """Clients that stop in the middle of a request cost the others nothing.

    Some say nothing at all, some stop within the head, some within the body; meanwhile others are served.
    Then they hang up, and nothing of what they sent has happened.
    """
    # Gunicorn's threads read the requests themselves: a client that stops takes one up until it goes on (its
    # documentation asks for a proxy in front). Nothing helps against more of them than there are threads.
    each = 2 if trio.servers.get("wsgi") == "gunicorn" else 20
    unfinished = (
        b"",
        b"GET /ping HTTP/1.1\r\nHost: ",
        request_bytes("PUT", "/data/half", b'{"value": "x"}', [("Content-Length", "100")]),
    )
    address = trio.node(1).address
    wires = [Wire(address) for _ in range(each * len(unfinished))]
    for number, wire in enumerate(wires):
        wire.send(unfinished[number % len(unfinished)])
    for node in trio.nodes.values():
        expect_json(call(node.address, "GET", "/ping"), 200)
        assert api.put(node.address, "unhindered", "x").status in {200, 201}
    for wire in wires:
        wire.close()
    assert api.get(address, "half").status == 404


# ---------------------------------------------------------------- the log

# `… node=1 event=became_primary epoch=3 reason="two words"`; what stands before the id (time, level) is free.
LOG_LINE = re.compile(r'[^"]*\bnode=(\d+) event=[a-z_]+( [a-z_]+=("([^"\\]|\\.)*"|[^\s"]*))*')


def log_lines(node: Node) -> list[str]:
    """The lines that a node wrote, without the marks that the harness sets between its lives."""
    return [line for line in node.log_text().splitlines() if not line.startswith("---- ")]


def test_log_is_one_structured_line_per_event(trio: Cluster) -> None:
    """Whoever collects logs can read each line by itself: all lines of all nodes, whatever happened to them.

    Clients and peers must not be able to write lines of their own: keys, headers and mail with line ends are
    sent first.
    """
    for node in trio.nodes.values():
        call(node.address, "PUT", "/data/a%0Anode=9%20event=forged", b'{"value": 1}')
        call(node.address, "PUT", "/data/a%0Anode=9%20event=forged", b'{"value": "a\\nnode=9 event=forged"}')
        call(node.address, "DELETE", "/data/a%0Anode=9%20event=forged")
        call(node.address, "POST", "/peer", b"\nnode=9 event=forged\n")
        call(node.address, "PUT", "/view", b'{"view": [{"id": 1, "address": "a\\nnode=9 event=forged:1"}]}')
        call(node.address, "GET", "/a%0Anode=9%20event=forged")
        lines = log_lines(node)
        assert any(" event=view_told " in line for line in lines)
        started = [line for line in lines if " event=started " in line]
        assert len(started) == node.log_text().count("---- "), "one line for each life"
        assert f" url=http://{node.address} " in started[-1]
        assert f" server={node.server} " in started[-1]
        assert f" incarnation={node.view()['incarnation']} " in started[-1]
        for line in lines:
            match = LOG_LINE.fullmatch(line)
            assert match is not None, f"not a structured line: {line!r}"
            assert match[1] == str(node.id), f"not a line of this node: {line!r}"
    assert any("event=became_primary" in line for line in log_lines(trio.node(1)))


def test_log_is_quiet_under_normal_traffic(trio: Cluster) -> None:
    """Requests are no events: after legal requests of every kind, and refused ones, not a line was added."""
    before = {node.id: log_lines(node) for node in trio.nodes.values()}
    for node in trio.nodes.values():
        for n in range(20):
            assert api.put(node.address, f"quiet-{n % 3}", str(n)).status in {200, 201}
            assert api.get(node.address, f"quiet-{n % 3}").status == 200
        assert api.delete(node.address, "quiet-0").status == 200
        assert api.delete(node.address, "quiet-0").status == 404
        expect_problem(call(node.address, "PUT", "/data/quiet", b"{}"), 400)
        expect_problem(call(node.address, "POST", "/data/quiet"), 405)
        expect_problem(call(node.address, "GET", "/nowhere"), 404)
        for target in ("/data", "/ping", "/ready", "/view"):
            expect_json(call(node.address, "GET", target), 200)
        Wire(node.address).close()
    assert {node.id: log_lines(node) for node in trio.nodes.values()} == before


# ---------------------------------------------------------------- the end
# Last of the tests that share the nodes, so that these do not have to be started again for the others.


def stop(node: Node, number: signal.Signals) -> int:
    """Send a signal to the process that was started, as an operator's tools do, and wait for its end."""
    assert node.process is not None
    node.process.send_signal(number)
    try:
        return node.process.wait(30)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"{node!r} did not end after {number.name}:\n{node.log_tail()}") from None


def test_signals_end_a_node_and_answer_everybody(trio: Cluster) -> None:
    """SIGINT and SIGTERM end a node soon, with status 0, and nobody who waits at it is left without answer.

    A paused backup makes writes wait at the primary and at the other backup, which is then sent SIGINT, and
    the primary SIGTERM. Each waiting client must read a whole answer that says what is known about its write.
    """
    trio.node(3).pause()
    addresses = {number: trio.node(number).address for number in (1, 2)}
    wires = {
        number: [waiting_put(address, f"signal-{number}-{n}") for n in range(3)]
        for number, address in addresses.items()
    }
    wait_until(lambda: in_log(trio) == 6, "all six writes wait")
    for number, name in ((2, signal.SIGINT), (1, signal.SIGTERM)):
        assert stop(trio.node(number), name) == 0, trio.node(number).log_tail()
        for wire in wires[number]:
            answer = wire.answer("PUT")
            assert answer is not None, f"a client of node {number} was cut off"
            problem = expect_problem(answer, answer.status)
            assert (answer.status, problem["outcome"]) in {(503, "not_applied"), (504, "unknown")}
            # The write stood in the log of a primary: nobody can promise that it will not take effect.
            assert answer.status == 504, problem
            wire.close()


# ---------------------------------------------------------------- refusing to start


def run(words: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command line that must end by itself."""
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environment() | dict(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def environment() -> dict[str, str]:
    """Our environment without any setting of a node."""
    return {
        name: text
        for name, text in os.environ.items()
        if not name.startswith("PBPROTO_") and name != "NODE_IDENTIFIER"
    }


BIND = ("--bind", "127.0.0.1:1")  # never bound: every one of these ends before that
MISUSES: dict[str, tuple[tuple[str, ...], dict[str, str], str]] = {
    "no-id": (BIND, {}, "NODE_IDENTIFIER"),
    "id-negative": (("--id", "-1", *BIND), {}, "-1"),
    "id-float": (BIND, {"NODE_IDENTIFIER": "1.0"}, "1.0"),
    "id-empty": (BIND, {"NODE_IDENTIFIER": ""}, "NODE_IDENTIFIER"),
    "id-of-many-digits": (BIND, {"NODE_IDENTIFIER": "7" * 5000}, "integer"),
    "id-too-large": (BIND, {"NODE_IDENTIFIER": str(2**63)}, str(2**63)),
    "bind-no-port": (("--id", "1", "--bind", "127.0.0.1"), {}, "127.0.0.1"),
    "bind-port-too-large": (("--id", "1", "--bind", "127.0.0.1:65536"), {}, "65536"),
    "server-unknown": (("--id", "1", *BIND, "--server", "apache"), {}, "apache"),
    "option-unknown": (("--id", "1", *BIND, "--bogus"), {}, "--bogus"),
    "timeout-word": (("--id", "1", *BIND), {"PBPROTO_REQUEST_TIMEOUT": "soon"}, "soon"),
    "timeout-zero": (("--id", "1", *BIND), {"PBPROTO_REQUEST_TIMEOUT": "0"}, "request_timeout"),
    "timeout-negative": (("--id", "1", *BIND, "--request-timeout", "-3"), {}, "-3"),
    "timeout-nan": (("--id", "1", *BIND), {"PBPROTO_REQUEST_TIMEOUT": "nan"}, "nan"),
    "limit-negative": (("--id", "1", *BIND), {"PBPROTO_MAX_VALUE_BYTES": "-5"}, "-5"),
}


@pytest.mark.parametrize(
    ("frontend", "misuse"),
    # Each start costs half a second, so the frontends share the table out.
    list(zip(itertools.cycle(MODULES), MISUSES, strict=False)),
)
def test_bad_setting_is_one_clear_line(frontend: str, misuse: str) -> None:
    """A setting that makes no sense ends the process: status 2 and one line that names the culprit."""
    words, env, culprit = MISUSES[misuse]
    refuse_one_line(run([MODULES[frontend], *words], env), culprit)


def refuse_one_line(done: subprocess.CompletedProcess[str], culprit: str) -> None:
    """Assert that a process ended with status 2 and one line on stderr, in which this stands."""
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert "Traceback" not in done.stderr + done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert culprit in lines[0], lines
    assert done.stdout == ""


@pytest.mark.parametrize("server", SERVERS)
def test_taken_port_is_one_clear_line(server: str) -> None:
    """A port that somebody listens on ends the process: status 2 and one line that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = run([MODULES[SERVERS[server]], "--id", "1", "--bind", address, "--server", server])
    refuse_one_line(done, address)


SETTINGS = {
    "REQUEST_TIMEOUT": ("10", "second"),
    "SUSPECT_AFTER": ("1", "second"),
    "MAX_VALUE_BYTES": ("8388608", "byte"),
    "CHUNK_BYTES": ("", "byte"),
    "MAX_WAITING": ("", "request"),
    "LOG_LEVEL": ("", ""),
}


@pytest.mark.parametrize("frontend", ["quart", "wsgi"])
def test_help_names_every_setting(frontend: str) -> None:
    """--help is the reference of all settings: flag, variable, default and unit of each stand together."""
    done = run([MODULES[frontend], "--help"])
    assert (done.returncode, done.stderr) == (0, "")
    entries = {
        match[1]: " ".join(match[0].split())
        for match in re.finditer(r"(?m)^ +(?:-\w,? )?--([a-z-]+)(?:.*\n)(?: {8,}.*\n?)*", done.stdout)
    }
    settings = SETTINGS | ({"THREADS": ("", "thread")} if frontend == "wsgi" else {})
    for name, (default, unit) in settings.items():
        entry = entries[name.lower().replace("_", "-")]
        assert f"PBPROTO_{name}" in entry
        assert re.search(rf"default:? {default}", entry), entry
        assert unit in entry, entry
    assert "NODE_IDENTIFIER" in entries["id"]
    assert {"id", "bind", "server"} <= entries.keys()
    # No setting without its default: the table above has the names that must be there, this finds others.
    for name, entry in entries.items():
        assert name in {"help", "id", "version"} or "default" in entry, entry
    assert set(re.findall(r"PBPROTO_([A-Z_]+)", done.stdout)) >= settings.keys()


# ---------------------------------------------------------------- stock servers


class StockNode(Node):
    """A node that a stock server's own command line runs, as `server … frontends.…:create_app`."""

    def __init__(self, server: str, address: str, log: Path, workers: int = 1) -> None:
        """The id comes from the environment: a stock server knows no `--id`."""
        super().__init__(11, SERVERS[server], address, log, env={"NODE_IDENTIFIER": "11"}, server=server)
        self._workers = workers

    def command(self) -> list[str]:
        """The command line that the server's own documentation would tell."""
        host, _, port = self.address.partition(":")
        place = ["--host", host, "--port", port]
        workers = ["--workers", str(self._workers)] if self._workers > 1 else []
        words: dict[str, list[str]] = {
            "hypercorn": ["--bind", self.address, *workers, "frontends.quart_app:create_app()"],
            "uvicorn": [*place, *workers, "--factory", "frontends.quart_app:create_app"],
            "granian": [
                *place,
                *workers,
                "--interface",
                "asgi",
                "--factory",
                "frontends.quart_app:create_app",
            ],
            "waitress": [f"--listen={self.address}", "--call", "frontends.wsgi_app:create_app"],
            "gunicorn": [
                *["--bind", self.address, "-k", "gthread", "--threads", "16", *workers],
                "frontends.wsgi_app:create_app()",
            ],
        }
        assert self.server is not None
        return [sys.executable, "-m", self.server, *words[self.server]]


@pytest.fixture
def stock(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StockNode]:
    """A node under the stock server that is the test's parameter: (server, workers)."""
    server, workers = request.param
    with Cluster(tmp_path, SERVERS[server], n=0) as cluster:
        node = StockNode(server, cluster.new_address(), tmp_path / "stock.log", workers)
        cluster.nodes[node.id] = node
        yield node


@pytest.mark.parametrize("stock", [(server, 1) for server in SERVERS], indirect=True, ids=list(SERVERS))
def test_stock_server_runs_a_node(stock: StockNode) -> None:
    """create_app() is all that a server needs, and NODE_IDENTIFIER all that the node does.

    Told a view of itself alone, at an address that the app was never given, the node serves data. Then it is
    sent SIGTERM.
    """
    stock.start()
    stock.wait_ping()
    address = stock.address
    assert expect_json(call(address, "GET", "/ping"), 200) == {"status": "ok", "id": 11}
    assert stock.request("PUT", "/view", json={"view": [stock.member]}).status_code == 200
    wait_until(lambda: stock.view()["status"] == "active", "the view of one node is active")
    expect_json(api.put(address, "k", "v"), 201)
    assert expect_json(api.get(address, "k"), 200) == {"value": "v"}
    # The status is the server's own: some end by the signal that they were sent.
    assert stop(stock, signal.SIGTERM) in {0, -signal.SIGTERM}, stock.log_tail()
    assert "Traceback" not in stock.log_text(), stock.log_tail()


MANY_WORKERS = ["hypercorn", "uvicorn", "granian", "gunicorn"]


@pytest.mark.parametrize("stock", [(server, 2) for server in MANY_WORKERS], indirect=True, ids=MANY_WORKERS)
def test_second_worker_process_refuses(stock: StockNode) -> None:
    """Two processes of one node would be two stores behind one address: the second refuses, and says why.

    The server may give up or go on with one worker. If it goes on, all its answers come from one life of a
    node.
    """
    stock.start()
    wait_until(lambda: REFUSAL in stock.log_text(), "a worker refused to be the second")
    lives: set[str] = set()
    for _ in range(40):
        life = incarnation(stock)
        if life is not None:
            lives.add(life)
    assert len(lives) <= 1, f"two stores answered: {lives}\n{stock.log_tail()}"


REFUSAL = "another process already runs node 11"


def incarnation(node: Node) -> str | None:
    """Which life of a node answers on a new connection; None if nobody does."""
    answer: Answer | None
    try:
        with Wire(node.address) as wire:
            wire.send(request_bytes("GET", "/view"))
            answer = wire.answer()
    except OSError:
        return None
    if answer is None:
        return None
    view: dict[str, Any] = answer.json()
    return str(view["incarnation"])
