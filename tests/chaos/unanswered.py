"""What became of the writes that nobody was told of, as far as others could see it.

Calls that were answered ok stand in one order, by their numbers. A number that nobody was told of is a write
that took effect unanswered. Which one is often open, but a value is written by one request only: who read it
saw that one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.checker.history import Call


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Writes of which no attempt was answered ok, and of which one at least may have happened."""

    writes: int = 0
    effective: int = 0
    """So many took effect before somebody was answered."""
    seen: int = 0
    """So many puts of which the value was read."""
    late: int = 0
    """So many of these certainly took effect after the last client that asked for them had given up."""


Request = tuple[str, str, str, str | None]


def unanswered(history: Iterable[Call], order: Sequence[Call]) -> Unanswered:
    """What ``order``, in which a verdict puts this history by its numbers, says of its unanswered writes."""
    calls = tuple(history)
    answered = {_request(call) for call in calls if call.name and call.outcome == "ok"}
    given_up = _given_up(calls)
    waited: dict[Request, float] = {}
    writes = 0
    for call in calls:
        if call.writes and call.outcome == "unknown" and not (call.name and _request(call) in answered):
            request = _request(call)
            writes += not (call.name and request in waited)
            waited[request] = max(given_up[id(call)], waited.get(request, 0))
    puts = {(key, value): until for (_, what, key, value), until in waited.items() if what == "put"}
    seen, late = _sightings([call for call in order if call.outcome == "ok"], puts)
    return Unanswered(writes, sum(call.outcome == "unknown" for call in order), seen, late)


def _request(call: Call) -> Request:
    return call.name, call.what, call.key, call.value


def _given_up(calls: Iterable[Call]) -> dict[int, float]:
    """By which time nobody waited for a call any more: a client asks nothing else before."""
    of: dict[int, list[Call]] = {}
    for call in calls:
        of.setdefault(call.client, []).append(call)
    found: dict[int, float] = {}
    for theirs in of.values():
        theirs.sort(key=lambda call: call.start)
        for call, following in pairwise(theirs):
            found[id(call)] = following.start if call.end is None else call.end
        found[id(theirs[-1])] = math.inf if theirs[-1].end is None else theirs[-1].end
    return found


def _sightings(order: Iterable[Call], puts: Mapping[tuple[str, str | None], float]) -> tuple[int, int]:
    """How many of ``puts`` were read, and how many of them certainly happened after all had given up.

    A put happened after the last call that found something else under its key, and whatever stands up to
    there in the order had begun by then.
    """
    keys = {key for key, _ in puts}
    seen: set[tuple[str, str | None]] = set()
    late = 0
    begun = 0
    known: dict[str, int] = {}
    for call in order:
        begun = max(begun, call.start)
        for key, value in _states(call, keys):
            if (key, value) in puts and (key, value) not in seen:
                seen.add((key, value))
                late += known.get(key, 0) > puts[key, value]
            known[key] = begun
    return len(seen), late


def _states(call: Call, keys: Iterable[str]) -> Iterable[tuple[str, str | None]]:
    """What stands under which keys after a call, as far as it says."""
    if call.what == "list":
        items = call.items or {}
        return [(key, items.get(key)) for key in keys]
    return [(call.key, None if call.what == "delete" else call.value)]
