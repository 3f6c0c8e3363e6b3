"""A backup's clients: writes go to the primary until they are answered, reads ask it what they must see."""

from __future__ import annotations

import pytest

from pbproto import InvariantError, Kind, Reject, Result
from pbproto.forwarding import _send, forward
from pbproto.messages import Confirm, Confirmed, Forward, Forwarded, Replicate, Verdict, VerdictCode
from pbproto.ordering import MEANING
from pbproto.out import Out
from pbproto.quota import words
from pbproto.state import Follow, State

from .cluster import Cluster, active, of

FORWARD_AGAIN = 1_000
CONFIRM_AGAIN = 250


def follow(cluster: Cluster, id_: int) -> Follow:
    following = cluster.state(id_).follow
    assert following is not None
    return following


def test_any_node_takes_a_write() -> None:
    """The primary's answer is the backup's answer: write through both backups."""
    cluster = active(0, 1, 2)
    one = cluster.put(1, b"k", b"1")
    cluster.run()
    two = cluster.put(2, b"k", b"2")
    cluster.run()
    assert cluster.written(one) == Result(Kind.CREATED, 0)
    assert cluster.written(two) == Result(Kind.UPDATED, 1)


def test_a_read_is_never_answered_from_the_own_copy_alone() -> None:
    """A backup learns of commits late: its copy is old although everybody was told success.

    Write through the primary; read at the backup before it has heard of the commit.
    """
    cluster = active(0, 1)
    cluster.put(0, b"k", b"new")
    cluster.run()
    assert cluster.state(1).store.data == {}
    held = cluster.hold(of(Confirm))
    read, listing = cluster.get(1, b"k"), cluster.get_all(1)
    cluster.run()
    assert cluster.waits(read)
    assert cluster.waits(listing)
    cluster.release(held)
    cluster.run()
    assert cluster.value(read) == (b"new", 1)
    assert cluster.listing(listing) == ({b"k": b"new"}, 1)


def test_a_question_that_is_on_its_way_does_not_serve_a_later_read() -> None:
    """Its answer may be older than the read: the answer to a first read's question is late, a write succeeds.

    The second read must wait for a question of its own.
    """
    cluster = active(0, 1)
    held = cluster.hold(of(Confirmed))
    first = cluster.get(1, b"k")
    cluster.run()
    (late,) = cluster.on_the_way(Confirmed)
    write = cluster.put(0, b"k", b"new")
    cluster.run()
    cluster.written(write)
    second = cluster.get(1, b"k")
    cluster.deliver(late)
    assert cluster.value(first) == (None, 0)
    assert cluster.waits(second)
    cluster.release(held)
    cluster.run()
    assert cluster.value(second) == (b"new", 1)


def test_one_question_serves_all_reads_that_wait() -> None:
    """Reads cost messages per question: one goes out for the first read, one for the nine after it."""
    cluster = active(0, 1)
    reads = [cluster.get(1, b"k") for _ in range(10)]
    assert len(cluster.on_the_way(Confirm)) == 1
    cluster.run()
    assert all(cluster.value(read) == (None, 0) for read in reads)
    assert follow(cluster, 1).ask == 2


def test_a_lost_question_is_asked_again() -> None:
    """Lose the question, then its answer: time alone brings the reader its answer."""
    cluster = active(0, 1)
    read = cluster.get(1, b"k")
    assert cluster.lose(of(Confirm)) == 1
    held = cluster.hold(of(Confirmed))
    cluster.advance(CONFIRM_AGAIN)
    assert cluster.lose(of(Confirmed)) == 1
    cluster.release(held)
    cluster.advance(CONFIRM_AGAIN)
    assert cluster.value(read) == (None, 0)


def test_a_lost_write_is_sent_again() -> None:
    """Lose the write, then its verdict: it happens once, and its client hears of it."""
    cluster = active(0, 1)
    token = cluster.put(1, b"k", b"v")
    assert cluster.lose(of(Forward)) == 1
    held = cluster.hold(of(Forwarded))
    cluster.advance(FORWARD_AGAIN)
    assert cluster.lose(of(Forwarded)) == 1
    cluster.release(held)
    cluster.advance(FORWARD_AGAIN)
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert cluster.state(0).log.end == 1


def traces(cluster: Cluster, receiver: int) -> list[bytes]:
    """The trace contexts of the writes on their way to this node."""
    messages = [mail.message for mail in cluster.on_the_way(Forward, receiver=receiver)]
    return [message.trace for message in messages if isinstance(message, Forward)]


