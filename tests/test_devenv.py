"""devenv.py as people meet it: real clusters on real processes, at a terminal and without one.

Only the making of the virtual environment is tried with stand-ins for pip, because the real one takes a
minute and a network. Everything else starts `devenv.py` as a program of its own, with the interpreter that
runs these tests in place of `.venv`.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import pty
import random
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

import devenv
from devenv_cluster import Cluster, Node, Settings
from devenv_terminal import UserError

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = [sys.executable, str(ROOT / "devenv.py")]
ENVIRONMENT = {**os.environ, devenv.PYTHON_VARIABLE: sys.executable, "TERM": "dumb", "INPUTRC": os.devnull}
PATIENCE = 90.0  # seconds: a bound for a loaded machine, not an expectation
PROMPT = "devenv> "


# ---------------------------------------------------------------------------- tools


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Poll until the condition holds; otherwise say what never happened."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


@pytest.fixture
def base_port() -> Iterator[int]:
    """Base of some consecutive ports, itself included, that no other test or run uses at the same time.

    They lie below the range from which the system hands out ports. Binding without SO_REUSEADDR fails if
    anybody else has the port, a second run of this test included; setting the option afterwards lets a
    server, which sets it too, listen beside our socket, which never listens.
    """
    with contextlib.ExitStack() as stack:
        while True:
            base = random.randrange(10_000, 32_000)
            with contextlib.ExitStack() as attempt:
                try:
                    for port in range(base, base + 6):
                        holder = attempt.enter_context(socket.socket())
                        holder.bind(("127.0.0.1", port))
                        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                except OSError:
                    continue
                stack.push(attempt.pop_all())
                break
        yield base


def processes() -> list[tuple[int, int, int]]:
    """(pid, parent, group) of all that run; zombies do not, and who collects them is the system's affair."""
    if Path("/proc/self/stat").exists():
        lines = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it ended since the directory was read
                pid, rest = stat.parent.name, stat.read_text(errors="replace").rpartition(")")[2].split()
                lines.append([pid, rest[1], rest[2], rest[0]])
    else:
        command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="]
        lines = [line.split() for line in subprocess.check_output(command, text=True).splitlines()]
    return [(int(line[0]), int(line[1]), int(line[2])) for line in lines if line[3][0] not in "ZX"]


def groups_of(program: subprocess.Popen[bytes]) -> set[int]:
    """The process groups that the program has started: its nodes and its keeper."""
    return {group for _, parent, group in processes() if parent == program.pid and group != program.pid}


def survivors(groups: set[int]) -> set[int]:
    """Those of the groups in which somebody still runs."""
    return groups & {group for _, _, group in processes()}


class Run:
    """A running devenv.py whose output can be waited for; `terminal` gives it a real one to control it."""

    def __init__(self, *arguments: str, terminal: bool, logs: Path) -> None:
        self.output = ""
        self.seen = 0
        if terminal:
            self.fd, other = pty.openpty()
            fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            # The terminal must control the program, or its Ctrl-C would not reach it.
            control = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
            control += "os.execv(sys.argv[1], sys.argv[1:])"
            command = [sys.executable, "-c", control, *PROGRAM, *arguments]
            stdin = other
        else:
            self.fd, other = os.pipe()
            command, stdin = [*PROGRAM, *arguments], subprocess.DEVNULL
        environment = {**ENVIRONMENT, "TMPDIR": str(logs)}
        self.process = subprocess.Popen(
            command, stdin=stdin, stdout=other, stderr=other, env=environment, start_new_session=True
        )
        os.close(other)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        # A terminal that lost its last program says so with an error.
        with contextlib.suppress(OSError):
            while piece := os.read(self.fd, 65536):
                self.output += piece.decode(errors="replace").replace("\r\n", "\n")

    def expect(self, what: str) -> str:
        """Wait until the program prints `what`; return all it has printed since the last such wait."""
        end = time.monotonic() + PATIENCE
        while (found := self.output.find(what, self.seen)) < 0:
            assert time.monotonic() < end, f"waited in vain for {what!r} in:\n{self.output}"
            assert self.reader.is_alive() or what in self.output[self.seen :], (
                f"ended before it printed {what!r}:\n{self.output}"
            )
            time.sleep(0.01)
        before, self.seen = self.output[self.seen : found], found + len(what)
        return before

    def type(self, text: str) -> None:
        """Type at the terminal."""
        os.write(self.fd, text.encode("latin-1"))

    def command(self, line: str) -> str:
        """Enter a command and return what it prints until the next prompt."""
        self.type(line + "\n")
        return self.expect(PROMPT)

    def wait(self) -> int:
        """Wait for the program's end and for the last of its output; return the exit status."""
        status = self.process.wait(PATIENCE)
        self.reader.join(PATIENCE)
        return status

    def close(self) -> None:
        """End it however it stands; its keeper does the rest."""
        groups = groups_of(self.process)
        self.process.kill()
        self.process.wait()
        wait_until(lambda: not survivors(groups), "the keeper kills the nodes")
        self.reader.join(PATIENCE)
        os.close(self.fd)


