"""A failing run is made small, and still fails in the same way; its plan goes through a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from . import broken_cores
from .explain import explain
from .plan import Change, Plan, make
from .plan_file import PlanFileError, plan_from_json, plan_to_json
from .reduce import reduce
from .run import Outcome, run, run_seed
from .shrink import Progress, nature, report, shrink, size_of
from .simplify import simpler, squeezed, without_node
from .stage import play
from .story_reading import load
from .violation import Violation


@pytest.fixture
def any_ack(monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """A run that fails since a primary commits too early, and the fault still in place."""
    broken_cores.commit_on_any_ack(monkeypatch)
    return broken_cores.failing()


def same(one: Outcome, other: Outcome) -> bool:
    return (
        one.violation is not None
        and other.violation is not None
        and nature(one.violation) == nature(other.violation)
    )


def test_a_safety_failure_shrinks_to_little(any_ack: Outcome) -> None:
    """Goal: what is left is what it takes. Method: the fault needs three members and nothing else."""
    small = shrink(any_ack, budget=400)
    assert same(any_ack, small)
    before, after = size_of(any_ack), size_of(small)
    assert before.nodes > 3
    assert before.asks > 20
    assert (after.nodes, after.changes, after.faults, after.message_faults) == (3, 1, 0, 0)
    assert after.asks <= 1
    assert after.steps < before.steps
    assert small.plan.limit == small.steps
    assert report(any_ack, small).splitlines()[1] == f"after:  {after}"


def test_the_shrunk_plan_is_no_accident(any_ack: Outcome) -> None:
    """Goal: the same failure gives the same small run. Method: shrink twice, and run the small plan again."""
    first, second = shrink(any_ack, budget=150), shrink(any_ack, budget=150)
    assert first.plan == second.plan
    assert run(first.plan).digest == first.digest == second.digest


def test_the_budget_is_kept(any_ack: Outcome, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: no more runs than allowed. Method: count them, with small budgets."""
    runs: list[Progress] = []
    counted: list[Plan] = []

    def counting(plan: Plan) -> Outcome:
        counted.append(plan)
        return run(plan)

    monkeypatch.setattr("tests.simulation.shrink.run", counting)
    for budget in (0, 1, 7):
        counted.clear()
        runs.clear()
        small = shrink(any_ack, budget=budget, progress=runs.append)
        assert len(counted) == len(runs) == budget
        assert [each.runs for each in runs] == list(range(1, budget + 1))
        assert same(any_ack, small)
        assert small.steps <= any_ack.steps
    assert shrink(any_ack, budget=0).plan == any_ack.plan


def test_the_message_that_it_takes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: of many faults of single messages those are left that matter.

    Method: a fault that shows when a Replicate comes twice; in the small run one does, and few others suffer.
    """
    broken_cores.stop_at_a_copy(monkeypatch)
    outcome = broken_cores.failing()
    small = shrink(outcome, budget=400)
    assert same(outcome, small)
    names = small.tally.message_faults
    assert sum(name.startswith(("copied Replicate", "stale Replicate")) for name in names) == 1
    assert len(names) < len(outcome.tally.message_faults)
    assert len(names) <= 3
    assert size_of(small).asks < size_of(outcome).asks / 4


def test_a_standstill_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: liveness failures shrink, too; they are seen in the calm, so nothing is cut off.

    Method: nodes that ask once, and a run in which many messages are lost. One is needed, whether chance or
    a split takes it, and no more are left.
    """
    broken_cores.asks_once(monkeypatch)
    outcome = broken_cores.failing(lossy=True)
    small = shrink(outcome, budget=300)
    assert outcome.violation is not None
    assert outcome.violation.check == "liveness"
    assert same(outcome, small)
    assert small.plan.limit is None
    assert len(small.tally.message_faults) <= 1 < len(outcome.tally.message_faults)
    assert size_of(small).steps < size_of(outcome).steps / 2
    assert small.plan.parameters.length < outcome.plan.parameters.length


def test_what_has_not_failed_is_not_shrunk() -> None:
    """Goal: no small run without a failure. Method: a good run."""
    outcome = run_seed(19)
    assert outcome.ok
    with pytest.raises(ValueError, match="not failed"):
        shrink(outcome)


def test_failures_are_told_apart() -> None:
    """Goal: shrinking does not slip from one rule to another. Method: checks that stand for many rules."""

    def kind(check: str, detail: str) -> str:
        return nature(Violation(check, detail))

    assert kind("core", "node 1 stops rather than lie: a") == kind("core", "node 2 stops rather than lie: a")
    assert kind("core", "node 1 stops rather than lie: a") != kind("core", "node 1 stops rather than lie: b")
    assert kind("watch", "seal: 1.0@1") == kind("watch", "seal: 2.0@1") != kind("watch", "exactly once: 1")
    assert kind("stale read", "a read saw 1 writes") == kind("stale read", "a read saw 3")
    assert kind("value", "x") != kind("stale read", "x")


