"""The checker against the judge that tries every order, on thousands of small random histories."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from . import search
from .brute import brute_force
from .history import History
from .linearizability import check
from .random_histories import Plan, execution, small_plan, spoiled
from .verdict import describe
from .witness import explains

SEEDS = 300
"""Histories for each run of the test, each of them then spoiled twice."""


def agree(history: History, plan: Plan, numbers: bool) -> bool:
    """Assert that both say the same, and the witness of the checker holds; what they say."""
    initial = dict(plan.initial)
    truth = brute_force(history, numbers=numbers, initial=initial, first_number=plan.first_number)
    verdict = check(history, numbers=numbers, initial=initial, first_number=plan.first_number)
    told = "\n".join([verdict.explain(), f"{plan}", *map(describe, history)])
    assert verdict.result == ("ok" if truth else "violation"), told
    if truth:
        explains(verdict.order, history, numbers=numbers, initial=initial, first_number=plan.first_number)
    else:
        assert verdict.reason, told
        assert verdict.calls, told
    return truth


@pytest.mark.parametrize("quick", [search.QUICK, 0], ids=["", "roundabout"])
@pytest.mark.parametrize("longest", [7, 10])
@pytest.mark.parametrize("chunk", range(3))
def test_same_verdicts(chunk: int, longest: int, quick: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the checker is right, in both modes and on both ways of its search.

    Method: true executions, which both must call ok; then the same with one and with two things changed,
    where both must agree, and both verdicts must be frequent. ``roundabout`` sends every search without
    numbers through the question whether unanswered writes without end would help.
    """
    monkeypatch.setattr(search, "QUICK", quick)
    verdicts: Counter[tuple[bool, bool]] = Counter()
    for seed in range(SEEDS):
        random = Random(f"{chunk} {longest} {seed}")
        plan = small_plan(random, longest)
        history = execution(random, plan)
        for numbers in (True, False):
            assert agree(history, plan, numbers)
        for _ in range(2):
            history = spoiled(random, history)
            for numbers in (True, False):
                verdicts[numbers, agree(history, plan, numbers)] += 1
    total = verdicts.total() / 2
    for numbers in (True, False):
        assert verdicts[numbers, True] > 0.25 * total, verdicts
        assert verdicts[numbers, False] > 0.15 * total, verdicts


@pytest.mark.parametrize("chunk", range(2))
def test_same_verdicts_on_gaps(chunk: int) -> None:
    """Goal: the choice of what fills the gaps is right where there is much to choose.

    Method: histories of which most writes were never answered, on one or two keys, with values that come
    again; everything else as above, by numbers only.
    """
    verdicts: Counter[bool] = Counter()
    for seed in range(SEEDS):
        random = Random(f"gaps {chunk} {seed}")
        plan = Plan(
            calls=12,
            clients=4,
            keys=random.randint(1, 2),
            values=random.choice((0, 2)),
            unknown=0.6,
            deletes=0.25,
            refused=0,
            named=random.choice((0, 0.5)),
            mixed_up=random.choice((0, 0.5)),
        )
        history = execution(random, plan)
        assert agree(history, plan, True)
        for _ in range(2):
            history = spoiled(random, history)
            verdicts[agree(history, plan, True)] += 1
    assert min(verdicts[True], verdicts[False]) > 0.25 * verdicts.total(), verdicts