Start = Callable[..., Run]


@pytest.fixture
def start(base_port: int, tmp_path: Path) -> Iterator[Start]:
    """Start devenv.py on free ports, with more arguments."""
    with contextlib.ExitStack() as stack:

        def start(*arguments: str, terminal: bool = True) -> Run:
            run = Run("--base-port", str(base_port), *arguments, terminal=terminal, logs=tmp_path)
            stack.callback(run.close)
            return run

        yield start


def request(method: str, port: int, path: str, json: object = None) -> httpx.Response:
    """Send a request to a node, past any proxy that the environment names."""
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        return client.request(method, f"http://127.0.0.1:{port}{path}", json=json)


def curl(line: str) -> str:
    """Run a printed curl line in a shell, or do what it says where curl is missing."""
    if shutil.which("curl"):
        environment = {**os.environ, "no_proxy": "*"}
        done = subprocess.run(
            ["sh", "-c", line], capture_output=True, env=environment, timeout=PATIENCE, check=True
        )
        return done.stdout.decode()
    words = shlex.split(line)
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    body = words[words.index("-d") + 1].encode() if "-d" in words else None
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        urls = [word for word in words if word.startswith("http://")]
        return "".join(client.request(method, url, content=body).text for url in urls)


def row(text: str, node_id: int) -> list[str]:
    """The cells of a node's line in a printed table."""
    for line in text.splitlines():
        if re.match(rf"\s+{node_id}\s", line):
            return re.split(r"\s{2,}", line.strip())
    raise AssertionError(f"no row {node_id} in:\n{text}")


# ---------------------------------------------------------------------------- clusters


def test_without_a_terminal_it_runs_until_sigterm(start: Start) -> None:
    """Goal: the plain call gives a working cluster, says how to use it, and cleans up after itself.

    Method: start three nodes with no terminal, run the three printed curl lines, send SIGTERM, look for
    processes and logs that are left.
    """
    run = start("-n", "3", terminal=False)
    text = run.expect("running until SIGINT or SIGTERM")
    groups = groups_of(run.process)
    assert len(groups) == 4, "three nodes and the keeper"
    assert [row(text, node_id)[1] for node_id in (1, 2, 3)] == ["primary", "backup", "backup"]
    assert {int(row(text, node_id)[3]) for node_id in (1, 2, 3)} < groups
    lines = [line for line in text.splitlines() if line.strip().startswith("curl ")]
    answers = [curl(line) for line in lines]
    assert [answer.replace(" ", "").strip() for answer in answers] == [
        "{}",
        '{"value":"hello"}',
        '{"greeting":"hello"}',
    ]
    logs = re.search(r"logs: (\S+)", text)
    assert logs is not None
    assert len(list(Path(logs[1]).iterdir())) == 3
    run.process.terminate()
    assert run.wait() == 0
    assert not survivors(groups)
    assert not Path(logs[1]).exists()
    assert "Traceback" not in run.output


