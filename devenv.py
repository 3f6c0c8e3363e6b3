#!/usr/bin/env python3
"""Set this checkout up, run its tests, or run a cluster of it on this machine and play with its failures.

Only the standard library is used, because this file is what installs everything else. It reads from top to
bottom: talking to the person, the virtual environment, the tests, the processes of a cluster, the prompt,
the command line.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import errno
import hashlib
import http.client
import importlib.util
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NoReturn

try:
    import fcntl
except ImportError:
    sys.exit("devenv.py needs Linux, macOS or another POSIX system (on Windows: WSL)")
if sys.version_info < (3, 11):  # noqa: UP036 - older interpreters are told so instead of failing somewhere
    sys.exit(f"devenv.py needs Python 3.11 or newer; {sys.executable} is {platform.python_version()}")

FILE = Path(__file__).resolve()
PYTHON_VARIABLE = "PBPROTO_DEVENV_PYTHON"
KEEPER_WORD = "_keep"
SERVERS = {"quart": ("hypercorn", "uvicorn", "granian"), "wsgi": ("waitress", "gunicorn")}
DEFAULT_TEST_ARGUMENTS = ("-n", "4", "--dist", "loadgroup")  # more than cores: most tests wait, not compute
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
START_SECONDS, SETTLE_SECONDS, STOP_SECONDS, ANSWER_SECONDS = 60.0, 5.0, 5.0, 1.5

HELP = f"""\
  python3 devenv.py setup         make .venv from requirements.txt (the other two do this by themselves)
  python3 devenv.py -n 3          run a cluster of 3 nodes until Ctrl-C; at a terminal it takes commands
                                  (kill, restart, pause, view ...; type `help` there)
  python3 devenv.py test [ARGS]   ruff check, ruff format --check, mypy, then pytest with ARGS
                                  (default: {" ".join(DEFAULT_TEST_ARGUMENTS)})
"""
NOTES = f"""\
Node i listens on 127.0.0.1, port base+i. Without a terminal on standard input the cluster runs until SIGINT
or SIGTERM. No node outlives this program. The logs' directory is kept only if something went wrong.

.venv belongs to this program: one that it did not finish, or that no longer fits requirements.txt or this
Python's version, is made again. {PYTHON_VARIABLE}=/path/to/python uses that interpreter, with
what is installed there, and leaves .venv alone.

Exit status: 0 all went well, 1 something failed, 2 wrong arguments or a taken port, 128+N ended by signal N
before the work was done.
"""

# ---------------------------------------------------------------------------- talking to the person


class UserError(Exception):
    """Something the person can put right: printed as one line, never as a trace."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


class Stopped(KeyboardInterrupt):
    """A signal asked this program to end; raised in the main thread, so that every `finally` runs."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signum = signum


class Screen:
    """Standard output, shared by the prompt and by the thread that watches the nodes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.prompt = ""  # what stands there while a person may be typing, else empty

    def say(self, text: str) -> None:
        """Print lines; above the prompt and the half-typed command if there is one.

        A reader that has gone away (`| head`, a closed terminal) must not stop the clean-up: no OSError here.
        """
        with self.lock, contextlib.suppress(OSError):
            if self.prompt and os.isatty(1):
                # readline, loaded by the prompt where it exists, alone knows what has been typed so far.
                typed = getattr(sys.modules.get("readline"), "get_line_buffer", str)()
                print(f"\r\033[K{text}\n{self.prompt}{typed}", end="", flush=True)
            else:
                print(text, flush=True)


screen = Screen()
say = screen.say


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Align cells in columns."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(f"  {line}" for line in aligned)


def listed(ids: Iterable[int]) -> str:
    """Name nodes in a sentence."""
    return ", ".join(map(str, ids))


# ---------------------------------------------------------------------------- the virtual environment


