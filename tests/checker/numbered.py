"""Judges a history by its numbers: ``Msg-Num`` says where every answered call stands, only gaps are open.

A write has the number of effective writes before it, a read the number of writes it has seen. So the
answered calls have one order, which is held against time and against a store that is replayed along it.
Where no answered write has a number, an unanswered one must have it. What may stand there is collected as
*stretches*, and ``gaps.py`` chooses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .gap_search import GapSearch
from .gaps import Gap, Stretch, settle
from .operations import Operation
from .verdict import Budget, Contradiction


def check_numbers(
    operations: Sequence[Operation], initial: Mapping[str, str], first_number: int, budget: Budget
) -> list[Operation]:
    """An order of all that happened, as a witness. Raises ``Contradiction``, ``OutOfSteps``."""
    known = [operation for operation in operations if operation.known]
    unknown = [operation for operation in operations if not operation.known]
    _check_present(known, first_number)
    known.sort(key=_place)
    _check_time(known)
    gaps = _find_gaps(known, len(unknown), first_number)
    replay = _Replay(dict(initial), frozenset(operation.key for operation in unknown))
    replay.run(known, gaps)
    fillers = settle(gaps, replay.stretches, unknown)
    chosen = GapSearch(gaps, replay.stretches, fillers, budget).run()
    return _merge(known, [filler.operation for filler in chosen], gaps)


def number_of(operation: Operation) -> int:
    """Its number; only for those that have passed ``_check_present``."""
    number = operation.number
    assert number is not None
    return number


def _place(operation: Operation) -> tuple[int, bool, float]:
    """Sorts answered calls. A read of n comes before the write n; reads of equal n by their ends."""
    return (number_of(operation), operation.writes, operation.end)


def _check_present(known: Iterable[Operation], first_number: int) -> None:
    writers: dict[int, Operation] = {}
    for operation in known:
        number = operation.number
        if number is None:
            raise Contradiction("an answer without a number", (operation.call,))
        if number < first_number:
            raise Contradiction(f"number {number} is below the first one, {first_number}", (operation.call,))
        if operation.writes:
            other = writers.setdefault(number, operation)
            if other is not operation:
                raise Contradiction(
                    f"duplicate number: two writes have {number}", (other.call, operation.call)
                )


def _check_time(known: Sequence[Operation]) -> None:
    """Nobody has a higher number than a call that began after its end."""
    latest: Operation | None = None
    for index, operation in enumerate(known):
        if latest is not None and operation.end < latest.start:
            reason = (
                f"numbers against time: the call at {number_of(operation)} had ended"
                f" before the one at {number_of(latest)} began"
            )
            raise Contradiction(reason, (operation.call, latest.call), (each.call for each in known[:index]))
        if latest is None or operation.start > latest.start:
            latest = operation


def _find_gaps(known: Sequence[Operation], unknown: int, first_number: int) -> list[Gap]:
    """Every number that no answered write has and that someone has seen the end of.

    Bounded by the number of unanswered writes, however large a wrong number is.
    """
    gaps: list[Gap] = []
    following = first_number
    # What fills a gap began before any call that stands after it ended.
    ends = [math.inf] * (len(known) + 1)
    for index in range(len(known) - 1, -1, -1):
        ends[index] = min(ends[index + 1], known[index].end)
    for index, operation in enumerate(known):
        number = number_of(operation)
        while following < number:
            if len(gaps) == unknown:
                reason = (
                    f"gap that nothing fills: nobody was told of number {following}, which comes before"
                    f" {number}; {unknown} unanswered writes stand against more missing numbers"
                )
                raise Contradiction(reason, (operation.call,), (each.call for each in known[:index]))
            gaps.append(Gap(following, ends[index], index, operation))
            following += 1
        if operation.writes:
            following = number + 1
    return gaps


@dataclass(slots=True)
class _Replay:
    """Replays the answered calls on a store, and notes what the gaps between them must bring about.

    After each call the exact state of its key is known again: of a write it is what was written, of a read
    what was seen. So only the first call that touches a key after a gap can depend on what filled the gap.
    """

    store: dict[str, str]
    open_keys: frozenset[str]
    """Keys that an unanswered write may change."""
    stretches: list[Stretch] = field(default_factory=list)
    last: dict[str, Operation] = field(default_factory=dict)
    """Who last fixed the state of a key."""
    fixed: set[str] = field(default_factory=set)
    """Open keys that were fixed since the last gap."""
    since: dict[str, int] = field(default_factory=dict)
    """How many gaps lay before the call that last fixed the state of a key."""
    passed: int = 0
    """Gaps so far."""

    def run(self, known: Sequence[Operation], gaps: Sequence[Gap]) -> None:
        for index, operation in enumerate(known):
            before = self.passed
            while self.passed < len(gaps) and gaps[self.passed].index <= index:
                self.passed += 1
            if self.passed > before:
                self.fixed.clear()
            try:
                self.step(operation)
            except Contradiction as found:
                found.order = tuple(each.call for each in known[:index])
                raise

    def step(self, operation: Operation) -> None:
        if operation.what == "list":
            items = operation.items or {}
            for key in sorted(self.open_keys - self.fixed):
                self.see(key, operation, True, items.get(key))
            if items != self.store:
                for key in sorted(items.keys() | self.store.keys()):
                    self.see(key, operation, True, items.get(key))
            return
        key = operation.key
        if operation.what == "get":
            self.see(key, operation, True, operation.value)
            return
        if operation.existed is not None:
            self.see(key, operation, not operation.existed, None)
        self.fix(key, operation, operation.after)

    def see(self, key: str, operation: Operation, exact: bool, value: str | None) -> None:
        """The key must hold this value (``exact``; ``None``: be missing), or be there at all."""
        before = self.store.get(key)
        first = self.since.get(key, 0)
        open_ = key in self.open_keys and first < self.passed
        if open_ or ((before != value) if exact else (before is None)):
            stretch = Stretch(key, first, self.passed, before, exact, value, operation, self.last.get(key))
            if not open_:
                raise stretch.misfit()
            self.stretches.append(stretch)
        if exact:
            self.fix(key, operation, value)

    def fix(self, key: str, operation: Operation, value: str | None) -> None:
        """From here on the state of the key is known."""
        if value is None:
            self.store.pop(key, None)
        else:
            self.store[key] = value
        self.last[key] = operation
        if key in self.open_keys:
            self.fixed.add(key)
            self.since[key] = self.passed


def _merge(known: Sequence[Operation], chosen: Sequence[Operation], gaps: Sequence[Gap]) -> list[Operation]:
    """The answered calls, with what fills each gap before the call that stands after it."""
    order: list[Operation] = []
    at = 0
    for gap, filler in zip(gaps, chosen, strict=True):
        order += known[at : gap.index]
        order.append(filler)
        at = gap.index
    return [*order, *known[at:]]
