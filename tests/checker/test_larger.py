"""Histories of the size of real ones: good ones pass, one corrupted call is found, and every search ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from random import Random

import pytest

from .cases import get, listing, put, unknown
from .history import Call, History
from .linearizability import check
from .random_histories import Plan, execution
from .witness import explains

BUSY = Plan(
    calls=6_000, clients=10, keys=8, listings=0.05, deletes=0, unknown=0.04, refused=0.02, named=0, late=500
)
PLANS = {
    "busy": BUSY,
    "deletes": replace(BUSY, deletes=0.2),
    "names": replace(BUSY, named=0.5, deletes=0.1, mixed_up=0.05, calls=3_000),
    "without listings": replace(BUSY, listings=0, deletes=0.2),
    "many clients": replace(BUSY, clients=30, keys=3, deletes=0.15, calls=2_000),
    "many unknown": replace(BUSY, unknown=0.3, deletes=0.15),
    "one key": replace(BUSY, keys=1, calls=3_000, deletes=0.1),
    "many keys": replace(BUSY, keys=150, listings=0.01, deletes=0.1),
}


@cache
def made(name: str) -> History:
    return execution(Random(name), PLANS[name])


@pytest.mark.parametrize("numbers", [True, False], ids=["numbers", "ignore-numbers"])
@pytest.mark.parametrize("name", PLANS)
def test_a_good_one_passes(name: str, numbers: bool) -> None:
    """Goal: true executions of thousands of calls are judged, and ok. Method: judge; replay the witness."""
    history = made(name)
    verdict = check(history, numbers=numbers)
    assert verdict.ok, verdict.explain()
    if PLANS[name].calls <= 3_000 or not PLANS[name].named:
        explains(verdict.order, history, numbers=numbers)


def test_fifty_thousand_calls() -> None:
    """Goal: numbers make long histories cheap. Method: 50,000 calls of 50 clients, hundreds of them
    unanswered."""
    plan = Plan(calls=50_000, clients=50, keys=20, listings=0.05, unknown=0.01, refused=0.01, late=2_000)
    history = execution(Random(1), plan)
    assert sum(call.outcome == "unknown" and call.writes for call in history) > 200
    verdict = check(history)
    assert verdict.ok, verdict.explain()
    assert check(stale_read(history)).result == "violation"


def pick(history: History, fits: Callable[[Call], bool]) -> int:
    """A call of the last third, so that the checker has a way to go."""
    return next(index for index in range(len(history) * 2 // 3, len(history)) if fits(history[index]))


def changed(history: History, index: int, **changes: object) -> History:
    return (*history[:index], replace(history[index], **changes), *history[index + 1 :])  # type: ignore[arg-type]


def stale_read(history: History) -> History:
    """A get sees what was overwritten, by a put that had ended, before the get began."""
    index = pick(history, lambda call: call.what == "get" and call.outcome == "ok" and call.value is not None)
    read = history[index]
    puts = [call for call in history if call.what == "put" and call.outcome == "ok" and call.key == read.key]
    over = max((call for call in puts if (call.end or 0) < read.start), key=lambda call: call.start)
    old = max((call for call in puts if (call.end or 0) < over.start), key=lambda call: call.start)
    return changed(history, index, value=old.value)


def torn_listing(history: History) -> History:
    """A listing sees one key as an earlier listing saw it, which that key no longer was."""
    index = pick(history, lambda call: call.what == "list" and call.outcome == "ok")
    late = history[index]
    early = min(
        (call for call in history if call.what == "list" and call.outcome == "ok" and call.items),
        key=lambda call: call.start,
    )
    key = next(key for key, value in (early.items or {}).items() if (late.items or {})[key] != value)
    return changed(history, index, items={**(late.items or {}), key: (early.items or {})[key]})


def lost_key(history: History) -> History:
    """A listing lacks a key, and nobody ever deletes."""
    index = pick(history, lambda call: call.what == "list" and call.outcome == "ok")
    items = dict(history[index].items or {})
    items.popitem()
    return changed(history, index, items=items)


def created_again(history: History) -> History:
    """A put is told that it created a key that was there, and nobody ever deletes."""
    index = pick(history, lambda call: call.existed is True)
    return changed(history, index, existed=False)


def refused_after_all(history: History) -> History:
    """A put that was read is called certainly not applied."""
    read = {call.value for call in history if call.what == "get" and call.outcome == "ok"}
    index = pick(history, lambda call: call.what == "put" and call.outcome == "ok" and call.value in read)
    return changed(history, index, outcome="not_applied", existed=None, number=None)


def swapped_numbers(history: History) -> History:
    """Two writes one after the other have each other's numbers."""
    index = pick(history, lambda call: call.existed is not None)
    one = history[index]
    other = next(
        at for at, call in enumerate(history) if call.existed is not None and call.start > (one.end or 0)
    )
    history = changed(history, index, number=history[other].number)
    return changed(history, other, number=one.number)


