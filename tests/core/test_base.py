"""What a new view begins with, decided from the promises of all its members."""

from __future__ import annotations

import pytest

from pbproto import Ballot, Dropped
from pbproto.base import LOST, SPLIT, _loss, choose
from pbproto.lineage import MAX_LINEAGE
from pbproto.messages import Lineage, Promise
from pbproto.state import Base, Proposal

from .cluster import Cluster, view

OWN = Ballot(9, 0, 0, 100)
FIRST = Ballot(1, 0, 0, 100)
SECOND = Ballot(2, 0, 1, 101)
THIRD = Ballot(3, 0, 2, 102)
HISTORY = 77


def life(id_: int) -> int:
    return 100 + id_


def promise(
    synced: Ballot | None,
    end: int,
    commit: int,
    lineage: Lineage,
    *,
    base: int = 0,
    history: int = HISTORY,
) -> Promise:
    return Promise(OWN, synced, history, base, end, commit, lineage)


EMPTY = Promise(OWN, None, 0, 0, 0, 0, ())


def chosen(*promises: Promise, own: Ballot = OWN, numbered: bool = False, restarted: int = -1) -> Base | str:
    """The choice when nodes 0, 1, 2, … promise this; ``restarted`` has another life than its ballot's."""
    proposal = Proposal(own, view(range(len(promises))))
    for id_, made in enumerate(promises):
        proposal.promises[id_] = (999 if id_ == restarted else life(id_), made)
    return choose(proposal, numbered)


def base(*promises: Promise, restarted: int = -1) -> Base:
    choice = chosen(*promises, restarted=restarted)
    assert isinstance(choice, Base)
    return choice


def test_without_any_state_the_view_starts_empty() -> None:
    """The very first view: nobody holds anything, and no number says that somebody should."""
    assert base(EMPTY, EMPTY) == Base(0, 0, 0, (), ())


def test_a_numbered_view_above_one_never_starts_empty() -> None:
    """Epoch 5 says that there were others, with data: without a synced member, only epoch 1 starts."""
    assert chosen(EMPTY, EMPTY, own=OWN._replace(epoch=5), numbered=True) == LOST
    assert chosen(EMPTY, own=OWN._replace(epoch=2), numbered=True) == LOST
    assert isinstance(chosen(EMPTY, EMPTY, own=OWN._replace(epoch=1), numbered=True), Base)
    assert isinstance(chosen(EMPTY, EMPTY, own=OWN._replace(epoch=5), numbered=False), Base)


def test_the_highest_synced_ballot_wins_over_the_longest_log() -> None:
    """A leftover of an old view may be longer than what the newer one committed.

    Node 2 has ten operations of ballot 1; node 1 holds ballot 2, which began at five and wrote one.
    """
    long = promise(FIRST, 10, 5, ((FIRST, 0),))
    newer = promise(SECOND, 6, 6, ((FIRST, 0), (SECOND, 5)))
    made = base(EMPTY, newer, long)
    assert (made.source, made.end, made.history) == (1, 6, HISTORY)
    assert made.lineage == ((FIRST, 0), (SECOND, 5))


def test_the_highest_synced_ballot_wins_without_its_primary_too() -> None:
    """The same where nobody knows how far ballot 2 was acknowledged: its primary, 7, is gone."""
    gone = Ballot(2, 0, 7, 107)
    long = promise(FIRST, 10, 5, ((FIRST, 0),))
    newer = promise(gone, 6, 5, ((FIRST, 0), (gone, 5)))
    made = base(EMPTY, newer, long)
    assert (made.source, made.end) == (1, 6)


def test_with_the_ballots_own_primary_what_it_did_not_commit_never_happened() -> None:
    """It alone acknowledged anything, and knows how far: its log is cut at its commit.

    Node 1 led ballot 2 up to 8 and committed 6; node 2 has 7 of them.
    """
    lineage = ((FIRST, 0), (SECOND, 5))
    made = base(EMPTY, promise(SECOND, 8, 6, lineage, base=5), promise(SECOND, 7, 6, lineage, base=5))
    assert (made.source, made.end) == (1, 6)


