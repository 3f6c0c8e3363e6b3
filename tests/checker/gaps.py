"""Chooses which unanswered write stands at which missing number.

A *gap* is a number that no answered write has. A *stretch* is the part of one key's history between two
calls that fix its state, with gaps in it: what the key held before is known, and what it must hold at the
end. So all that a stretch asks for is that the last write to its key in it, if there is one, suits its end.
A stretch that does not suit as it is *demands* a write; the others must only not be spoiled.

First everything is settled that has one solution, and counted whether there are enough numbers and writes.
The rest is a search (``gap_search.py``).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from .operations import Operation
from .verdict import Contradiction, shown


@dataclass(frozen=True, slots=True)
class Gap:
    """A number that an unanswered write must have."""

    number: int
    latest: float
    """The first end of an answered call that stands after it: what fills it began by then."""
    index: int
    """How many answered calls stand before it."""
    next: Operation
    """The answered call that follows."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The gaps from ``first`` to before ``end``, and what one key must be like after them."""

    key: str
    first: int
    end: int
    before: str | None
    exact: bool
    """Whether the end must be ``value`` (``None``: missing), or only be there."""
    value: str | None
    by: Operation
    """Who saw the end."""
    since: Operation | None
    """Who fixed what was there before."""

    def suits(self, value: str | None) -> bool:
        return value == self.value if self.exact else value is not None

    def misfit(self) -> Contradiction:
        """That what was seen is not what must have been there."""
        saw = shown(self.value) if self.exact else "something"
        if self.by.writes:
            rule = "wrong existed"
        else:
            rule = "wrong listing" if self.by.what == "list" else "wrong value"
        reason = (
            f"{rule}: {shown(self.key)} held {shown(self.before)} before number {self.by.number},"
            f" but {saw} was found there"
        )
        if self.first < self.end:
            reason += ", and no unanswered write that may stand before it explains that"
        calls = [self.by.call] if self.since is None else [self.since.call, self.by.call]
        return Contradiction(reason, calls)


@dataclass(slots=True, eq=False)
class Filler:
    """An unanswered write that may fill a gap."""

    operation: Operation
    index: int
    earliest: int
    """The first gap that it may fill; from there on it may fill any."""
    only: Stretch | None = None
    """The stretch that needs it and nothing else."""
    rivals: int = 0
    """A bit for each filler that it excludes."""


def settle(gaps: Sequence[Gap], stretches: Sequence[Stretch], unknown: Sequence[Operation]) -> list[Filler]:
    """What may fill the gaps, with all settled that has one solution. Raises ``Contradiction``."""
    latest = [gap.latest for gap in gaps]
    fillers = [
        Filler(operation, index, bisect_left(latest, operation.start))
        for index, operation in enumerate(unknown)
    ]
    index_of = {id(filler.operation): filler.index for filler in fillers}
    for filler in fillers:
        filler.rivals = sum(1 << index_of[id(rival)] for rival in filler.operation.rivals)
    _count(gaps, fillers)
    demands = [stretch for stretch in stretches if not stretch.suits(stretch.before)]
    _reserve(demands, fillers)
    return fillers


def _count(gaps: Sequence[Gap], fillers: Sequence[Filler]) -> None:
    """Each gap has a write for itself that began in time, whatever it does."""
    earliest = sorted(filler.earliest for filler in fillers)
    for index, gap in enumerate(gaps):
        if bisect_right(earliest, index) <= index:
            reason = (
                f"gap that nothing fills: nobody was told of number {gap.number}, and too few unanswered"
                " writes began before a call with a higher number ended"
            )
            raise Contradiction(reason, (gap.next.call,))


def _reserve(demands: Sequence[Stretch], fillers: Sequence[Filler]) -> None:
    """Give every demand that one write alone can meet this write, until nothing changes.

    Then check that the demands have numbers enough: by the earliest deadline first, which is optimal for
    jobs of one unit.
    """
    by_key: dict[str, list[Filler]] = {}
    for filler in fillers:
        by_key.setdefault(filler.operation.key, []).append(filler)
    able = {
        index: [
            filler
            for filler in by_key.get(demand.key, ())
            if filler.earliest < demand.end and demand.suits(filler.operation.after)
        ]
        for index, demand in enumerate(demands)
    }
    starts = [
        max(demand.first, min((filler.earliest for filler in able[index]), default=0))
        for index, demand in enumerate(demands)
    ]
    waiting = set(able)
    while waiting:
        ready = [index for index in sorted(waiting) if len(able[index]) <= 1]
        if not ready:
            break
        for index in ready:
            waiting.discard(index)
            left = [filler for filler in able[index] if filler.only is None]
            if not left:
                raise demands[index].misfit()
            left[0].only = demands[index]
        for index in waiting:
            able[index] = [filler for filler in able[index] if filler.only is None]
    _schedule(demands, starts)


def _schedule(demands: Sequence[Stretch], starts: Sequence[int]) -> None:
    jobs = sorted(range(len(demands)), key=starts.__getitem__)
    queue: list[tuple[int, int]] = []
    at = slot = 0
    while at < len(jobs) or queue:
        if not queue:
            slot = max(slot, starts[jobs[at]])
        while at < len(jobs) and starts[jobs[at]] <= slot:
            heapq.heappush(queue, (demands[jobs[at]].end, jobs[at]))
            at += 1
        end, index = heapq.heappop(queue)
        if slot >= end:
            raise demands[index].misfit()
        slot += 1
