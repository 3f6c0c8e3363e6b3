"""How a view is installed: proposals, promises that only go up, one life of each member, refusals."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pbproto import Ballot, Config
from pbproto.config import MILLISECOND
from pbproto.messages import (
    Adopt,
    Adopted,
    LogChunk,
    Promise,
    Propose,
    Refusal,
    Refuse,
    Told,
)
from pbproto.seeking import PATIENCE
from pbproto.values import MAX_EPOCH, NO_BALLOT

from .cluster import Cluster, active, of, refusals, tell, view


def test_a_member_promises_only_the_view_that_it_was_told() -> None:
    """No delayed message can revive an old view: a proposal of {0, 1, 2} arrives after {1, 2} was told."""
    cluster = Cluster((0, 1, 2))
    late = cluster.hold(of(Propose, sender=0))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.tell((1, 2), to=(1, 2))
    cluster.lose(of(Told))
    cluster.release(late)
    for mail in cluster.on_the_way(Propose, sender=0):
        cluster.deliver(mail)
        assert refusals(cluster, mail.receiver)[-1] == Refusal.TOLD_OTHER_VIEW
        assert cluster.state(mail.receiver).promised.incarnation != cluster.state(0).incarnation
    cluster.run()
    assert cluster.status(1).status == cluster.status(2).status == "active"
    assert cluster.status(0).status == "installing"


def test_a_node_that_was_told_nothing_promises_nothing() -> None:
    """A restarted node may have forgotten a promise: only a new word from outside lets it in again."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(0,))
    cluster.advance(2_000)
    assert cluster.state(1).promised == NO_BALLOT
    assert cluster.status(0).waiting_for[0].reason == "it has not been told a view since it started"
    cluster.tell((0, 1), to=(1,))
    cluster.run()
    assert cluster.status(1).status == "active"


def test_an_unnumbered_view_goes_above_all_that_was_seen() -> None:
    """Each view gets an epoch of its own, one above the highest met: three in a row."""
    cluster = active(0, 1)
    cluster.install((0,))
    cluster.install((0, 1))
    assert cluster.status(0).epoch == cluster.status(1).epoch == 3
    assert cluster.state(1).promised == Ballot(3, 0, 0, cluster.state(0).incarnation)


def test_a_primary_that_knows_less_goes_above_what_it_is_refused_with() -> None:
    """A restarted primary begins at epoch 1; its members promised more: it goes above them."""
    cluster = active(0, 1)
    for members in ((0,), (0, 1), (0,), (0, 1)):
        cluster.install(members)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.start(0)
    cluster.install((0, 1))
    assert cluster.status(0).epoch == 6
    assert cluster.state(0).store.data == {b"k": b"v"}


def test_a_newer_number_is_learned_from_the_proposal() -> None:
    """Numbered views tolerate PUTs that never arrive: only the primary is told epoch 2."""
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1, 2), epoch=1)
    cluster.install((1, 2), to=(1,), epoch=2)
    assert cluster.noted(2, "view_learned") == [{"epoch": 2, "members": "1,2"}]
    assert cluster.status(2).epoch == 2


def test_an_older_proposal_is_refused_by_number() -> None:
    """The floor of a numbered view: late copies of a proposal of epoch 1 reach nodes that know 2, and 3."""
    cluster = Cluster((0, 1, 2))
    cluster.propose((0, 1, 2), epoch=1)
    one, two = cluster.on_the_way(Propose)[:2]
    cluster.run()
    cluster.install((1, 2), epoch=2)
    assert tell(cluster, 2, (0, 2), 3) == ""
    cluster.deliver(one)
    cluster.deliver(two)
    assert refusals(cluster, 1) == refusals(cluster, 2) == [Refusal.PROMISED_HIGHER]
    assert cluster.state(1).promised.epoch == cluster.state(2).promised.epoch == 2


def test_a_proposal_below_what_was_told_is_refused_though_nothing_was_promised() -> None:
    """What a node was told counts before it promised anything: epoch 1 is proposed to one told epoch 2."""
    cluster = Cluster((0, 1, 2))
    cluster.propose((0, 2), to=(0,), epoch=1)
    assert tell(cluster, 2, (1, 2), 2) == ""
    (proposal,) = cluster.on_the_way(Propose, sender=0)
    cluster.deliver(proposal)
    assert refusals(cluster, 2) == [Refusal.TOLD_OTHER_VIEW]
    same_number = Ballot(2, 0, 0, cluster.state(0).incarnation)
    cluster.forge(0, 2, Propose(same_number, view((0, 2)).members, True))
    assert refusals(cluster, 2) == [Refusal.TOLD_OTHER_VIEW] * 2
    assert cluster.state(2).promised == NO_BALLOT