def test_a_taken_port_is_one_line(start: Start, base_port: int) -> None:
    """Goal: nothing is started over somebody else's port, and the message names it.

    Method: listen on the second of the three ports.
    """
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", base_port + 2))
        other.listen()
        run = start("-n", "3", terminal=False)
        assert run.wait() == 2
    assert run.output == f"devenv.py: port {base_port + 2} is taken (choose others with --base-port)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-n", "0"], "-n/--nodes: 0 is not a number from 1"),
        (["-n", "three"], "-n/--nodes: three is not a number"),
        (["--base-port", "70000"], "--base-port: 70000 is not a number from 0 to 65534"),
        (["--base-port", "65533"], "port 65536 does not exist"),
        (
            ["--frontend", "wsgi", "--server", "uvicorn"],
            "--server uvicorn is for quart nodes, but --frontend is wsgi",
        ),
        (["--server", "apache"], "invalid choice: 'apache'"),
        (["setup", "again"], "setup takes no arguments"),
        (["start"], "unrecognized arguments: start"),
        (["--spares", "1"], "--spares is for --viewservice"),
        (["-n", "2", "--viewservice", "--spares", "2"], "leaves one member at least"),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str) -> None:
    """Goal: a wrong argument is explained in a line with status 2, before anything is started.

    Method: give each kind of wrong argument.
    """
    done = subprocess.run(
        [*PROGRAM, *arguments], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_explains_everything() -> None:
    """Goal: `--help` is enough to use it, also after a sub-command.

    Method: look for what cannot be guessed.
    """
    for arguments in (["--help"], ["setup", "--help"], ["test", "--help"]):
        text = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=True).stdout
        for word in ("setup", "test", "--base-port", "--no-view", devenv.PYTHON_VARIABLE, "Exit status"):
            assert word in text


def test_a_failover_by_hand_loses_nothing(start: Start, base_port: int) -> None:
    """Goal: the prompt is enough to watch a failover and the repair after it.

    Method: in a mixed cluster write a value, kill the primary, install the view without it, read the value
    at both others, write another. Tell a view of one with HTTP; restart the first node, which does not bring
    back the view before, and take it back in; every node must then have both values.
    """
    run = start("-n", "3", "--frontend", "mixed")
    text = run.expect(PROMPT)
    assert [row(text, node_id)[4] for node_id in (1, 2, 3)] == ["quart", "wsgi", "quart"]
    assert request("PUT", base_port + 3, "/data/before", {"value": "kept"}).status_code == 201
    assert "node 1 is killed" in run.command("kill 1")
    assert row(run.command("status"), 1)[1] == "dead"
    assert "primary 2" in run.command("view 2 3")
    text = run.command("status")
    assert row(text, 1)[1:3] == ["dead", "-"]
    assert row(text, 2)[1:4] == ["running", "active", "primary"]
    assert row(text, 3)[1:4] == ["running", "active", "backup"]
    for port in (base_port + 2, base_port + 3):
        assert request("GET", port, "/data").json() == {"before": "kept"}
    assert request("PUT", base_port + 3, "/data/between", {"value": "too"}).status_code == 201
    alone = {"view": [{"address": f"127.0.0.1:{base_port + 3}", "id": 3}]}
    for port in (base_port + 2, base_port + 3):
        assert request("PUT", port, "/view", alone).status_code == 200
    wait_until(lambda: request("GET", base_port + 3, "/ready").status_code == 200, "node 3 serves alone")
    text = run.command("restart 1")
    assert "node 1 runs again" in text
    assert "view 3 is active" in text
    assert "node 1 is not in that view" in text
    assert "primary 1" in run.command("view 1 2 3")
    text = run.command("status")
    assert [row(text, node_id)[3] for node_id in (1, 2, 3)] == ["primary", "backup", "backup"]
    for node_id in (1, 2, 3):
        assert request("GET", base_port + node_id, "/data").json() == {"before": "kept", "between": "too"}
    groups = groups_of(run.process)
    run.type("quit\n")
    assert run.wait() == 0
    assert not survivors(groups)


