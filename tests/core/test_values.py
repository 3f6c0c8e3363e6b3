"""The nouns: what a view must be, how ballots compare, how operations are counted."""

from __future__ import annotations

import pytest

from pbproto import Ballot, Member, Operation, View
from pbproto.values import MAX_ADDRESS_BYTES, MAX_EPOCH, MAX_ID, MAX_MEMBERS, NO_BALLOT, RequestId


def test_ballots_compare_as_tuples() -> None:
    """The epoch decides, then the attempt, then the primary, then its life.

    Put ballots that differ in one place each in order; every ballot of a view is above none at all.
    """
    ballots = [NO_BALLOT, Ballot(1, 0, 0, 9), Ballot(1, 0, 2, 1), Ballot(1, 1, 0, 5), Ballot(1, 1, 0, 6)]
    assert sorted([Ballot(2, 0, 0, 1), *ballots[::-1]]) == [*ballots, Ballot(2, 0, 0, 1)]


def test_a_ballot_prints_what_people_tell_apart() -> None:
    """Logs name a ballot by epoch, attempt and primary; print one."""
    assert str(Ballot(3, 1, 7, 2**60)) == "3.1@7"


def test_a_view_is_sorted_and_its_primary_is_the_lowest_id() -> None:
    """The order of a view's list means nothing: give one in disorder, also one whose ids sort as text."""
    view = View.of([(10, "c:1"), (9, "b:1"), (0, "a:1")], epoch=4)
    assert [member.id for member in view.members] == [0, 9, 10]
    assert view.primary == Member(0, "a:1")
    assert view == View.of([(0, "a:1"), (9, "b:1"), (10, "c:1")], epoch=4)


def test_members_are_found_by_id() -> None:
    """Look up members that are and are not in a view, and the others of each."""
    view = View.of([(1, "a:1"), (2, "b:1")])
    assert view.member(2) == Member(2, "b:1")
    assert view.member(3) is None
    assert view.others(1) == (Member(2, "b:1"),)
    assert view.others(3) == view.members


def test_the_empty_view_has_no_primary() -> None:
    """An empty view is legal and means that nobody serves; asking for its primary is a mistake."""
    view = View.of([])
    assert view.members == ()
    with pytest.raises(IndexError):
        _ = view.primary


@pytest.mark.parametrize(
    ("members", "epoch", "what"),
    [
        ([(1, "a:1"), (1, "b:1")], None, "id 1 is in the view twice"),
        ([(1, "a:1"), (2, "a:1")], None, "address a:1 is in the view twice"),
        ([(-1, "a:1")], None, "member id -1"),
        ([(MAX_ID + 1, "a:1")], None, f"member id {MAX_ID + 1}"),
        ([(1, "")], None, "bad length"),
        ([(1, "ä" * (MAX_ADDRESS_BYTES // 2 + 1))], None, "bad length"),
        ([(id_, f"h{id_}:1") for id_ in range(MAX_MEMBERS + 1)], None, "at most 256 members"),
        ([(1, "a:1")], 0, "epoch 0"),
        ([(1, "a:1")], MAX_EPOCH + 1, f"epoch {MAX_EPOCH + 1}"),
    ],
)
def test_a_view_that_cannot_be_is_refused(
    members: list[tuple[int, str]], epoch: int | None, what: str
) -> None:
    """A node counted twice would make "all members have it" a lie: build each kind of bad view."""
    with pytest.raises(ValueError, match=what):
        View.of(members, epoch)


def test_the_limits_of_a_view_are_legal() -> None:
    """Build the largest view, with the largest id, address and epoch."""
    members = [(id_, f"h{id_}:1") for id_ in range(1, MAX_MEMBERS)]
    view = View.of([*members, (MAX_ID, "ä" * (MAX_ADDRESS_BYTES // 2))], epoch=MAX_EPOCH)
    assert len(view.members) == MAX_MEMBERS


def test_an_operation_names_its_request_and_its_size() -> None:
    """Batches and queues are bounded by sizes: compare a PUT, an empty PUT and a DELETE."""
    put = Operation(1, 2, 3, 0, b"key", b"value", b"")
    assert put.request == RequestId(1, 2, 3)
    assert put.size == 80 + 3 + 5
    assert put._replace(value=b"").size == put._replace(value=None).size == 80 + 3
