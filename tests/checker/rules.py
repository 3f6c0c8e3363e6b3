"""What can be said against a history without a search: common violations, each named, in O(n log n).

Every rule here is necessary: it is broken by histories only that are not linearizable. They do not suffice;
the search decides. The rules of one key are those of Gibbons and Korach, "Testing shared memories" (1997):
a value that was written once and read again is in place from the first end to the last start among its
write and its reads, its *zone*; zones of one key do not overlap, and nothing that contradicts a value
happens inside its zone.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .history import Call
from .operations import Operation
from .verdict import Contradiction, shown


@dataclass(slots=True)
class OneKey:
    """All that was done and seen under one key."""

    key: str
    first: str | None
    """What it holds when the history begins."""
    puts: dict[str, list[Operation]] = field(default_factory=dict)
    deletes: list[Operation] = field(default_factory=list)
    """Those that may have removed something."""
    seen: dict[str | None, list[Operation]] = field(default_factory=dict)
    """Who saw which value; a write that was told that the key was missing saw nothing, ``None``."""
    there: list[Operation] = field(default_factory=list)
    """Writes that were told that the key existed."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time.

    A zone: from the first end to the last start among the calls of a value, all of which it is in place.
    Otherwise, if the last start comes first: from there to the first end, at some point of which it is.
    """

    low: float
    high: float
    low_by: Operation | None
    """Whose end or start this is; ``None``: the beginning of the history."""
    high_by: Operation

    @property
    def calls(self) -> tuple[Call, ...]:
        if self.low_by is None or self.low_by is self.high_by:
            return (self.high_by.call,)
        return (self.low_by.call, self.high_by.call)


def check_rules(operations: Sequence[Operation], refused: Iterable[Call], initial: Mapping[str, str]) -> None:
    """Check every key on its own. ``refused``: the calls that were ``not_applied``. Raises
    ``Contradiction``."""
    values = {(call.key, call.value): call for call in refused if call.what == "put"}
    for one in by_key(operations, initial).values():
        _origins(one, values)
        _presence(one)
        _zones(one)


def by_key(operations: Iterable[Operation], initial: Mapping[str, str]) -> dict[str, OneKey]:
    """The history of each key. A listing is a read of every key."""
    operations = list(operations)
    names = {operation.key for operation in operations if operation.what != "list"} | set(initial)
    for operation in operations:
        names.update(operation.items or ())
    keys = {name: OneKey(name, initial.get(name)) for name in sorted(names)}
    for operation in operations:
        if operation.what == "list":
            items = operation.items or {}
            for name, one in keys.items():
                one.seen.setdefault(items.get(name), []).append(operation)
            continue
        one = keys[operation.key]
        if operation.what == "get":
            one.seen.setdefault(operation.value, []).append(operation)
            continue
        if operation.existed is False:
            one.seen.setdefault(None, []).append(operation)
        elif operation.existed:
            one.there.append(operation)
        if operation.what == "put" and operation.value is not None:
            one.puts.setdefault(operation.value, []).append(operation)
        elif operation.existed is not False:
            one.deletes.append(operation)
    return keys


def _origins(one: OneKey, refused: Mapping[tuple[str, str | None], Call]) -> None:
    """Every value that was read was written before the read ended."""
    key = shown(one.key)
    for value, readers in one.seen.items():
        if value is None or value == one.first:
            continue
        writers = one.puts.get(value, [])
        first = min(readers, key=lambda reader: reader.end)
        if not writers:
            writer = refused.get((one.key, value))
            if writer is None:
                raise Contradiction(f"value never written: {key} = {shown(value)} was read", (first.call,))
            reason = f"not_applied seen: {key} = {shown(value)} was read, and its put was refused for certain"
            raise Contradiction(reason, (writer, first.call))
        writer_op = min(writers, key=lambda writer: writer.start)
        if writer_op.start > first.end:
            reason = f"read from the future: {key} = {shown(value)} was read before its put began"
            raise Contradiction(reason, (first.call, writer_op.call))


def _presence(one: OneKey) -> None:
    """A key comes with a put and goes with a delete."""
    key = shown(one.key)
    puts = [put for puts in one.puts.values() for put in puts]
    first_put = min((put.start for put in puts), default=math.inf)
    first_delete = min((delete.start for delete in one.deletes), default=math.inf)
    if one.first is None:
        for write in one.there:
            if write.end < first_put or puts == [write]:
                reason = f"wrong existed: {key} cannot have existed, no put of it began before"
                raise Contradiction(reason, (write.call,))
    missing = [read for read in one.seen.get(None, ()) if read.end < first_delete]
    if not missing:
        return
    last = max(missing, key=lambda read: read.start)
    if one.first is not None:
        reason = f"lost write: {key} was there at the beginning and was missing before any delete of it began"
        raise Contradiction(reason, (last.call,))
    proofs = [
        *puts,
        *one.there,
        *(read for value, seen in one.seen.items() if value is not None for read in seen),
    ]
    proof = min(proofs, key=lambda operation: operation.end, default=None)
    if proof is not None and proof.end < last.start:
        reason = f"lost write: {key} was there and was missing later, before any delete of it began"
        raise Contradiction(reason, (proof.call, last.call))


def _zones(one: OneKey) -> None:
    """What must be so all the time in a span, against what must be so at a point, or in another span."""
    zones: list[tuple[str, Span]] = []
    points: list[Span] = []
    for value, readers in one.seen.items():
        writers = one.puts.get(value, []) if value is not None else []
        at_first = value is not None and value == one.first
        if value is None or len(writers) + at_first != 1:
            points += [_point(reader) for reader in readers]
            continue
        cluster = [*writers, *readers]
        low_by = None if at_first else min(cluster, key=lambda operation: operation.end)
        high_by = max(cluster, key=lambda operation: operation.start)
        low = -math.inf if low_by is None else low_by.end
        if low < high_by.start:
            zones.append((value, Span(low, high_by.start, low_by, high_by)))
        elif low_by is not None:
            points.append(Span(high_by.start, low, high_by, low_by))
    for value, writers in one.puts.items():
        unread = value not in one.seen or len(writers) + (value == one.first) != 1
        points += [_point(writer) for writer in writers if unread and writer.known]
    points += [_point(delete) for delete in one.deletes if delete.known]
    _compare(one.key, zones, points)


def _point(operation: Operation) -> Span:
    return Span(operation.start, operation.end, operation, operation)


def _compare(key: str, zones: list[tuple[str, Span]], points: list[Span]) -> None:
    zones.sort(key=lambda zone: zone[1].low)
    for (value, zone), (other_value, other) in pairwise(zones):
        if other.low < zone.high:
            reason = (
                f"values alternate: {shown(key)} held {shown(value)} and {shown(other_value)} in turns,"
                " and each was written once"
            )
            raise Contradiction(reason, (*zone.calls, *other.calls))
    points.sort(key=lambda point: point.low)
    lows = [point.low for point in points]
    # The point that ends first among those that start here or later.
    first_ends = list(_first_ends(points))
    for value, zone in zones:
        at = bisect_right(lows, zone.low)
        if at < len(points) and (inner := first_ends[at]).high < zone.high:
            raise Contradiction(_story(key, value, inner), (*zone.calls, *inner.calls))


def _first_ends(points: Sequence[Span]) -> Iterator[Span]:
    best: list[Span] = []
    for point in reversed(points):
        best.append(point if not best or point.high <= best[-1].high else best[-1])
    return reversed(best)


def _story(key: str, value: str, inner: Span) -> str:
    """Name what happened inside the zone of a value that was seen again after it."""
    what = f"{shown(key)} = {shown(value)}"
    between = inner.high_by
    if between.what == "delete" and between.existed is not False:
        return f"value resurrected: {what} was read by a call that began after a delete in between had ended"
    if between.what == "put" and between.existed is not False:
        return f"stale read: {what} was read by a call that began after another put in between had ended"
    if between.writes:
        return f"wrong existed: {what} was there before and after a write that was told that it was missing"
    return f"read out of order: {what} was there before and after a read that did not see it"
