"""Where a write gets its place: exactly once, outside the log under suspicion, by idempotency key."""

from __future__ import annotations

import pytest

from pbproto import Ballot, Config, Kind, Operation, Reject, Result
from pbproto import store as store_module
from pbproto.config import MILLISECOND
from pbproto.messages import (
    Forward,
    Forwarded,
    Refusal,
    Refuse,
    Replicate,
    Replicated,
    Verdict,
    VerdictCode,
)
from pbproto.ordering import MEANING, conclude, place_local
from pbproto.out import Out
from pbproto.values import RequestId

from .cluster import Cluster, Mail, active, of


def verdicts(cluster: Cluster) -> list[Verdict]:
    """The verdicts that are on their way."""
    return [
        verdict
        for mail in cluster.on_the_way(Forwarded)
        if isinstance(mail.message, Forwarded)
        for verdict in mail.message.verdicts
    ]


def suspicious(**settings: int) -> Cluster:
    """Nodes 0, 1, 2; 0 leads and suspects 2, which it cannot reach."""
    cluster = active(0, 1, 2, **settings)
    cluster.cut(2, 0, 1)
    cluster.advance(1_500)
    assert cluster.lead(0).backups[2].suspected
    return cluster


def forwarded(cluster: Cluster) -> Mail:
    """The message that has just brought a write on its way."""
    return cluster.on_the_way(Forward)[-1]


# Exactly once.


@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_a_copy_of_a_write_is_not_a_second_write(when: str) -> None:
    """Invariant 5: deliver a forwarded write three times, while it waits and when it is done."""
    cluster = active(0, 1)
    held = cluster.hold(of(Replicated))
    token = cluster.put(1, b"k", b"v")
    mail = forwarded(cluster)
    cluster.deliver(mail)
    if when == "after the commit":
        cluster.release(held)
        cluster.run()
        cluster.hold(of(Forwarded))
    cluster.deliver(mail)
    cluster.deliver(mail)
    if when == "after the commit":
        assert verdicts(cluster) == [Verdict(0, VerdictCode.CREATED, 0)] * 2
    cluster.release()
    cluster.run()
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert cluster.state(0).log.end == 1


def test_a_write_that_is_sent_again_to_the_next_primary_gets_its_first_answer() -> None:
    """The table of results moves with the state: 3 forwards a write, hears nothing, and asks the new 1.

    1 was no member when it happened. It gets a snapshot, since nothing of the log is kept; so does a new
    life of 2, so that 3 alone has seen the write.
    """
    cluster = Cluster((0, 1, 2, 3), Config(log_keep_bytes=0, chunk_bytes=1))
    cluster.install((0, 2, 3))
    cluster.hold(of(Forwarded))
    token = cluster.put(3, b"k", b"first")
    request = forwarded(cluster).message
    cluster.run()
    cluster.put(0, b"k", b"second")
    cluster.run()
    cluster.advance(500)
    cluster.crash(0)
    cluster.start(2)
    cluster.release()
    cluster.install((1, 2, 3))
    assert [note["what"] for note in cluster.noted(1, "state_received")] == ["snapshot"]
    # Its client has its answer by now, from its own copy; so ask in its place.
    assert isinstance(request, Forward)
    cluster.written(token)
    cluster.hold(of(Forwarded))
    cluster.forge(3, 1, Forward(cluster.state(1).promised, 0, request.patience, request.operation))
    assert verdicts(cluster) == [Verdict(0, VerdictCode.CREATED, 0)]
    assert cluster.state(1).log.end == 2


def test_a_settled_write_is_never_applied_again() -> None:
    """The low-water mark: the origin has its answer, its result is forgotten, then a late copy arrives."""
    cluster = active(0, 1)
    cluster.put(1, b"k", b"1")
    late = forwarded(cluster)
    cluster.run()
    cluster.put(1, b"k", b"2")
    cluster.run()
    life = (1, cluster.state(1).incarnation)
    assert list(cluster.state(0).store.origins[life].results) == [1]
    cluster.deliver(late)
    cluster.advance(500)
    assert cluster.state(0).log.end == 2
    assert cluster.ignored(0, "settled") == 1


