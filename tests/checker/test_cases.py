"""Histories written by hand: the good ones pass, of each bad one the broken rule is named."""

from __future__ import annotations

import pytest

from . import linearizability
from .bad_cases import BAD
from .brute import brute_force
from .cases import GOOD, listing, put
from .linearizability import check
from .verdict import describe
from .witness import explains


@pytest.mark.parametrize("numbers", [True, False], ids=["numbers", "ignore-numbers"])
@pytest.mark.parametrize("name", GOOD)
def test_good(name: str, numbers: bool) -> None:
    """Goal: what is allowed is not called a violation.

    Method: judge the history with its numbers and without; replay the order that the verdict gives; ask the
    judge that tries every order.
    """
    case = GOOD[name]
    initial = dict(case.initial)
    verdict = check(case.calls, numbers=numbers, initial=initial, first_number=case.first_number)
    assert verdict.ok, verdict.explain()
    explains(verdict.order, case.calls, numbers=numbers, initial=initial, first_number=case.first_number)
    assert brute_force(case.calls, numbers=numbers, initial=initial, first_number=case.first_number)


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    """Goal: each rule that is broken is found and said, and the calls that break it are shown.

    Method: judge the history with its numbers and without, in its order and in the opposite one; ask the
    judge that tries every order. If only the numbers are wrong, nothing is said without them.
    """
    case = BAD[name]
    initial = dict(case.initial)
    for numbers in (True, False):
        wrong = numbers or not case.by_numbers
        for calls in (case.calls, case.calls[::-1]):
            verdict = check(calls, numbers=numbers, initial=initial)
            assert verdict.result == ("violation" if wrong else "ok"), verdict.explain()
            if wrong:
                assert ((case.says_with_numbers if numbers else "") or case.says) in verdict.reason
                assert verdict.calls
                assert all(call in calls for call in verdict.calls)
        assert brute_force(case.calls, numbers=numbers, initial=initial) is not wrong


def test_the_explanation_shows_calls_and_neighbours() -> None:
    """Goal: a person can see from the text what went wrong. Method: compare it, for a stale read, with its
    calls."""
    calls = BAD["stale read"].calls
    verdict = check([*calls, *GOOD["reads on both sides of a write under way"].calls[1:2]], numbers=False)
    text = verdict.explain()
    assert "violation" in text.splitlines()[0]
    assert "[4 .. 5] client 2 at node 2: get 'x' -> '1', number 2" in text
    assert "[2 .. 3] client 1 at node 1: put 'x' = '2' -> existed, number 1" in text


def test_long_values_are_cut() -> None:
    """Goal: a verdict stays readable. Method: a value of a million characters, and a listing of a thousand
    keys."""
    big = put("x", "v" * 1_000_000, (0, 1), 0)
    many = listing({f"{key:04}": "v" for key in range(1_000)}, (0, 1), 1)
    verdict = check([big, many])
    assert verdict.result == "violation"
    for call in (big, many):
        assert len(describe(call)) < 400
    assert len(verdict.explain()) < 4_000


def test_the_plainer_story_is_not_looked_for_at_any_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the verdict by numbers never waits for the explanation. Method: no effort allowed: the numbers'
    own story."""
    calls = BAD["stale read"].calls
    assert check(calls).reason.startswith("stale read")
    monkeypatch.setattr(linearizability, "PLAIN", 0)
    assert check(calls).reason.startswith("wrong value")