def test_a_numbered_view_ends_with_its_number() -> None:
    """A member has promised a later epoch: the proposer gives up, says so, and starts no race.

    1 and 2 install epoch 3 while 0, which was told epoch 2 only, asks them.
    """
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1, 2), epoch=1)
    cluster.cut(0, 1, 2)
    cluster.tell((0, 1), to=(0,), epoch=2)
    cluster.install((1, 2), to=(1, 2), epoch=3)
    cluster.release()
    cluster.advance(3_000)
    assert "later epoch 3" in cluster.status(0).blocked
    assert len(cluster.noted(0, "blocked")) == 1
    assert cluster.status(1).status == "active"
    token = cluster.put(0, b"k", b"v")
    cluster.advance(10_000)
    assert cluster.rejection(token) == ("timeout", True)
    assert "cannot be installed" in str(cluster.noted(0, "rejected")[-1]["waited_for"])


def test_a_blocked_view_goes_on_with_a_new_word() -> None:
    """The outside tells the next number, and the node that was blocked leads it."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), epoch=4)
    cluster.run()
    assert "epoch 1 starts a new, empty store" in cluster.status(0).blocked
    assert cluster.replicas[0].deadline is None
    cluster.tell((0, 1), epoch=4)
    cluster.run()
    assert cluster.status(0).blocked
    cluster.start(0)
    cluster.start(1)
    cluster.install((0, 1), epoch=1)


def test_an_unnumbered_proposal_does_not_undercut_a_number() -> None:
    """A member told epoch 5 of the same members does not go back to a lower ballot of a plain view."""
    cluster = Cluster((0, 1))
    cluster.propose((0, 1), to=(0,))
    (proposal,) = cluster.on_the_way(Propose)
    assert tell(cluster, 1, (0, 1), 5) == ""
    cluster.deliver(proposal)
    assert refusals(cluster, 1) == [Refusal.TOLD_OTHER_VIEW]


def test_a_view_needs_the_promise_of_every_member() -> None:
    """Without the seal of all, somebody could still acknowledge the old view: hold back one of two."""
    cluster = Cluster((0, 1, 2))
    held = cluster.hold(of(Promise, sender=2))
    cluster.tell((0, 1, 2))
    cluster.advance(1_000)
    assert cluster.noted(0, "base_chosen") == []
    assert [waiting.id for waiting in cluster.status(0).waiting_for] == [2]
    cluster.release(held)
    cluster.run()
    assert cluster.status(2).status == "active"


def test_copies_of_a_promise_count_once() -> None:
    """Identities, never counts: deliver one member's promise often while the other's is missing."""
    cluster = Cluster((0, 1, 2))
    cluster.hold(of(Promise))
    cluster.tell((0, 1, 2))
    cluster.run()
    promise = cluster.on_the_way(Promise, sender=1)[0]
    before = cluster.ignored(0, "repeated")
    for _ in range(3):
        cluster.deliver(promise)
    assert cluster.ignored(0, "repeated") == before + 2
    assert cluster.noted(0, "base_chosen") == []


def test_a_promise_of_another_ballot_or_of_a_stranger_does_not_count() -> None:
    """Promises are for one ballot, by its members: forge others."""
    cluster = Cluster((0, 1))
    cluster.propose((0, 1), to=(0,))
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Promise(ballot._replace(attempt=9), None, 0, 0, 0, 0, ()))
    assert cluster.ignored(0, "other_ballot") == 1
    cluster.forge(9, 0, Promise(ballot, None, 0, 0, 0, 0, ()))
    assert cluster.ignored(0, "not_a_member") == 1
    assert cluster.noted(0, "base_chosen") == []


def test_a_member_that_is_restarted_after_its_promise_makes_the_view_start_over() -> None:
    """Its first promise is void, since it is forgotten: 1 promises, restarts, is told the view again.

    Once its own promise tells, once its nudge.
    """
    for by_nudge in (True, False):
        cluster = Cluster((0, 1, 2))
        cluster.hold(of(Promise, sender=2))
        if not by_nudge:
            cluster.hold(of(Told))
        cluster.tell((0, 1, 2))
        cluster.run()
        first = cluster.state(0).promised
        cluster.start(1)
        cluster.tell((0, 1, 2), to=(1,))
        if not by_nudge:
            message = Promise(first, None, 0, 0, 0, 0, ())
            cluster.forge(1, 0, message)
        cluster.run()
        assert cluster.state(0).promised > first
        cluster.release()
        cluster.advance(2_000)
        assert cluster.status(1).status == "active"


def test_a_restarted_member_of_a_numbered_view_gets_a_new_attempt() -> None:
    """The view keeps its epoch; two installations never share a name: restart a backup, then the primary."""
    cluster = Cluster((0, 1))
    cluster.install((0, 1), epoch=1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    for attempt, victim in ((1, 1), (2, 0)):
        cluster.start(victim)
        cluster.tell((0, 1), epoch=1)
        cluster.advance(2_000)
        assert cluster.status(victim).status == "active"
        assert cluster.state(0).promised[:2] == (1, attempt)
    assert cluster.state(0).store.data == {b"k": b"v"}


def test_late_answers_of_a_first_installation_do_not_make_a_restarted_primary_start_empty() -> None:
    """ "I am empty", said before all the data came, must not count for the same view told again.

    Promises and adoptions of the first installation are copied; then there is data; then 0 restarts, is told
    the view, and gets the copies before anything else.
    """
    cluster = Cluster((0, 1))
    cluster.hold(of(Promise, Adopted))
    cluster.tell((0, 1), epoch=1)
    cluster.run()
    copies = cluster.on_the_way(Promise)
    cluster.release()
    cluster.hold(of(Adopted))
    cluster.run()
    copies += cluster.on_the_way(Adopted)
    cluster.release()
    cluster.put(0, b"k", b"v")
    cluster.advance(500)
    cluster.start(0)
    cluster.tell((0, 1), epoch=1)
    for mail in copies:
        cluster.deliver(mail)
    cluster.advance(2_000)
    read = cluster.get(0, b"k")
    cluster.run()
    assert cluster.value(read) == (b"v", 1)


def test_a_repeated_proposal_is_answered_until_the_base_is_there() -> None:
    """A lost promise is given again; a member that holds the base has nothing more to say to a proposal."""
    cluster = Cluster((0, 1))
    cluster.hold(of(Promise, Adopt))
    cluster.tell((0, 1))
    cluster.run()
    ballot = cluster.state(0).promised
    proposal = Propose(ballot, view((0, 1)).members, False)
    assert len(cluster.forge(0, 1, proposal)) == 1
    cluster.release()
    cluster.run()
    assert cluster.forge(0, 1, proposal) == ()


@pytest.mark.parametrize(
    ("ballot", "members", "sender", "reason"),
    [
        (Ballot(9, 0, 0, 1), (0, 1), 0, "not_its_own_ballot"),
        (None, (0, 1), 2, "not_its_own_ballot"),
        (None, (0, 2), 0, "not_a_view_of_ours"),
        (None, (1, 2), 0, "not_a_view_of_ours"),
        (None, (), 0, "not_a_view_of_ours"),
    ],
)
def test_a_proposal_that_does_not_fit_itself_is_ignored(
    ballot: Ballot | None, members: tuple[int, ...], sender: int, reason: str
) -> None:
    """Only the primary of the proposed view proposes it, in a ballot of its own life, to its members."""
    cluster = Cluster((0, 1, 2))
    cluster.tell((0, 1), to=(1,))
    message = Propose(ballot or Ballot(9, 0, 0, cluster.state(0).incarnation), view(members).members, False)
    cluster.forge(sender, 1, message)
    assert cluster.ignored(1, reason) == 1
    assert cluster.state(1).promised == NO_BALLOT


def test_a_ballot_without_an_epoch_is_no_ballot_of_a_view() -> None:
    """Epochs count from 1 to a limit; whatever a peer sends must not break the node: propose beside them."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,))
    life = cluster.state(0).incarnation
    for epoch, numbered in ((0, True), (0, False), (MAX_EPOCH + 1, True)):
        cluster.forge(0, 1, Propose(Ballot(epoch, 5, 0, life), view((0, 1)).members, numbered))
    assert cluster.ignored(1, "not_an_epoch") == 3
    assert cluster.state(1).promised == NO_BALLOT