def install_step(command: Sequence[str], lock: int) -> str:
    """Run one step of an installation; return "" or the line that says best why it failed.

    At a terminal the step draws its own progress; elsewhere its many lines are kept back. The lock is handed
    on: should this program be killed, it stays held until the orphaned step has ended, too.
    """
    out, err = (None, None) if os.isatty(1) else (subprocess.PIPE, subprocess.STDOUT)
    null = subprocess.DEVNULL
    done = subprocess.run(command, pass_fds=[lock], check=False, stdin=null, stdout=out, stderr=err)
    if done.returncode == 0:
        return ""
    lines = (done.stdout or b"").decode(errors="replace").split("\n")
    errors = [line for line in lines if line.startswith("ERROR")] or [line for line in lines if line.strip()]
    return errors[-1].strip() if errors else f"exit status {done.returncode}"


@dataclass
class Environment:
    """The virtual environment beside this file, and the promise that it fits requirements.txt.

    A stamp, written last, says what it was made from; without the right stamp it is made from nothing, as
    nobody can tell what an interrupted pip has left behind. Who makes it holds the lock alone, who uses it
    shares the lock until its end: a second run neither sees half an environment nor pulls one away from
    under a running cluster.
    """

    root: Path = FILE.parent
    step: Callable[[Sequence[str], int], str] = install_step
    lock: IO[str] | None = None  # the open lock file; closing it gives up the lock

    def __post_init__(self) -> None:
        self.folder = self.root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "devenv.stamp"

    def wanted_stamp(self) -> str:
        """Name everything that makes an old environment useless when it changes."""
        requirements = (self.root / "requirements.txt").read_bytes()
        return f"{hashlib.sha256(requirements).hexdigest()} {platform.python_version()}\n"

    def is_current(self) -> bool:
        """Tell whether the environment is finished, fits, and its interpreter still runs.

        The interpreter is tried because it depends on the one it was made with, which may be gone.
        """
        probe = "import sys, importlib.util as util\n"
        probe += "sys.exit(sys.prefix == sys.base_prefix or util.find_spec('pip') is None)"
        try:
            if self.stamp.read_bytes() != self.wanted_stamp().encode():
                return False
            return (
                subprocess.run([self.python, "-I", "-c", probe], capture_output=True, check=False).returncode
                == 0
            )
        except OSError:
            return False

    def take_lock(self, lock: IO[str], kind: int) -> None:
        """Take or change the lock, saying so when that means waiting for another run."""
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            say("devenv: waiting for another devenv.py that sets up or uses .venv ...")
            fcntl.flock(lock, kind)

    def ready(self) -> Path:
        """Return an interpreter that has all of requirements.txt, making the environment if need be."""
        if own := os.environ.get(PYTHON_VARIABLE):
            if found := shutil.which(own):
                return Path(found).absolute()  # not resolved: a virtual environment's python is a link
            raise UserError(f"{PYTHON_VARIABLE} names {own}, which is not a program that can be run")
        try:
            self.folder.mkdir(exist_ok=True)
            self.lock = (self.folder / "devenv.lock").open("a")
            self.take_lock(self.lock, fcntl.LOCK_SH)
            if not self.is_current():
                # Given up first, so that two who both want to make it cannot wait for each other.
                fcntl.flock(self.lock, fcntl.LOCK_UN)
                self.take_lock(self.lock, fcntl.LOCK_EX)
                if not self.is_current():
                    self.make(self.lock)
                self.take_lock(self.lock, fcntl.LOCK_SH)
        except OSError as error:
            raise UserError(f"cannot set up {self.folder}: {error}") from None
        return self.python

    def make(self, lock: IO[str]) -> None:
        """Make the environment from nothing; the lock must be held alone."""
        for module in ("venv", "ensurepip"):
            if importlib.util.find_spec(module) is None:
                raise UserError(
                    f"{sys.executable} lacks the module {module} (Debian and Ubuntu: apt install python3-venv); or"
                    f" set {PYTHON_VARIABLE} to an interpreter that has requirements.txt installed"
                )
        began = time.monotonic()
        say(f"devenv: making .venv with Python {platform.python_version()}")
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != Path(lock.name):  # or a run that waits would get the lock of a lost file
                entry.unlink()
        if problem := self.step([sys.executable, "-I", "-m", "venv", str(self.folder)], lock.fileno()):
            raise UserError(f"cannot make {self.folder}: {problem}")
        say("devenv: installing requirements.txt (a minute or so)")
        # -I, because packages found through PYTHONPATH would count as installed already.
        pip = [str(self.python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        if problem := self.step([*pip, "-r", str(self.root / "requirements.txt")], lock.fileno()):
            raise UserError(f"pip could not install requirements.txt: {problem} (is the network reachable?)")
        self.stamp.write_text(self.wanted_stamp())
        say(f"devenv: .venv is ready ({time.monotonic() - began:.0f} s)")


# ---------------------------------------------------------------------------- the tests


def run_in_foreground(command: Sequence[str]) -> int:
    """Run a step of the tests; when this program is told to end, let the step clean up first."""
    step = subprocess.Popen(command, cwd=FILE.parent)
    try:
        return step.wait()
    except Stopped as stopped:
        if stopped.signum != signal.SIGINT:  # a terminal's Ctrl-C has reached the step already
            step.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            step.wait(15)
        raise
    finally:
        step.kill()  # does nothing to a step that has ended


def run_tests(python: Path, arguments: Sequence[str]) -> int:
    """Run every check even if one fails; pytest goes last, because its summary is what closes a good run."""
    pytest = ["pytest", *(arguments or DEFAULT_TEST_ARGUMENTS)]
    failed = []
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], pytest):
        say(f"devenv: {' '.join(words)}")
        if run_in_foreground([str(python), "-m", *words]) != 0:
            failed.append("pytest" if words is pytest else " ".join(words))
    if failed:
        say(f"devenv: failed: {', '.join(failed)}")
    return 1 if failed else 0