def test_the_base_of_a_primary_that_was_never_active_is_not_cut() -> None:
    """It was installed and has committed nothing of its own: what its ballot began with must survive.

    Node 1 holds ballot 2, begun at 5, and knows of 3 commits only, as a backup of ballot 1 may.
    """
    made = base(EMPTY, promise(SECOND, 5, 3, ((FIRST, 0), (SECOND, 5)), base=5))
    assert (made.source, made.end) == (1, 5)


def test_without_the_ballots_primary_the_longest_log_may_be_acknowledged() -> None:
    """Whatever all members hold may have been told to clients: take the longest of the highest synced."""
    lineage = ((FIRST, 0),)
    made = base(EMPTY, promise(FIRST, 4, 2, lineage), promise(FIRST, 6, 2, lineage))
    assert (made.source, made.end) == (2, 6)


def test_a_restarted_primary_is_not_the_ballots_primary() -> None:
    """The life that led knew how far it had acknowledged; another life of the node does not.

    Node 1 says that it holds ballot 2 of its own id, but in a life that is not the ballot's.
    """
    lineage = ((SECOND, 0),)
    promises = (EMPTY, promise(SECOND, 5, 3, lineage), promise(SECOND, 6, 3, lineage))
    assert base(*promises).end == 3
    assert base(*promises, restarted=1).end == 6


def test_the_primary_takes_its_own_copy_if_it_is_as_good() -> None:
    """Nothing has to travel then: equal logs on all; and without its own, the lowest id."""
    made = promise(THIRD, 4, 2, ((THIRD, 0),))
    third = THIRD._replace(primary=5)
    same = made.__class__(OWN, third, HISTORY, 0, 4, 2, ((third, 0),))
    assert base(same, same, same).source == 0
    assert base(EMPTY, same, same).source == 1


def test_stretches_above_the_cut_are_not_in_the_base() -> None:
    """The lineage of the base ends where the base ends: a primary that cuts itself below a stretch."""
    lineage = ((FIRST, 0), (SECOND, 6))
    made = base(EMPTY, promise(SECOND, 8, 2, lineage, base=4))
    assert (made.end, made.lineage) == (4, ((FIRST, 0),))


def test_operations_of_two_histories_are_never_mixed() -> None:
    """Two stores that began apart cannot be joined; a member without operations is of any history."""
    one = promise(FIRST, 3, 3, ((FIRST, 0),))
    other = promise(SECOND, 3, 3, ((SECOND, 0),), history=78)
    assert chosen(one, other) == SPLIT
    unwritten = promise(SECOND, 0, 0, ((SECOND, 0),), history=78)
    assert isinstance(chosen(one, unwritten), Base)


def test_committed_operations_that_the_base_lacks_are_named() -> None:
    """Two halves wrote and are joined: the highest ballot wins, and what the other committed is told.

    After 5 common operations, node 0 led ballot 1 alone to 8, committed 7; node 1 led ballot 2 to 6.
    """
    zero = Ballot(1, 1, 0, life(0))
    half = promise(zero, 8, 7, ((FIRST, 0), (zero, 5)))
    made = base(half, promise(SECOND, 6, 6, ((FIRST, 0), (SECOND, 5))))
    assert made.source == 1
    assert made.dropped == (Dropped(0, 5, 7),)


def test_a_backup_of_the_losing_half_may_hold_acknowledged_operations() -> None:
    """It does not know what its primary told clients, so all it has counts as lost."""
    half = promise(FIRST, 8, 6, ((FIRST, 0),))
    made = base(EMPTY, promise(SECOND, 6, 6, ((SECOND, 0),)), half)
    assert made.dropped == (Dropped(2, 0, 8),)


def test_what_a_backup_of_the_base_has_more_was_never_acknowledged() -> None:
    """The base comes from its own ballot, whose primary says how far it went: nothing is lost.

    Node 1 led and committed 6; node 2, its backup, has 8.
    """
    lineage = ((FIRST, 0), (SECOND, 5))
    made = base(EMPTY, promise(SECOND, 8, 6, lineage, base=5), promise(SECOND, 8, 6, lineage, base=5))
    assert made.end == 6
    assert made.dropped == ()