def test_a_settled_write_is_recognised_in_the_next_view_too() -> None:
    """The marks of a ballot end with it; the store remembers: bring the copy to a new primary by hand."""
    cluster = active(0, 1, 2)
    cluster.put(2, b"k", b"1")
    late = forwarded(cluster).message
    cluster.run()
    cluster.put(2, b"k", b"2")
    cluster.run()
    cluster.install((1, 2))
    assert isinstance(late, Forward)
    assert cluster.lead(1).marks == {}
    cluster.forge(2, 1, Forward(cluster.state(1).promised, 0, late.patience, late.operation))
    cluster.advance(500)
    assert cluster.state(1).log.end == 2
    assert cluster.on_the_way(Forwarded) == []


def test_what_may_have_been_forgotten_is_not_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of origins is bounded: a write of a forgotten one may have happened, so it is "unknown".

    With room for one origin, 1's write succeeds unheard of by 1, then 0 writes, then 1 asks again.
    """
    monkeypatch.setattr(store_module, "MAX_ORIGINS", 1)
    cluster = active(0, 1, 2)
    late = cluster.hold(of(Replicated, sender=2))
    token = cluster.put(1, b"k", b"v")
    cluster.run()
    cluster.put(0, b"l", b"w")
    cluster.run()
    assert cluster.state(1).log.end == 2
    cluster.release(late)
    cluster.hold(of(Forwarded, Replicate, receiver=1))
    cluster.run()
    assert (cluster.state(0).commit, cluster.state(1).commit) == (2, 0)
    cluster.lose(of(Forwarded))
    cluster.advance(1_000)
    cluster.release()
    cluster.hold(of(Replicate, receiver=1))
    cluster.run()
    assert cluster.rejection(token) == ("timeout", False)
    assert cluster.state(0).log.end == 2


def test_a_forgotten_write_with_a_key_still_gets_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of keys remembers longer than that of origins: the same trace as above, with a key."""
    monkeypatch.setattr(store_module, "MAX_ORIGINS", 1)
    cluster = active(0, 1, 2)
    late = cluster.hold(of(Replicated, sender=2))
    token = cluster.put(1, b"k", b"v", b"once")
    cluster.run()
    cluster.put(0, b"l", b"w")
    cluster.run()
    cluster.release(late)
    cluster.hold(of(Forwarded, Replicate, receiver=1))
    cluster.run()
    cluster.lose(of(Forwarded))
    cluster.advance(1_000)
    cluster.release()
    cluster.hold(of(Replicate, receiver=1))
    cluster.run()
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert cluster.state(0).log.end == 2


# Suspicion.


def test_new_writes_stay_outside_the_log_while_a_backup_is_suspected() -> None:
    """Only so can they be turned away with certainty: ask the primary and a backup."""
    cluster = suspicious()
    tokens = [cluster.put(0, b"a", b"1"), cluster.put(1, b"b", b"2")]
    cluster.run()
    assert cluster.state(0).log.end == 0
    assert len(cluster.lead(0).parked) == 2
    assert all(cluster.waits(token) for token in tokens)


def test_parked_writes_are_turned_away_with_certainty_and_never_applied() -> None:
    """Not applied means never: let the time of two clients pass, bring the backup back, read.

    The primary answers for the forwarded one early enough for its node to tell its client.
    """
    cluster = suspicious()
    tokens = [cluster.put(0, b"a", b"1"), cluster.put(1, b"b", b"2")]
    cluster.advance(10_000)
    assert [cluster.rejection(token) for token in tokens] == [("timeout", True)] * 2
    assert cluster.lead(0).parked == {}
    assert cluster.lead(0).parked_bytes == 0
    cluster.release()
    cluster.advance(3_000)
    assert not cluster.lead(0).backups[2].suspected
    assert cluster.state(0).log.end == 0
    listing = cluster.get_all(0)
    cluster.run()
    assert cluster.listing(listing) == ({}, 0)


