"""Runs cells round by round: contenders are started when their turn comes, and all take turns."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Self

import progress

from . import wrk
from .cells import Cell, Result, Results, Stand, arrange
from .contenders import Contender, make
from .processes import BenchError, MachineCpu
from .work import WORKS

WARM_UP = 1
"""Seconds of writing before a contender that was just started is measured."""

Maker = Callable[[str, int], Contender]


class Fleet:
    """The contenders that are up; at most ``resident`` at a time, the one that was used longest ago goes."""

    def __init__(self, resident: int, maker: Maker = make) -> None:
        self._resident = resident
        self._maker = maker
        self._up: OrderedDict[Stand, Contender] = OrderedDict()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._up:
            self._up.popitem()[1].stop()

    def get(self, stand: Stand) -> Contender:
        """The contender of a stand, started and loaded. Raises ``BenchError``."""
        if stand in self._up:
            self._up.move_to_end(stand)
            return self._up[stand]
        while len(self._up) >= self._resident:
            self._up.popitem(last=False)[1].stop()
        contender = self._maker(stand.contender, stand.nodes)
        if reason := contender.missing():
            raise BenchError(reason)
        self._up[stand] = contender
        contender.start_and_load(stand.keys, stand.size)
        self._warm_up(contender, stand)
        return contender

    def _warm_up(self, contender: Contender, stand: Stand) -> None:
        keys = max(1, stand.keys)
        wrk.run(
            contender.under(WORKS["put"], connections=8, seconds=WARM_UP, keys=keys, size=stand.size, seed=0)
        )


def possible(cell: Cell) -> bool:
    """Whether there is such a thing: a backup needs a second node that clients may talk to."""
    return not WORKS[cell.work].backup or (
        cell.stand.nodes > 1 and make(cell.stand.contender, cell.stand.nodes).backups
    )


def measure(contender: Contender, cell: Cell, seconds: int, round_: int, seed: int) -> Result:
    """One round of one cell. Raises ``BenchError`` if the contender did not survive it."""
    arguments = contender.under(
        WORKS[cell.work],
        connections=cell.connections,
        seconds=seconds,
        keys=max(1, cell.stand.keys),
        size=cell.stand.size,
        seed=seed + round_,
    )
    before, machine_before = contender.cpu(), MachineCpu.now()
    load = wrk.run(arguments)
    cpu = contender.cpu() - before
    foreign = machine_before.foreign_since(cpu + load.cpu)
    contender.check()
    return Result(
        cell=cell,
        round=round_,
        requests=load.requests,
        seconds=load.seconds,
        rate=load.rate,
        p50=load.p50,
        p99=load.p99,
        p999=load.p999,
        cpu_per_1000=cpu * 1000 / load.requests if load.requests else 0.0,
        rss=tuple(contender.rss()),
        rss_per_key=contender.rss_per_key,
        # No answer at all is no latency of zero.
        errors=load.errors or int(load.requests == 0),
        foreign=foreign,
    )


def run(
    cells: Sequence[Cell], *, rounds: int, seconds: int, seed: int, resident: int, maker: Maker = make
) -> Results:
    """Measure every cell once in each round. Progress goes to stderr. Raises ``BenchError``."""
    results = Results()
    with steps(rounds * len(cells)) as bar, Fleet(resident, maker) as fleet:
        for round_ in range(rounds):
            order = arrange(cells, round_, seed, resident)
            for turn, cell in enumerate(order):
                stand = cell.stand
                text = (
                    f"round {round_ + 1}/{rounds}, {turn + 1}/{len(order)}: {stand.contender} "
                    f"({stand.nodes}), {cell.work}, {cell.connections} connections, "
                    f"{stand.keys} keys of {stand.size} B"
                )
                with bar.step(text, seconds):
                    results.add(measure(fleet.get(stand), cell, seconds, round_, seed))
    return results


def steps(total: float, *, still: bool = False) -> AbstractContextManager[progress.Bar]:
    """How far a measurement is: a line that is written over at a terminal, elsewhere a line for each step.

    ``still``: what is measured runs in this process, and must not be disturbed by the drawing of a line.
    """
    return progress.bar(total, "steps", said=say, still=still)


def say(line: str) -> None:
    """A line of progress; it is no result, so it goes to stderr."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)