# ---------------------------------------------------------------------------- the processes of a cluster


def signal_group(group: int, signum: int) -> bool:
    """Signal a process group; False if nobody is left in it (macOS says EPERM when only zombies are)."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


class Keeper:
    """A small process of its own that kills the nodes when this program is gone, however it went.

    It learns of our end by the end of a pipe that only we can write to, so SIGKILL is covered too. The
    obvious other way, prctl(PR_SET_PDEATHSIG), is Linux only, fires at the end of the *thread* that started
    the node, and is not inherited by the workers that some servers start; the keeper kills whole groups.

    There is no moment at which a node runs unguarded: it starts as a shell that waits for a line (`GATE`),
    which it gets once the keeper's pipe holds its group. If we die before, the shell reads the end of its
    input instead, and ends. What a pipe holds is read even when its writer is dead.
    """

    GATE = 'read -r go && exec "$@" </dev/null'

    def __enter__(self) -> Keeper:
        """Start the process, in a session of its own: what is sent to our terminal must not end it."""
        command, null = [sys.executable, "-I", str(FILE), KEEPER_WORD], subprocess.DEVNULL
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=null, stderr=null, start_new_session=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Close the pipe and wait until all that was still guarded is dead."""
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self.process.communicate(timeout=STOP_SECONDS)

    def tell(self, order: str) -> None:
        """Send `+group` or `-group`; a short write to a pipe is never torn, so threads need no lock."""
        assert self.process.stdin is not None
        os.write(self.process.stdin.fileno(), f"{order}\n".encode())

    @staticmethod
    def main() -> int:
        """Be the keeper: note the groups until the pipe ends, then kill what is left of them."""
        for signum in ENDING_SIGNALS:
            signal.signal(signum, signal.SIG_IGN)
        groups: set[int] = set()
        for order in sys.stdin:
            (groups.add if order[0] == "+" else groups.discard)(int(order[1:]))
        for group in groups:
            signal_group(group, signal.SIGKILL)
        return 0


