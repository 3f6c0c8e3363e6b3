"""A view becomes active: everything in its base is on every member, and who waits is brought on its way."""

from __future__ import annotations

import pytest

from pbproto import Config, InvariantError, Kind, Result
from pbproto.activation import activate
from pbproto.messages import Adopted, Propose, Replicate, Replicated
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
    cluster.tell((0, 1))
    state = cluster.state(0)
    assert state.proposal is not None
    with pytest.raises(InvariantError, match="leads with the whole base"):
        activate(state, state.proposal, Out())
