"""A view becomes active: everything in its base is on every member, and who waits is brought on its way."""

from __future__ import annotations

import pytest

from pbproto import Config, InvariantError, Kind, Result
from pbproto.activation import activate
from pbproto.messages import Adopted, Promise, Propose, Replicate, Replicated
from pbproto.out import Out

from .cluster import Cluster, active, of


def test_a_view_is_active_when_all_members_hold_its_base() -> None:
    """One adopted is not enough of two: hold back the word of the other."""
    cluster = Cluster((0, 1, 2))
    held = cluster.hold(of(Adopted, sender=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert cluster.noted(0, "became_primary") == []
    cluster.release(held)
    cluster.run()
    assert [note["backups"] for note in cluster.noted(0, "became_primary")] == [2]


def test_the_base_is_committed_and_its_clients_are_answered() -> None:
    """What 1 took for the old primary is in the base: its client hears of success when the view starts.

    The write of 1's client is in both logs, uncommitted, when 0 dies.
    """
    cluster = active(0, 1, 2)
    held = cluster.hold(of(Replicated))
    token = cluster.put(1, b"k", b"v")
    cluster.run()
    cluster.crash(0)
    cluster.mail.clear()
    cluster.release(held)
    cluster.tell((1, 2))
    cluster.run(until=lambda: not cluster.waits(token))
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert cluster.state(1).commit == 1


def test_the_first_replicate_tells_the_members_that_the_view_is_active() -> None:
    """Nobody has to write first: an empty Replicate goes to each backup at once."""
    cluster = Cluster((0, 1, 2))
    cluster.hold(of(Replicate))
    cluster.tell((0, 1, 2))
    cluster.run()
    first = [mail.message for mail in cluster.on_the_way(Replicate)]
    assert len(first) == 2
    assert all(isinstance(message, Replicate) and message.operations == () for message in first)


def test_a_write_that_is_in_no_log_any_more_can_be_refused_with_certainty_again() -> None:
    """A view that begins without a write makes its client one that has only just come.

    Two writes stand in 0's log only when {0, 1, 2} is installed without them. The first gets a place again;
    for the second there is no room, so it waits outside the log, and at its time the answer is "no".
    """
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    tokens = [cluster.put(0, b"a", b"1"), cluster.put(0, b"b", b"2")]
    state = cluster.state(0)
    assert [waiter.exposed for waiter in state.waiting.clients.values()] == [True, True]
    state.config = Config(max_waiting=1)
    cluster.release()
    cluster.hold(of(Replicated))
    cluster.lose(of(Replicate))
    cluster.start(2)
    cluster.tell((0, 1, 2))
    cluster.run()
    assert [waiter.exposed for waiter in state.waiting.clients.values()] == [True, False]
    cluster.advance(10_000)
    assert [cluster.rejection(token) for token in tokens] == [("timeout", False), ("timeout", True)]
    cluster.release()
    cluster.advance(3_000)
    assert cluster.state(2).store.data == {b"a": b"1"}


def test_a_primary_without_the_base_does_not_lead() -> None:
    """What we conclude is checked: activate a proposal whose base is not there."""
    cluster = Cluster((0, 1))
    cluster.hold(of(Propose))
    cluster.propose((0, 1))
    state = cluster.state(0)
    assert state.proposal is not None
    with pytest.raises(InvariantError, match="leads with the whole base"):
        activate(state, state.proposal, Out())


def test_who_waited_for_the_view_is_answered_from_what_the_base_knows() -> None:
    """A client that waits at the new primary repeats a key of the old view: answered as the view begins."""
    cluster = active(1, 2)
    cluster.put(1, b"k", b"v", b"once")
    cluster.run()
    cluster.start(0)
    cluster.tell((0, 1, 2), to=(0,))
    tokens = [cluster.put(0, b"k", b"v", b"once"), cluster.put(0, b"k", b"w", b"once")]
    cluster.tell((0, 1, 2))
    cluster.run()
    assert cluster.written(tokens[0]) == Result(Kind.CREATED, 0)
    assert cluster.rejection(tokens[1]) == ("idempotency_key_reused", True)


def test_what_only_some_had_is_on_all_before_anybody_reads_it() -> None:
    """Whoever reads a write may rely on it: the new primary gives it to all members before it serves.

    0 dies with a write that 1 has and 2 has not. It is read at 1 once {1, 2} is active; then 1 dies as well.
    """
    cluster = active(0, 1, 2)
    cluster.cut(0, 2)
    cluster.put(0, b"k", b"v")
    cluster.run()
    assert [cluster.state(id_).log.end for id_ in (1, 2)] == [1, 0]
    cluster.crash(0)
    cluster.release()
    cluster.mail.clear()
    held = cluster.hold(of(Adopted))
    cluster.tell((1, 2))
    read = cluster.get(1, b"k")
    cluster.run()
    assert cluster.waits(read)
    cluster.release(held)
    cluster.run()
    assert cluster.value(read) == (b"v", 1)
    cluster.crash(1)
    cluster.install((2,))
    assert cluster.value(cluster.get(2, b"k")) == (b"v", 1)


def test_a_pending_write_is_counted_anew_under_the_same_primary() -> None:
    """Who had answered in the old view, and whom it waited for, does not matter: the new one's members do.

    0's write reaches 2, which acknowledges, and not 1. {0, 1} is told: 0 leads again, without 2. Its client
    hears of success only once 1 has the write.
    """
    cluster = active(0, 1, 2)
    cluster.hold(of(Replicate, receiver=1))
    token = cluster.put(0, b"k", b"v")
    cluster.run()
    assert [cluster.lead(0).backups[id_].acked for id_ in (1, 2)] == [0, 1]
    cluster.tell((0, 1))
    cluster.run()
    assert list(cluster.lead(0).backups) == [1]
    assert cluster.state(1).log.end == 0
    assert cluster.waits(token)
    cluster.lose(of(Replicate))
    cluster.release()
    cluster.advance(500)
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert cluster.state(1).log.end == 1


@pytest.mark.parametrize("node", [0, 1])
def test_a_write_stays_unknown_while_a_view_is_only_promised(node: int) -> None:
    """That a next view is on its way proves nothing: until it is active another one may hold the write.

    A client of 0, or of 1, writes; 0 and 1 hold it, 2 does not. {0, 1, 2} is installed anew, because 2 was
    restarted, as far as to the promise of 1. The client's time is up; {1, 2} is told: the write is there.
    """
    cluster = active(0, 1, 2)
    cluster.hold(of(Replicate, receiver=2))
    token = cluster.put(node, b"k", b"v")
    cluster.run()
    assert [cluster.state(id_).log.end for id_ in (0, 1, 2)] == [1, 1, 0]
    ballot = cluster.state(0).promised
    cluster.start(2)
    cluster.hold(of(Promise, sender=2))
    cluster.tell((0, 1, 2))
    cluster.advance(10_000)
    assert cluster.state(1).promised == cluster.state(0).promised > ballot
    assert cluster.rejection(token) == ("timeout", False)
    cluster.release()
    cluster.mail.clear()
    cluster.crash(0)
    cluster.tell((1, 2))
    cluster.advance(5_000)
    read = cluster.get(2, b"k")
    cluster.run()
    assert cluster.value(read) == (b"v", 1)