@dataclass
class Node:
    """One node and its process, which leads a process group because its server may have workers."""

    id: int
    port: int
    frontend: str
    server: str | None
    log: Path | None  # None: it writes to our standard error
    process: subprocess.Popen[bytes] | None = None
    paused: bool = False
    wanted: bool = False  # it is meant to run: if it does not, that is news

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def state(self) -> str:
        if self.process is None or self.process.poll() is not None:
            return "dead"
        return "paused" if self.paused else "running"

    def signal(self, signum: int) -> bool:
        """Signal the whole group, or tell that nobody is left in it."""
        return self.process is not None and signal_group(self.process.pid, signum)

    def log_tail(self) -> str:
        """Give the last lines of its log, indented."""
        lines = self.log.read_text(errors="replace").splitlines()[-5:] if self.log else []
        return "".join(f"\n    {line}" for line in lines)


@dataclass(frozen=True)
class Settings:
    """What the command line asked for."""

    nodes: int = 3
    base_port: int = 8080
    frontend: str = "quart"
    server: str | None = None
    tell_view: bool = True
    logs_to_stderr: bool = False

    def new_node(self, node_id: int, logs: Path | None) -> Node:
        """Describe a node; in a mixed cluster odd ids are quart and even ones wsgi."""
        frontend = ("wsgi", "quart")[node_id % 2] if self.frontend == "mixed" else self.frontend
        server = self.server if self.server in SERVERS[frontend] else None
        log = logs and logs / f"node-{node_id}.log"
        return Node(node_id, self.base_port + node_id, frontend, server, log)


def check_ports(ports: Sequence[int]) -> None:
    """Refuse ports that do not exist or that somebody listens on, before anything is started."""
    if ports[-1] > 65535:
        raise UserError(f"port {ports[-1]} does not exist: the highest is 65535 (see --base-port)", 2)
    problems = []
    for port in ports:
        with socket.socket() as probe:
            # As servers do it, or connections that were closed a moment ago would count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                problems.append(f"port {port} is taken" if taken else f"port {port}: {error.strerror}")
    if problems:
        raise UserError(f"{'; '.join(problems)} (choose others with --base-port)", 2)


@dataclass(frozen=True)
class Reply:
    """A node's answer; status 0 means that there was none."""

    status: int
    body: dict[str, Any]

    @property
    def problem(self) -> str:
        """Say in a few words what is wrong with an answer other than 200."""
        words = str(self.body.get("detail") or self.body.get("title") or "")
        return f"answers {self.status} {words}".strip() if self.status else words


def call(address: str, method: str, path: str, body: object = None) -> Reply:
    """Send one request to a node, giving up after a short time (it may be stopped); never raises."""
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=ANSWER_SECONDS)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        response = connection.getresponse()
        parsed = json.loads(response.read())
        return Reply(response.status, parsed if isinstance(parsed, dict) else {})
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Reply(0, {"detail": f"does not answer ({str(error) or type(error).__name__})"})
    finally:
        connection.close()


def ask(nodes: Sequence[Node], method: str, path: str, body: object = None) -> dict[int, Reply]:
    """Ask several nodes at once, since a slow one must not delay the others' answers."""
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        return dict(pool.map(lambda node: (node.id, call(node.address, method, path, body)), nodes))