def test_writes_that_are_in_the_log_when_the_silence_begins_are_unknown() -> None:
    """They may commit when the backup returns, and here they do: once, after their client was told."""
    cluster = active(0, 1, 2)
    cluster.cut(2, 0, 1)
    tokens = [cluster.put(0, b"a", b"1"), cluster.put(1, b"b", b"2")]
    cluster.advance(10_000)
    assert [cluster.rejection(token) for token in tokens] == [("timeout", False)] * 2
    cluster.release()
    cluster.advance(3_000)
    assert cluster.state(2).store.data == {b"a": b"1", b"b": b"2"}
    assert cluster.state(0).commit == 2


def test_parked_writes_get_their_place_when_the_backup_answers() -> None:
    """Nothing wedges, without a new view: park two, and let the backup return."""
    cluster = suspicious()
    tokens = [cluster.put(0, b"a", b"1"), cluster.put(1, b"b", b"2")]
    cluster.run()
    cluster.release()
    cluster.advance(1_100)
    assert [cluster.written(token).position for token in tokens] == [0, 1]
    lead = cluster.lead(0)
    assert (lead.parked, lead.parked_bytes, lead.expiries) == ({}, 0, [])


def test_a_copy_does_not_bring_a_refused_write_back() -> None:
    """The client was told "not applied"; then a late copy arrives, and the backup is well again.

    The answer stands: the copy gets the same verdict, and the log stays empty.
    """
    cluster = suspicious()
    token = cluster.put(1, b"k", b"v")
    late = forwarded(cluster)
    cluster.run()
    cluster.advance(9_700)
    assert cluster.rejection(token) == ("timeout", True)
    cluster.release()
    cluster.advance(3_000)
    cluster.hold(of(Forwarded))
    cluster.deliver(late)
    assert verdicts(cluster) == [Verdict(0, VerdictCode.NOT_APPLIED, 0)]
    cluster.advance(1_000)
    assert cluster.state(0).log.end == 0


def test_a_mark_outlives_the_list_of_refused_writes() -> None:
    """What was refused is forgotten once its origin settled it; the mark still knows.

    A refused write, then a second one of the same origin that settles it while nothing is applied, then a
    late copy of the first, then the backup returns.
    """
    cluster = suspicious()
    first = cluster.put(1, b"k", b"1")
    late = forwarded(cluster)
    cluster.advance(9_700)
    cluster.rejection(first)
    second = cluster.put(1, b"k", b"2")
    cluster.run()
    life = (1, cluster.state(1).incarnation)
    assert cluster.lead(0).refused[life] == {}
    assert cluster.lead(0).marks[life] == 1
    cluster.deliver(late)
    cluster.release()
    cluster.advance(3_000)
    assert cluster.written(second) == Result(Kind.CREATED, 0)
    assert cluster.state(0).log.end == 1


def test_a_parked_write_is_not_parked_twice() -> None:
    """A resend finds it waiting: deliver a copy, and count the bytes once."""
    cluster = suspicious()
    cluster.put(1, b"k", b"v")
    mail = forwarded(cluster)
    cluster.deliver(mail)
    before = cluster.lead(0).parked_bytes
    cluster.deliver(mail)
    assert (len(cluster.lead(0).parked), cluster.lead(0).parked_bytes) == (1, before)


def test_the_patience_of_a_short_request_is_not_used_up() -> None:
    """A quarter is kept for the way back, half a second at most: park requests of various patience."""
    for timeout, expected in ((400, 300), (10_000, 9_500)):
        cluster = suspicious(request_timeout=timeout * MILLISECOND)
        token = cluster.put(1, b"k", b"v")
        start = cluster.now
        cluster.deliver(forwarded(cluster))
        (write,) = cluster.lead(0).parked.values()
        assert write.deadline - start == expected * MILLISECOND
        cluster.advance(expected)
        assert cluster.rejection(token) == ("timeout", True)


