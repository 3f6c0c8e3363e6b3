"""Many whole lives of clusters: no rule is broken, and enough went wrong for that to mean something."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pbproto.config import SECOND
from tests.core.test_determinism import VARIABLE, VERSIONS, interpreter, version_of
from tests.planted.copy import plant

from . import matrix
from .__main__ import ENOUGH, ROOT
from .branch_runs import judge, taken
from .branches import Branch, instrument
from .limits import USUAL
from .parameters import KINDS, Parameters, Shape, draw
from .plan import Ask, Change, make
from .run import run, run_seed
from .runner import Short, run_many
from .tally import Tally
from .unreached import UNREACHED, explains


@pytest.mark.timeout(900)
def test_many_seeds_break_no_rule_and_meet_everything() -> None:
    """Goal: nothing within the fault model breaks a rule, and the runs have met every kind of trouble.

    Method: run the set pieces and many seeds on all cores, over a copy of the core that says which branches
    were taken; print the matrix of message kinds and faults; fail on a hole in it and on a branch of a
    handler that nothing takes and nobody explains.
    """
    report = taken(0, ENOUGH, os.cpu_count() or 1)
    print("\n".join(report.lines()))
    assert report.passed
    assert report.unexplained == []
    assert report.taken > 0.8 * report.branches


def test_a_branch_that_nothing_takes_is_seen() -> None:
    """Goal: the count of branches can fail. Method: judge with nothing taken; what has a reason is told
    apart.
    """
    known = Branch("base", 1, "if any(history != histories[0] for history in histories): → return SPLIT")
    unknown = Branch("base", 2, "if new → return")
    report = judge([known, unknown, Branch("base", 3, "if old → return")], [0, 0, 1], "", True)
    assert report.unexplained == [unknown]
    assert list(report.explained) == [known.name]
    assert not report.ok
    assert report.lines()[-1] == "3 branches, 1 taken, 1 explained, 1 not"


def test_every_reason_for_not_taking_a_branch_is_of_a_branch(tmp_path: Path) -> None:
    """Goal: the list of reasons does not outlive the code. Method: look each up among today's branches."""
    plant(None, tmp_path)
    names = [branch.name for branch in instrument(tmp_path)]
    for words, reason in UNREACHED:
        assert reason
        found = [name for name in names if explains(words, name)]
        assert found, words
        # One arm, never both: the other one is what usually happens.
        assert len({name.partition(" → ")[0] for name in found}) == len(set(found)), found


