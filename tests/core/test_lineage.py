"""Where two logs agree, told from the ballots that ordered them."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from pbproto import Ballot
from pbproto.lineage import MAX_LINEAGE, agreement, extend, passed_through
from pbproto.messages import Lineage


def ballot(epoch: int) -> Ballot:
    return Ballot(epoch, 0, 0, 1)


def lineage(*stretches: tuple[int, int]) -> Lineage:
    return tuple((ballot(epoch), start) for epoch, start in stretches)


def test_a_lineage_is_extended_by_the_ballot_that_goes_on() -> None:
    """Extend an empty one, one that ends below, and one at the very position (that ballot wrote nothing)."""
    one = extend((), ballot(1), 0)
    two = extend(one, ballot(2), 5)
    assert extend(two, ballot(3), 5) == lineage((1, 0), (2, 5), (3, 5))


def test_stretches_above_a_cut_are_forgotten() -> None:
    """A base that was cut below a ballot's start has nothing of that ballot: extend one below its end."""
    assert extend(lineage((1, 0), (2, 5), (3, 9)), ballot(4), 6) == lineage((1, 0), (2, 5), (4, 6))


def test_a_lineage_is_bounded() -> None:
    """Extend one more often than is remembered; the newest stay."""
    made: Lineage = ()
    for epoch in range(MAX_LINEAGE + 10):
        made = extend(made, ballot(epoch), epoch)
    assert len(made) == MAX_LINEAGE
    assert made[-1] == (ballot(MAX_LINEAGE + 9), MAX_LINEAGE + 9)


def test_whether_a_log_was_once_of_a_ballot() -> None:
    """Look for a ballot that is in a lineage, and one that is not."""
    assert passed_through(lineage((1, 0), (2, 5)), ballot(2))
    assert not passed_through(lineage((1, 0), (2, 5)), ballot(3))


def test_logs_of_one_ballot_agree_as_far_as_the_shorter_one() -> None:
    """Invariant 1: compare two ends of one ballot."""
    one = lineage((1, 0), (2, 5))
    assert agreement(one, 9, one, 7) == 7


def test_logs_part_where_the_next_ballot_cut_in() -> None:
    """A log that went on in ballot 2 meets one that was cut at 3 for ballot 3 (KIP-101)."""
    assert agreement(lineage((1, 0), (2, 5)), 9, lineage((1, 0), (3, 3)), 8) == 3


def test_equal_positions_of_different_ballots_are_not_agreement() -> None:
    """Fast changes of primaries: same lengths, nothing in common above the common ballot (KIP-279)."""
    assert agreement(lineage((1, 0), (2, 2)), 4, lineage((1, 0), (3, 2)), 4) == 2


def test_a_ballot_that_begins_elsewhere_is_another_history() -> None:
    """Two stretches of one name with different starts cannot be told to agree: they do not count."""
    assert agreement(lineage((1, 0)), 4, lineage((1, 2)), 4) == 0


def test_without_a_common_ballot_nothing_agrees() -> None:
    """Compare with an empty lineage, which is also that of a log older than what is remembered."""
    assert agreement((), 4, lineage((1, 0)), 4) == 0
    assert agreement((), 0, (), 0) == 0


LogAndLineage = tuple[list[tuple[int, int]], Lineage]


def grow(log: LogAndLineage, epoch: int, keep: int, new: int) -> LogAndLineage:
    """A log cut at ``keep`` that goes on in the ballot of ``epoch`` with ``new`` operations."""
    kept = log[0][:keep]
    stretches = extend(log[1], ballot(epoch), len(kept))
    return kept + [(epoch, number) for number in range(new)], stretches


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(0, 3)), max_size=8))
def test_agreement_is_the_longest_common_prefix_or_less(steps: list[tuple[int, int, int]]) -> None:
    """What is said to agree truly does, and no prefix is lost whose ballots both logs have.

    Grow a tree of logs, each from a cut of an earlier one in a ballot of its own, and compare all pairs.
    """
    logs: list[LogAndLineage] = [([], ())]
    for epoch, (parent, keep, new) in enumerate(steps, 1):
        logs.append(grow(logs[parent % len(logs)], epoch, keep, new))
    for (one, one_stretches), (other, other_stretches) in product(logs, logs):
        common = 0
        while common < min(len(one), len(other)) and one[common] == other[common]:
            common += 1
        assert agreement(one_stretches, len(one), other_stretches, len(other)) == common
