"""A history cut into parts that can be judged on their own, and prepared for the search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .narrowing import END, START, Cluster, Interval, narrow
from .operations import Operation
from .verdict import Contradiction, shown


@dataclass(slots=True)
class Step:
    """One answered call. Its times are as narrow as what the others saw allows."""

    operation: Operation
    start: float
    end: float
    key: int
    """The index of its key; -1 for a listing."""
    reads: bool
    """It changes nothing: a read, or a delete of a key that was missing."""
    value: int
    """What a read sees, what the key holds after a write: the code of a value."""
    all: list[int] | None = None
    """What a listing sees, by key."""
    watches: tuple[tuple[int, int], ...] = ()
    """The watched values that it sees, with their keys."""

    @property
    def existed(self) -> bool | None:
        return self.operation.existed

    def sees(self) -> Sequence[int]:
        """The values that a read sees."""
        if self.all is not None:
            return self.all
        return (self.value,) if self.reads else ()


class Codes:
    """Numbers for what keys hold, so that whatever is the same to everybody is one number.

    With *n* keys: *k* below *n* is "key *k* is missing"; *n* is any value that nobody reads, under any key;
    each greater number is one value under one key.
    """

    def __init__(self, names: Sequence[str], operations: Iterable[Operation]) -> None:
        self.names = names
        self.key_of = {name: key for key, name in enumerate(names)}
        self.unread = len(names)
        self._codes: dict[tuple[str, str], int] = {}
        for operation in operations:
            if operation.what == "get" and operation.key in self.key_of:
                self._add(operation.key, operation.value)
            for name, value in (operation.items or {}).items():
                if name in self.key_of:
                    self._add(name, value)
        self.total = self.unread + 1 + len(self._codes)

    def _add(self, name: str, value: str | None) -> None:
        if value is not None:
            self._codes.setdefault((name, value), self.unread + 1 + len(self._codes))

    def of(self, name: str, value: str | None) -> int:
        return self.key_of[name] if value is None else self._codes.get((name, value), self.unread)


class Part:
    """Some keys of a history, with all that was done to them."""

    def __init__(
        self, names: Sequence[str], operations: Sequence[Operation], initial: Mapping[str, str], whole: bool
    ) -> None:
        self.codes = Codes(names, operations)
        self.whole = whole
        """Whether it has listings as such; otherwise they are one read of each key."""
        self.about = "all keys together" if whole else ", ".join(map(shown, names))
        """For messages."""
        self.first = [self.codes.of(name, initial.get(name)) for name in names]
        """What each key holds at the beginning."""
        self.steps: list[Step] = []
        """The answered calls, by start."""
        self.helpers: list[Operation] = []
        """The writes that nobody was told of, by start. Each may happen once, or not."""
        for operation in operations:
            if operation.what == "list":
                self.steps += self._listing(operation)
            elif operation.key not in self.codes.key_of:
                continue
            elif operation.known:
                self.steps.append(self._step(operation))
            else:
                self.helpers.append(operation)
        self.effects = [
            (self.codes.key_of[helper.key], self.codes.of(helper.key, helper.after))
            for helper in self.helpers
        ]
        """Of each helper: which key it changes, and what that holds then."""
        self.readers = [0] * self.codes.total
        """How many reads there are of each *watched* value: one that its key gets once at most."""
        self._index_helpers()
        self._watch()
        self.steps.sort(key=lambda step: step.start)

    def _step(self, operation: Operation) -> Step:
        reads = operation.what == "get" or (operation.what == "delete" and operation.existed is False)
        value = self.codes.of(operation.key, operation.after)
        key = self.codes.key_of[operation.key]
        return Step(operation, operation.start, operation.end, key, reads, value)

    def _listing(self, operation: Operation) -> list[Step]:
        items = operation.items or {}
        start, end = operation.start, operation.end
        values = [self.codes.of(name, items.get(name)) for name in self.codes.names]
        if self.whole:
            return [Step(operation, start, end, -1, True, -1, values)]
        return [Step(operation, start, end, key, True, value) for key, value in enumerate(values)]

    def _index_helpers(self) -> None:
        index_of = {id(helper): index for index, helper in enumerate(self.helpers)}
        self._rivals: list[int] = []
        """For each helper, a bit for each other one under its Idempotency-Key."""
        self._exact: dict[tuple[int, int], list[int]] = {}
        self._puts: dict[int, list[int]] = {}
        """By key; those whose value nobody reads first."""
        for index, helper in enumerate(self.helpers):
            key, value = self.effects[index]
            self._exact.setdefault((key, value), []).append(index)
            if helper.what == "put":
                self._puts.setdefault(key, []).append(index)
            rivals = (index_of.get(id(rival)) for rival in helper.rivals)
            self._rivals.append(sum(1 << rival for rival in rivals if rival is not None))
        for puts in self._puts.values():
            puts.sort(key=lambda put: self.effects[put][1])

    def exact(self, key: int, value: int, used: int, bound: float) -> Iterator[int]:
        """The choices of a helper that leaves this value and may happen before ``bound``.

        Those without rivals are all the same: taken now or later, the others remain. So one is enough, and
        with it no one that has rivals is worth trying.
        """
        able = [each for each in self._exact.get((key, value), ()) if self._may(each, used, bound)]
        free = next((each for each in able if not self._rivals[each]), None)
        yield from able if free is None else (free,)

    def any_put(self, key: int, used: int, bound: float) -> Iterator[int]:
        """The choices of a helper that puts a key, whatever its value.

        One without rivals whose value nobody reads is of no other use: the best choice.
        """
        for each in self._puts.get(key, ()):
            if self._may(each, used, bound):
                yield each
                if not self._rivals[each] and self.effects[each][1] == self.codes.unread:
                    return

    def _may(self, helper: int, used: int, bound: float) -> bool:
        began = self.helpers[helper].start <= bound
        return began and not used >> helper & 1 and not used & self._rivals[helper]

    def _watch(self) -> None:
        """Find the values that come once at most, and narrow the times by them. Raises ``Contradiction``."""
        intervals = [Interval(step.operation, step.start, step.end) for step in self.steps]
        origins: dict[int, list[Interval]] = {}
        for value in self.first:
            origins.setdefault(value, []).append(Interval(None, -math.inf, -math.inf))
        for (_, value), helper in zip(self.effects, self.helpers, strict=True):
            origins.setdefault(value, []).append(Interval(helper, helper.start, helper.end))
        for step, interval in zip(self.steps, intervals, strict=True):
            if not step.reads:
                origins.setdefault(step.value, []).append(interval)
        clusters: dict[int, tuple[int, list[Interval]]] = {}
        for step, interval in zip(self.steps, intervals, strict=True):
            watches = []
            for key, value in enumerate(step.sees(), max(step.key, 0)):
                if len(origins.get(value, ())) == 1:
                    self.readers[value] += 1
                    clusters.setdefault(value, (key, [*origins[value]]))[1].append(interval)
                    watches.append((key, value))
            step.watches = tuple(watches)
        of_key: list[list[Cluster]] = [[] for _ in self.first]
        for key, members in clusters.values():
            of_key[key].append(Cluster(members))
        for step, interval in zip(self.steps, intervals, strict=True):
            if not step.reads and step.value not in clusters:
                of_key[step.key].append(Cluster([interval]))
        narrow(of_key)
        for step, interval in zip(self.steps, intervals, strict=True):
            if interval.empty:
                raise self._no_time(interval)
            step.start, step.end = interval.bounds[START], -interval.bounds[END]

    def _no_time(self, interval: Interval) -> Contradiction:
        operations = [interval.operation, *interval.by]
        calls = {id(each): each.call for each in operations if each is not None}
        reason = (
            f"no time is left for a call about {self.about}: what was read puts it after one and before"
            " another of the following, or to the beginning"
        )
        return Contradiction(reason, calls.values())


def parts(operations: Sequence[Operation], initial: Mapping[str, str]) -> Iterator[Part]:
    """Every key on its own; then, if there are listings, all keys together.

    Without listings the keys do not depend on each other, unless requests for several were made under one
    Idempotency-Key: those are one part. With listings the parts are necessary and only the last one
    suffices, but a contradiction of one key is found much sooner, and explained better, on its own.
    """
    names = {operation.key for operation in operations if operation.what != "list"} | set(initial)
    for operation in operations:
        names.update(operation.items or ())
    listings = any(operation.what == "list" for operation in operations)
    for group in _groups(names, () if listings else operations):
        yield Part(sorted(group), operations, initial, False)
    if listings:
        yield Part(sorted(names), operations, initial, True)


def _groups(names: Iterable[str], operations: Iterable[Operation]) -> list[list[str]]:
    """The names in groups that hang together by rivals."""
    group_of = {name: [name] for name in sorted(names)}
    for operation in operations:
        for rival in operation.rivals:
            one, other = group_of[operation.key], group_of[rival.key]
            if one is not other:
                one += other
                group_of.update(dict.fromkeys(other, one))
    return list({id(group): group for group in group_of.values()}.values())


def merged(orders: Iterable[Sequence[Operation]]) -> list[Operation]:
    """One order of parts that do not depend on each other, each of which is in order.

    Give everything the earliest time that its own part allows, which is within its interval, and sort.
    """
    timed: list[tuple[float, Operation]] = []
    for order in orders:
        now = -math.inf
        for operation in order:
            now = max(now, operation.start)
            timed.append((now, operation))
    timed.sort(key=lambda entry: entry[0])
    return [operation for _, operation in timed]
