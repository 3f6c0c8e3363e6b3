"""The one door: what the caller may do wrong, what stops a node, when it wants to be woken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbproto import (
    Batch,
    Config,
    Delete,
    Envelope,
    Event,
    Get,
    GetAll,
    InvariantError,
    Message,
    Put,
    Receive,
    Replica,
    TellView,
    Tick,
    UsageError,
)
from pbproto import replica as module
from pbproto.messages import Replicate
from pbproto.out import Out
from pbproto.replica import check_request
from pbproto.values import MAX_ID, MAX_IDEMPOTENCY_KEY_BYTES, MAX_KEY_BYTES, MAX_TRACE_BYTES

from .cluster import Cluster, active, of, view
from .wire import BY_CLASS, QUICK


@pytest.mark.parametrize(("id_", "incarnation"), [(-1, 1), (MAX_ID + 1, 1), (0, 0), (0, 2**64), (0, -1)])
def test_a_node_needs_an_id_and_a_life(id_: int, incarnation: int) -> None:
    """An incarnation of 0 means "not known" on the wire: make replicas with numbers out of range."""
    with pytest.raises(UsageError):
        Replica(id_, incarnation)


def test_the_limits_of_ids_and_lives_are_legal() -> None:
    """Make a replica with the largest numbers, and one with the smallest, without settings."""
    assert Replica(MAX_ID, 2**64 - 1).state.config == Config()
    assert Replica(0, 1).state.incarnation == 1


@pytest.mark.parametrize(
    "event",
    [
        Put(1, b"", b"v"),
        Put(1, b"k" * (MAX_KEY_BYTES + 1), b"v"),
        Delete(1, b""),
        Get(1, b"k" * (MAX_KEY_BYTES + 1)),
        cast("Event", "tick"),
        cast("Event", None),
        Batch((Put(1, b"k", b"v"), Get(2, b""))),
        Batch((Put(1, b"k", b"v"), cast("Get", Tick()))),
    ],
)
def test_misuse_changes_nothing(event: Event) -> None:
    """The caller's mistake is an exception, and the replica is as before: misuse it, then use it."""
    replica = Replica(0, 1)
    with pytest.raises(UsageError):
        replica.step(event, now=5)
    assert replica.state.now == 0
    assert replica.step(Tick(), now=5) == ()


