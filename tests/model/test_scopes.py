"""The scopes: nothing is violated, what they are about is seen, and their figures are pinned."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import figures
from .__main__ import TABLE, main, row
from .explorer import Search
from .scopes import BIG, FAST, SCOPES

DOCUMENT = Path(__file__).parents[2] / "docs" / "verification.md"


@pytest.mark.parametrize("name", FAST)
def test_a_fast_scope_is_searched(name: str) -> None:
    """No order of what may happen in a small scope breaks an invariant, and the scope is not empty.

    Search it; the figures are pinned, so that a search that quietly became smaller is noticed.
    """
    found = Search(SCOPES[name]).run()
    assert (found.check, found.text) == ("", "")
    assert found.unseen == ()
    assert found.pinned == figures.PINNED[name]


def test_every_scope_has_figures() -> None:
    """No fast scope is without a count to hold it to, none has two names; a big one has a count and a cost.

    A big scope that was not searched with this core yet has neither.

    Compare the names.
    """
    measured = [name for name in BIG if name in figures.PINNED]
    assert list(figures.PINNED) == [*FAST, *measured]
    assert list(figures.COST) == measured
    assert sorted(SCOPES) == sorted((*FAST, *BIG))


def test_the_command_compares_the_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A scope that comes to other figures than those that are pinned says so, by its exit status too.

    Pin one state more for a small scope, and search it as it is; then to a depth, where nothing is compared.
    """
    assert main(["--scope", "fast-close"]) == 0
    verdict, states, actions, depth = figures.PINNED["fast-close"]
    monkeypatch.setitem(figures.PINNED, "fast-close", (verdict, states + 1, actions, depth))
    assert main(["--scope", "fast-close"]) == 1
    assert f"NOT AS PINNED: exhausted, {states + 1:,} states" in capsys.readouterr().out
    assert main(["--scope", "fast-close", "--depth", "99"]) == 0
    assert main(["--scope", "fast-close", "--json"]) == 1
    assert "NOT AS PINNED" in capsys.readouterr().err


def test_the_documents_have_the_table_of_the_scopes(capsys: pytest.CaptureFixture[str]) -> None:
    """What the documents say of a scope is what it is. The table is the one that the command prints."""
    assert main(["--table"]) == 0
    table = capsys.readouterr().out
    assert table.splitlines() == [*TABLE.splitlines(), *(row(scope) for scope in SCOPES.values())]
    assert table in DOCUMENT.read_text(encoding="utf-8")