def test_the_view_service_sees_to_a_failover(start: Start, base_port: int) -> None:
    """Goal: with --viewservice a failover and the repair after it can be watched, and nobody does anything.

    Method: write a value, kill the primary of two members; the prompt shows who, why and how long.
    Restart it, kill the service, and ask it for what it knows, and for what it does not do.
    """
    run = start("-n", "3", "--frontend", "mixed", "--viewservice", "--spares", "1")
    run.expect(PROMPT)
    run.expect("view service: view 1 is active")
    assert request("PUT", base_port + 2, "/data/k", {"value": "kept"}).status_code == 201
    run.type("kill 1\n")
    run.expect("view service: view 2 of [2]: node 1: nobody listens at its address")
    run.expect("view service: view 2 is active, ")
    run.expect(" s after the kill")
    run.expect("view service: view 3 of [2, 3]: 1 of 2 members, and node 3 is a spare")
    run.expect("view service: view 3 is active")
    assert request("GET", base_port + 3, "/data/k").json() == {"value": "kept"}
    # What the service says comes with prompts of its own: each answer is waited for by its words.
    for line, answer in (
        ("restart 1", "node 1 runs again"),
        ("view 1 2", "the view service decides that"),
        ("kill service", "the view service is killed"),
        ("service status", "does not answer"),
        ("restart service", "the view service runs again"),
    ):
        run.type(f"{line}\n")
        run.expect(answer)
    wait_until(lambda: request("GET", base_port, "/ping").json()["acts"], "it acts again")
    run.type("service\n")
    run.expect("2     127.0.0.1")
    assert run.expect("\n").split()[1] == "primary"
    run.type("service add 9\n")
    run.expect("node 9 was never known here")
    run.type("service plan 1\n")
    run.expect("lost         everything")
    groups = groups_of(run.process)
    run.type("quit\n")
    assert run.wait() == 0
    assert not survivors(groups)


def test_a_restarted_member_is_filled_again(start: Start, base_port: int) -> None:
    """Goal: `restart` of a member of the present view needs no further command.

    Method: write a value, restart a node that is still running, read the value there; end with Ctrl-D.
    """
    run = start("-n", "2", "--frontend", "wsgi")
    run.expect(PROMPT)
    assert request("PUT", base_port + 1, "/data/k", {"value": "v"}).status_code == 201
    pid = groups_of(run.process)
    assert "view 1, 2 is active" in run.command("restart 2")
    assert groups_of(run.process) != pid
    assert request("GET", base_port + 2, "/data/k").json() == {"value": "v"}
    groups = groups_of(run.process)
    run.type("\x04")
    assert run.wait() == 0
    assert not survivors(groups)


def test_pause_add_and_mistakes(start: Start, base_port: int) -> None:
    """Goal: a paused node holds nobody up, a cluster can grow, and a mistake is only a friendly line.

    Method: at the prompt of two nodes make each kind of mistake, pause and resume a backup, add a node,
    read a value there, pause it again and end with Ctrl-C, which must reach nobody but devenv.py.
    """
    run = start("-n", "2")
    run.expect(PROMPT)
    assert "no command 'explode'" in run.command("explode 1")
    assert "no command" in run.command("\xff\xfe")
    assert "there is no node 7: the nodes are 1, 2" in run.command("kill 7")
    assert "there is no node two" in run.command("view 1 two")
    assert "which node?" in run.command("kill")
    assert "node 1 is running, not paused" in run.command("resume 1")
    assert "takes no argument" in run.command("add 3")
    assert run.command("").strip() == ""
    assert "pause 1" in run.command("help")
    assert request("PUT", base_port + 1, "/data/k", {"value": "v"}).status_code == 201

    assert "node 2 is paused" in run.command("pause 2")
    assert row(run.command("status"), 2)[1] == "paused"
    assert "node 2 is paused and was not told" in run.command("view 1 2")
    assert "node 2 goes on" in run.command("resume 2")
    wait_until(lambda: row(run.command("status"), 2)[2] == "active", "the resumed node is active")

    assert f"runs at 127.0.0.1:{base_port + 3}" in run.command("add")
    assert row(run.command("status"), 3)[1:4] == ["running", "active", "backup"]
    assert request("GET", base_port + 3, "/data").json() == {"k": "v"}
    assert "node 3 is paused" in run.command("pause 3")
    groups = groups_of(run.process)
    assert len(groups) == 4
    run.type("\x03")
    assert run.wait() == 0
    assert not survivors(groups)
    assert "Traceback" not in run.output


