"""A backup takes operations in: in order, each once, in the promised ballot only."""

from __future__ import annotations

from pbproto import Config, Operation
from pbproto.messages import Adopt, Fetch, Refusal, Refuse, Replicate, Replicated

from .cluster import Cluster, Mail, active, of


def operation(counter: int, key: bytes = b"k") -> Operation:
    return Operation(0, 1, counter, 0, key, b"v%d" % counter, b"")


def answers(cluster: Cluster, sender: int) -> list[tuple[int, int]]:
    """Log end and round of the answers of a backup that are on their way."""
    return [
        (mail.message.log_end, mail.message.round)
        for mail in cluster.on_the_way(Replicated, sender=sender)
        if isinstance(mail.message, Replicated)
    ]


def refusals(cluster: Cluster, sender: int) -> list[Refusal]:
    return [
        mail.message.reason
        for mail in cluster.on_the_way(Refuse, sender=sender)
        if isinstance(mail.message, Refuse)
    ]


def test_nothing_lower_than_the_promise_is_acknowledged() -> None:
    """The seal (invariant 4): V2 has copied what 1 held; a write of V1 acknowledged now would be lost.

    0 writes in {0, 1, 2}, its messages are late; {1, 2} is installed; then they arrive.
    """
    cluster = active(0, 1, 2)
    late = cluster.hold(of(Replicate, sender=0))
    token = cluster.put(0, b"k", b"late")
    cluster.install((1, 2))
    cluster.release(late)
    for mail in cluster.on_the_way(Replicate, sender=0):
        cluster.deliver(mail)
        assert refusals(cluster, mail.receiver) == [Refusal.PROMISED_HIGHER]
        assert answers(cluster, mail.receiver) == []
    cluster.run()
    assert cluster.waits(token)
    assert cluster.state(1).log.end == cluster.state(2).log.end == 0


def test_a_ballot_that_was_never_promised_is_refused() -> None:
    """A higher ballot counts once it is promised, not when somebody uses it."""
    cluster = active(0, 1)
    higher = cluster.state(1).promised._replace(attempt=1)
    cluster.forge(0, 1, Replicate(higher, 0, (operation(0),), 0, 0))
    assert refusals(cluster, 1) == [Refusal.NOT_IN_BALLOT]
    assert cluster.state(1).log.end == 0


def test_a_primary_takes_no_operations() -> None:
    """The primary of a ballot is nobody's backup in it: replicate to it in its own ballot."""
    cluster = active(0, 1)
    cluster.forge(1, 0, Replicate(cluster.state(0).promised, 0, (operation(0),), 0, 0))
    assert refusals(cluster, 0) == [Refusal.NOT_IN_BALLOT]
    assert cluster.state(0).log.end == 0


def test_only_the_primary_of_the_ballot_orders() -> None:
    """Another member, and another life of the primary, order nothing."""
    cluster = active(0, 1, 2)
    message = Replicate(cluster.state(1).promised, 0, (operation(0),), 0, 0)
    cluster.forge(2, 1, message)
    cluster.forge(0, 1, message, sender_life=4711)
    assert cluster.ignored(1, "not_the_primary") == 2
    assert cluster.state(1).log.end == 0


def test_a_member_without_the_state_acknowledges_nothing() -> None:
    """To acknowledge means to hold everything below as well: replicate before the base has come."""
    cluster = Cluster((0, 1))
    cluster.hold(of(Adopt))
    cluster.tell((0, 1))
    cluster.run()
    cluster.forge(0, 1, Replicate(cluster.state(0).promised, 0, (operation(0),), 0, 0))
    assert cluster.ignored(1, "not_synced") == 1
    assert answers(cluster, 1) == []
    assert cluster.state(1).log.end == 0


def test_a_copy_is_acknowledged_and_not_appended() -> None:
    """Every message delivered twice changes nothing: deliver a Replicate three times."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    (mail,) = cluster.on_the_way(Replicate)
    cluster.hold(of(Replicated))
    for _ in range(3):
        cluster.deliver(mail)
    assert answers(cluster, 1) == [(1, 0)] * 3
    assert cluster.state(1).log.end == 1


def test_an_old_copy_after_newer_operations_takes_nothing_away() -> None:
    """Reordered messages: an early Replicate arrives again after later ones."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"1")
    (old,) = cluster.on_the_way(Replicate)
    cluster.run()
    cluster.put(0, b"k", b"2")
    cluster.run()
    cluster.hold(of(Replicated))
    cluster.deliver(old)
    assert answers(cluster, 1)[-1] == (2, 0)
    assert [cluster.state(1).log[position].value for position in range(2)] == [b"1", b"2"]


