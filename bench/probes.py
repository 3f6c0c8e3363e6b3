"""Clients in processes of their own that keep the times of their requests; see `bench/programs/probe.py`."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from .processes import ROOT, BenchError, python


@dataclass(frozen=True, slots=True)
class Seen:
    """One request: when it was due and answered, in seconds of the monotonic clock; status 0 if never."""

    operation: str
    due: float
    answered: float
    status: int

    @property
    def good(self) -> bool:
        """Whether it was answered as it should be."""
        return 200 <= self.status < 300

    @property
    def latency(self) -> float:
        """Seconds."""
        return self.answered - self.due


class Probe:
    """A running client. ``rate``: requests per second that all its connections offer; 0: all they can."""

    def __init__(
        self,
        address: str,
        operations: Sequence[str],
        *,
        connections: int = 1,
        rate: float = 0.0,
        keys: int = 1000,
        size: int = 100,
        seed: int = 1,
    ) -> None:
        interval = connections / rate if rate else 0.0
        options = [
            "--address",
            address,
            "--operations",
            ",".join(operations),
            "--connections",
            str(connections),
        ]
        options += [
            "--interval",
            str(interval),
            "--keys",
            str(keys),
            "--size",
            str(size),
            "--seed",
            str(seed),
        ]
        self._address = address
        self._popen = subprocess.Popen(
            python("bench.programs.probe", *options),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is for us; the closed pipe ends the probe, whatever becomes of us.
            start_new_session=True,
        )

    def wait_ready(self) -> None:
        """Wait until every connection has had an answer. Raises ``BenchError`` if the probe ends instead."""
        assert self._popen.stdout is not None
        if self._popen.stdout.readline() != "ready\n":
            raise BenchError(f"the client of {self._address} ended")

    def stop(self) -> list[Seen]:
        """End it; what it has seen, in the order of the answers. Raises ``BenchError`` if it had failed."""
        output, _ = self._popen.communicate()
        try:
            return [Seen(*record) for record in json.loads(output)]
        except ValueError as error:
            raise BenchError(f"the client of {self._address} failed") from error

    def kill(self) -> None:
        """End it without asking. No harm if it has ended."""
        self._popen.kill()
        self._popen.wait()


@contextmanager
def probing(probes: Iterable[Probe]) -> Iterator[list[Probe]]:
    """Probes that are ready, and gone at the end in any case."""
    with ExitStack() as stack:
        running = list(probes)
        for probe in running:
            stack.callback(probe.kill)
        for probe in running:
            probe.wait_ready()
        yield running


def between(seen: Iterable[Seen], begin: float, end: float) -> list[Seen]:
    """What was under way at some moment of [begin, end]."""
    return [each for each in seen if each.due <= end and each.answered >= begin]


def rest(seconds: float) -> float:
    """Let time pass, and tell the time."""
    time.sleep(seconds)
    return time.monotonic()
