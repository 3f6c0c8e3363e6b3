"""Processes of a contender: started, accounted for, ended without fail. Linux only, by way of /proc.

Three things keep a run from leaving anything behind: ``stop`` in a ``finally``, signals that become
exceptions (``signals_as_exceptions``), and the kernel, which kills the children of a benchmark that was
killed itself (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds that anything may take to come up."""
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)

T = TypeVar("T")


class BenchError(Exception):
    """The measurement cannot go on; the text says why in one sentence."""


def signals_as_exceptions() -> None:
    """Let SIGTERM and SIGHUP end the program by way of its ``finally`` blocks, as Ctrl-C does.

    Ctrl-C as well, where a shell has started us in the background with SIGINT ignored.
    """

    def end(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)


def wait_until(condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Ask again and again until the condition holds, and return its value.

    A refused or broken connection counts as "not yet". Raises ``BenchError`` after ``patience`` seconds.
    """
    end = time.monotonic() + patience
    pause = 0.005
    while True:
        last = "false"
        try:
            value = condition()
            if value:
                return value
        except OSError as error:
            last = str(error)
        if time.monotonic() > end:
            raise BenchError(f"waited {patience:g} s in vain: {what} (last: {last})")
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)


class Ports:
    """Ports of this machine that stay ours: thousands of clients' connections take free ports as well.

    A socket that is bound and does not listen keeps the kernel from giving the port to anybody who asks for
    any port, while a server that sets SO_REUSEADDR can still listen on it.
    """

    def __init__(self) -> None:
        self._holders: list[socket.socket] = []

    def take(self) -> int:
        """A free port."""
        holder = socket.socket()
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((HOST, 0))
        self._holders.append(holder)
        return int(holder.getsockname()[1])

    def release(self) -> None:
        """Let all of them go."""
        for holder in self._holders:
            holder.close()
        self._holders.clear()


class Process:
    """One started program, the leader of a session of its own, with its output in a log file."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None):
        self.name = name
        self._log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=_environment(env or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_the_parent,  # noqa: PLW1509 - it only calls the kernel
            )

    @property
    def pid(self) -> int:
        """The id of the process that was started."""
        return self._popen.pid

    def check(self) -> None:
        """Raise ``BenchError`` with the last lines of the log if the process has ended."""
        status = self._popen.poll()
        if status is not None:
            tail = self._log.read_text(errors="replace")[-2000:]
            raise BenchError(f"{self.name} ended with status {status}:\n{tail}")

    def cpu(self) -> float:
        """Seconds of CPU that this process and its descendants have used until now."""
        return sum(_cpu(pid) for pid in family(self.pid))

    def rss(self) -> int:
        """Bytes of memory that this process and its descendants have resident."""
        return sum(_rss(pid) for pid in family(self.pid))

    def kill(self) -> None:
        """End it and whatever it started, at once. No harm if it has ended."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


@dataclass(frozen=True, slots=True)
class MachineCpu:
    """CPU seconds of the whole machine since it was started: used by anybody, and all there were."""

    used: float
    all: float

    @classmethod
    def now(cls) -> MachineCpu:
        """As /proc/stat has it; what the hypervisor gave to others counts as used."""
        fields = [
            int(field) / _TICKS for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        ]
        return cls(sum(fields) - fields[3] - fields[4], sum(fields))

    def foreign_since(self, known: float) -> float:
        """The share of the time since then that was used, apart from ``known`` seconds."""
        now = self.now()
        passed = now.all - self.all
        return max(0.0, (now.used - self.used - known) / passed) if passed else 0.0


def python(module: str, *arguments: str) -> list[str]:
    """The command line of a module under this interpreter."""
    return [sys.executable, "-m", module, *arguments]


def family(pid: int) -> Iterator[int]:
    """A process and all its descendants that live."""
    yield pid
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = listing.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


def _cpu(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    # utime, stime, and those of the children that were waited for; see proc(5).
    return sum(int(field) for field in fields[11:15]) / _TICKS


def _rss(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """Our environment without what would change a contender behind the measurement's back."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(("PBPROTO_", "ETCD_"))
        and name != "NODE_IDENTIFIER"
        and not name.lower().endswith("_proxy")
    }
    return kept | dict(extra)


def die_with_the_parent() -> None:
    """To run in a child before its program: the kernel kills it when the thread that started it is gone."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
