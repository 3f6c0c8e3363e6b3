"""The checks have teeth: every planted fault is found within the default budget."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .bugs import BUGS, Bug, Edit
from .copy import ROOT, MisplantedError, plant
from .hunt import by_explorer, by_simulation, hunt


@pytest.mark.timeout(600)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_fault_is_found(bug: Bug) -> None:
    """Goal: whoever breaks this rule hears of it.

    Method: switch the rule off in a copy of the core; run the set pieces, many seeds, then the small scopes.
    """
    assert hunt(bug) is not None, f"{bug.name} ({bug.rule}) is not found"


def test_every_fault_has_a_name_and_a_rule_of_its_own() -> None:
    """Goal: the table can be read. Method: compare the names; each fault changes something."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 40
    for bug in BUGS:
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
    assert by_simulation(tmp_path, 0, 10) is None
    assert by_explorer(tmp_path, ("fast-repeat",)) is None


def test_the_documents_name_every_fault() -> None:
    """Goal: the table in the documents is the table of today's faults. Method: compare the names, in
    order.
    """
    text = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`: ", text, re.MULTILINE) == [bug.name for bug in BUGS]
