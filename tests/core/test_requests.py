"""Where a request enters: who is turned away at once, who waits, and how a write is named."""

from __future__ import annotations

import pytest

from pbproto import Delete, Event, Get, GetAll, Put

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