def test_what_a_peer_would_refuse_is_refused_at_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that one node accepts and another cannot pass on stops a cluster: exceed each limit."""
    monkeypatch.setattr(module, "MAX_VALUE_BYTES", 10)
    replica = Replica(0, 1)
    replica.step(TellView(view((0,))), now=0)
    for event in (
        Put(1, b"k", b"v", b"i" * (MAX_IDEMPOTENCY_KEY_BYTES + 1)),
        Delete(1, b"k", b"i" * (MAX_IDEMPOTENCY_KEY_BYTES + 1)),
        Put(1, b"k", b"v", trace=b"t" * (MAX_TRACE_BYTES + 1)),
        Delete(1, b"k", trace=b"t" * (MAX_TRACE_BYTES + 1)),
        Put(1, b"k", b"v" * 11),
    ):
        with pytest.raises(UsageError, match="at most"):
            replica.step(event, now=0)
    most = Put(1, b"k", b"v" * 10, b"i" * MAX_IDEMPOTENCY_KEY_BYTES, b"t" * MAX_TRACE_BYTES)
    replica.step(most, now=0)
    assert replica.state.log.end == 1


def test_clients_that_arrive_together_go_in_one_message() -> None:
    """Three of them write, one reads: one Replicate has it all, and each is answered by its own token."""
    cluster = active(0, 1)
    cluster.hold(of())
    tokens = cluster.ask_together(
        0, Put(0, b"a", b"1"), Delete(1, b"a"), Put(2, b"a", b"3", b"once"), Get(3, b"a"), GetAll(4)
    )
    (mail,) = cluster.on_the_way(Replicate)
    assert isinstance(mail.message, Replicate)
    assert [operation.value for operation in mail.message.operations] == [b"1", None, b"3"]
    cluster.release()
    cluster.run()
    assert [cluster.written(token).position for token in tokens[:3]] == [0, 1, 2]
    assert cluster.value(tokens[3]) == (b"3", 3)
    assert cluster.listing(tokens[4]) == ({b"a": b"3"}, 3)


def test_one_after_the_other_is_the_same_as_together() -> None:
    """Only the messages are fewer: at a primary, a backup, a node without a view, each nearly full."""
    requests = (Put(0, b"k", b"v"), Get(1, b"k"), Delete(2, b"k"), GetAll(3))
    for node, ids in ((0, (0, 1)), (1, (0, 1)), (2, (0, 1))):
        ends = []
        for together in (False, True):
            cluster = Cluster((0, 1, 2), Config(max_waiting=3))
            cluster.install(ids)
            if together:
                cluster.ask_together(node, *requests)
            else:
                for request in requests:
                    cluster.ask(node, request)
            cluster.run()
            answers = [asked.answer for asked in cluster.asked.values()]
            assert None not in answers
            ends.append((answers, dict(cluster.state(0).store.data), cluster.state(0).log.end))
        assert ends[0] == ends[1]


@pytest.mark.parametrize("now", [1.0, None, True, "1"])
def test_time_is_an_integer(now: Any) -> None:
    """Floats would make time inexact and bools are slips: step with each."""
    with pytest.raises(UsageError, match="integer number of nanoseconds"):
        Replica(0, 1).step(Tick(), now=now)


def test_a_key_of_the_largest_size_is_legal() -> None:
    """The limit itself passes everywhere: write, replicate and read it."""
    cluster = active(0, 1)
    key = b"k" * MAX_KEY_BYTES
    cluster.put(0, key, b"v")
    read = cluster.get(1, key)
    cluster.run()
    assert cluster.value(read) == (b"v", 1)


def test_a_step_within_a_step_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a step's state must not be seen by another one: step from inside a handler."""
    replica = Replica(0, 1)
    seen: list[str] = []

    def reenter(*_: object) -> None:
        with pytest.raises(UsageError, match=r"^step is not re-entrant$"):
            replica.step(Tick(), now=0)
        seen.append("refused")

    monkeypatch.setattr(module, "_happen", reenter)
    assert replica.step(Tick(), now=0) == ()
    assert seen == ["refused"]