def test_without_a_view(start: Start, base_port: int) -> None:
    """Goal: `--no-view` leaves the telling to the person, and says how.

    Method: start two nodes without a view and run the printed lines; the first PUT of data may come before
    the view is active, which a node answers only then.
    """
    run = start("-n", "2", "--no-view", terminal=False)
    text = run.expect("running until")
    assert [row(text, node_id)[1] for node_id in (1, 2)] == ["none", "none"]
    assert request("GET", base_port + 1, "/ready").status_code == 503
    lines = [line for line in text.splitlines() if line.strip().startswith("curl ")]
    curl(lines[0])
    curl(lines[1])
    assert curl(lines[2]).strip() == "{}"
    assert request("GET", base_port + 2, "/data").json() == {"greeting": "hello"}


def test_a_node_that_is_killed_from_outside_is_reported(start: Start) -> None:
    """Goal: nobody has to find out by `status`, and it does not look as if the node had crashed.

    Method: kill a node's process from outside while the prompt waits with a half-typed command, which
    must be shown again and still work; tell the other one to end.
    """
    run = start("-n", "2", "--frontend", "mixed", "--logs")
    text = run.expect(PROMPT)
    run.type("stat")
    os.kill(int(row(text, 2)[3]), signal.SIGKILL)
    run.expect("node 2 was killed (SIGKILL)")
    run.expect(PROMPT)
    assert row(run.command("us"), 2)[1] == "dead"
    os.kill(int(row(text, 1)[3]), signal.SIGTERM)
    run.expect("node 1 was told to end, and did (exit status 0)")
    assert "event=became_primary" in run.output, "--logs prints what the nodes log"