def test_what_overlaps_is_appended_from_where_it_is_new() -> None:
    """A resend may carry more than the first time: replicate [0], then [0, 1, 2], by hand."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    ballot = cluster.state(1).promised
    made = tuple(operation(counter) for counter in range(3))
    cluster.forge(0, 1, Replicate(ballot, 0, made[:1], 0, 0))
    cluster.forge(0, 1, Replicate(ballot, 0, made, 0, 0))
    assert answers(cluster, 1) == [(1, 0), (3, 0)]
    assert tuple(cluster.state(1).log[position] for position in range(3)) == made


def test_behind_a_gap_nothing_is_appended_and_the_answer_says_what_is_missing() -> None:
    """Operations stand at their positions or nowhere: replicate position 2 onto an empty log."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    cluster.forge(0, 1, Replicate(cluster.state(1).promised, 2, (operation(2),), 0, 0))
    assert answers(cluster, 1) == [(0, 0)]
    assert cluster.state(1).log.end == 0


def test_a_backup_applies_what_is_everywhere_as_far_as_it_has_it() -> None:
    """The commit may be told before the operations: it is applied up to the own log's end, no further."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    ballot = cluster.state(1).promised
    cluster.forge(0, 1, Replicate(ballot, 0, (operation(0, b"a"), operation(1, b"b")), 1, 0))
    assert cluster.state(1).store.data == {b"a": b"v0"}
    cluster.forge(0, 1, Replicate(ballot, 2, (), 9, 0))
    assert cluster.state(1).store.data == {b"a": b"v0", b"b": b"v1"}
    cluster.forge(0, 1, Replicate(ballot, 2, (), 0, 0))
    assert cluster.state(1).commit == 2


def test_a_backup_hears_of_a_commit_without_further_writes() -> None:
    """The last write must reach the backups' stores too: wait for a sign of life."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    assert cluster.state(1).commit == 0
    cluster.advance(500)
    assert cluster.state(1).store.data == {b"k": b"v"}


def test_the_first_replicate_makes_a_backup_active_and_starts_its_clients() -> None:
    """Clients that came while the view was installed wait, and are brought on their way then."""
    cluster = Cluster((0, 1))
    held = cluster.hold(of(Replicate))
    cluster.tell((0, 1))
    cluster.run()
    token = cluster.put(1, b"k", b"v")
    assert cluster.status(1).status == "installing"
    assert cluster.noted(1, "installed") == []
    cluster.release(held)
    cluster.run()
    assert cluster.status(1).status == "active"
    assert [note["role"] for note in cluster.noted(1, "installed")] == ["backup"]
    assert cluster.written(token).position == 0


def test_a_backup_told_outside_still_keeps_its_word() -> None:
    """As a backup it acknowledges the old view until a proposal seals it: it stops serving, not holding."""
    cluster = active(0, 1)
    cluster.tell((0,), to=(1,))
    token = cluster.put(0, b"k", b"v")
    cluster.run()
    assert cluster.written(token).position == 0
    assert cluster.status(1).status == "outside"


def test_mail_is_answered_where_it_came_from() -> None:
    """An answer goes to the address that the view gives the sender, and to its very life."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    (mail,) = cluster.on_the_way(Replicate)
    cluster.deliver(mail)
    (answer,) = cluster.on_the_way(Replicated)
    assert isinstance(answer, Mail)
    assert answer.to == "node0:80"
    assert answer.envelope.receiver_incarnation == cluster.state(0).incarnation


def test_an_active_backup_is_no_source() -> None:
    """What a source keeps for its readers is let go when the view is active: a late copy of a Fetch reaches a
    backup that has adopted, and then the first Replicate does.
    """
    cluster = Cluster((1, 2), Config(log_keep_bytes=0))
    cluster.install((2,))
    cluster.put(2, b"k", b"v")
    cluster.tell((1, 2))
    cluster.hold(of(Replicate))
    cluster.run()
    state = cluster.state(2)
    assert state.synced == state.promised
    assert not state.active
    cluster.forge(1, 2, Fetch(state.promised, True, 0, 1))
    assert state.frozen is not None
    cluster.release()
    cluster.run()
    assert cluster.status(2).status == "active"
    assert state.frozen is None