@pytest.mark.parametrize("text", ["something is wrong", ""])
def test_a_node_that_broke_works_no_more(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Rather stop than lie: after any exception from within, every step is refused, with the first reason."""
    replica = Replica(0, 1)

    def fail(*_: object) -> None:
        raise KeyError(text) if text else KeyError

    monkeypatch.setattr(module, "_happen", fail)
    with pytest.raises(KeyError):
        replica.step(Tick(), now=0)
    monkeypatch.undo()
    for _ in range(2):
        with pytest.raises(InvariantError, match=text or "KeyError"):
            replica.step(Tick(), now=0)


def test_a_clock_that_goes_back_stands_still() -> None:
    """Time never runs backwards in the core: go back by a second, and forward again."""
    replica = Replica(0, 1)
    replica.step(Tick(), now=2_000)
    replica.step(Tick(), now=1_000)
    assert replica.state.now == 2_000
    replica.step(Tick(), now=3_000)
    assert replica.state.now == 3_000


def test_who_waits_for_nothing_wants_no_waking() -> None:
    """A node without a view, and one alone in its view, sleep; one that waits for others does not."""
    cluster = Cluster((0,))
    assert cluster.replicas[0].deadline is None
    cluster.tell((0,))
    assert cluster.replicas[0].deadline is None
    cluster.tell((0, 1))
    assert cluster.replicas[0].deadline is not None


def test_the_first_of_all_deadlines_counts() -> None:
    """Clients, backups, parked writes, questions: whichever is due first wakes the node.

    With a request that is to time out before anything else, and with a parked write of a backup's.
    """
    cluster = active(0, 1, 2, request_timeout=100_000_000)
    cluster.advance(300)
    cluster.hold(of())
    cluster.get(1, b"k")
    assert cluster.replicas[1].deadline == cluster.now + 100_000_000
    cluster = active(0, 1, 2, request_timeout=200_000_000)
    cluster.cut(2, 0, 1)
    cluster.advance(1_500)
    cluster.put(1, b"k", b"v")
    cluster.run()
    (parked,) = cluster.lead(0).parked.values()
    assert cluster.replicas[0].deadline is not None
    assert cluster.replicas[0].deadline <= parked.deadline
    assert module._deadline(cluster.state(0)) == cluster.replicas[0].deadline


def test_a_tick_before_the_deadline_does_nothing() -> None:
    """Waking too early is harmless: tick often, between the deadlines."""
    cluster = active(0, 1)
    cluster.run()
    for _ in range(10):
        cluster.now += 1
        assert cluster.tick(0) == cluster.tick(1) == ()


def test_unknown_kinds_are_bugs_of_ours() -> None:
    """The unions are closed: a kind that nobody handles must not pass in silence."""
    state, out = Cluster((0,)).state(0), Out()
    with pytest.raises(AssertionError):
        module._happen(state, cast("Event", "what"), out)
    with pytest.raises(AssertionError):
        module._receive(state, Envelope(1, 1, 0, 0, 0), cast("Message", "what"), out)


def test_status_can_be_asked_at_any_time() -> None:
    """Looking changes nothing and needs no step: ask a fresh, a told and a broken node."""
    replica = Replica(3, 33)
    assert replica.status(0).status == "none"
    replica.step(TellView(view((3,))), now=0)
    status = replica.status(10)
    assert (status.id, status.incarnation, status.status) == (3, 33, "active")


def test_no_message_breaks_a_node() -> None:
    """What a peer sent is never a reason to stop: throw every kind, without any sense, at every role.

    0 leads, 1 follows, 2 proposes, 3 was told nothing; senders are former lives, and strangers.
    """
    cluster = Cluster((0, 1, 2, 3))
    cluster.install((0, 1))
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.tell((2, 3), to=(2,))

    @settings(QUICK, max_examples=30)
    @given(st.tuples(*BY_CLASS.values()))
    def throw(messages: tuple[Message, ...]) -> None:
        for id_ in cluster.ids:
            for message in messages:
                for sender in (0, 1, 9):
                    event = Receive(Envelope(sender, 5, id_, 0, 0), message)
                    cluster.replicas[id_].step(event, now=cluster.now)

    throw()
    cluster.install((0, 1, 2, 3))


def test_misuse_is_named() -> None:
    """The caller's mistake says what would be right: each way to misuse the door, word for word."""
    replica = Replica(0, 1)
    key, value = f"a key has 1 to {MAX_KEY_BYTES} bytes", b"v"
    mistakes: list[tuple[Callable[[], object], str]] = [
        (lambda: Replica(-1, 1), f"a node's id is between 0 and {MAX_ID}, not -1"),
        (lambda: Replica(0, 0), "an incarnation has 64 bits and is not 0"),
        (lambda: replica.step(Tick(), now=cast("int", 1.5)), "time is an integer number of nanoseconds"),
        (lambda: replica.step(Put(1, b"", value), now=0), key),
        (lambda: replica.step(cast("Event", "tick"), now=0), "'tick' is not an event"),
        (lambda: replica.step(Batch((GetAll(1), Put(2, b"", value))), now=0), key),
        (
            lambda: replica.step(Batch((cast("Get", Tick()),)), now=0),
            "Tick() is not a request of a client",
        ),
        (lambda: check_request(Get(1, b"")), key),
        (
            lambda: replica.step(Delete(1, b"k", b"i" * 256), now=0),
            f"an idempotency key has at most {MAX_IDEMPOTENCY_KEY_BYTES} bytes",
        ),
        (
            lambda: check_request(Delete(1, b"k", trace=b"t" * (MAX_TRACE_BYTES + 1))),
            f"a trace context has at most {MAX_TRACE_BYTES} bytes",
        ),
    ]
    for mistake, words in mistakes:
        with pytest.raises(UsageError) as caught:
            mistake()
        assert str(caught.value) == words


def test_a_node_closes_once() -> None:
    """It says so once, however often it is asked to."""
    cluster = active(0)
    for _ in range(2):
        cluster.close(0)
        assert cluster.noted(0, "closed") == [{}]