@pytest.mark.parametrize(
    ("end", "words", "trouble"),
    [
        ("kill -KILL $$", "node 1 was killed (SIGKILL)", False),
        ("kill -TERM $$", "node 1 was killed (SIGTERM)", False),
        ("exit 0", "node 1 was told to end, and did (exit status 0)", False),
        ("exit 3", "node 1 ended by itself (exit status 3); its log ends:\n    something is missing", True),
        ("kill -SEGV $$", "node 1 ended by itself (SIGSEGV); its log ends:\n    something is missing", True),
    ],
)
def test_only_a_crash_is_trouble(
    end: str, words: str, trouble: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: who kills a node, as the README does, is not told that it crashed, and keeps no logs.

    Method: a shell stands in for the node, and ends in each way.
    """
    log = tmp_path / "node-1.log"
    log.write_text("something is missing\n")
    keeper: Any = SimpleNamespace(tell=lambda _: None)
    cluster = Cluster(Settings(), Path(), keeper, tmp_path)
    process = subprocess.Popen(["/bin/sh", "-c", end], start_new_session=True)
    process.wait()
    cluster.nodes[1] = Node(1, 1, "quart", None, log, process, wanted=True)
    cluster.report_deaths()
    assert capsys.readouterr().out == f"{words}\n"
    assert cluster.trouble is trouble


def test_a_node_that_cannot_start_ends_it_with_its_log(tmp_path: Path, base_port: int) -> None:
    """Goal: a node that fails while the cluster starts is reported with its reason, which stays on disk.

    Method: an interpreter that complains and fails stands in for the node's.
    """
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'something is missing' >&2\nexit 3\n")
    python.chmod(0o755)
    command = [*PROGRAM, "-n", "1", "--base-port", str(base_port)]
    environment = {**ENVIRONMENT, devenv.PYTHON_VARIABLE: str(python), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "node 1 ended by itself (exit status 3); its log ends:\n    something is missing\n" in done.stdout
    assert done.stderr.startswith("devenv.py: node 1 ")
    assert next(tmp_path.glob("pbproto-*/node-1.log")).read_text() == "something is missing\n"


@pytest.mark.parametrize("frontend", ["quart", "wsgi"])
def test_nothing_outlives_a_killed_devenv(start: Start, frontend: str) -> None:
    """Goal: even SIGKILL, which no program can catch, leaves no node behind.

    Method: pick the server with a supervising process of each frontend, as its workers are the hardest to
    find; pause one node and kill devenv.py.
    """
    server = {"quart": "granian", "wsgi": "gunicorn"}[frontend]
    run = start("-n", "2", "--frontend", frontend, "--server", server)
    text = run.expect(PROMPT)
    assert row(text, 1)[4] == f"{frontend} ({server})"
    run.command("pause 2")
    groups = groups_of(run.process)
    assert len(groups) == 3
    run.process.kill()
    run.process.wait()
    wait_until(lambda: not survivors(groups), "all processes of the cluster are gone")


def test_a_closed_terminal_ends_it(start: Start) -> None:
    """Goal: closing the window is a way to end it.

    Method: send the SIGHUP that a closing terminal sends.
    """
    run = start("-n", "1")
    run.expect(PROMPT)
    groups = groups_of(run.process)
    run.process.send_signal(signal.SIGHUP)
    assert run.wait() == 0
    assert not survivors(groups)


# ---------------------------------------------------------------------------- the virtual environment


class FakeSteps:
    """Stands in for `python -m venv` and pip: notes what is asked, and makes an interpreter that runs."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: dict[str, str] = {}

    def __call__(self, command: Sequence[str], lock: int) -> str:
        module = command[3]
        self.asked.append(module)
        os.fstat(lock)
        if module == "venv":
            python = Path(command[4], "bin", "python")
            python.parent.mkdir()
            python.write_text("#!/bin/sh\nexit 0\n")
            python.chmod(0o755)
        return self.fails.get(module, "")


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> FakeSteps:
    """The stand-in; without the variable that says that no environment is wanted."""
    monkeypatch.delenv(devenv.PYTHON_VARIABLE, raising=False)
    return FakeSteps()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with a requirements.txt, and one more for the tests."""
    (tmp_path / "requirements.txt").write_text("something==1.0\n")
    (tmp_path / "requirements-test.txt").write_text("more==1.0\n")
    return tmp_path


def test_the_environment_is_made_once(checkout: Path, steps: FakeSteps) -> None:
    """Goal: a second run installs nothing, a change of what is required or a broken interpreter does.

    Method: set up twice; then change requirements.txt; then take the interpreter away; then make it fail.
    """

    def ready() -> list[str]:
        steps.asked.clear()
        assert devenv.Environment(checkout, steps).ready() == checkout / ".venv" / "bin" / "python"
        return steps.asked

    assert ready() == ["venv", "pip"]
    assert ready() == []
    (checkout / "requirements.txt").write_text("something==1.1\n")
    assert ready() == ["venv", "pip"]
    python = checkout / ".venv" / "bin" / "python"
    python.unlink()
    assert ready() == ["venv", "pip"]
    python.write_text("#!/bin/sh\nexit 1\n")
    assert ready() == ["venv", "pip"]
    (checkout / ".venv" / "devenv.stamp").write_bytes(b"\xff\x00")
    assert ready() == ["venv", "pip"]
    assert ready() == []


def test_what_only_the_tests_need_is_added_for_them(checkout: Path, steps: FakeSteps) -> None:
    """Goal: whoever wants to see the store does not wait for the tests' packages; the tests have them.

    Method: set up; then for the tests, twice; change either file.
    """

    def ready(*more: str) -> list[str]:
        steps.asked.clear()
        devenv.Environment(checkout, steps).ready(*more)
        return steps.asked

    assert ready() == ["venv", "pip"]
    assert ready("requirements-test.txt") == ["pip"]
    assert ready("requirements-test.txt") == []
    assert ready() == []
    (checkout / "requirements-test.txt").write_text("more==1.1\n")
    assert ready() == []
    assert ready("requirements-test.txt") == ["pip"]
    (checkout / "requirements.txt").write_text("something==1.1\n")
    assert ready("requirements-test.txt") == ["venv", "pip", "pip"]
    assert ready() == []


def test_an_interrupted_installation_is_started_again(checkout: Path, steps: FakeSteps) -> None:
    """Goal: what a failed or interrupted pip leaves behind is never used.

    Method: let pip fail, leave a file behind, and set up again: the file must be gone.
    """
    steps.fails["pip"] = "ERROR: no such package"
    with pytest.raises(UserError, match=r"pip could not install .*ERROR: no such package.*network"):
        devenv.Environment(checkout, steps).ready()
    leftover = checkout / ".venv" / "lib" / "half-a-package"
    leftover.mkdir(parents=True)
    steps.fails.clear()
    devenv.Environment(checkout, steps).ready()
    assert steps.asked == ["venv", "pip"] * 2
    assert not leftover.exists()


def test_a_missing_module_is_one_line(
    checkout: Path, steps: FakeSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: a Python that was packaged without ensurepip is told from a broken one.

    Method: hide the module; the message must name it and nothing may have been tried.
    """
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name))
    with pytest.raises(UserError, match="lacks the module ensurepip") as caught:
        devenv.Environment(checkout, steps).ready()
    assert caught.value.status == 1
    assert "\n" not in str(caught.value)
    assert steps.asked == []