def test_an_empty_member_loses_nothing() -> None:
    """A member that holds nothing, and one that lags behind, have nothing to lose."""
    made = base(EMPTY, promise(SECOND, 6, 6, ((FIRST, 0), (SECOND, 5))), promise(FIRST, 3, 3, ((FIRST, 0),)))
    assert made.dropped == ()


@pytest.mark.parametrize("with_old_primary", [True, False])
def test_a_base_survives_an_installation_that_never_became_active(with_old_primary: bool) -> None:
    """The second half of "the higher of commit and base", played out on replicas.

    1 acknowledges a write whose commit it never hears of; then it leads {1, 2}, and is told the view
    again before 2 has adopted anything. Its commit is 0, and its base must survive a second time.
    """
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1))
    token = cluster.put(0, b"k", b"acknowledged")
    cluster.run(until=lambda: not cluster.waits(token))
    cluster.crash(0)
    cluster.mail.clear()
    assert (cluster.state(1).commit, cluster.state(1).log.end) == (0, 1)
    offers = cluster.hold(lambda mail: type(mail.message).__name__ == "Adopt")
    cluster.tell((1, 2))
    cluster.run()
    synced = cluster.state(1).synced
    assert synced is not None
    assert synced.primary == 1
    assert (cluster.state(1).commit, cluster.status(1).status) == (0, "installing")
    cluster.release(offers)
    cluster.mail.clear()
    if with_old_primary:
        cluster.start(0)
        cluster.install((0, 1, 2))
    else:
        cluster.start(2)
        cluster.tell((1, 2))
        cluster.advance(2_000)
    read = cluster.get(2, b"k")
    cluster.run()
    assert cluster.value(read) == (b"acknowledged", 1)


def test_a_member_that_was_away_for_very_long_is_not_said_to_have_lost_anything() -> None:
    """A lineage is bounded: what lies before all that is remembered cannot be compared, and did not part.

    Node 1 holds ballot 1; the base was installed more often than is remembered, the first 20 forgotten.
    """
    ballots = [Ballot(epoch, 0, 0, life(0)) for epoch in range(20, 20 + MAX_LINEAGE)]
    lineage = tuple((ballot, 5) for ballot in ballots)
    away = promise(Ballot(1, 0, 0, life(0)), 3, 3, ((FIRST, 0),))
    assert base(promise(ballots[-1], 6, 6, lineage, base=5), away).dropped == ()
    assert base(promise(ballots[-1], 6, 6, lineage[1:], base=5), away).dropped == (Dropped(1, 0, 3),)


def test_a_ballot_without_operations_is_part_of_the_base() -> None:
    """Its members are not said to have lost what was never acknowledged: it began where the base ends.

    The primary of ballot 2 had appended one operation, its backup holds it, and nothing was committed.
    """
    lineage = ((FIRST, 0), (SECOND, 5))
    primary = promise(SECOND, 6, 5, lineage, base=5)
    backup = promise(SECOND, 6, 5, lineage, base=5)
    assert base(backup, primary) == Base(1, 5, HISTORY, lineage, ())


@pytest.mark.parametrize(("oldest", "lost"), [(1, True), (2, False)])
def test_a_member_of_the_oldest_ballot_that_is_remembered_may_have_lost_something(
    oldest: int, lost: bool
) -> None:
    """Only what is older than all that the lineage remembers is not looked at."""
    lineage = tuple((Ballot(oldest + number, 0, 0, 1), oldest + number) for number in range(MAX_LINEAGE))
    away = Promise(OWN, Ballot(1, 0, 0, 1), HISTORY, 0, 9, 9, ((Ballot(1, 0, 0, 1), 1),))
    expected = Dropped(5, 2, 9) if lost else None
    assert _loss(5, 105, away, lineage, 900) == expected
