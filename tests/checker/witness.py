"""Replays the order that a verdict gives, so that nobody has to believe the checker when it says ok."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from .history import Call


def explains(
    order: Sequence[Call],
    history: Sequence[Call],
    *,
    numbers: bool,
    initial: Mapping[str, str] | None = None,
    first_number: int = 0,
) -> None:
    """Assert that every answer of the history is what this order of its calls makes true.

    An operation with a name stands in the order once, by one of its calls.
    """
    assert not {id(call) for call in order} - {id(call) for call in history}
    assert max(Counter(id(call) for call in order).values(), default=1) == 1
    begun = _begun(history)
    names = [call.name for call in order if call.name]
    assert len(names) == len(set(names))
    placed = {id(call) for call in order}
    for call in history:
        if call.outcome == "ok" and id(call) not in placed:
            assert call.writes
            assert call.name in names
    store = dict(initial or {})
    count = first_number
    latest: float = -math.inf
    for call in order:
        latest = max(latest, begun[id(call)])
        for other in _attempts(call, history):
            if other.outcome == "ok" and other.end is not None:
                assert other.end >= latest, (other, latest)
            if numbers and other.outcome == "ok":
                assert other.number == count, (other, count)
            if other.outcome == "ok" and other.existed is not None:
                assert other.existed == (other.key in store), (other, store)
        assert call.outcome != "not_applied"
        if call.what == "get":
            assert call.value == store.get(call.key), (call, store)
        elif call.what == "list":
            assert call.items == store, (call, store)
        else:
            count += 1
            if call.what == "put":
                store[call.key] = str(call.value)
            else:
                store.pop(call.key, None)


def _attempts(call: Call, history: Sequence[Call]) -> Sequence[Call]:
    if not (call.name and call.writes):
        return [call]
    return [other for other in history if other.writes and other.name == call.name]


def _begun(history: Sequence[Call]) -> dict[int, int]:
    """When each call may have had its effect first: with the first attempt at the same request."""
    first: dict[tuple[str, str, str, str | None], int] = {}
    for call in history:
        if call.name and call.outcome != "not_applied":
            request = (call.name, call.what, call.key, call.value)
            first[request] = min(call.start, first.get(request, call.start))
    return {id(call): first.get((call.name, call.what, call.key, call.value), call.start) for call in history}