def test_a_write_brings_its_trace_context_along_each_time() -> None:
    """Goal: the primary can say which client's request a write belongs to, whichever copy it gets.

    Method: forward a PUT, a DELETE and one without a context; lose them; let the next primary be another.
    """
    cluster = active(0, 1, 2)
    cluster.put(2, b"a", b"v", trace=b"of a")
    cluster.delete(2, b"b", trace=b"of b")
    cluster.put(2, b"c", b"v")
    assert traces(cluster, 0) == [b"of a", b"of b", b""]
    cluster.lose(of(Forward))
    cluster.hold(of(Forward))
    cluster.advance(FORWARD_AGAIN)
    assert traces(cluster, 0) == [b"of a", b"of b", b""]
    cluster.crash(0)
    cluster.mail.clear()
    cluster.tell((1, 2))
    cluster.run()
    assert traces(cluster, 1) == [b"of a", b"of b", b""]


def test_a_trace_context_is_in_no_log_and_left_out_for_an_old_peer() -> None:
    """Goal: nothing but the message to a primary that knows of it has the context.

    Method: a backup speaks version 2 to one primary, version 1 to the next; look at the message, the
    operations and the replicas' logs.
    """
    cluster = active(0, 1, 2)
    cluster.wires[1] = 1
    token = cluster.put(2, b"k", b"v", trace=b"context")
    (mail,) = cluster.on_the_way(Forward)
    assert isinstance(mail.message, Forward)
    assert mail.message.trace == b"context"
    assert b"context" not in mail.message.operation
    cluster.run()
    cluster.written(token)
    for id_ in cluster.ids:
        assert "context" not in repr(cluster.state(id_).log.since(0, 1, 1_000))
    cluster.crash(0)
    cluster.install((1, 2))
    token = cluster.put(2, b"k", b"w", trace=b"context")
    assert traces(cluster, 1) == [b""]
    cluster.run()
    cluster.written(token)


def test_an_answered_write_is_not_sent_again() -> None:
    """The list of what is to be sent again forgets who was answered: nothing goes out later."""
    cluster = active(0, 1)
    cluster.put(1, b"k", b"v")
    cluster.run()
    assert len(follow(cluster, 1).forwarded) <= 1
    cluster.advance(3 * FORWARD_AGAIN)
    assert len(follow(cluster, 1).forwarded) == 0
    assert cluster.state(0).log.end == 1


def test_a_write_whose_time_is_up_is_not_sent_again() -> None:
    """A client that left wants nothing any more: one of two is too old when both are due."""
    cluster = active(0, 1)
    cluster.hold(of(Forward))
    token = cluster.put(1, b"k", b"v")
    cluster.advance(10_000)
    assert cluster.rejection(token) == ("timeout", False)
    cluster.lose(of(Forward))
    cluster.advance(2 * FORWARD_AGAIN)
    assert cluster.on_the_way(Forward) == []


@pytest.mark.parametrize("committed", [True, False])
def test_after_a_failover_a_write_goes_to_the_next_primary_and_happens_once(committed: bool) -> None:
    """The verdict is lost with the primary, and the new one has the result, or the write as new.

    2 forwards a write; 0 dies after, or before, it has ordered it; {1, 2} takes over.
    """
    cluster = active(0, 1, 2)
    cluster.hold(of(Forwarded) if committed else of(Forward))
    token = cluster.put(2, b"k", b"v")
    cluster.run()
    assert cluster.state(1).log.end == int(committed)
    cluster.crash(0)
    cluster.mail.clear()
    cluster.release()
    cluster.tell((1, 2))
    cluster.run()
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert cluster.state(1).log.end == 1


def test_clients_wait_through_a_failover() -> None:
    """Reads and writes at a backup outlive their primary: cut it off, ask, and install the next view."""
    cluster = active(0, 1, 2)
    cluster.cut(0, 1, 2)
    write, read = cluster.put(2, b"k", b"v"), cluster.get(1, b"k")
    cluster.run()
    cluster.install((1, 2))
    assert cluster.written(write).position == 0
    assert cluster.value(read)[1] in (0, 1)


def test_a_confirmation_that_does_not_fit_is_ignored() -> None:
    """Another ballot, another sender, another life, another question, more than the log has: none counts."""
    cluster = active(0, 1, 2)
    held = cluster.hold(of(Confirm))
    read = cluster.get(1, b"k")
    ballot, ask = cluster.state(1).promised, follow(cluster, 1).ask
    cluster.forge(0, 1, Confirmed(ballot._replace(attempt=9), ask, 0))
    assert cluster.ignored(1, "other_ballot") == 1
    cluster.forge(2, 1, Confirmed(ballot, ask, 0))
    cluster.forge(0, 1, Confirmed(ballot, ask, 0), sender_life=4711)
    assert cluster.ignored(1, "not_the_primary") == 2
    before = cluster.ignored(1, "repeated")
    cluster.forge(0, 1, Confirmed(ballot, ask + 1, 0))
    cluster.forge(0, 1, Confirmed(ballot, ask - 1, 0))
    assert cluster.ignored(1, "repeated") == before + 2
    cluster.forge(0, 1, Confirmed(ballot, ask, 1))
    assert cluster.ignored(1, "beyond_the_log") == 1
    assert cluster.waits(read)
    cluster.release(held)
    cluster.run()
    assert cluster.value(read) == (None, 0)
    cluster.forge(0, 1, Confirmed(ballot, ask, 0))
    assert cluster.ignored(1, "repeated") == before + 3


