"""The checks have teeth: every planted fault is found within the default budgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.scopes import FAST

from . import hints, table
from .__main__ import complaints, main
from .all import ALL
from .bugs import Bug, Edit
from .copy import MisplantedError, plant
from .hunt import SEEDS, STATES, Found, by_explorer, by_one_run, find_again

KNOWN = hints.read()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
def test_the_fault_is_found(bug: Bug) -> None:
    """Goal: whoever breaks this rule hears of it.

    Method: switch the rule off in a copy of the core; look where it was found last time, and if it is not
    there any more, run the set pieces, many seeds, then the small scopes.
    """
    assert find_again(bug, KNOWN[bug.name]) is not None, f"{bug.name} ({bug.rule}) is not found"


def test_every_fault_is_found_by_both_or_it_is_said_why_not() -> None:
    """Goal: a fault that one of the finders misses is a known one. Method: read what they found last time;
    all of it has to lie within their budgets.
    """
    assert [line for bug in ALL for line in complaints(bug, KNOWN[bug.name])] == []
    for bug in ALL:
        known = KNOWN[bug.name]
        wanted = ["simulation", "explorer"] if bug.explored else ["simulation"]
        assert list(known) == wanted, f"{bug.name} was not hunted by {wanted}"
        simulation, explorer = known["simulation"], known.get("explorer")
        assert simulation is None or simulation.effort <= SEEDS
        assert explorer is None or (explorer.place in FAST and explorer.effort <= STATES)


def test_every_fault_has_a_name_and_a_rule_of_its_own() -> None:
    """Goal: the table can be read. Method: compare the names; each fault changes something."""
    assert len({bug.name for bug in ALL}) == len(ALL) >= 40
    for bug in ALL:
        assert bug.rule
        assert bug.edits
        for edit in bug.edits:
            assert edit.old != edit.new


def test_a_fault_that_does_not_fit_the_source_is_an_error(tmp_path: Path) -> None:
    """Goal: no fault stops being planted unnoticed when the core changes. Method: plant a piece that is not
    there.
    """
    with pytest.raises(MisplantedError, match="0 times"):
        plant(Bug("nowhere", "none", (Edit("log.py", "not there", ""),)), tmp_path)


def test_the_true_core_is_not_called_faulty(tmp_path: Path) -> None:
    """Goal: to be found, a fault has to be there. Method: hunt in a copy in which only a comment was added;
    other tests run the true core at length.
    """
    harmless = Edit("log.py", "class Log:\n", "class Log:  # unharmed\n")
    plant(Bug("harmless", "none", (harmless,)), tmp_path)
    assert [by_one_run(tmp_path, place) for place in (0, 1, 2, "leftover")] == [None] * 4
    assert by_explorer(tmp_path, ("fast-repeat", "fast-trimmed")) is None


def test_the_documents_have_the_table_of_the_faults() -> None:
    """Goal: the table in the documents is that of today's faults: their names, rules and finders. Method:
    make it from what was found last time.
    """
    assert table.in_document() == table.table(KNOWN)


def test_what_was_found_is_kept(tmp_path: Path) -> None:
    """Goal: a hunt leaves its hints as it found them. Method: write some and read them again."""
    some = KNOWN | {ALL[0].name: {"simulation": Found("leftover", 0, "watch"), "explorer": None}}
    hints.write(some, tmp_path / "hints.json")
    assert hints.read(tmp_path / "hints.json") == some


def test_a_finder_that_misses_a_fault_is_said() -> None:
    """Goal: the command fails where it should. Method: give it what a hunt may come to."""
    found = Found("fast-three", 18, "everywhere")
    bug, beyond = Bug("some", "rule", ()), Bug("some", "rule", (), "no scope is large enough")
    assert list(complaints(bug, {"simulation": found, "explorer": found})) == []
    assert list(complaints(beyond, {"simulation": found, "explorer": None})) == []
    assert list(complaints(bug, {"explorer": None})) == ["some: the explorer does not find it"]
    assert list(complaints(bug, {"simulation": None})) == ["some: the simulation does not find it"]
    assert "said not to" in next(complaints(beyond, {"explorer": found}))


def test_a_fault_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: whoever wants to see a failure explained has one. Method: explain a fault; look at the files."""
    assert main(["commit_on_any_ack", "--explain", str(tmp_path / "why")]) == 0
    assert "BROKEN at step" in capsys.readouterr().out
    names = sorted(path.name for path in (tmp_path / "why").iterdir())
    assert names == ["plan.json", "regression.story", "run.svg", "transcript.txt"]


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: a hunt by one finder prints the row with both columns. Method: hunt one fault in small scopes."""
    assert main(["commit_on_any_ack", "--by", "explorer", "--jobs", "1"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == table.HEADER
    seen, explored = KNOWN["commit_on_any_ack"]["simulation"], out[2].split(" | ")[-2:]
    assert seen is not None
    assert f" | {seen.check} | " in out[2], "what the simulation found last time"
    assert (explored[0].split("-")[0], explored[1]) == ("`fast", "everywhere |")
