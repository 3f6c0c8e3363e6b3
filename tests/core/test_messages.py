"""Numbers that have to mean the same in two places."""

from __future__ import annotations

from pbproto import Kind
from pbproto.messages import VerdictCode
from pbproto.ordering import MEANING


def test_the_first_verdicts_are_the_kinds_of_results() -> None:
    """A result is told as a verdict of the same number: compare the names, number by number."""
    assert {kind.name: kind.value for kind in Kind} == {
        code.name: code.value for code in VerdictCode if code <= VerdictCode.MISSING
    }


def test_every_other_verdict_means_something_to_the_client() -> None:
    """A rejecting verdict without a meaning would be a crash: look all up, and which are certain."""
    assert list(MEANING) == [code for code in VerdictCode if code > VerdictCode.MISSING]
    assert [code.name for code, (_, certain, _) in MEANING.items() if not certain] == ["UNKNOWN"]
