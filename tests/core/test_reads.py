"""Confirmed reads on the primary: nothing from the past, one round for all who wait."""

from __future__ import annotations

import pytest

from pbproto import Ballot
from pbproto.messages import Confirm, Confirmed, Refusal, Refuse, Replicate, Replicated

from .cluster import active, of


@pytest.mark.parametrize("node", [0, 1])
def test_a_replaced_primary_never_answers_from_the_past(node: int) -> None:
    """Rule (b): every backup confirms after the read arrived.

    {0, 1, 2} is cut: 2 alone is given the view {2} and writes k; 0 and 1 have not heard of it. Clients of
    both must not get the old k, neither while they are cut off nor when 2 says why.
    """
    cluster = active(0, 1, 2)
    cluster.put(0, b"k", b"old")
    cluster.advance(500)
    cut = cluster.cut(2, 0, 1)
    cluster.install((2,))
    new = cluster.put(2, b"k", b"new")
    cluster.run()
    cluster.written(new)
    read, listing = cluster.get(node, b"k"), cluster.get_all(node)
    cluster.advance(2_000)
    assert cluster.waits(read)
    cluster.release(cut)
    cluster.advance(15_000)
    assert cluster.rejection(read) == cluster.rejection(listing) == ("timeout", True)


def test_a_round_that_was_sent_before_the_read_proves_nothing() -> None:
    """An answer to it may be older than the read: the next round is needed.

    0 starts a round for a first read; its answers are late. Meanwhile {1, 2} takes over and writes. A second
    read arrives at 0, then the late answers: the first read may have the old value, the second must not.
    """
    cluster = active(0, 1, 2)
    cluster.put(0, b"k", b"old")
    cluster.run()
    cluster.hold(of(Replicated, receiver=0))
    first = cluster.get(0, b"k")
    cluster.run()
    late = cluster.on_the_way(Replicated, receiver=0)
    assert len(late) == 2
    cluster.cut(0, 1, 2)
    cluster.install((1, 2))
    cluster.put(1, b"k", b"new")
    cluster.run()
    second = cluster.get(0, b"k")
    for mail in late:
        cluster.deliver(mail)
    assert cluster.value(first) == (b"old", 1)
    assert cluster.waits(second)


def test_a_read_sees_what_was_in_the_log_when_it_arrived() -> None:
    """Rule (a): a round may be confirmed before all of the log is; the read waits for both.

    Three writes travel one by one; the read arrives after the first was sent, so that its round is answered
    together with the second write.
    """
    cluster = active(0, 1, batch_bytes=1)
    for number in range(3):
        cluster.put(0, b"k", b"%d" % number)
    read = cluster.get(0, b"k")
    cluster.run(until=lambda: cluster.state(0).commit == 2)
    assert cluster.lead(0).backups[1].round == cluster.lead(0).round
    assert cluster.waits(read)
    cluster.run()
    assert cluster.value(read) == (b"2", 3)


def test_one_backup_is_not_enough_for_a_read() -> None:
    """All members confirm, since a view of any one of them might serve: hold back one answer."""
    cluster = active(0, 1, 2)
    held = cluster.hold(of(Replicated, sender=1))
    read = cluster.get(0, b"k")
    cluster.run()
    assert cluster.waits(read)
    cluster.release(held)
    cluster.run()
    assert cluster.value(read) == (None, 0)


def test_one_empty_round_serves_all_reads_that_wait() -> None:
    """Reads cost messages per round, not per read: five reads, then five more while it is under way."""
    cluster = active(0, 1)
    held = cluster.hold(of())
    reads = [cluster.get(0, b"k") for _ in range(5)]
    (mail,) = cluster.on_the_way(Replicate)
    assert isinstance(mail.message, Replicate)
    assert mail.message.operations == ()
    reads += [cluster.get(0, b"k") for _ in range(5)]
    assert cluster.on_the_way(Replicate) == [mail]
    cluster.release(held)
    rounds = cluster.lead(0).round
    cluster.run()
    assert cluster.lead(0).round == rounds
    assert all(cluster.value(read) == (None, 0) for read in reads)


def test_reads_of_a_view_of_one_are_answered_at_once() -> None:
    """Nobody else could have been asked: read one key and all in the step of the request."""
    cluster = active(0)
    cluster.put(0, b"k", b"v")
    assert cluster.value(cluster.get(0, b"k")) == (b"v", 1)
    assert cluster.value(cluster.get(0, b"other")) == (None, 1)
    assert cluster.listing(cluster.get_all(0)) == ({b"k": b"v"}, 1)