@pytest.mark.parametrize("settings", [{"max_waiting": 2}, {"max_waiting_bytes": 200}])
def test_what_waits_outside_the_log_is_bounded(settings: dict[str, int]) -> None:
    """Memory is bounded by refusing, with certainty: park more than fits, from two nodes' clients."""
    cluster = Cluster((0, 1, 2))
    cluster.config = Config(**settings)
    cluster.start(0)  # the others take more than the primary
    cluster.install((0, 1, 2))
    cluster.cut(2, 0, 1)
    cluster.advance(1_500)
    tokens = [cluster.put(1, b"k", b"v") for _ in range(3)]
    cluster.run()
    assert [cluster.waits(token) for token in tokens] == [True, True, False]
    assert cluster.rejection(tokens[2]) == ("overloaded", True)


@pytest.mark.parametrize("settings", [{"max_waiting": 2}, {"max_waiting_bytes": 150}])
def test_what_is_in_the_log_and_not_committed_is_bounded(settings: dict[str, int]) -> None:
    """A backup that answers, but late, would let the log grow for ever: what is too much is parked.

    It gets its place as soon as there is room, and all is done in order.
    """
    cluster = active(0, 1, **settings)
    held = cluster.hold(of(Replicated))
    tokens = [cluster.put(0, b"a", b"1"), cluster.put(1, b"b", b"2"), cluster.put(1, b"c", b"3")]
    cluster.run()
    assert cluster.state(0).log.end == 2
    assert len(cluster.lead(0).parked) == 1
    cluster.release(held)
    cluster.run()
    assert [cluster.written(token).position for token in tokens] == [0, 1, 2]
    assert cluster.lead(0).uncommitted_bytes == 0


def test_the_list_of_deadlines_may_name_writes_that_left() -> None:
    """A write that left by another way is skipped when its deadline comes: take one away by hand."""
    cluster = suspicious()
    cluster.put(1, b"k", b"v")
    cluster.run()
    cluster.hold(of(Forward))
    lead = cluster.lead(0)
    lead.parked.clear()
    lead.parked_bytes = 0
    cluster.advance(9_600)
    assert lead.expiries == []
    assert lead.refused == {}


# Idempotency keys.


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("nodes", [(0, 0), (1, 0), (0, 1), (1, 2)])
def test_a_repeated_key_gets_the_first_answer(committed: bool, nodes: tuple[int, int]) -> None:
    """The same request again, at any node, the first being done or not: one write, one answer."""
    cluster = active(0, 1, 2)
    held = cluster.hold(of(Replicated))
    first = cluster.put(nodes[0], b"k", b"v", b"once")
    cluster.run()
    if committed:
        cluster.release(held)
        cluster.run()
    second = cluster.put(nodes[1], b"k", b"v", b"once")
    cluster.run()
    cluster.release()
    cluster.run()
    assert cluster.written(first) == cluster.written(second) == Result(Kind.CREATED, 0)
    assert cluster.state(0).log.end == 1
    assert cluster.lead(0).echoes == {}
    assert cluster.lead(0).echoing == {}


@pytest.mark.parametrize("committed", [True, False])
@pytest.mark.parametrize("node", [0, 1])
@pytest.mark.parametrize("what", ["value", "key", "method"])
def test_a_key_on_another_request_is_refused(committed: bool, node: int, what: str) -> None:
    """The answer of another request would be a lie: change value, key or method; nothing must happen."""
    cluster = active(0, 1)
    held = cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v", b"once")
    cluster.run()
    if committed:
        cluster.release(held)
        cluster.run()
    if what == "method":
        token = cluster.delete(node, b"k", b"once")
    else:
        token = cluster.put(node, b"k" if what == "value" else b"l", b"w", b"once")
    cluster.run()
    assert cluster.rejection(token) == ("idempotency_key_reused", True)
    cluster.release()
    cluster.run()
    assert cluster.state(0).store.data == {b"k": b"v"}
    assert cluster.state(0).log.end == 1


