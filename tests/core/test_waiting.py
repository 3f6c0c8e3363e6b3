"""The clients that wait at a node: each leaves with exactly one answer."""

from __future__ import annotations

from pbproto import Config, Reason, Reject
from pbproto.config import MILLISECOND
from pbproto.messages import Replicate, Replicated
from pbproto.out import Out
from pbproto.values import Kind, Result
from pbproto.waiting import full, leave, read, reject, written

from .cluster import Cluster, active, of


def installing(**settings: int) -> Cluster:
    """A node whose view waits for another one, so that all its clients wait."""
    cluster = Cluster((0,), Config(**settings))
    cluster.tell((0, 1))
    return cluster


def test_requests_wait_for_a_view_that_is_being_installed() -> None:
    """They are not turned away: ask before the view is complete, then let the other node come."""
    cluster = installing()
    write, one, all_ = cluster.put(0, b"k", b"v"), cluster.get(0, b"k"), cluster.get_all(0)
    assert cluster.status(0).waiting == 3
    cluster.start(1)
    cluster.tell((0, 1), to=(1,))
    cluster.advance(3_000)
    assert cluster.written(write) == Result(Kind.CREATED, 0)
    assert cluster.value(one)[1] in (0, 1)
    assert cluster.listing(all_)[1] in (0, 1)
    assert cluster.status(0).waiting == 0


def test_everybody_is_turned_away_in_time_and_in_order() -> None:
    """The time of each request is its own: three arrive a second apart, the last view never comes."""
    cluster = installing()
    tokens = []
    for _ in range(3):
        tokens.append(cluster.put(0, b"k", b"v"))
        cluster.advance(1_000)
    for number, token in enumerate(tokens):
        cluster.advance(7_000 if number == 0 else 1_000)
        assert cluster.rejection(token) == ("timeout", True)
        assert sum(cluster.waits(other) for other in tokens) == 2 - number
    assert cluster.state(0).waiting.bytes == 0
    assert len(cluster.state(0).waiting.arrivals) == 0


def test_a_timeout_says_what_was_waited_for() -> None:
    """People should not have to guess: the note and the answer name the member that is missing."""
    cluster = installing()
    token = cluster.put(0, b"k", b"v")
    cluster.advance(10_000)
    (note,) = cluster.noted(0, "rejected")
    assert note["reason"] == "timeout"
    assert "node 1: it has not promised yet" in str(note["waited_for"])
    assert cluster.rejection(token) == ("timeout", True)


def test_the_number_of_waiting_clients_is_bounded() -> None:
    """More than the limit are turned away at once, with certainty; who leaves makes room."""
    cluster = installing(max_waiting=2)
    tokens = [cluster.get(0, b"k") for _ in range(3)]
    assert cluster.rejection(tokens[2]) == ("overloaded", True)
    assert cluster.waits(tokens[0])
    cluster.advance(10_000)
    assert cluster.waits(cluster.get(0, b"k"))


def test_the_bytes_of_waiting_clients_are_bounded() -> None:
    """Few large values fill the memory as well: the sum of keys and values counts."""
    cluster = installing(max_waiting_bytes=300)
    assert cluster.waits(cluster.put(0, b"k", b"v" * 150))
    assert cluster.rejection(cluster.put(0, b"k", b"v" * 100)) == ("overloaded", True)
    assert cluster.waits(cluster.get(0, b"k"))


def test_one_slow_client_does_not_make_the_list_of_arrivals_grow_for_ever() -> None:
    """The low-water mark waits for the oldest client: behind it the answered ones are counted too."""
    cluster = Cluster((0,), Config(max_waiting=1))
    cluster.install((0,))
    state = cluster.state(0)
    state.waiting.arrivals.extend((number, 0) for number in range(99))
    assert not full(state, 0)
    state.waiting.arrivals.append((99, 0))
    assert full(state, 0)