def same_number(history: History) -> History:
    """A write has the number of another one."""
    index = pick(history, lambda call: call.existed is not None)
    return changed(history, index, number=history[0].number or 0)


def huge_number(history: History) -> History:
    """A number far beyond everything: there are not so many writes."""
    return changed(history, pick(history, lambda call: call.number is not None), number=10**15)


SPOIL = {
    each.__name__: each for each in (stale_read, torn_listing, lost_key, created_again, refused_after_all)
}
SPOIL_NUMBERS = {each.__name__: each for each in (swapped_numbers, same_number, huge_number)}


@pytest.mark.parametrize("numbers", [True, False], ids=["numbers", "ignore-numbers"])
@pytest.mark.parametrize("how", SPOIL)
def test_one_corrupted_call_is_found(how: str, numbers: bool) -> None:
    """Goal: one wrong answer among thousands is found. Method: change one so that no order explains it."""
    verdict = check(SPOIL[how](made("busy")), numbers=numbers)
    assert verdict.result == "violation", verdict.explain()
    assert len(verdict.explain().splitlines()) < 50


@pytest.mark.parametrize("how", SPOIL_NUMBERS)
def test_one_corrupted_number_is_found(how: str) -> None:
    """Goal: one wrong number among thousands is found. Method: change it; without numbers all is well."""
    history = SPOIL_NUMBERS[how](made("busy"))
    assert check(history).result == "violation"
    assert check(history, numbers=False).ok


def test_the_budget_ends_a_search_undecided() -> None:
    """Goal: what is not decided is not called ok, nor a violation.

    Method: with every limit below the number of steps that the verdict takes, the same histories, one good
    and one bad, are undecided; from there on they are not.
    """
    random = Random(3)
    plan = Plan(calls=40, clients=6, keys=2, unknown=0.5, named=0)
    good = execution(random, plan)
    twice = (*(unknown(put("x", f"{index}", (0, 1), 0)) for index in range(6)), put("y", "1", (5, 6), 3))
    bad = (*twice, get("x", "1", (7, 8), 4), get("x", "1", (9, 10), 5), get("x", "2", (11, 12), 5))
    seen = set()
    for history in (good, twice, bad):
        for numbers in (True, False):
            verdict = check(history, numbers=numbers)
            seen.add((verdict.result, verdict.steps > 0))
            for limit in range(verdict.steps):
                short = check(history, numbers=numbers, limit=limit)
                assert (short.result, short.ok, short.steps) == ("undecided", False, limit)
                assert "no verdict" in short.explain()
            assert check(history, numbers=numbers, limit=verdict.steps).result == verdict.result
    assert ("ok", True) in seen


def test_a_hopeless_search_ends() -> None:
    """Goal: a search has an end, whatever the history.

    Method: values that come again and again, hundreds of unanswered writes, a contradiction at the end that
    only trying everything would prove; a small limit.
    """
    plan = Plan(calls=2_000, clients=12, keys=10, values=4, unknown=0.15, listings=0.1, named=0, late=2_000)
    history = execution(Random(5), plan)
    last = max(call.end or 0 for call in history)
    wrong = (*history, listing({f"k{index}": "v0" for index in range(10)}, (last + 1, last + 2), None))
    assert check(wrong, numbers=False, limit=3_000).result == "undecided"


def test_many_writes_at_once() -> None:
    """Goal: writes that nobody can tell apart are not tried in all their orders.

    Method: sixteen puts of one key and a listing, all at once; none of them was read but one, so the last
    one is known, and eight more that were told of a key that did not exist: a violation, since only one can
    have been the first.
    """
    puts = tuple(put("x", str(index), (0, 100), None, index > 0) for index in range(16))
    good = (*puts, listing({"x": "7"}, (101, 102), None))
    verdict = check(good, numbers=False)
    assert verdict.ok
    assert verdict.steps < 1_000
    bad = (*good, *(put("x", f"new {index}", (0, 100), None, False) for index in range(8)))
    verdict = check(bad, numbers=False)
    assert verdict.result == "violation"
    assert verdict.steps < 10_000