def test_a_repeated_key_survives_a_failover() -> None:
    """The table of keys is replicated: use one at 0, which dies, and again at a new primary."""
    cluster = active(0, 1, 2)
    first = cluster.delete(0, b"k", b"once")
    cluster.run()
    cluster.crash(0)
    cluster.install((1, 2))
    again = cluster.delete(2, b"k", b"once")
    cluster.run()
    assert cluster.written(again) == cluster.written(first) == Result(Kind.MISSING, 0)


def test_a_copy_of_an_echo_is_not_counted_twice() -> None:
    """A repeated request that waits for the first one's commit may be sent again itself."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v", b"once")
    second = cluster.put(1, b"k", b"v", b"once")
    mail = forwarded(cluster)
    cluster.deliver(mail)
    cluster.deliver(mail)
    assert len(cluster.lead(0).echoes[0]) == 1
    cluster.release()
    cluster.run()
    assert cluster.written(second) == Result(Kind.CREATED, 0)


def test_echoes_are_bounded_and_leave_with_their_clients() -> None:
    """A client that repeats its key while a backup is away must not fill the memory.

    The forwarded ones are bounded by refusing, those of the node's own clients leave with them.
    """
    cluster = Cluster((0, 1, 2))
    cluster.config = Config(max_waiting=3)
    cluster.start(0)
    cluster.install((0, 1, 2))
    cluster.hold(of(Replicated, sender=2))
    cluster.put(1, b"k", b"v", b"once")
    cluster.run()
    tokens = [cluster.put(1, b"k", b"v", b"once") for _ in range(4)]
    cluster.run()
    assert len(cluster.lead(0).echoing) == 3
    assert cluster.rejection(tokens[3]) == ("overloaded", True)
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v", b"once")
    cluster.put(0, b"k", b"v", b"once")
    assert len(cluster.lead(0).echoing) == 1
    cluster.close(0)
    assert cluster.lead(0).echoing == {}
    assert cluster.lead(0).echoes[0] == {}


def test_an_echo_may_still_take_effect_and_says_so() -> None:
    """Its first copy stands in the log: at the timeout the second client hears "unknown" as well."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    tokens = [cluster.put(0, b"k", b"v", b"once") for _ in range(2)]
    cluster.advance(10_000)
    assert [cluster.rejection(token) for token in tokens] == [("timeout", False)] * 2


def test_parked_writes_with_one_key_become_one() -> None:
    """Both waited outside the log; in it there is one: release two equal ones and a different one."""
    cluster = suspicious()
    tokens = [
        cluster.put(0, b"k", b"v", b"once"),
        cluster.put(1, b"k", b"v", b"once"),
        cluster.put(1, b"k", b"other", b"once"),
    ]
    cluster.run()
    assert len(cluster.lead(0).parked) == 3
    cluster.release()
    cluster.advance(3_000)
    assert cluster.written(tokens[0]) == cluster.written(tokens[1]) == Result(Kind.CREATED, 0)
    assert cluster.rejection(tokens[2]) == ("idempotency_key_reused", True)


# What does not fit.


def test_a_write_in_another_ballot_is_refused() -> None:
    """An old message must not bring a write into a new view: forward in a lower ballot, and to a backup."""
    cluster = active(0, 1)
    operation = Operation(1, cluster.state(1).incarnation, 0, 0, b"k", b"v", b"")
    cluster.forge(1, 0, Forward(Ballot(0, 0, 0, 0), 0, 10**9, operation))
    cluster.forge(0, 1, Forward(cluster.state(1).promised, 0, 10**9, operation))
    reasons = [mail.message.reason for mail in cluster.on_the_way(Refuse) if isinstance(mail.message, Refuse)]
    assert reasons == [Refusal.PROMISED_HIGHER, Refusal.NOT_IN_BALLOT]
    assert cluster.state(0).log.end == 0


