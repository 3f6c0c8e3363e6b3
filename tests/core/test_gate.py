"""What does not fit is refused or ignored here, with a name, and counted; it changes nothing else."""

from __future__ import annotations

import pytest

from pbproto import Ballot, Envelope, Message, Receive, TellView, View
from pbproto.messages import (
    Adopt,
    Adopted,
    Confirm,
    Fetch,
    Propose,
    Refusal,
    Refuse,
    Replicate,
    Replicated,
    Told,
)
from pbproto.values import NO_BALLOT

from .cluster import Cluster, active, address, view


def refusals(cluster: Cluster) -> list[Refuse]:
    return [mail.message for mail in cluster.on_the_way(Refuse) if isinstance(mail.message, Refuse)]


def written(*ids: int) -> Cluster:
    """An active cluster with one operation, so that it is in a history."""
    cluster = active(*ids)
    cluster.put(ids[0], b"k", b"v")
    cluster.advance(500)
    cluster.mail.clear()
    return cluster


def test_mail_for_another_node_is_refused() -> None:
    """Two nodes exchanged their addresses, or one runs where another is expected: both ids are named."""
    cluster = active(0, 1)
    envelope = Envelope(0, cluster.state(0).incarnation, 7, 0, 0)
    cluster.step(1, Receive(envelope, Told((), 0)))
    assert cluster.ignored(1, "wrong_node") == 1
    assert refusals(cluster) == [Refuse(NO_BALLOT, Refusal.WRONG_NODE, 7, cluster.state(1).promised)]


def test_mail_for_a_former_life_is_refused() -> None:
    """An answer meant for a node's former life must not count: a member restarts and gets its old mail."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.start(1)
    cluster.run()
    assert cluster.ignored(1, "wrong_incarnation") == 1
    assert cluster.ignored(1, "not_told") == 0
    backup = cluster.lead(0).backups[1]
    assert backup.suspected == "it was restarted and has not been told this view since"


def test_mail_of_another_history_is_refused() -> None:
    """An old peer on a reused port is not one of us: both sides hold operations, of different histories."""
    cluster = written(0, 1)
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Replicated(ballot, 1, 0), history=4711)
    assert cluster.ignored(0, "other_history") == 1
    assert refusals(cluster) == [Refuse(ballot, Refusal.OTHER_HISTORY, 0, ballot)]


@pytest.mark.parametrize("history", [0, None])
def test_mail_without_a_history_or_of_ours_passes(history: int | None) -> None:
    """Who holds no operation is in no history: such mail is for the rooms to judge."""
    cluster = written(0, 1)
    cluster.forge(1, 0, Replicated(cluster.state(0).promised, 1, 0), history=history)
    assert cluster.ignored(0, "other_history") == 0


def test_a_node_without_operations_takes_mail_of_any_history() -> None:
    """Otherwise no new node could ever join: an empty one is proposed a view by one with a history."""
    cluster = Cluster((0, 1))
    cluster.install((0,))
    cluster.put(0, b"k", b"v")
    cluster.install((0, 1))
    assert cluster.state(1).history == cluster.state(0).history != 0


def test_mail_from_our_own_id_is_refused() -> None:
    """The outside runs this node twice, or lists it under another address: its own id speaks to it."""
    cluster = active(0, 1)
    cluster.forge(1, 1, Confirm(cluster.state(1).promised, 1), sender_life=4711)
    assert cluster.ignored(1, "wrong_node") == 1


def test_a_refusal_is_never_refused() -> None:
    """Two nodes must not refuse each other's refusals for ever: what does not fit is only counted."""
    cluster = written(0, 1)
    refuse = Refuse(NO_BALLOT, Refusal.NOT_TOLD, 0, NO_BALLOT)
    cluster.forge(1, 0, refuse, receiver_life=4711)
    cluster.forge(0, 0, refuse)
    assert cluster.ignored(0, "wrong_incarnation") == cluster.ignored(0, "wrong_node") == 1
    assert cluster.mail == []