def test_a_leading_node_that_promises_another_ballot_stops_serving() -> None:
    """A primary becomes a backup: 1 leads {1, 2}, then {0, 1, 2} is installed."""
    cluster = Cluster((0, 1, 2))
    cluster.install((1, 2))
    cluster.install((0, 1, 2))
    (note,) = cluster.noted(1, "stopped_serving")
    assert str(note["reason"]).startswith("promised ")
    assert cluster.state(1).lead is None


def test_proposals_become_rarer() -> None:
    """The same for members that are gone."""
    cluster = Cluster((0,))
    cluster.tell((0, 1))
    cluster.advance(PATIENCE * 250)
    times = []
    for _ in range(6):
        times.append(cluster.now // MILLISECOND)
        cluster.mail.clear()
        assert cluster.next_deadline is not None
        cluster.now = cluster.next_deadline
        cluster.wake()
        assert len(cluster.on_the_way(Propose)) == 1
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == [250, 500, 1000, 2000, 2000]


def test_a_refused_proposal_says_why_once() -> None:
    """The reason stands in the status for as long as it holds, and in the log once."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(0,))
    cluster.tell((1,), to=(1,))
    cluster.advance(3_000)
    assert [note["reason"] for note in cluster.noted(0, "refused_by")] == ["it was told another view"]
    assert cluster.status(0).waiting_for[0].reason == "it was told another view"


def test_another_node_at_a_members_address_is_named() -> None:
    """People mix addresses up: node 2 runs at the address of node 1."""
    cluster = Cluster((0, 2))
    cluster.tell((0, 1), to=(0,))
    cluster.mail.clear()
    cluster.forge(2, 0, Refuse(NO_BALLOT, Refusal.WRONG_NODE, 1, NO_BALLOT))
    ballot = cluster.state(0).promised
    cluster.forge(2, 0, Refuse(ballot, Refusal.WRONG_NODE, 1, NO_BALLOT))
    assert cluster.status(0).waiting_for[0].reason == "node 2 answers at its address"


def test_a_refusal_of_something_long_over_is_ignored() -> None:
    """Only what this node still does can be meant: refuse an older ballot, and a member that is none."""
    cluster = active(0, 1, 2)
    cluster.forge(1, 0, Refuse(Ballot(7, 0, 0, 0), Refusal.NOT_TOLD, 1, NO_BALLOT))
    assert cluster.ignored(0, "other_ballot") == 1
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Refuse(ballot, Refusal.NOT_TOLD, 9, NO_BALLOT))
    assert not any(backup.suspected for backup in cluster.lead(0).backups.values())
    cluster.tell((0, 1), to=(0,))
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Refuse(ballot, Refusal.PROMISED_HIGHER, 1, ballot))
    assert cluster.state(0).promised == ballot


def test_a_stranger_cannot_depose_a_primary() -> None:
    """Only the member itself can say what it has promised: a stranger refuses in a member's place."""
    cluster = active(0, 1)
    ballot = cluster.state(0).promised
    higher = Ballot(50, 0, 9, 9)
    cluster.forge(9, 0, Refuse(ballot, Refusal.PROMISED_HIGHER, 1, higher))
    cluster.forge(1, 0, Refuse(ballot, Refusal.PROMISED_HIGHER, 1, higher), sender_life=4711)
    assert cluster.lead(0).superseded < ballot
    assert cluster.state(0).seen_epoch == 1
    cluster.forge(1, 0, Refuse(ballot, Refusal.PROMISED_HIGHER, 1, higher))
    assert cluster.lead(0).superseded == higher
    assert cluster.lead(0).backups[1].suspected == f"it has promised ballot {higher}"


def test_a_node_that_becomes_a_backup_while_it_proposes_gives_up() -> None:
    """2 proposes {2, 3}; it is told {1, 2}, then learns of {1, 2} by a number: its proposal is over."""
    cluster = Cluster((1, 2))
    cluster.tell((2, 3), to=(2,))
    cluster.tell((1, 2), to=(2,))
    assert cluster.state(2).proposal is None
    cluster = Cluster((1, 2))
    cluster.tell((2, 3), to=(2,), epoch=1)
    cluster.tell((1, 2), to=(1,), epoch=2)
    cluster.run()
    assert cluster.state(2).proposal is None
    assert cluster.noted(2, "view_learned")


def test_the_highest_number_of_a_view_is_a_number() -> None:
    """Install a numbered view with the last epoch that may be given."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), epoch=MAX_EPOCH)
    cluster.run()
    assert cluster.status(1).promised.epoch == MAX_EPOCH


def test_who_has_promised_nudges_seldom() -> None:
    """The proposal may have been a late copy: the member goes on, after the longest of the pauses."""
    cluster = Cluster((0, 1), Config(resend_after=100 * MILLISECOND))
    cluster.hold(of(Promise))
    cluster.tell((0, 1))
    cluster.run()
    cluster.lose(of(Told))
    assert cluster.state(1).promised != NO_BALLOT
    assert cluster.state(1).nudge_at == cluster.now + 800 * MILLISECOND


def test_an_old_proposal_of_the_promised_number_is_of_another_view() -> None:
    """Told epoch 7, promised epoch 5: a copy of the proposal of 5 is refused because of what was told."""
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1, 2), epoch=1)
    cluster.tell((0, 2), to=(0,), epoch=5)
    (proposal,) = cluster.on_the_way(Propose, receiver=2)
    cluster.deliver(proposal)
    assert cluster.state(2).promised.epoch == 5
    assert tell(cluster, 2, (1, 2), 7) == ""
    cluster.mail.clear()
    cluster.deliver(proposal)
    assert refusals(cluster, 2) == [Refusal.TOLD_OTHER_VIEW]


def test_a_promise_makes_the_next_proposals_quick_again() -> None:
    """Somebody answers, so it is worth asking: the pauses begin with the shortest."""
    cluster = Cluster((0, 1, 2))
    cluster.hold(of(Propose))
    cluster.tell((0, 1, 2))
    cluster.advance(3_000)
    proposal = cluster.state(0).proposal
    assert proposal is not None
    assert proposal.resends > 2
    cluster.deliver(cluster.on_the_way(Propose, receiver=1)[0])
    cluster.run()
    assert list(proposal.promises) == [0, 1]
    assert proposal.resends == 0


@pytest.mark.parametrize("epoch", [None, 5])
def test_a_refused_primary_goes_above_what_it_hears_of(epoch: int | None) -> None:
    """By an epoch, or by an attempt where the number is given: refuse with a much higher ballot."""
    cluster = Cluster((0, 1))
    cluster.propose((0, 1), to=(0,), epoch=epoch)
    promised = Ballot(epoch or 40, 7, 1, cluster.state(1).incarnation)
    cluster.forge(1, 0, Refuse(cluster.state(0).promised, Refusal.PROMISED_HIGHER, 1, promised))
    mine = cluster.state(0).promised
    assert (mine.epoch, mine.attempt) == ((41, 0) if epoch is None else (5, 8))


def test_after_a_lost_number_a_plain_view_goes_above_it() -> None:
    """A member promised epoch 9, so epoch 1 is over, whoever else promises it; and 9 is not forgotten."""
    cluster = Cluster((0, 1))
    cluster.propose((0, 1), to=(0,), epoch=1)
    promised = Ballot(9, 0, 1, cluster.state(1).incarnation)
    cluster.forge(1, 0, Refuse(cluster.state(0).promised, Refusal.PROMISED_HIGHER, 1, promised))
    assert cluster.status(0).blocked == "a member has promised the later epoch 9"
    cluster.forge(1, 0, Promise(cluster.state(0).promised, None, 0, 0, 0, 0, ()))
    assert cluster.noted(0, "base_chosen") == []
    cluster.tell((0, 1))
    assert cluster.state(0).promised.epoch == 10


def test_only_who_has_not_adopted_is_offered_the_base_again() -> None:
    """Of three, one has adopted: time passes, and the offer goes to the other alone."""
    cluster = Cluster((0, 1, 2))
    cluster.hold(of(Adopt, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.mail.clear()
    cluster.hold(of(Adopt))
    cluster.advance(300)
    assert [mail.receiver for mail in cluster.on_the_way(Adopt)] == [2]


def test_a_base_that_is_still_fetched_is_not_offered() -> None:
    """The primary has chosen and does not hold it yet: it is nudged, and time passes; nothing is given."""
    cluster = active(0, 1, 2)
    cluster.put(1, b"k", b"v")
    cluster.advance(500)
    cluster.start(0)
    cluster.hold(of(LogChunk))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert cluster.state(0).staging is not None
    cluster.tell((0, 1, 2))
    cluster.advance(1_000)
    assert cluster.on_the_way(Adopt) == []
    cluster.release()
    cluster.advance(1_000)
    assert cluster.status(2).status == "active"


@pytest.mark.parametrize("last", [0, 1])
def test_two_primaries_do_not_outbid_each_other(last: int) -> None:
    """Who refuses because it obeys another view gives no reason to go higher: no race, however long it lasts.

    {0, 2} and {1, 2} are told to their members, 2 hears both; half a minute later each primary has proposed
    once, and the one that 2 was told last is active.
    """
    cluster = Cluster((0, 1, 2))
    for primary in (1 - last, last):
        cluster.tell((primary, 2))
    cluster.advance(30_000)
    assert cluster.status(last).status == cluster.status(2).status == "active"
    assert cluster.status(1 - last).status == "installing"
    (waiting,) = cluster.status(1 - last).waiting_for
    assert waiting.reason == "it was told another view"
    assert [len(cluster.noted(id_, "proposed")) for id_ in (0, 1)] == [1, 1]