def test_a_listing_is_one_point_of_the_order() -> None:
    """Later writes do not change what was handed out: list, write, look at the list again."""
    cluster = active(0)
    cluster.put(0, b"a", b"1")
    listing = cluster.get_all(0)
    cluster.put(0, b"b", b"2")
    cluster.delete(0, b"a")
    assert cluster.listing(listing) == ({b"a": b"1"}, 1)


def test_a_client_that_left_does_not_hold_the_others_up() -> None:
    """A read whose time was up is skipped when its round comes: one too old, one young."""
    cluster = active(0, 1)
    cut = cluster.cut(0, 1)
    old = cluster.get(0, b"k")
    cluster.advance(6_000)
    young = cluster.get(0, b"k")
    cluster.advance(5_000)
    assert cluster.rejection(old) == ("timeout", True)
    assert cluster.waits(young)
    cluster.release(cut)
    cluster.advance(1_100)
    assert cluster.value(young) == (None, 0)
    assert len(cluster.lead(0).reads) == 0


def test_a_question_in_another_ballot_is_refused() -> None:
    """Only the primary of the very ballot can say what its backups' readers must see."""
    cluster = active(0, 1)
    cluster.forge(1, 0, Confirm(Ballot(0, 0, 0, 0), 1))
    cluster.forge(0, 1, Confirm(cluster.state(1).promised, 1))
    reasons = [mail.message.reason for mail in cluster.on_the_way(Refuse) if isinstance(mail.message, Refuse)]
    assert reasons == [Refusal.PROMISED_HIGHER, Refusal.NOT_IN_BALLOT]


def test_only_backups_ask_and_each_question_counts_once() -> None:
    """A stranger, another life, an older question than the one that waits: none of them is noted down."""
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    ballot = cluster.state(0).promised
    cluster.forge(9, 0, Confirm(ballot, 1))
    cluster.forge(1, 0, Confirm(ballot, 1), sender_life=4711)
    assert cluster.ignored(0, "not_a_backup") == 2
    cluster.forge(1, 0, Confirm(ballot, 5))
    asked, before = dict(cluster.lead(0).asks), cluster.ignored(0, "repeated")
    cluster.forge(1, 0, Confirm(ballot, 5))
    cluster.forge(1, 0, Confirm(ballot, 4))
    assert cluster.ignored(0, "repeated") == before + 2
    assert cluster.lead(0).asks == asked


def test_a_backup_is_told_only_after_a_round_and_the_commit() -> None:
    """A backup's reader has the same rights as the primary's: hold back the round, then a write."""
    cluster = active(0, 1, 2)
    held = cluster.hold(of(Replicated, sender=2))
    write = cluster.put(0, b"k", b"v")
    read = cluster.get(1, b"k")
    cluster.run()
    assert cluster.on_the_way(Confirmed) == []
    assert cluster.waits(write)
    assert cluster.waits(read)
    cluster.release(held)
    cluster.run()
    assert cluster.value(read) == (b"v", 1)


def test_two_backups_share_a_round() -> None:
    """Questions are kept per backup and answered together: both ask, one round goes out."""
    cluster = active(0, 1, 2)
    reads = [cluster.get(1, b"k"), cluster.get(2, b"k")]
    for mail in cluster.on_the_way(Confirm):
        cluster.deliver(mail)
    cluster.run()
    assert [cluster.value(read) for read in reads] == [(None, 0)] * 2
    assert cluster.lead(0).asks == {}


def test_reads_that_wait_for_one_round_share_it() -> None:
    """One round serves whoever came before it began: read three times while the first round is under way."""
    cluster = active(0, 1)
    cluster.hold(of())
    begun = cluster.lead(0).round
    for _ in range(3):
        cluster.get(0, b"k")
    rounds = [round_ for round_, _, _ in cluster.lead(0).reads]
    assert rounds == [begun + 1, begun + 2, begun + 2]


def test_a_read_that_waits_does_not_hold_a_backups_question_up() -> None:
    """What is confirmed is answered, whoever came first: a question of one round, a read of the next."""
    cluster = active(0, 1, 2)
    cluster.get(1, b"k")
    held = cluster.hold(of(Replicated, sender=2))
    cluster.run()
    cluster.get(0, b"k")
    (answer,) = cluster.on_the_way(Replicated, sender=2)
    cluster.hold(of(Confirmed))
    cluster.deliver(answer)
    assert len(cluster.on_the_way(Confirmed, receiver=1)) == 1
    assert cluster.waits(1)
    cluster.release(held)


def test_a_view_that_is_told_again_enqueues_no_read_twice() -> None:
    """A read that waits is on its way already: tell the same view again."""
    cluster = active(0, 1)
    cluster.hold(of())
    cluster.get(0, b"k")
    cluster.tell((0, 1))
    assert len(cluster.lead(0).reads) == 1