def test_a_confirmation_before_the_view_is_active_is_ignored() -> None:
    """A member that does not know that the view is active has asked nothing in it."""
    cluster = Cluster((0, 1))
    cluster.hold(of(Replicate))
    cluster.tell((0, 1))
    cluster.run()
    cluster.forge(0, 1, Confirmed(cluster.state(1).promised, 0, 0))
    cluster.forge(1, 0, Confirmed(cluster.state(0).promised, 0, 0))
    assert cluster.ignored(1, "other_ballot") == cluster.ignored(0, "other_ballot") == 1


def test_a_verdict_that_does_not_fit_is_ignored() -> None:
    """Another ballot's verdict was certain only there; and only the primary gives any.

    Also a verdict on a request that nobody waits for changes nothing.
    """
    cluster = active(0, 1, 2)
    cluster.hold(of(Forward))
    token = cluster.put(1, b"k", b"v")
    ballot = cluster.state(1).promised
    verdicts = (Verdict(0, VerdictCode.NOT_APPLIED, 0),)
    cluster.forge(0, 1, Forwarded(ballot._replace(epoch=9), verdicts))
    assert cluster.ignored(1, "other_ballot") == 1
    cluster.forge(2, 1, Forwarded(ballot, verdicts))
    cluster.forge(0, 1, Forwarded(ballot, verdicts), sender_life=4711)
    assert cluster.ignored(1, "not_the_primary") == 2
    effects = cluster.forge(
        0, 1, Forwarded(ballot, (Verdict(5, VerdictCode.CREATED, 0), Verdict(6, VerdictCode.UNKNOWN, 0)))
    )
    assert effects == ()
    cluster.forge(1, 0, Forwarded(ballot, verdicts))
    assert cluster.ignored(0, "other_ballot") == 1
    assert cluster.waits(token)
    cluster.forge(0, 1, Forwarded(ballot, verdicts))
    assert cluster.rejection(token) == ("timeout", True)


@pytest.mark.parametrize(
    ("code", "rejection"),
    [
        (VerdictCode.NOT_APPLIED, ("timeout", True)),
        (VerdictCode.OVERLOADED, ("overloaded", True)),
        (VerdictCode.KEY_REUSED, ("idempotency_key_reused", True)),
        (VerdictCode.UNKNOWN, ("timeout", False)),
    ],
)
def test_every_rejecting_verdict_reaches_the_client(code: VerdictCode, rejection: tuple[str, bool]) -> None:
    """No and don't know are different: give each verdict, look at reason and certainty."""
    cluster = active(0, 1)
    cluster.hold(of(Forward))
    token = cluster.put(1, b"k", b"v")
    cluster.forge(0, 1, Forwarded(cluster.state(1).promised, (Verdict(0, code, 0),)))
    assert cluster.rejection(token) == rejection


def test_readers_that_left_are_not_asked_for() -> None:
    """No question goes out for clients whose time is up: let two wait in vain, then let time pass."""
    cluster = active(0, 1)
    held = cluster.hold(of(Confirmed))
    first, second = cluster.get(1, b"k"), cluster.get(1, b"l")
    cluster.run()
    cluster.advance(10_000)
    assert cluster.rejection(first) == cluster.rejection(second) == ("timeout", True)
    cluster.release(held)
    cluster.advance(500)
    assert len(follow(cluster, 1).reads) == 0
    asked = follow(cluster, 1).ask
    cluster.advance(2_000)
    assert follow(cluster, 1).ask == asked


def test_while_its_view_is_not_the_told_one_a_backup_asks_nothing() -> None:
    """A backup that was told another view serves nobody in the old one, and wakes up for nobody."""
    cluster = active(0, 1, 2)
    cluster.hold(of(Confirm))
    cluster.hold(of(Forward))
    cluster.get(1, b"k")
    cluster.put(1, b"k", b"v")
    cluster.cut(2, 0, 1)
    cluster.tell((1, 2), to=(1,))
    before = len(cluster.on_the_way(Confirm, Forward))
    cluster.advance(3_000)
    assert len(cluster.on_the_way(Confirm, Forward)) == before