def test_the_low_water_mark_is_the_oldest_client_that_waits() -> None:
    """Answers out of order leave it where it is: a read waits while a later one is answered.

    Answer the second of three by hand, then the first.
    """
    cluster = installing()
    for _ in range(3):
        cluster.put(0, b"k", b"v")
    state = cluster.state(0)
    leave(state, 1)
    assert state.waiting.settled == 0
    leave(state, 0)
    assert state.waiting.settled == 2
    leave(state, 2)
    assert state.waiting.settled == 3


def test_who_has_left_is_not_answered_again() -> None:
    """One answer each: offer every kind of answer to a client that is gone."""
    cluster = installing()
    state, out = cluster.state(0), Out()
    written(state, out, 0, Result(Kind.CREATED, 0))
    read(state, out, 0)
    reject(state, out, 0, Reason.TIMEOUT, True, "")
    assert out.effects == []
    assert leave(state, 0) is None


def test_a_node_that_stops_answers_everybody() -> None:
    """Closing is a kind of answer: certain for who cannot be in a log, unknown for who may be."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    cluster.hold(of(Replicate))
    exposed, one = cluster.put(0, b"k", b"v"), cluster.get(0, b"k")
    forwarded, asking = cluster.put(1, b"k", b"w"), cluster.get_all(1)
    cluster.close(0)
    cluster.close(1)
    assert cluster.rejection(exposed) == cluster.rejection(forwarded) == ("closing", False)
    assert cluster.rejection(one) == cluster.rejection(asking) == ("closing", True)


def test_a_parked_write_leaves_with_its_client() -> None:
    """Whoever was told "not applied" must not be found outside the log later: close while it is parked."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.advance(1_500)
    token = cluster.put(0, b"k", b"v")
    assert len(cluster.lead(0).parked) == 1
    cluster.close(0)
    assert cluster.rejection(token) == ("closing", True)
    assert (cluster.lead(0).parked, cluster.lead(0).parked_bytes) == ({}, 0)
    cluster.release()
    cluster.advance(2_000)
    assert cluster.state(0).log.end == 0


def test_the_time_of_a_request_is_a_setting() -> None:
    """A request waits as long as the settings of its node say, to the millisecond."""
    cluster = installing(request_timeout=700 * MILLISECOND)
    token = cluster.get(0, b"k")
    cluster.advance(699)
    assert cluster.waits(token)
    cluster.advance(1)
    assert cluster.rejection(token) == ("timeout", True)


def test_a_node_that_turns_everybody_away_says_why() -> None:
    """The words reach the client as well as the note: told outside while it waits for a backup."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.advance(1_500)
    token = cluster.get(0, b"k")
    cluster.tell((1,), to=(0,))
    answer = cluster.asked[token].answer
    assert isinstance(answer, Reject)
    assert (answer.reason.value, answer.detail) == (
        "outside_view",
        "this node is not a member of the view it was told",
    )
    cluster = active(0, 1)
    cluster.cut(0, 1)
    token = cluster.get(0, b"k")
    cluster.advance(10_000)
    answer = cluster.asked[token].answer
    assert isinstance(answer, Reject)
    assert answer.detail == "waiting for node 1: it does not answer, for 9.0 s"
    assert cluster.noted(0, "rejected") == [
        {"reason": "timeout", "certain": 1, "waited_for": answer.detail},
    ]


def test_whether_there_is_room_can_be_asked_before() -> None:
    """A frontend asks it of a long body: as much as may wait finds room, and nothing more while it waits."""
    cluster = installing(max_waiting_bytes=100_000, max_waiting=3)
    replica = cluster.replicas[0]
    assert replica.has_room(100_000)
    assert not replica.has_room(100_001)
    cluster.put(0, b"k", b"v" * 60_000)
    assert not replica.has_room(40_000)
    assert replica.has_room(30_000)
    cluster.get(0, b"k")
    cluster.get(0, b"k")
    assert not replica.has_room(1)
