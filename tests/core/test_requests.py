"""Where a request enters: who is turned away at once, who waits, and how a write is named."""

from __future__ import annotations

import pytest

from pbproto import Delete, Event, Get, GetAll, Put, Reject

from .cluster import Cluster, active, of

REQUESTS = [Put(0, b"k", b"v"), Delete(0, b"k"), Get(0, b"k"), GetAll(0)]


@pytest.mark.parametrize("event", REQUESTS, ids=lambda event: type(event).__name__)
def test_a_node_without_a_view_turns_everybody_away(event: Put | Delete | Get | GetAll) -> None:
    """Nobody has said that it should serve: it says so at once, and is certain."""
    cluster = Cluster((0,))
    token = cluster.ask(0, event)
    assert cluster.rejection(token) == ("no_view", True)


@pytest.mark.parametrize("event", REQUESTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("members", [(), (1,)])
def test_a_node_outside_its_view_turns_everybody_away(
    event: Put | Delete | Get | GetAll, members: tuple[int, ...]
) -> None:
    """Another view, or the empty one, is told to a serving node."""
    cluster = active(0)
    cluster.tell(members, to=(0,))
    assert cluster.rejection(cluster.ask(0, event)) == ("outside_view", True)


@pytest.mark.parametrize("event", REQUESTS, ids=lambda event: type(event).__name__)
def test_a_stopping_node_turns_everybody_away(event: Put | Delete | Get | GetAll) -> None:
    """After the close nobody may begin to wait: ask a node that serves, then is closed, twice."""
    cluster = active(0)
    cluster.close(0)
    cluster.close(0)
    assert cluster.rejection(cluster.ask(0, event)) == ("closing", True)
    assert len(cluster.noted(0, "closed")) == 1


def test_a_refusal_is_noted_with_its_reason() -> None:
    """Every refusal can be found in the log of the node."""
    cluster = Cluster((0,))
    cluster.get(0, b"k")
    assert cluster.noted(0, "rejected") == [{"reason": "no_view", "certain": 1, "waited_for": ""}]


def test_each_write_has_a_name_of_its_own() -> None:
    """Origin, life and count name a request for ever; reads count too: look at the log of a mixed row."""
    cluster = active(0, 1)
    cluster.put(1, b"a", b"1")
    cluster.get(1, b"a")
    cluster.delete(1, b"a", b"key")
    cluster.run()
    log, life = cluster.state(0).log, cluster.state(1).incarnation
    assert [log[position].request for position in range(2)] == [(1, life, 0), (1, life, 2)]
    assert [(log[position].value, log[position].idempotency_key) for position in range(2)] == [
        (b"1", b""),
        (None, b"key"),
    ]


def test_a_write_carries_the_low_water_mark_of_its_arrival() -> None:
    """What was answered before it came is settled, what still waits is not: three at once, then one alone."""
    cluster = active(0, 1)
    for number in range(3):
        cluster.put(0, b"%d" % number, b"v")
    cluster.run()
    cluster.put(0, b"last", b"v")
    cluster.run()
    log = cluster.state(0).log
    assert [log[position].settled for position in range(4)] == [0, 0, 0, 3]


def test_who_came_before_the_view_is_served_in_order_of_arrival() -> None:
    """Waiting clients get their places in the order in which they came."""
    cluster = Cluster((0, 1))
    held = cluster.hold(of())
    cluster.tell((0, 1))
    tokens = [cluster.put(0, b"%d" % number, b"v") for number in range(4)]
    cluster.release(held)
    cluster.run()
    assert [cluster.written(token).position for token in tokens] == [0, 1, 2, 3]


def test_a_view_that_is_told_again_starts_nothing_twice() -> None:
    """Who is on the way stays there: tell the view again while a read and a write wait, at each node."""
    cluster = active(0, 1)
    held = cluster.hold(of())
    tokens = [
        cluster.put(0, b"a", b"1"),
        cluster.get(0, b"a"),
        cluster.put(1, b"b", b"2"),
        cluster.get(1, b"b"),
    ]
    for _ in range(5):
        cluster.tell((0, 1))
    cluster.release(held)
    cluster.run()
    assert [cluster.written(tokens[number]).position for number in (0, 2)] == [0, 1]
    assert cluster.value(tokens[1])[1] >= 1
    cluster.value(tokens[3])
    assert cluster.state(0).log.end == 2


def test_events_of_clients_are_events() -> None:
    """The two unions agree: every request is an event of the door."""
    for event in REQUESTS:
        assert isinstance(event, Event)


def refused(cluster: Cluster, token: int) -> tuple[str, str]:
    """The reason and the words of a rejection."""
    answer = cluster.asked[token].answer
    assert isinstance(answer, Reject)
    return answer.reason.value, answer.detail


def test_a_refusal_says_in_words_why() -> None:
    """What the client reads: no view, outside, stopping while a backup is away, and too many."""
    cluster = Cluster((0, 1))
    assert refused(cluster, cluster.get(0, b"k")) == (
        "no_view",
        "this node has not been told a view since it started",
    )
    cluster.tell((1,), to=(0,))
    assert refused(cluster, cluster.get(0, b"k")) == (
        "outside_view",
        "this node is not a member of the view it was told",
    )
    cluster = active(0, 1, max_waiting=1)
    cluster.hold(of())
    cluster.get(0, b"k")
    assert refused(cluster, cluster.get(0, b"k")) == ("overloaded", "too many requests wait")
    cluster.advance(1_250)
    cluster.close(0)
    assert refused(cluster, 0) == ("closing", "the node is stopping")
    assert refused(cluster, cluster.get(0, b"k")) == (
        "closing",
        "waiting for node 1: it does not answer, for 250 ms",
    )


@pytest.mark.parametrize(
    ("event", "fits"),
    [
        (Get(1, b"k" * 4), True),
        (Get(1, b"k" * 5), False),
        (GetAll(1), True),
        (Delete(1, b"k" * 4), True),
        (Delete(1, b"k" * 5), False),
        (Put(1, b"k" * 2, b"v" * 2), True),
        (Put(1, b"k" * 3, b"v" * 2), False),
        (Put(1, b"k" * 1, b"v" * 4), False),
        (Put(1, b"k" * 5, b""), False),
    ],
)
def test_a_request_is_as_large_as_its_key_and_value(event: Put | Delete | Get | GetAll, fits: bool) -> None:
    """Six bytes wait where ten may: what has four bytes fits, what has five does not."""
    cluster = active(0, 1, max_waiting_bytes=10)
    cluster.hold(of())
    cluster.get(0, b"k" * 6)
    cluster.ask(0, event)
    assert cluster.waits(1) is fits


def test_all_bytes_that_may_wait_may_be_waited_for() -> None:
    """At the very limit a request without a key of its own is still taken, at each kind of limit."""
    cluster = active(0, 1, max_waiting_bytes=6)
    cluster.hold(of())
    cluster.get(0, b"k" * 6)
    assert cluster.waits(cluster.get_all(0))
    assert refused(cluster, cluster.get(0, b"k")) == ("overloaded", "too many requests wait")