def test_only_a_backups_very_life_brings_its_own_writes() -> None:
    """Another node, another life, and a write of another origin are ignored."""
    cluster = active(0, 1, 2)
    ballot, life = cluster.state(0).promised, cluster.state(1).incarnation
    message = Forward(ballot, 0, 10**9, Operation(1, life, 0, 0, b"k", b"v", b""))
    cluster.forge(9, 0, message)
    cluster.forge(1, 0, message, sender_life=4711)
    assert cluster.ignored(0, "not_a_backup") == 2
    cluster.forge(2, 0, message)
    assert cluster.ignored(0, "not_its_own_request") == 1
    assert cluster.state(0).log.end == 0


def test_a_write_of_the_primarys_former_life_is_nobodys() -> None:
    """The primary restarted; a write of its former life in the base has no client, and nobody is told."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.start(0)
    cluster.mail.clear()
    cluster.release()
    cluster.install((0, 1))
    assert cluster.state(0).store.data == {b"k": b"v"}
    token = cluster.put(0, b"k", b"w")
    cluster.run()
    assert cluster.written(token) == Result(Kind.UPDATED, 1)


def test_who_is_gone_is_not_told() -> None:
    """A result may concern a node that is no member any more, and only writes get a place."""
    cluster = active(0, 1)
    state, lead, out = cluster.state(0), cluster.lead(0), Out()
    conclude(state, lead, RequestId(7, 7, 7), Result(Kind.CREATED, 0), out)
    assert out.effects == []
    cluster.hold(of())
    cluster.get(0, b"k")
    (waiter,) = state.waiting.clients.values()
    place_local(state, lead, waiter, out)
    assert state.log.end == 0


def bring(
    cluster: Cluster, counter: int, value: bytes = b"v", name: bytes = b"", patience: int = 10**9
) -> None:
    """Node 1 forwards a write with a key of one byte."""
    life = cluster.state(1).incarnation
    operation = Operation(1, life, counter, 0, b"k", value, name)
    cluster.forge(1, 0, Forward(cluster.lead(0).ballot, 0, patience, operation))


def test_a_write_that_is_told_overloaded_gets_no_place() -> None:
    """The answer is certain, so nothing of it may stay: one echo more than there is room for."""
    cluster = Cluster((0, 1))
    cluster.config = Config(max_waiting=1)
    cluster.start(0)
    cluster.install((0, 1))
    cluster.hold(of())
    for counter in range(3):
        bring(cluster, counter, name=b"once")
    assert verdicts(cluster) == [Verdict(2, VerdictCode.OVERLOADED, 0)]
    lead = cluster.lead(0)
    assert (len(lead.echoing), cluster.state(0).log.end, lead.parked) == (1, 1, {})


def test_the_log_is_closed_as_soon_as_its_bytes_are_used_up() -> None:
    """An operation counts with 80 bytes and those of its key and value: at the limit nothing more goes in."""
    for limit, placed in ((164, 2), (165, 2), (166, 3)):
        cluster = active(0, 1, max_waiting_bytes=limit)
        cluster.hold(of())
        for counter in range(3):
            bring(cluster, counter, value=b"vv" if counter else b"v")
        assert cluster.state(0).log.end == placed, limit
        assert cluster.lead(0).uncommitted_bytes == 82 + 83 * (placed - 1)


def test_what_is_parked_may_use_all_bytes_there_are() -> None:
    """Two writes of 82 bytes fit where 164 may wait, and one byte less is one write less."""
    for limit, parked in ((163, 1), (164, 2)):
        cluster = suspicious(max_waiting_bytes=limit)
        cluster.hold(of())
        for counter in range(3):
            bring(cluster, counter)
        assert len(cluster.lead(0).parked) == parked
        assert cluster.lead(0).parked_bytes == 82 * parked
        assert [verdict.code for verdict in verdicts(cluster)] == [VerdictCode.OVERLOADED] * (3 - parked)


def test_one_parked_write_leaves_and_the_others_still_count() -> None:
    """The bytes of a write whose time is up are given back, those of another are not."""
    cluster = suspicious()
    cluster.hold(of())
    bring(cluster, 0, value=b"v" * 11, patience=10**8)
    bring(cluster, 1, value=b"v" * 20)
    cluster.now += 10**8
    cluster.tick(0)
    assert list(cluster.lead(0).parked) == [RequestId(1, cluster.state(1).incarnation, 1)]
    assert cluster.lead(0).parked_bytes == 101
    assert verdicts(cluster) == [Verdict(0, VerdictCode.NOT_APPLIED, 0)]


def test_a_write_without_patience_is_turned_away_at_once() -> None:
    """Its client does not wait any more: forward one to a primary that would park it."""
    cluster = suspicious()
    cluster.hold(of())
    bring(cluster, 0, patience=0)
    assert verdicts(cluster) == [Verdict(0, VerdictCode.NOT_APPLIED, 0)]
    assert cluster.lead(0).parked == {}


def test_clients_of_the_primary_read_that_their_key_was_used() -> None:
    """The same words as at a backup: use a key twice, for different requests."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v", b"once")
    cluster.run()
    answer = cluster.asked[cluster.put(0, b"k", b"w", b"once")].answer
    assert isinstance(answer, Reject)
    assert (answer.reason, answer.certain, answer.detail) == MEANING[VerdictCode.KEY_REUSED]


