"""The search itself: shortest paths, sound reductions, the same figures everywhere, and honest verdicts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from pbproto import backup, reads

from .__main__ import main
from .explorer import Search
from .freeze import freeze
from .nodes import ViolationError
from .path import fails, replay, shortened
from .scope import HASTY, PATIENT, QUESTIONS, Order, Scope, get, put
from .scopes import SCOPES
from .words import tell

ROOT = Path(__file__).parents[2]

SMALL = (
    Scope(
        "failover",
        "",
        nodes=2,
        first=(0, 1),
        clients=((put(0, "1"),), (get(0),)),
        orders=(Order((1,), (0, 1)),),
        timers=1,
        settings=HASTY,
        max_round=1,
        gone=QUESTIONS,
    ),
    Scope(
        "restart",
        "",
        nodes=2,
        first=(0, 1),
        clients=((put(0, "1"),),),
        crashes=1,
        mortal=(0,),
        settings=HASTY,
        gone=QUESTIONS,
    ),
    Scope(
        "backup",
        "",
        nodes=2,
        first=(0, 1),
        clients=((put(1, "1"), get(1)),),
        orders=(Order((1,), (1,)),),
        settings=PATIENT,
        gone=QUESTIONS,
    ),
    Scope(
        "start",
        "",
        nodes=2,
        clients=(),
        orders=(Order((0, 1), (0, 1)),),
        crashes=1,
        mortal=(1,),
        max_epoch=2,
    ),
    Scope(
        "seek",
        "",
        nodes=2,
        first=(1,),
        before=(put(1, "0"),),
        clients=((get(1),),),
        orders=(Order((0, 1), (0, 1)),),
        max_round=1,
        settings=PATIENT,
    ),
    Scope(
        "numbered",
        "",
        nodes=2,
        first=(0, 1),
        first_epoch=1,
        clients=((put(0, "1"),),),
        orders=(Order((1,), (0, 1), 2),),
        settings=HASTY,
    ),
)


def met(search: Search) -> dict[tuple[object, ...], None]:
    """All that a search met but for the mail: states of nodes, histories, and what the outside did."""
    universe = search.universe
    forms = [freeze(universe.nodes.replica(node).state) for node in range(len(universe.nodes.facts))]
    return {
        (
            *(forms[node] for node in world[:-2:2]),
            universe.histories.met[world[-2]],
            universe.views.met[world[-1]],
        ): None
        for world in search.worlds
    }


@pytest.mark.parametrize("scope", SMALL, ids=lambda scope: scope.name)
def test_the_reductions_leave_nothing_out(scope: Scope) -> None:
    """Taking echoes at once and leaving out worlds with less mail hides no state of nodes and no history.

    Search with and without them: what is met, but for the mail, is the same, and so is all that was seen.
    """
    plain, reduced = Search(scope, plain=True), Search(scope)
    assert plain.run().verdict == reduced.run().verdict == "exhausted"
    assert met(reduced) == met(plain)
    assert reduced.found.seen.keys() == plain.found.seen.keys()
    assert reduced.found.states < plain.found.states, "they are there for a reason"


def test_the_figures_do_not_depend_on_the_process(tmp_path: Path) -> None:
    """The search is deterministic: a count that is pinned here is the count elsewhere.

    Run two scopes as processes whose sets and dicts hash differently; all but the times is the same.
    """
    results = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.model",
                "--scope",
                "fast-backup",
                "--scope",
                "fast-repeat",
                "--json",
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPYCACHEPREFIX": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line in lines:
            del line["cpu_seconds"], line["memory_mib"]
        results.append(lines)
    assert results[0] == results[1]
    assert [line["scope"] for line in results[0]] == ["fast-backup", "fast-repeat"]


def test_steps_are_the_same_when_they_are_taken_again() -> None:
    """Determinism (invariant 7): a step that is remembered is the step that would be taken.

    Take a sample of the steps of a search again, on fresh copies of the states.
    """
    search = Search(SCOPES["fast-failover"])
    search.run(max_states=2_000)
    nodes, random = search.universe.nodes, Random(2)
    for _ in range(300):
        node = random.randrange(len(nodes.facts))
        event = random.choice(list(nodes._steps[node]) or [0])
        assert nodes.compute(node, event) == nodes.step(node, event)


def test_a_property_that_is_not_seen_fails_the_scope() -> None:
    """A scope that does not reach what it is about is worth nothing, and says so.

    Ask for a rejoin where nobody restarts; ask for what nobody knows.
    """
    found = Search(replace(SMALL[2], must_see=("written", "rejoin"))).run()
    assert found.verdict == "unseen"
    assert found.unseen == ("rejoin",)
    with pytest.raises(ValueError, match="nobody knows what 'a miracle' is"):
        Search(replace(SMALL[2], must_see=("a miracle",)))


def test_bounds_are_said() -> None:
    """A search that did not try everything does not say that it did.

    Bound the depth, then the number of states.
    """
    found = Search(SMALL[0]).run(depth=3)
    assert (found.verdict, found.depth) == ("bounded", 3)
    assert found.frontier > 0
    found = Search(SMALL[0]).run(max_states=50)
    assert found.verdict == "limit"
    assert found.frontier > 0
    assert Search(SMALL[0]).run(depth=50).verdict == "exhausted"


def test_caps_are_counted() -> None:
    """What goes beyond a cap is not followed, and is told.

    Cap the epochs at that of the first view: every step to another one is cut.
    """
    scope = replace(SMALL[0], max_epoch=1)
    found = Search(scope).run()
    assert found.cut > 0
    assert "commit_after_view_change" not in found.seen
    assert Search(SMALL[1]).run().cut == 0


def test_a_change_of_the_core_changes_the_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The search runs the real core: a rule that is switched off shows, even where nothing is violated.

    Silence the refusals of backups, and compare the figures with those of the core as it is.
    """
    before = Search(SMALL[0]).run()
    monkeypatch.setattr(backup, "refuse_ballot", lambda *_: None)
    silent = Search(SMALL[0]).run()
    assert before.verdict == silent.verdict == "exhausted"
    assert silent.pinned != before.pinned


