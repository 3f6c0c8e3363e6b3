"""Runs wrk, the load generator, and reads what it has measured."""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from .processes import BenchError, die_with_the_parent
from .work import Work

SCRIPT = Path(__file__).with_name("wrk.lua")
HOW_TO_GET = "wrk is not installed (Debian and Ubuntu: apt install wrk; macOS: brew install wrk)"
TIMEOUT = "60s"
"""After this wrk calls a request timed out; longer than any contender lets a client wait."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk has measured. Latencies in seconds."""

    requests: int
    seconds: float
    received: int
    p50: float
    p99: float
    p999: float
    longest: float
    errors: int
    cpu: float
    """CPU seconds that wrk itself used."""
    statuses: Mapping[str, int]
    """How often each status came, where that was asked for; ``503 with Retry-After`` apart from ``503``."""

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def available() -> bool:
    """Whether wrk can be started."""
    return shutil.which("wrk") is not None


def command(
    url: str,
    work: Work,
    *,
    dialect: str,
    connections: int,
    seconds: int,
    keys: int,
    size: int,
    seed: int,
    think: int = 0,
    count_statuses: bool = False,
) -> list[str]:
    """The command line of wrk. ``seconds`` is a whole number, as wrk wants; ``think`` is in milliseconds."""
    expected = ",".join(str(status) for status in work.expected) or ("count" if count_statuses else "none")
    mix = ",".join(f"{operation}:{weight}" for operation, weight in work.mix)
    options = ["-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", TIMEOUT]
    details = [dialect, mix, str(keys), work.keys, str(size), str(seed), expected, str(think)]
    return ["wrk", *options, "-s", str(SCRIPT), url, "--", *details]


def parse(output: str, cpu: float = 0.0) -> Load:
    """The line that the script prints at the end. Raises ``BenchError`` where there is none."""
    for line in output.splitlines():
        if line.startswith("result "):
            return _load(json.loads(line.removeprefix("result ")), cpu)
    raise BenchError(f"wrk printed no result: {output[-500:]!r}")


def _load(result: dict[str, Any], cpu: float) -> Load:
    statuses: Counter[str] = Counter()
    for name, times in result["statuses"]:
        statuses[name] += times
    return Load(
        requests=result["requests"],
        seconds=result["microseconds"] / 1e6,
        received=result["bytes"],
        p50=result["p50"] / 1e6,
        p99=result["p99"] / 1e6,
        p999=result["p999"] / 1e6,
        longest=result["longest"] / 1e6,
        errors=result["bad_status"] + result["broken"] + result["timeouts"],
        cpu=cpu,
        statuses=dict(statuses),
    )


class Running:
    """wrk at work, so that something else can be watched meanwhile."""

    def __init__(self, arguments: list[str]) -> None:
        if not available():
            raise BenchError(HOW_TO_GET)
        self._before = _children_cpu()
        self._popen = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=die_with_the_parent,  # noqa: PLW1509 - it only calls the kernel
        )

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self._popen.poll() is not None

    def result(self) -> Load:
        """Wait for its end. Raises ``BenchError`` if it failed."""
        output, complaint = self._popen.communicate()
        if self._popen.returncode != 0:
            raise BenchError(f"wrk failed: {(complaint or output)[-500:]}")
        return parse(output, _children_cpu() - self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """It is gone at the end in any case."""
        self._popen.kill()
        self._popen.wait()


def run(arguments: list[str]) -> Load:
    """Run wrk to its end. Raises ``BenchError`` if it is missing or fails."""
    with Running(arguments) as running:
        return running.result()


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