def play(seed: int, hash_seed: str, interpreter: str = sys.executable) -> str:
    """What the command prints for a seed, in a process of its own."""
    done = subprocess.run(
        [interpreter, "-m", "tests.simulation", "--seed", str(seed)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


DIFFERENT = (2, 8, 17, 42)
"""Seeds of which one is large, one has halves, one numbered views, one small limits."""


def test_a_seed_is_replayed_to_the_byte() -> None:
    """Goal: a seed is one run, whichever process runs it.

    Method: compare all that the command prints, a digest over every event, effect and message included,
    between two processes with different hash seeds; another seed differs.
    """
    assert any(draw(seed).prefill for seed in DIFFERENT)
    assert any(draw(seed).shape is Shape.HALVES for seed in DIFFERENT)
    assert any(draw(seed).numbered for seed in DIFFERENT)
    assert any(draw(seed).limits.origins < 3 for seed in DIFFERENT)
    printed = [play(seed, "1") for seed in DIFFERENT]
    assert printed == [play(seed, "4711") for seed in DIFFERENT]
    assert len(set(printed)) == len(DIFFERENT)


@pytest.mark.parametrize("version", VERSIONS)
def test_another_python_replays_the_same_run(version: str) -> None:
    """Goal: a seed is one run under every version. Method: compare the digests under each that is
    installed.
    """
    if version == version_of(sys.executable):
        pytest.skip(f"Python {version} is what runs this test")
    python = interpreter(version)
    if not python:
        pytest.skip(f"no CPython {version} is named in {VARIABLE}, on the path, or kept by pyenv")
    assert play(42, "1", python).splitlines()[1:] == play(42, "2").splitlines()[1:]


def test_the_command_says_first_what_was_drawn() -> None:
    """Goal: whoever reads a report knows what ran. Method: look for seed, commit and each parameter by
    name.
    """
    printed = play(7, "0").splitlines()
    assert printed[0].startswith("commit ")
    assert printed[1] == "seed 7"
    names = [line.strip().partition(":")[0] for line in printed[2:]]
    for name in Parameters.__slots__:
        assert name in names


def test_every_shape_and_fault_is_drawn() -> None:
    """Goal: the swarm leaves nothing out for good. Method: draw many parameters, look for each choice."""
    drawn = [draw(seed) for seed in range(300)]
    assert {kind for parameters in drawn for kind in parameters.kinds} == set(KINDS)
    assert {parameters.shape for parameters in drawn} == set(Shape)
    assert {parameters.numbered for parameters in drawn} == {True, False}
    assert len({parameters.config.lease for parameters in drawn}) == 3
    assert len({parameters.config.clock_drift for parameters in drawn if parameters.config.lease}) == 3
    assert any(parameters.rounds for parameters in drawn)
    assert len({parameters.config.max_data_bytes for parameters in drawn}) == 3
    assert {len(parameters.ids) for parameters in drawn} == {1, 2, 3, 4, 5}
    for kind in KINDS:
        assert any(kind not in parameters.kinds for parameters in drawn), kind


def test_a_run_without_any_trouble_answers_everybody() -> None:
    """Goal: what is refused in the runs is refused because of the faults.

    Method: a plan with all faults taken out, one view, patient clients; each call is answered.
    """
    parameters = replace(
        draw(3), shape=Shape.USUAL, kinds=(), faults=0, aftershock=False, pause_between_views=0
    )
    parameters = replace(
        parameters, loss=0.0, copies=0.0, late=0.0, stale=0.0, first=parameters.ids, named=0.0
    )
    parameters = replace(parameters, limits=USUAL)
    config = replace(
        parameters.config,
        max_waiting=10_000,
        max_waiting_bytes=2**28,
        max_data_bytes=0,
        request_timeout=3 * SECOND,
    )
    plan = make(3, replace(parameters, config=config))
    asks = [
        replace(item, patience=60 * SECOND, answer_lost=False) if isinstance(item, Ask) else item
        for item in plan.items
        if not (isinstance(item, Change) and item.at)
    ]
    outcome = run(replace(plan, items=tuple(asks), message_faults=frozenset()))
    assert outcome.ok, outcome.violation
    assert len(outcome.history) > 60
    assert [call for call in outcome.history if call.outcome != "ok"] == []


def test_a_hole_in_the_matrix_is_seen() -> None:
    """Goal: the matrix can fail. Method: count one run only, and an empty one."""
    tally = run_seed(1).tally
    assert matrix.holes(tally, ENOUGH)
    assert len(matrix.holes(Tally(), ENOUGH)) > len(matrix.MESSAGES) * 12
    assert len(matrix.holes(tally, ENOUGH)) < len(matrix.holes(Tally(), ENOUGH))
    tally.faults["history undecided with numbers"] = 1
    assert "1 histories are undecided with numbers" in matrix.holes(tally, ENOUGH)
    tally.ignored["not_a_backup", "Replicated"] += 1
    assert any("not_a_backup, which is said not to happen" in hole for hole in matrix.holes(tally, ENOUGH))


def test_a_limit_cuts_a_run_short() -> None:
    """Goal: shrinking can look at a beginning. Method: limit a run to some steps; it ends there, quietly."""
    outcome = run(replace(make(5), limit=50))
    assert outcome.ok
    assert outcome.steps == 50


def test_results_come_in_the_order_of_the_seeds() -> None:
    """Goal: two summaries of the same seeds are equal. Method: run some in one process and in two."""

    def short(runs: list[Short]) -> list[tuple[int | str, str]]:
        return [(each.seed, each.digest) for each in runs]

    one, two = list(run_many(range(8), 1)), list(run_many(range(8), 2))
    assert short(one) == short(two)
    assert [each.seed for each in one] == list(range(8))
