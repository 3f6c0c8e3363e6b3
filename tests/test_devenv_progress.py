"""What devenv.py shows of work that takes its time: at a terminal only, and it waits for nobody who types.

The prompt's waiting runs as a program of its own at a real terminal; a few lines stand in for the nodes.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import devenv
import devenv_cluster
import devenv_terminal
from devenv_cluster import Copies, Node, Reply

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # seconds: a bound for a loaded machine, not an expectation
WAITING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import devenv_cluster as it
from pathlib import Path

whole, at = int(sys.argv[1]), 0
it.LOOK_SECONDS = 0.01
it.SETTLE_SECONDS = float(sys.argv[2])

def ask(nodes, method, path, body=None):
    global at
    if path == "/ready":
        return {{node.id: it.Reply(503 if at < whole else 200, {{"detail": "not yet"}}) for node in nodes}}
    at += 1
    waits = [{{"id": 2, "reason": f"fetching a copy from it: item {{at}} of {{whole}}"}}]
    return {{node.id: it.Reply(200, {{"waiting_for": waits, "epoch": 3, "primary": 1}}) for node in nodes}}

it.ask = ask
it.Cluster.running = lambda self, ids: [self.nodes[id_] for id_ in ids]
it.Node.state = "running"
cluster = it.Cluster(it.Settings(), Path(), None, None)
cluster.nodes, cluster.view = {{1: it.Node(1, 1, "quart", None, None)}}, [1]
cluster.settle()
print("typed:", sys.stdin.readline().strip())
"""


class AtTerminal:
    """The waiting at a terminal of its own."""

    def __init__(self, whole: int, seconds: float, script: str = WAITING) -> None:
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", script, str(whole), str(seconds)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "TERM": "xterm"},
        )
        os.close(theirs)
        self.output = ""

    def expect(self, pattern: str) -> re.Match[str]:
        """Read until this was printed."""
        end = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.output)) is None:
            assert time.monotonic() < end, f"waited in vain for {pattern!r} in {self.output!r}"
            self.output += os.read(self._fd, 65536).decode()
        return found

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def __enter__(self) -> AtTerminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._fd)


def test_a_copy_is_watched_until_the_view_is_active() -> None:
    """Goal: who tells a view sees how far the joining node is, and then only that the view is active.

    Method: a copy that takes longer than the time that a view gets when nothing moves.
    """
    with AtTerminal(whole=25, seconds=1) as terminal:
        terminal.expect(
            r"\r\x1b\[K  node 1 is fetching a copy from node 2: item \d+ of 25, \d+ %, \d+ s left"
        )
        terminal.expect(r"\r\x1b\[Kview 1 is active: epoch 3, primary 1\r\n$")
        terminal.type("go on\n")
        terminal.expect("typed: go on")


def test_a_key_ends_the_watching_and_is_not_lost() -> None:
    """Goal: nobody has to wait for a long copy. Method: type a command while one goes on for ever."""
    with AtTerminal(whole=10**9, seconds=PATIENCE) as terminal:
        terminal.expect(r"item 3 of")
        terminal.type("status\n")
        terminal.expect(r"\r\x1b\[Kview 1 is not active yet: node 1 answers 503 not yet")
        terminal.expect("typed: status")


def test_a_view_that_does_not_move_is_not_waited_for() -> None:
    """Goal: the prompt comes back by itself. Method: a copy that stays where it is."""
    with AtTerminal(whole=9, seconds=0.3, script=WAITING.replace("at += 1", "at = 7")) as terminal:
        terminal.expect(r"item 7 of 9, 77 %")
        terminal.expect("view 1 is not active yet")


def test_without_a_terminal_no_line_is_written_over() -> None:
    """Goal: logs are as they were. Method: the same waiting, typed at a terminal, its output in a pipe."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"go on\n")
        script = WAITING.replace('if path == "/ready":', 'if path == "/ready":\n        at += 1')
        done = subprocess.run(
            [sys.executable, "-c", script, "5", "60"],
            stdin=theirs,
            capture_output=True,
            text=True,
            env={**os.environ, "TERM": "xterm"},
            timeout=PATIENCE,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.stdout, done.stderr) == ("view 1 is active: epoch 3, primary 1\ntyped: go on\n", "")


def test_each_copy_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a copy that both its ends speak of is one copy. Method: what a primary and a newcomer answer."""
    waits = {
        2: [{"id": 3, "reason": "it is being filled: position 0 of 80"}],
        3: [{"id": 2, "reason": "fetching a copy from it: item 20 of 80"}],
        4: [{"id": 2, "reason": "the primary has not proposed this view yet"}],
    }

    def ask(nodes: Sequence[Node], _method: str, _path: str) -> dict[int, Reply]:
        return {node.id: Reply(200, {"waiting_for": waits[node.id]}) for node in nodes}

    monkeypatch.setattr(devenv_cluster, "ask", ask)
    nodes = [Node(id_, id_, "quart", None, None) for id_ in waits]
    copies = Copies()
    looks = []
    for _ in range(2):
        lines = copies.look(nodes)
        looks.append((lines, copies.moved))
    line = "node 3 is fetching a copy from node 2: item 20 of 80, 25 %"
    assert looks == [([line], True), ([line], False)]
    assert copies.look(nodes[:1]) == ["node 3 is being filled: position 0 of 80, 0 %"]


def test_a_silent_step_of_the_set_up_is_seen_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: nobody takes a long step for a hang; without a terminal nothing is said. Method: a step that
    lasts until something was shown."""
    shown: list[str] = []
    ticked = threading.Event()

    def show(line: str) -> None:
        shown.append(line)
        ticked.set()

    monkeypatch.setattr(devenv, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(devenv_terminal.screen, "show", show)
    monkeypatch.setattr(devenv_terminal.screen, "draws", lambda: True)
    with devenv.ticking(lambda: "it is being made"):
        assert ticked.wait(PATIENCE)
    assert re.fullmatch(r"  it is being made, \d+ s", shown[0])
    assert shown[-1] == ""
    shown.clear()
    monkeypatch.setattr(devenv_terminal.screen, "draws", lambda: False)
    threads = threading.active_count()
    with devenv.ticking(lambda: "it is being made"):
        assert threading.active_count() == threads
    assert shown == []


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (0, "3 packages are fetched"),
        (2, "2 of 3 packages are installed"),
        (3, "3 of 3 packages are installed"),
    ],
)
def test_installed_packages_are_counted(tmp_path: Path, others: int, said: str) -> None:
    """Goal: the longest silence of the set-up has figures. Method: a directory as pip leaves it."""
    (tmp_path / "requirements.txt").write_text("# three\na==1.0\nb==2.0; sys_platform != 'win32'\nc==3.0\n")
    packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    names = ["pip-23.2.1", "setuptools-65.5.0", *(f"{name}-1.0" for name in "abc"[:others])]
    for name in names:
        (packages / f"{name}.dist-info").mkdir(parents=True)
    assert devenv.Environment(tmp_path, _no_step).installed() == said


_no_step: Callable[[Sequence[str], int], str] = lambda _command, _lock: ""  # noqa: E731
