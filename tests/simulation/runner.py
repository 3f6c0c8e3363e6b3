"""Many runs at once, on all cores."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context

import progress

from .branches import branches_taken
from .pieces import PIECES
from .run import run as run_plan
from .run import run_seed
from .tally import Tally

CHUNK = 5


@dataclass(frozen=True, slots=True)
class Short:
    """How a run of a seed ended, in few bytes."""

    seed: int | str
    """The seed, or the name of a set piece."""
    check: str
    """Which check failed; empty if none did."""
    detail: str
    steps: int
    calls: int
    time: int
    digest: str
    tally: Tally
    hit: bytes = b""
    """Which branches this process has taken so far, if the core is an instrumented copy."""


@dataclass(slots=True)
class Summary:
    """What many runs came to."""

    runs: int = 0
    steps: int = 0
    calls: int = 0
    time: int = 0
    """Virtual nanoseconds."""
    seconds: float = 0.0
    """On the clock on the wall."""
    failed: list[Short] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    interrupted: bool = False
    """Somebody did not want to wait for the rest."""
    hit: int = 0
    """The branches that were taken, as the bits of a number, if the core is an instrumented copy."""

    def add(self, run: Short) -> None:
        self.runs += 1
        self.steps += run.steps
        self.calls += run.calls
        self.time += run.time
        self.tally.add(run.tally)
        self.hit |= int.from_bytes(run.hit, "little")
        if run.check:
            self.failed.append(run)


def run_short(seed: int | str) -> Short:
    """Run a seed, or a set piece by its name."""
    outcome = run_plan(PIECES[seed]) if isinstance(seed, str) else run_seed(seed)
    outcome.tally.message_faults.clear()
    violation = outcome.violation
    return Short(
        seed,
        violation.check if violation is not None else "",
        violation.detail if violation is not None else "",
        outcome.steps,
        len(outcome.history),
        outcome.time,
        outcome.digest,
        outcome.tally,
        branches_taken(),
    )


def run_many(seeds: Iterable[int | str], jobs: int, *, first_failure: bool = False) -> Iterator[Short]:
    """Run seeds in ``jobs`` processes; the results in the order of the seeds, as they come.

    ``first_failure``: end with the first run that fails.
    """
    with ExitStack() as stack:
        runs: Iterator[Short] = map(run_short, seeds)
        if jobs > 1:
            pool = stack.enter_context(_pool(jobs))
            stack.callback(pool.shutdown, cancel_futures=True)
            runs = pool.map(run_short, seeds, chunksize=CHUNK)
        for run in runs:
            yield run
            if first_failure and run.check:
                return


def _pool(jobs: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the same as any other process, whatever this one has loaded. Ctrl-C is for this
    # process alone.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    context = get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=signal.signal, initargs=ignore)


def summarize(runs: Iterable[Short], total: int) -> Summary:
    """Add runs up, and say which ones fail."""
    summary = Summary()
    began = time.monotonic()
    with progress.bar(total, "runs") as bar:
        try:
            for run in runs:
                summary.add(run)
                if run.check:
                    with bar.aside():
                        print(f"seed {run.seed}: {run.check}: {run.detail}", flush=True)
                bar.advance(1, f"{len(summary.failed)} failed")
        except KeyboardInterrupt:
            summary.interrupted = True
    summary.seconds = time.monotonic() - began
    return summary
