"""The command as users start it: a process, at a real cluster, at a terminal and without one."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import ROOT, Cluster, Node, _environment, wait_until, watchdog

PBKV = [sys.executable, "-m", "pbkv"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes, one of each frontend, of which the first is started by ``pbkv serve``."""
    with Cluster(tmp_path_factory.mktemp("cli"), "mixed", 2) as cluster:
        first = cluster.nodes[1]
        cluster.nodes[1] = Served(1, first.frontend, first.address, first.log)
        cluster.start_all()
        cluster.install([1, 2])
        yield cluster
        cluster.assert_none_died()


class Served(Node):
    """A node that ``pbkv serve`` runs."""

    def command(self) -> list[str]:
        return [*PBKV, "serve", "--frontend", self.frontend, "--id", str(self.id), "--bind", self.address]


def environment(cluster: Cluster, **more: str) -> dict[str, str]:
    nodes = ",".join(node.url for node in cluster.nodes.values())
    return _environment({"PBKV_NODES": nodes, "TERM": "xterm", "COLUMNS": "120", **more})


def pbkv(
    cluster: Cluster, *arguments: str, given: bytes = b"", **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        [*PBKV, *arguments],
        cwd=ROOT,
        env=environment(cluster, **more),
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_value_goes_in_and_out(cluster: Cluster) -> None:
    """Goal: bytes and exit statuses are right where a shell sees them. Method: pipes, in a locale that has
    none of these characters; what is no UTF-8."""
    value = "\U0001f600\r\n€".encode()
    assert pbkv(cluster, "put", "a/../b", "-", given=value).returncode == 0
    result = pbkv(cluster, "get", "--raw", "a/../b", PYTHONUTF8="0", PYTHONIOENCODING="latin-1")
    assert (result.returncode, result.stdout) == (0, value)
    listed = pbkv(cluster, "list", PYTHONUTF8="0", PYTHONIOENCODING="latin-1")
    assert (listed.returncode, listed.stdout) == (0, b"a/../b\t\\U0001f600\\r\\n\\u20ac\n")
    result = pbkv(cluster, "put", "k", "-", given=b"\xff")
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"Traceback" not in result.stderr


@pytest.mark.parametrize("missing", ["click", "httpx", "rich"])
def test_what_is_not_installed_is_named(missing: str) -> None:
    """Goal: the bare core can be installed alone; `pbkv` says what it lacks, and the package can be imported
    (pytest does, in every run). Method: hide a library from a new interpreter."""
    hide = f"import sys; sys.modules[{missing!r}] = None; import pbkv; from pbkv.__main__ import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", hide], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == [
        f"pbkv: {missing} is not installed",
        "      install it with: pip install 'pbproto[cli]'",
    ]


def test_a_reader_that_goes_away(cluster: Cluster) -> None:
    """Goal: ``pbkv list | head`` ends quietly. Method: a pipe that nobody reads any more."""
    cluster.node(1).put("long", "x" * 300_000)
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [*PBKV, "list"], cwd=ROOT, env=environment(cluster), stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (141, b"")


@contextlib.contextmanager
def watching(cluster: Cluster, stdout: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """``watch-status`` in a process of its own, which is over afterwards."""
    process = subprocess.Popen(
        [*PBKV, "watch-status", "--interval", "0.05", *arguments],
        cwd=ROOT,
        env=environment(cluster),
        stdout=stdout,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    watchdog.guard(process.pid)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        watchdog.release(process.pid)


def test_changes_are_seen_and_ctrl_c_ends_it(cluster: Cluster, tmp_path: Path) -> None:
    """Goal: a line for each change, into a file at once, and a clean end. Method: tell views by the command
    while it watches; then interrupt it."""
    out = tmp_path / "lines"
    with out.open("wb") as file, watching(cluster, file.fileno(), "--json") as process:

        def seen() -> list[tuple[int, str, int]]:
            whole = out.read_text().rpartition("\n")[0]  # the last line may be on its way
            lines = [json.loads(each) for each in whole.splitlines()]
            known = [each["status"] for each in lines if each["answered"]]
            return [(each["id"], each["status"], len(each["view"])) for each in known]

        wait_until(lambda: {(1, "active", 2), (2, "active", 2)} <= set(seen()), "both nodes were shown")
        told = pbkv(cluster, "view", "set", f"1={cluster.node(1).address}", "--wait")
        assert (told.returncode, told.stderr) == (0, b"")
        wait_until(lambda: {(1, "active", 1), (2, "outside", 1)} <= set(seen()), "the change was shown")
        again = [f"{each.id}={each.address}" for each in cluster.nodes.values()]
        assert pbkv(cluster, "view", "set", *again, "--wait").returncode == 0
        wait_until(lambda: seen().count((2, "active", 2)) >= 2, "the way back was shown")
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=30)
    assert process.returncode == 130
    assert words.strip() == b""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_terminal_is_left_as_it_was(cluster: Cluster, number: signal.Signals, status: int) -> None:
    """Goal: a live table, and the cursor is back after it. Method: a pseudo-terminal, and a signal."""
    ours, theirs = pty.openpty()
    text = b""
    with watching(cluster, theirs) as process:
        os.close(theirs)
        os.set_blocking(ours, False)

        def read() -> bytes:
            nonlocal text
            with contextlib.suppress(OSError):  # nothing there now, or the other end is closed
                text += os.read(ours, 65536)
            return text

        def over() -> bool:
            read()
            return process.poll() is not None

        wait_until(lambda: read().count(b"primary") >= 2, "the table was drawn twice")
        process.send_signal(number)
        wait_until(over, "it has ended")
        while len(text) < len(read()):
            pass
    os.close(ours)
    assert process.returncode == status
    assert text.rindex(b"\x1b[?25h") > text.rindex(b"\x1b[?25l")
    assert b"Traceback" not in text


def test_a_terminal_hears_of_a_node_that_is_silent() -> None:
    """Goal: it happens while an attempt hangs, by the clock of the machine, in a real process. Method: a
    listener that answers nobody, standard error at a pseudo-terminal; read until the word is there."""
    ours, theirs = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        node = f"127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [*PBKV, "--node", node, "list"], cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        try:
            words = b""
            while b"Ctrl-C" not in words:
                words += os.read(ours, 1024)
        finally:
            process.kill()
            process.communicate()
            os.close(ours)
    assert f"(http://{node}: the answer is not there yet" in words.decode().replace("\r\n", "")