def test_two_at_once_install_once(
    checkout: Path, steps: FakeSteps, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: a second devenv.py neither disturbs an installation nor repeats it, and says why it waits.

    Method: hold the first in its pip step, start a second, and let the first go on once the second waits.
    """
    go_on = threading.Event()

    def slow(command: Sequence[str], lock: int) -> str:
        assert go_on.wait(PATIENCE)
        return steps(command, lock)

    def other() -> None:
        environments.append(devenv.Environment(checkout, steps))
        environments[-1].ready()

    environments = [devenv.Environment(checkout, slow)]
    first = threading.Thread(target=environments[0].ready)
    first.start()
    wait_until(lambda: "making .venv" in capsys.readouterr().out, "the first makes it")
    second = threading.Thread(target=other)
    second.start()
    wait_until(lambda: "waiting for another devenv.py" in capsys.readouterr().out, "the second waits")
    go_on.set()
    for thread in (first, second):
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert steps.asked == ["venv", "pip"]


def test_a_used_environment_is_not_pulled_away(
    checkout: Path, steps: FakeSteps, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: changed requirements do not take .venv from under a running cluster.

    Method: set up and keep the lock as a running cluster does; change requirements.txt; a second set-up
    must wait until the first is gone.
    """
    user = devenv.Environment(checkout, steps)
    user.ready()
    (checkout / "requirements.txt").write_text("something==2.0\n")
    second = threading.Thread(target=devenv.Environment(checkout, steps).ready)
    second.start()
    wait_until(lambda: "waiting for another devenv.py" in capsys.readouterr().out, "the second waits")
    assert steps.asked == ["venv", "pip"]
    assert user.lock is not None
    user.lock.close()
    second.join(PATIENCE)
    assert steps.asked == ["venv", "pip"] * 2


def test_a_real_environment_is_recognised(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the commands given to venv and pip are right, as far as that can be seen without a network.

    Method: really make one from an empty requirements.txt; it must count as current until pip is removed.
    """
    monkeypatch.delenv(devenv.PYTHON_VARIABLE, raising=False)
    (checkout / "requirements.txt").write_text("# nothing\n")
    environment = devenv.Environment(checkout)
    assert not environment.is_current()
    python = environment.ready()
    assert environment.is_current()
    subprocess.run([python, "-m", "pip", "--version"], check=True, capture_output=True)
    for package in (checkout / ".venv").glob("lib*/python*/site-packages/pip"):
        shutil.rmtree(package)
    assert not environment.is_current()


def test_a_failed_step_says_why(tmp_path: Path) -> None:
    """Goal: of a step's many lines the one that explains its failure is kept.

    Method: steps that print errors, anything, or nothing.
    """
    lock = os.open(tmp_path / "lock", os.O_CREAT)
    try:
        for script, said in (
            ("echo fine", ""),
            ("echo start; echo ERROR: no network >&2; echo bye; exit 1", "ERROR: no network"),
            ("echo first; echo last; echo; exit 1", "last"),
            ("exit 4", "exit status 4"),
        ):
            assert devenv.install_step(["sh", "-c", script], lock) == said
    finally:
        os.close(lock)


def test_an_own_interpreter_is_used_as_it_is(
    checkout: Path, steps: FakeSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: who manages their own environment gets no second one, and a typing mistake is said.

    Method: set the variable to an interpreter, then to a name that nothing has.
    """
    monkeypatch.setenv(devenv.PYTHON_VARIABLE, sys.executable)
    assert devenv.Environment(checkout, steps).ready() == Path(sys.executable)
    monkeypatch.setenv(devenv.PYTHON_VARIABLE, str(checkout / "python"))
    with pytest.raises(UserError, match="not a program that can be run"):
        devenv.Environment(checkout, steps).ready()
    assert not (checkout / ".venv").exists()


# ---------------------------------------------------------------------------- the tests' runner


def test_every_check_runs_and_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: a failed check neither hides the others nor gets lost; else the last word is the one of pytest.

    Method: stand-ins for the checks of which none, one, or all fail.
    """
    ran: list[str] = []
    failing: tuple[str, ...] = ()

    def check(command: Sequence[str]) -> int:
        assert command[1] == "-m"
        ran.append(" ".join(command[2:]))
        return int(ran[-1].startswith(failing))

    monkeypatch.setattr(devenv, "run_in_foreground", check)
    expected = ["ruff check .", "ruff format --check .", "mypy", "pytest -n 4 --dist loadgroup"]
    assert devenv.run_tests(Path("python"), []) == 0
    assert ran == expected
    assert capsys.readouterr().out.splitlines() == [f"devenv: {line}" for line in expected]
    failing = ("ruff format", "mypy")
    assert devenv.run_tests(Path("python"), ["-k", "some thing"]) == 1
    assert ran[4:] == [*expected[:3], "pytest -k some thing"]
    assert capsys.readouterr().out.endswith("devenv: failed: ruff format --check ., mypy\n")


def test_an_ended_run_lets_the_check_clean_up(tmp_path: Path) -> None:
    """Goal: SIGTERM to devenv.py reaches the tests as an interruption, after which they tidy up.

    Method: an interpreter that notes its interruption stands in for the one that runs the checks.
    """
    python = tmp_path / "python"
    script = f"trap 'echo tidied > {tmp_path}/done; exit 130' INT; echo started; while :; do sleep 0.05; done"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    environment = {**ENVIRONMENT, devenv.PYTHON_VARIABLE: str(python)}
    command, pipe = [*PROGRAM, "test"], subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdout=pipe, stderr=subprocess.STDOUT) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"devenv: ruff check .\n"
        assert run.stdout.readline() == b"started\n"
        run.terminate()
        assert run.wait(PATIENCE) == 128 + signal.SIGTERM
    assert (tmp_path / "done").read_text() == "tidied\n"