def test_a_violation_has_a_shortest_path_that_a_reader_can_follow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found comes with the way there, without a step that is not needed.

    Let a primary take every round for one that began after the read arrived. The search without reductions
    gives the length of a shortest path; the other one's path, told step by step, is as long.
    """
    monkeypatch.setattr(reads, "_join_round", lambda _lead: 0)
    scope = replace(SMALL[0], clients=((put(1, "1", after=1),), (get(0),)), orders=(Order((1,), (1,)),))
    search, plain = Search(scope), Search(scope, plain=True)
    found, shortest = search.run(), plain.run()
    assert (found.verdict, found.check) == (shortest.verdict, shortest.check) == ("violation", "linearizable")
    path = shortened(search.universe, found.path, found.check)
    assert len(path) == len(shortest.path)
    assert fails(search.universe, path, found.check) == len(path)
    for at in range(len(path)):
        assert fails(search.universe, path[:at] + path[at + 1 :], found.check) is None
    lines = list(tell(search.universe, found.path, found.check, explain=True))
    assert lines[-1].strip().startswith("linearizable: no order of the requests gives these answers")
    assert any("client 0 asks node 1: PUT k=1" in line for line in lines)
    assert any("the outside orders the view {1}" in line for line in lines)
    assert any("synced 1.0@0" in line for line in lines)


def test_a_path_ends_where_it_is_not_possible() -> None:
    """A path with an action left out is not walked on as if nothing were missing.

    Answer a request that was not asked: the replay stops there.
    """
    search = Search(SMALL[2])
    search.run()
    universe = search.universe
    path = [edge.action for edge in universe.edges(universe.start()) if edge.action.what == "order"]
    assert len(list(replay(universe, path))) == 1
    assert len(list(replay(universe, path * 2))) == 1
    assert fails(universe, path, "one_log") is None


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command lists the scopes, says what it found, and its status says whether that is good.

    List; search; search so that something is not seen; ask for JSON.
    """
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in SCOPES)
    assert main(["--scope", "fast-backup", "--seen"]) == 0
    out = capsys.readouterr().out
    assert "fast-backup: exhausted" in out
    assert "read_at_backup at depth" in out
    assert main(["--scope", "fast-backup", "--depth", "1"]) == 1
    assert "NOT SEEN" in capsys.readouterr().out
    assert main(["--scope", "fast-backup", "--json"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert (line["verdict"], line["check"], line["path"]) == ("exhausted", "", [])


def test_a_violation_knows_its_check() -> None:
    """What is raised says which property it is about.

    Make one.
    """
    violation = ViolationError("seal", "words")
    assert (violation.check, violation.text, str(violation)) == ("seal", "words", "words")