@dataclass
class Cluster:
    """The nodes, and the view that they were told last from here."""

    settings: Settings
    python: Path
    keeper: Keeper
    logs: Path | None
    nodes: dict[int, Node] = field(default_factory=dict)
    view: list[int] = field(default_factory=list)
    trouble: bool = False  # a node died by itself or did not start: its log is worth keeping

    def __post_init__(self) -> None:
        self.lock = threading.Lock()  # guards `Node.wanted`, which two threads look at
        self.closing = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)

    def launch(self, node: Node) -> None:
        """Start the node's process (`Keeper` explains how it is made sure that it cannot outlive us)."""
        command = [str(self.python), "-m", f"frontends.{node.frontend}_app", "--id", str(node.id)]
        command += ["--bind", node.address, *(["--server", node.server] if node.server else [])]
        hidden = ("NODE_IDENTIFIER", PYTHON_VARIABLE)  # the one names another node, the other is no setting
        with contextlib.ExitStack() as stack:
            output: IO[bytes] | int = stack.enter_context(node.log.open("ab")) if node.log else 2
            process = subprocess.Popen(
                ["/bin/sh", "-c", Keeper.GATE, "node", *command],
                cwd=FILE.parent,
                env={name: value for name, value in os.environ.items() if name not in hidden},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C at our terminal is for us alone
            )
        self.keeper.tell(f"+{process.pid}")
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as gate:
            gate.write(b"go\n")
        with self.lock:
            node.process, node.paused, node.wanted = process, False, True

    def kill(self, node: Node) -> None:
        """End the node's whole group with SIGKILL, as a crash would, and wait until its port is free."""
        with self.lock:
            node.wanted = False
        node.signal(signal.SIGKILL)
        if node.process is not None:
            node.process.wait()
            end = time.monotonic() + 1  # a zombie that init does not collect must not hold us up
            while node.signal(0) and time.monotonic() < end:
                time.sleep(0.01)
            self.keeper.tell(f"-{node.process.pid}")

    def report_deaths(self) -> None:
        """Report each node that ended unasked, once, and end what is left of its group."""
        with self.lock:
            dead = [node for node in self.nodes.values() if node.wanted and node.state == "dead"]
            for node in dead:
                node.wanted = False
        for node in dead:
            self.trouble = True
            self.kill(node)
            assert node.process is not None
            code = node.process.returncode
            how = f"exit status {code}" if code >= 0 else signal.Signals(-code).name
            tail = node.log_tail()
            say(f"node {node.id} ended by itself ({how}){'; its log ends:' if tail else ''}{tail}")

    def watch(self) -> None:
        """Report deaths until the cluster closes."""
        while not self.closing.wait(0.2):
            self.report_deaths()

    def running(self, ids: Iterable[int]) -> list[Node]:
        """Give those of the nodes that can answer.

        A paused one is left out: it would cost time, and find an old PUT of a view when it goes on.
        """
        return [self.nodes[node_id] for node_id in ids if self.nodes[node_id].state == "running"]

    def wait_for(self, path: str, nodes: Sequence[Node], seconds: float) -> None:
        """Wait until all these nodes answer 200, saying for whom; complain about who does not."""
        began = shown_at = time.monotonic()
        while True:
            answers = ask(nodes, "GET", path)
            nodes = [node for node in nodes if answers[node.id].status != 200]
            if not nodes:
                return
            self.report_deaths()
            now = time.monotonic()
            if now - began > seconds or any(node.state == "dead" for node in nodes):
                raise UserError("; ".join(f"node {node.id} {answers[node.id].problem}" for node in nodes))
            if now - shown_at > 1:
                say(f"  waiting for {path} of {listed(node.id for node in nodes)}")
                shown_at = now
            time.sleep(0.05)

    def tell(self, ids: Sequence[int]) -> None:
        """PUT the view of these nodes to its members."""
        body = {"view": [{"address": self.nodes[node_id].address, "id": node_id} for node_id in ids]}
        answers = ask(self.running(ids), "PUT", "/view", body)
        for node_id in ids:
            if node_id not in answers:
                say(f"node {node_id} is {self.nodes[node_id].state} and was not told")
            elif answers[node_id].status != 200:
                say(f"node {node_id} {answers[node_id].problem}")
        if not any(reply.status == 200 for reply in answers.values()):
            raise UserError(f"no member took the view {listed(ids)}")
        self.view = list(ids)

    def settle(self) -> None:
        """Give the view told last a short time to become active; say what has become of it."""
        members = self.running(self.view)
        try:
            self.wait_for("/ready", members, SETTLE_SECONDS)
        except UserError as error:
            say(f"view {listed(self.view)} is not active yet: {error} (`status` shows more)")
            return
        for reply in list(ask(members, "GET", "/view").values())[:1]:
            epoch, primary = reply.body.get("epoch"), reply.body.get("primary")
            say(f"view {listed(self.view)} is active: epoch {epoch}, primary {primary}")

    def start(self) -> None:
        """Start everything, up to a cluster that answers data requests."""
        ids = range(1, self.settings.nodes + 1)
        self.nodes = {node_id: self.settings.new_node(node_id, self.logs) for node_id in ids}
        nodes = list(self.nodes.values())
        say(f"starting nodes {listed(ids)}; logs: {self.logs or 'standard error'}")
        self.watcher.start()
        try:
            for node in nodes:
                self.launch(node)
            self.wait_for("/ping", nodes, START_SECONDS)
            if self.settings.tell_view:
                self.tell(list(self.nodes))
                self.wait_for("/ready", nodes, START_SECONDS)
        except UserError:
            self.trouble = True
            raise

    def overview(self) -> str:
        """Say what runs where, and three requests to try."""
        nodes = list(self.nodes.values())
        rows = []
        for node, reply in zip(nodes, ask(nodes, "GET", "/view").values(), strict=True):
            frontend = f"{node.frontend} ({node.server})" if node.server else node.frontend
            pid = node.process.pid if node.process else "-"
            rows.append((node.id, reply.body.get("role", "?"), node.address, pid, frontend))
        first, second, last = nodes[0].address, nodes[len(nodes) // 2].address, nodes[-1].address
        put = f"""curl -X PUT -d '{{"value": "hello"}}' http://{first}/data/greeting"""
        requests = [put, f"curl http://{second}/data/greeting", f"curl http://{last}/data"]
        if not self.view:
            view = json.dumps({"view": [{"address": node.address, "id": node.id} for node in nodes]})
            requests = [f"curl http://{last}/view", f"curl -X PUT -d '{view}' http://{first}/view", put]
        return "\n  ".join([table(("id", "role", "address", "pid", "frontend"), rows) + "\ntry:", *requests])

    def status(self) -> str:
        """Ask all nodes at once how they see the view."""
        answers = ask(self.running(self.nodes), "GET", "/view")
        rows = []
        for node in self.nodes.values():
            reply = answers.get(node.id, Reply(0, {"detail": "-"}))
            cells = [reply.problem, "-", "-", "-", "-"]
            if reply.status == 200:
                told = [reply.body.get(name) for name in ("status", "role", "epoch", "commit")]
                waiting = [
                    f"{other['id']} ({other['reason']})" for other in reply.body.get("waiting_for", ())
                ]
                why = ", ".join(waiting) or reply.body.get("blocked")
                cells = ["-" if cell is None else str(cell) for cell in (*told, why)]
            rows.append((node.id, node.state, *cells))
        return table(("id", "process", "status", "role", "epoch", "commit", "waiting for"), rows)

    def stop(self) -> None:
        """End every process, politely at first; signals are ignored, as this takes a few seconds at most."""
        for signum in ENDING_SIGNALS:
            signal.signal(signum, signal.SIG_IGN)
        self.closing.set()
        if self.watcher.is_alive():
            self.watcher.join()
        nodes = [node for node in self.nodes.values() if node.state != "dead"]
        for node in nodes:
            node.signal(signal.SIGTERM)
            node.signal(signal.SIGCONT)  # a paused process notices its SIGTERM only now
        end = time.monotonic() + STOP_SECONDS
        while time.monotonic() < end and any(node.state != "dead" or node.signal(0) for node in nodes):
            time.sleep(0.05)
        for node in nodes:
            self.kill(node)
        say("all nodes are stopped")


# ---------------------------------------------------------------------------- the prompt


class Console:
    """The commands that a person gives at a terminal: each method `do_X` is the command X."""

    PROMPT = "devenv> "

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.commands = {name[3:]: getattr(self, name) for name in vars(Console) if name.startswith("do_")}

    def loop(self) -> None:
        """Carry commands out until `quit` or the end of the input."""
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - its presence gives `input` line editing and a history
        while True:
            screen.prompt = self.PROMPT
            try:
                name, _, words = input(self.PROMPT).strip().partition(" ")
            except EOFError:
                name, words = "quit", ""
                print()
            finally:
                screen.prompt = ""
            try:
                if name and name not in self.commands:
                    raise UserError(f"there is no command {name!r}: `help` lists them all")
                if name == "quit":
                    return
                if name:
                    self.commands[name](words)
            except UserError as error:
                say(str(error))

    def chosen(self, words: str) -> list[Node]:
        """Read the ids of nodes of this cluster."""
        nodes = {str(node_id): node for node_id, node in self.cluster.nodes.items()}
        if unknown := [word for word in words.split() if word not in nodes]:
            raise UserError(f"there is no node {', '.join(unknown)}: the nodes are {', '.join(nodes)}")
        if not words:
            raise UserError(f"which node? The nodes are {', '.join(nodes)}")
        return [nodes[word] for word in words.split()]

    def do_status(self, _words: str) -> None:
        """status: show how every node sees the view"""
        say(self.cluster.status())

    def do_kill(self, words: str) -> None:
        """kill 2: crash node 2 (SIGKILL); its data is gone"""
        for node in self.chosen(words):
            say(f"node {node.id} is " + ("dead already" if node.state == "dead" else "killed"))
            self.cluster.kill(node)

    def do_restart(self, words: str) -> None:
        """restart 2: start node 2 again, empty, and tell the present view again, so that it is filled"""
        for node in self.chosen(words):
            self.cluster.kill(node)
            self.cluster.launch(node)
            self.cluster.wait_for("/ping", [node], START_SECONDS)
            say(f"node {node.id} runs again")
            if not self.cluster.view:
                continue
            self.cluster.tell(self.cluster.view)
            self.cluster.settle()
            if node.id not in self.cluster.view:
                say(f"node {node.id} is not in that view, so it stays empty: `view` with it takes it in")

    def do_pause(self, words: str) -> None:
        """pause 1: stop node 1's process without ending it (SIGSTOP)"""
        for node in self.chosen(words):
            if node.state != "running":
                raise UserError(f"node {node.id} is {node.state}")
            node.paused = node.signal(signal.SIGSTOP)
            say(f"node {node.id} is paused")

    def do_resume(self, words: str) -> None:
        """resume 1: let a paused node 1 go on (SIGCONT)"""
        for node in self.chosen(words):
            if node.state != "paused":
                raise UserError(f"node {node.id} is {node.state}, not paused")
            node.paused = not node.signal(signal.SIGCONT)
            say(f"node {node.id} goes on")

    def do_view(self, words: str) -> None:
        """view 1 3: tell nodes 1 and 3 that they are the view now"""
        self.cluster.tell([node.id for node in self.chosen(words)])
        self.cluster.settle()

    def do_add(self, words: str) -> None:
        """add: start one more node and tell the present view with it added"""
        if words:
            raise UserError("`add` takes no argument: the new node gets the next free id")
        cluster = self.cluster
        node = cluster.settings.new_node(max(cluster.nodes) + 1, cluster.logs)
        check_ports([node.port])
        cluster.nodes[node.id] = node
        try:
            cluster.launch(node)
            cluster.wait_for("/ping", [node], START_SECONDS)
        except UserError:
            cluster.kill(node)
            del cluster.nodes[node.id]
            raise
        say(f"node {node.id} ({node.frontend}) runs at {node.address}")
        if cluster.view:
            cluster.tell([*cluster.view, node.id])
            cluster.settle()

    def do_help(self, _words: str) -> None:
        """help: show this"""
        lines = [str(command.__doc__).split(": ", 1) for command in self.commands.values()]
        say(table(("command", "what it does"), lines))

    def do_quit(self, _words: str) -> None:
        """quit: stop all nodes and end, as Ctrl-C and Ctrl-D do"""


# ---------------------------------------------------------------------------- the command line


def has_person() -> bool:
    """Tell whether somebody can type: a job in the background must not read, it would be stopped for that."""
    if not os.isatty(0):
        return False
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # a terminal, but not the one that controls us: nobody stops us from reading
        return True


def run_cluster(settings: Settings) -> int:
    """Run a cluster until it is told to end."""
    check_ports([settings.base_port + i for i in range(1, settings.nodes + 1)])
    environment = Environment()
    python = environment.ready()
    with Keeper() as keeper:
        logs = None if settings.logs_to_stderr else Path(tempfile.mkdtemp(prefix="pbproto-"))
        cluster = Cluster(settings, python, keeper, logs)
        try:
            cluster.start()
            say(cluster.overview())
            with contextlib.suppress(Stopped):
                if has_person():
                    say("commands: status, kill, restart, pause, resume, view, add, help, quit")
                    Console(cluster).loop()
                else:
                    say("running until SIGINT or SIGTERM")
                    while True:
                        signal.pause()
        finally:
            screen.prompt = ""
            cluster.stop()
            if logs and cluster.trouble:
                say(f"logs: {logs}")
            elif logs:
                shutil.rmtree(logs, ignore_errors=True)
    return 0


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (--help explains)", 2)


def number(lowest: int, highest: int) -> Callable[[str], int]:
    """Make a reader of integers in a range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(f"{text} is not a number from {lowest} to {highest}")
        return int(text)

    return read


def parse(arguments: Sequence[str]) -> Settings:
    """Read what kind of cluster is wanted."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="devenv.py", usage=f"\n{HELP}", epilog=NOTES, formatter_class=layout)
    add = parser.add_argument
    add("-n", "--nodes", type=number(1, 65535), help="how many (default 3)")
    add("--base-port", type=number(0, 65534), metavar="PORT", help="node i gets PORT+i (default 8080)")
    add("--frontend", choices=(*SERVERS, "mixed"), help="default quart; mixed: odd ids quart, even ids wsgi")
    fitting = {server: frontend for frontend, names in SERVERS.items() for server in names}
    fits = "; ".join(f"{frontend}: {', '.join(names)}" for frontend, names in SERVERS.items())
    add("--server", choices=fitting, metavar="NAME", help=f"web server of the nodes that it fits ({fits})")
    add("--no-view", dest="tell_view", action="store_false", help="do not tell the nodes a view")
    add("--logs", dest="logs_to_stderr", action="store_true", help="print the nodes' logs to standard error")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    settings = Settings(**given)
    if settings.server and settings.frontend not in (fitting[settings.server], "mixed"):
        wants = fitting[settings.server]
        parser.error(
            f"--server {settings.server} is for {wants} nodes, but --frontend is {settings.frontend}"
        )
    return settings


def raise_stopped(signum: int, _frame: object) -> NoReturn:
    """Turn a signal into an exception."""
    raise Stopped(signum)


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    if arguments == [KEEPER_WORD]:
        return Keeper.main()
    for signum in ENDING_SIGNALS:
        if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:  # nohup is to be obeyed
            signal.signal(signum, raise_stopped)
    word, *rest = arguments or [""]
    try:
        if word == "test" and rest not in (["-h"], ["--help"]):
            environment = Environment()
            return run_tests(environment.ready(), rest)
        if word == "setup" and not rest:
            say(f"devenv: {Environment().ready()} has what requirements.txt asks for")
            return 0
        return run_cluster(parse(rest if word in ("setup", "test") else arguments))
    except UserError as error:
        print(f"devenv.py: {error}", file=sys.stderr)
        return error.status
    except Stopped as stopped:
        print("devenv.py: interrupted", file=sys.stderr)
        return 128 + stopped.signum


if __name__ == "__main__":
    status = main(sys.argv[1:])
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    # Not sys.exit, which would complain about a reader that has gone away; nothing is left to clean up.
    os._exit(status)