def _promoted(cluster: Cluster) -> None:
    """Node 0 is gone, and 1 is the primary."""
    cluster.lose(of())
    cluster.tell((1, 2))
    cluster.run()


def test_clients_of_the_primary_read_that_their_answer_may_be_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same words as at a backup: it was one when it sent the write on, and nobody knows the outcome."""
    cluster = active(0, 1, 2)
    token = cluster.put(1, b"k", b"v")
    assert cluster.lose(of(Forward)) == 1
    monkeypatch.setattr(store_module.Store, "look_up", lambda *_: store_module.Known.MAYBE_FORGOTTEN)
    _promoted(cluster)
    answer = cluster.asked[token].answer
    assert isinstance(answer, Reject)
    assert (answer.reason, answer.certain, answer.detail) == MEANING[VerdictCode.UNKNOWN]


def test_a_write_that_never_left_its_node_cannot_have_been_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waited for its view, and was nowhere else: forget all origins meanwhile; it is written."""
    cluster = active(0, 1, 2)
    cluster.tell((1, 2), to=(1,))
    token = cluster.put(1, b"k", b"v")
    assert cluster.waits(token)
    monkeypatch.setattr(store_module.Store, "look_up", lambda *_: store_module.Known.MAYBE_FORGOTTEN)
    _promoted(cluster)
    assert cluster.written(token) == Result(Kind.CREATED, 0)


def test_a_copy_of_a_write_does_not_undo_a_later_one() -> None:
    """One request, one effect: its copy finds its result, whatever was done to the key since.

    1 forwards a PUT; 0's client deletes the key; the forwarded message arrives twice more.
    """
    cluster = active(0, 1)
    token = cluster.put(1, b"k", b"v")
    mail = forwarded(cluster)
    cluster.run()
    cluster.delete(0, b"k")
    cluster.run()
    cluster.hold(of(Forwarded))
    for _ in range(2):
        cluster.deliver(mail)
    assert verdicts(cluster) == [Verdict(0, VerdictCode.CREATED, 0)] * 2
    cluster.release()
    cluster.advance(500)
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert [cluster.state(id_).log.end for id_ in (0, 1)] == [2, 2]
    assert [cluster.state(id_).store.data for id_ in (0, 1)] == [{}, {}]