def test_a_refusal_of_another_history_passes() -> None:
    """It is how other histories are found out: the proposer learns why it is not promised."""
    cluster = Cluster((0, 1))
    cluster.watch.one_history = False
    for id_ in (0, 1):
        cluster.install((id_,))
        cluster.put(id_, b"k", b"%d" % id_)
    cluster.tell((0, 1))
    cluster.run()
    (waiting,) = cluster.status(0).waiting_for
    assert (waiting.id, waiting.reason) == (1, "it holds operations of another history")


def test_an_ignored_message_is_noted_and_counted() -> None:
    """Nothing is dropped in silence: ignore one, look at the note and at the count."""
    cluster = active(0, 1)
    cluster.forge(1, 0, Adopted(NO_BALLOT))
    assert cluster.noted(0, "ignored")[-1] == {"reason": "other_ballot", "message": "Adopted", "sender": 1}
    assert cluster.ignored(0, "other_ballot") == 1


def test_a_refusal_goes_back_to_strangers_too() -> None:
    """An answer needs no membership: a stranger's mail is answered without an address."""
    cluster = active(0, 1)
    cluster.mail.clear()
    cluster.forge(9, 0, Replicate(NO_BALLOT, 0, (), 0, 0))
    (mail,) = cluster.mail
    assert (mail.to, mail.receiver) == ("", 9)


def test_an_answer_finds_a_member_of_the_told_view() -> None:
    """A primary that is only told, and not promised, has its address there: refuse its proposal."""
    cluster = active(0, 1)
    cluster.tell((1, 2), to=(1,))
    cluster.mail.clear()
    cluster.forge(2, 1, Replicate(NO_BALLOT, 0, (), 0, 0))
    (mail,) = cluster.on_the_way(Refuse)
    assert mail.to == "node2:80"


@pytest.mark.parametrize("kind", [Adopt, Fetch])
def test_who_installs_a_ballot_that_was_left_hears_of_it_if_its_view_is_wanted(kind: type[Message]) -> None:
    """Told {1, 3}, then {2, 3}, then {1, 3} again: 1 still offers its first ballot, 3 has promised 2's.

    From the told view's primary such mail is refused; from others it is ignored.
    """
    cluster = active(0, 1, 2)
    cluster.tell((1, 2), to=(2,))
    cluster.mail.clear()
    low = Ballot(0, 1, 1, cluster.state(1).incarnation)
    message = Adopt(low, 1, 0, (), ()) if kind is Adopt else Fetch(low, False, 0, 0)
    before = cluster.ignored(2, "other_ballot")
    cluster.forge(1, 2, message)
    assert [refuse.reason for refuse in refusals(cluster)] == [Refusal.PROMISED_HIGHER]
    assert cluster.ignored(2, "other_ballot") == before
    cluster.forge(0, 2, message)
    assert len(refusals(cluster)) == 1
    assert cluster.ignored(2, "other_ballot") == before + 1


def test_a_proposal_for_a_former_life_does_not_pass_for_a_new_one() -> None:
    """A late copy that names the life it was meant for changes nothing in the next one."""
    cluster = active(0, 1)
    cluster.start(1)
    cluster.tell((0, 1), to=(1,))
    ballot = cluster.state(0).promised
    cluster.forge(0, 1, Propose(ballot, view((0, 1)).members, False), receiver_life=4711)
    assert cluster.state(1).promised == NO_BALLOT


def test_a_node_that_is_listed_under_another_id_takes_no_part() -> None:
    """It is no member, and whoever takes it for one hears who it is: {0, 2} is told with 2 at 1's address."""
    cluster = Cluster((0, 1))
    wrong = View.of([(0, address(0)), (2, address(1))])
    for id_ in (0, 1):
        cluster.step(id_, TellView(wrong))
    cluster.advance(3_000)
    assert cluster.status(1).status == "outside"
    assert cluster.state(1).promised == NO_BALLOT
    assert cluster.ignored(1, "wrong_node") >= 1
    assert cluster.status(0).status == "installing"
    assert [waiting.reason for waiting in cluster.status(0).waiting_for] == ["node 1 answers at its address"]