@pytest.mark.parametrize(
    ("count", "needed"),
    [(1, ()), (1, (0,)), (2, (1,)), (9, (0, 8)), (30, (3, 4, 17)), (17, tuple(range(17)))],
)
def test_reduce_leaves_what_is_needed(count: int, needed: tuple[int, ...]) -> None:
    """Goal: not one too many, not one too few. Method: lists in which some are needed; bounded work."""
    tries = 0

    def fails(kept: tuple[int, ...]) -> bool:
        nonlocal tries
        tries += 1
        return set(needed) <= set(kept)

    assert reduce(range(count), fails) == needed
    assert tries <= 4 * count + 10


def test_reduce_leaves_one_of_each_pair() -> None:
    """Goal: the end is a list of which no item can be left out. Method: any one of two, twice."""
    kept = reduce(range(12), lambda kept: bool({2, 9} & set(kept)) and bool({4, 5} & set(kept)))
    assert len(kept) == 2


@pytest.mark.parametrize("seed", [3, 31])
def test_a_plan_goes_through_a_file(seed: int) -> None:
    """Goal: a saved plan is the plan. Method: write and read plans, plainer ones, named faults."""
    plan = make(seed)
    assert plan_from_json(plan_to_json(plan)) == plan
    for _, other in [*list(simpler(plan))[:20], *list(squeezed(plan))[:5]]:
        assert plan_from_json(plan_to_json(other)) == other
    for names in (frozenset[str](), frozenset(run(plan).tally.message_faults[:3])):
        named = replace(plan, message_faults=names)
        assert plan_from_json(plan_to_json(named)) == named


@pytest.mark.parametrize("seed", [3, 7])
def test_named_faults_of_messages_need_no_chance(seed: int) -> None:
    """Goal: names say all that chance did. Method: name what happened, and run it again without the rates."""
    plan = make(seed)
    outcome = run(plan)
    rates = replace(plan.parameters, loss=0.0, copies=0.0, late=0.0, stale=0.0)
    named = replace(plan, parameters=rates, message_faults=frozenset(outcome.tally.message_faults))
    assert outcome.tally.message_faults
    assert run(named).digest == outcome.digest


def test_a_shrunk_plan_is_replayed_from_its_file(any_ack: Outcome) -> None:
    """Goal: whoever has the file has the failure. Method: compare digest and violation of the two runs."""
    small = shrink(any_ack, budget=100)
    again = run(plan_from_json(plan_to_json(small.plan)))
    assert (again.digest, again.steps) == (small.digest, small.steps)
    assert same(again, small)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"format": 1}', '{"format": 2, "seed": 1}', "nonsense"],
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    """Goal: an old or broken file is not run. Method: files of other shapes, and an item that is nothing."""
    with pytest.raises(PlanFileError):
        plan_from_json(text)
    whole = plan_to_json(make(1))
    with pytest.raises(PlanFileError):
        plan_from_json(whole.replace('"is": "ask"', '"is": "song"'))
    with pytest.raises(PlanFileError):
        plan_from_json(whole.replace('"seed"', '"sowed"'))


def test_a_plan_without_a_node_mentions_it_nowhere() -> None:
    """Goal: a smaller cluster is a whole one. Method: take out each node, look at every mention, run it."""
    plan = make(31)
    for node in plan.parameters.ids:
        smaller = without_node(plan, node)
        assert smaller is not None
        assert node not in smaller.parameters.ids + smaller.parameters.first
        for item in smaller.items:
            if isinstance(item, Change):
                assert node not in (*item.members, *(put.node for put in item.puts))
            else:
                assert node not in getattr(item, "nodes", ())
                assert node not in (getattr(item, "node", -1), *getattr(item, "repeats", ()))
        assert run(smaller).violation is None
    assert without_node(make(31, plan.parameters), -5) == plan


def test_explain_writes_four_files(any_ack: Outcome, tmp_path: Path) -> None:
    """Goal: a failure is explained by files that stand alone.

    Method: explain one; replay the plan, read the transcript's head, parse the picture, play the story.
    """
    paths = explain(any_ack, tmp_path / "why", budget=60)
    assert [path.name for path in paths] == ["plan.json", "transcript.txt", "run.svg", "regression.story"]
    plan, transcript, svg, story = (path.read_text(encoding="utf-8") for path in paths)
    assert same(run(plan_from_json(plan)), any_ack)
    assert transcript.splitlines()[1].startswith("before: ")
    assert "BROKEN: core" in transcript
    assert svg.startswith("<?xml")
    assert play(load(story)).broken
