"""A shell, and programs in the foreground of a terminal, as a reader of the pages would use them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import selectors
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx

from tests.live.harness import wait_until, watchdog

PATIENCE = 60.0
"""Seconds: a bound for a loaded machine, not an expectation."""
CLEAN_UP = 3.0
"""Seconds that an interrupted program has for tidying up."""


_CONTROL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
"""The terminal must control the program, or its Ctrl-C would not reach it, and it would not ask for lines."""


def _replacing_the_shell(command: str) -> str:
    """A command with its variables in front, run in place of the shell, which would wait for its end."""
    return re.sub(r"^((?:\w+=\S*\s+)*)", r"\1exec ", command)


class Shell:
    """One bash for all the commands of a page."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        watchdog.guard(self._process.pid)

    def run(self, command: str) -> tuple[int, str]:
        """The status of a command, and what it printed."""
        assert self._process.stdin is not None
        end = uuid.uuid4().hex
        # A command that reads its input must not get the next ones.
        lines = f"{{ {command}\n}} </dev/null\nprintf '\\n{end} %d\\n' $?\n"
        self._process.stdin.write(lines.encode())
        self._process.stdin.flush()
        printed, _, rest = self._read(f"\n{end} ", command).partition(f"\n{end} ")
        return int(rest), printed

    def _read(self, end: str, command: str) -> str:
        assert self._process.stdout is not None
        deadline, got = time.monotonic() + PATIENCE, b""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while not (end.encode() in got and got.endswith(b"\n")):
                left = deadline - time.monotonic()
                assert left > 0, f"{command!r} does not come to an end:\n{got.decode(errors='replace')}"
                if selector.select(left):
                    piece = os.read(self._process.stdout.fileno(), 65536)
                    assert piece, f"{command!r} ended the shell:\n{got.decode(errors='replace')}"
                    got += piece
        return got.decode(errors="replace")

    def close(self) -> None:
        """End the shell and what it left behind."""
        kill_group(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class Program:
    """A program that runs until it is ended, at a terminal of its own, where lines can be typed."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.command = command
        self._raw = ""
        self._seen = 0
        self._ended = False
        self._terminal, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _CONTROL, "bash", "-c", _replacing_the_shell(command)],
            cwd=folder,
            env={**environment, "TERM": "dumb", "INPUTRC": os.devnull},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        watchdog.guard(self.process.pid)
        os.close(other)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A terminal that lost its last program says so with an error.
        with contextlib.suppress(OSError):
            while piece := os.read(self._terminal, 65536):
                self._raw += piece.decode(errors="replace")

    @property
    def output(self) -> str:
        """What it has printed, without what only moves the cursor."""
        return self._raw.replace("\r", "").replace("\x1b[K", "")

    def skip(self) -> None:
        """Take what was printed until now as seen."""
        self._seen = len(self.output)

    def wait_for(self, found: Callable[[str], int], what: str) -> str:
        """Wait until ``found`` knows where in the new output to stop; return that part of it."""
        deadline = time.monotonic() + PATIENCE
        while (end := found(self.output[self._seen :])) < 0:
            trouble = f"{self.command!r}: waited in vain for {what}; it printed:\n{self.output}"
            assert time.monotonic() < deadline, trouble
            # What it printed last is read to its end before it counts as over.
            assert self._reader.is_alive() or found(self.output[self._seen :]) >= 0, trouble
            time.sleep(0.01)
        text = self.output[self._seen : self._seen + end]
        self._seen += end
        return text

    def expect(self, text: str) -> str:
        """Wait until it prints this; return what it has printed since the last time."""

        def found(output: str) -> int:
            at = output.find(text)
            return at if at < 0 else at + len(text)

        return self.wait_for(found, repr(text))

    def wait_until_up(self, text: str) -> None:
        """Wait until it prints this text or, for ``GET URL``, until that is answered by 200."""
        if not text.startswith("GET "):
            self.expect(text)
            return
        url = text.removeprefix("GET ")

        def answers() -> bool:
            assert self.process.poll() is None, f"{self.command!r} has ended:\n{self.output}"
            # Whether it answers; that its certificate is right is what the page's own commands show.
            return httpx.get(url, trust_env=False, verify=False).status_code == 200

        wait_until(answers, f"{self.command!r} answers {url}", PATIENCE)

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._terminal, f"{line}\n".encode())

    def end(self) -> None:
        """Interrupt it, and kill it if it goes on. Safe to call twice."""
        if self._ended:
            return
        self._ended = True
        if self.process.poll() is None:
            os.write(self._terminal, b"\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(CLEAN_UP)
        kill_group(self.process)
        self._reader.join(PATIENCE)
        os.close(self._terminal)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group, if it leads one, and wait for it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait(PATIENCE)
    watchdog.release(process.pid)