def test_reads_are_not_forwarded() -> None:
    """The rooms say what they may be given: a read is not sent as a write, and nothing without a view."""
    cluster = active(0, 1)
    cluster.hold(of(Confirm))
    cluster.get(1, b"k")
    (waiter,) = cluster.state(1).waiting.clients.values()
    with pytest.raises(InvariantError, match="only writes"):
        _send(cluster.state(1), follow(cluster, 1), waiter, Out())
    fresh, out = State(9, 1, cluster.config), Out()
    forward(fresh, waiter, out)
    assert out.effects == []


def test_only_a_question_after_the_telling_proves_the_view() -> None:
    """A question that is on its way began before: its answer proves nothing, that of the next one does."""
    cluster = active(0, 1)
    cluster.get(1, b"k")
    held = cluster.hold(of(Confirm))
    cluster.tell((0, 1), to=(1,))
    assert cluster.status(1).status == "installing"
    (first,) = cluster.on_the_way(Confirm)
    cluster.deliver(first)
    cluster.run()
    assert not cluster.waits(0)
    assert cluster.status(1).status == "installing"
    (second,) = cluster.on_the_way(Confirm)
    cluster.deliver(second)
    cluster.run()
    assert cluster.status(1).status == "active"
    assert cluster.on_the_way(Confirm) == []
    cluster.release(held)


def test_a_verdict_of_somebody_who_left_does_not_hide_the_others() -> None:
    """Verdicts travel together: one for nobody, one for a reader, and then the one that is waited for."""
    cluster = active(0, 1)
    cluster.hold(of())
    reader, writer = cluster.get(1, b"k"), cluster.put(1, b"k", b"v")
    verdicts = tuple(Verdict(counter, VerdictCode.CREATED, 5) for counter in (9, 0, 1))
    cluster.forge(0, 1, Forwarded(cluster.lead(0).ballot, verdicts))
    assert cluster.waits(reader)
    assert cluster.written(writer) == Result(Kind.CREATED, 5)


@pytest.mark.parametrize("code", MEANING)
def test_a_rejecting_verdict_is_explained(code: VerdictCode) -> None:
    """The client reads the same words at a backup as at the primary."""
    cluster = active(0, 1)
    cluster.hold(of())
    token = cluster.put(1, b"k", b"v")
    cluster.forge(0, 1, Forwarded(cluster.lead(0).ballot, (Verdict(0, code, 0),)))
    answer = cluster.asked[token].answer
    assert isinstance(answer, Reject)
    reason, certain, detail = MEANING[code]
    if code is VerdictCode.STORE_FULL:
        detail = words(cluster.state(1), 0)
    assert (answer.reason, answer.certain, answer.detail) == (reason, certain, detail)


def test_a_backup_that_was_removed_and_not_told_serves_nobody() -> None:
    """Its old primary leads a view without it, and refuses its questions and its writes by their ballot.

    {0} is told to 0 only, which writes k; clients go on using 1, until their time is up.
    """
    cluster = active(0, 1)
    cluster.put(0, b"k", b"old")
    cluster.advance(500)
    cluster.install((0,), to=(0,))
    cluster.put(0, b"k", b"new")
    read, listing, write = cluster.get(1, b"k"), cluster.get_all(1), cluster.put(1, b"k", b"lost")
    cluster.advance(10_000)
    assert cluster.rejection(read) == cluster.rejection(listing) == ("timeout", True)
    assert cluster.rejection(write) == ("timeout", False)
    assert cluster.ignored(0, "promised_higher") >= 2
    assert cluster.value(cluster.get(0, b"k")) == (b"new", 2)
    assert cluster.state(1).store.data == {b"k": b"old"}


@pytest.mark.parametrize("acknowledged", [True, False])
@pytest.mark.parametrize("members", [(0, 1, 2), (0, 2)])
def test_a_write_of_a_node_that_died_is_on_all_members_or_on_none(
    acknowledged: bool, members: tuple[int, ...]
) -> None:
    """The log does not depend on who brought a write: committed if all hold it, else gone with the view.

    1 forwards a write and dies, after it acknowledged it, or before. The next view is without it, or with its
    next life; then a late copy of the forwarded message arrives.
    """
    cluster = active(0, 1, 2)
    cluster.hold(of(Forwarded))
    token = cluster.put(1, b"k", b"v")
    (copy,) = cluster.on_the_way(Forward)
    if not acknowledged:
        cluster.hold(of(Replicate, receiver=1))
    cluster.run()
    cluster.crash(1)
    assert cluster.asked[token].lost
    assert (cluster.state(0).log.end, cluster.state(0).commit) == (1, int(acknowledged))
    cluster.release()
    if 1 in members:
        cluster.start(1)
    cluster.tell(members)
    cluster.advance(3_000)
    cluster.deliver(copy)
    read = cluster.get(2, b"k")
    cluster.advance(500)
    assert cluster.value(read) == ((b"v", 1) if acknowledged else (None, 0))
    assert [cluster.state(id_).log.end for id_ in members] == [int(acknowledged)] * len(members)
