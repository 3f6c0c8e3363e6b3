"""A copy of another primary's state, put together aside: what it is made of, and when it counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbproto import Config, InvariantError, Message, Operation
from pbproto.messages import (
    Adopt,
    Fetch,
    Forward,
    Learned,
    LogChunk,
    Offer,
    Propose,
    SnapshotChunk,
)
from pbproto.state import Learning, check
from pbproto.store import MAX_ORIGINS, Store
from pbproto.values import Ballot

from .cluster import Cluster, Mail, of
from .test_filling import copied, copying, only
from .test_transfer import LOG, SNAPSHOT, filled, staging

CHUNKS = (SnapshotChunk, LogChunk)
OPERATION = Operation(9, 9, 9, 0, b"no", b"no", b"")


def learning(cluster: Cluster, id_: int) -> Learning:
    found = cluster.state(id_).learning
    assert found is not None, f"node {id_} has no copy on its way"
    return found


def offer(cluster: Cluster, end: int, kept: int = 0, ballot: Ballot | None = None) -> None:
    """Node 0 offers its log up to ``end`` to node 1, whatever it said before."""
    state = cluster.state(0)
    message = Offer(ballot or state.promised, state.history, end, kept, kept, state.lineage)
    cluster.forge(0, 1, message)


def answers(cluster: Cluster) -> list[Message]:
    """What node 1 has said to offers and chunks; it is not delivered."""
    found = [mail.message for mail in cluster.on_the_way(Fetch, Learned, sender=1)]
    cluster.lose(of(Fetch, Learned, sender=1))
    return found


def offered(count: int = 6, **settings: int) -> Cluster:
    """Node 0 serves alone and holds operations; what it and node 1 say to each other is up to the test."""
    cluster = filled((0, 1), (0,), count, **{**SNAPSHOT, **settings})
    cluster.tell((0, 1), to=(0,))
    cluster.hold(of())
    cluster.lose(of())
    return cluster


def chunk_of(cluster: Cluster, **changes: object) -> SnapshotChunk:
    """One chunk with all the items of node 0's state, or what is changed about it."""
    cluster.forge(1, 0, Fetch(cluster.state(0).promised, True, 0, cluster.state(0).commit))
    mail = only(cluster, SnapshotChunk)
    cluster.lose(of(SnapshotChunk))
    assert isinstance(mail.message, SnapshotChunk)
    return replace(mail.message, **changes)  # type: ignore[arg-type]


# Aside.


def test_a_copy_is_no_part_of_the_state() -> None:
    """It is not promised, synced, committed or shown: a node goes on with what it has until it joins.

    1 serves alone as well, by an older view; told to join {0, 1}, it serves its own clients until the seal.
    """
    cluster = filled((0, 1), (0, 1), 2, **SNAPSHOT)
    cluster.watch.one_history = False
    cluster.install((1,))
    for _ in range(2):
        cluster.install((0,))
        cluster.tell((), to=(0,))
    cluster.install((0,))
    cluster.put(0, b"right", b"v")
    write = cluster.put(1, b"left", b"v")
    assert cluster.written(write).position == 2
    before = cluster.state(1).promised
    cluster.hold(of(Learned))
    cluster.tell((0, 1))
    cluster.run()
    assert copied(cluster, 1) == 3
    state = cluster.state(1)
    assert (state.promised, state.synced, state.commit, state.log.end) == (before, before, 3, 3)
    assert cluster.value(cluster.get(1, b"left")) == (b"v", 3)
    assert cluster.value(cluster.get(1, b"right")) == (None, 3)
    cluster.release()
    cluster.run()
    assert cluster.status(1).status == "active"
    assert sorted(cluster.state(1).store.data) == [b"key0", b"key1", b"right"]
    assert [(loss.id, loss.first, loss.end) for loss in cluster.status(1).dropped] == [(1, 2, 3)]


def test_a_copy_is_not_a_state_that_can_be_given_on() -> None:
    """A whole copy promises nothing: {1, 2} must not begin with it while the data may have gone on elsewhere.

    0 dies when 1 has copied all of it; what 0 wrote after that is lost to 1. Numbered, {1, 2} is blocked.
    """
    cluster = Cluster((0, 1, 2), Config(**SNAPSHOT))
    cluster.install((0,), epoch=1)
    for number in range(6):
        cluster.put(0, b"key%d" % number, b"value")
    cluster.hold(of(Learned))
    cluster.tell((0, 1), epoch=2)
    cluster.run()
    assert copied(cluster, 1) == 6
    write = cluster.put(0, b"acknowledged", b"v")
    assert cluster.written(write).position == 6
    cluster.crash(0)
    cluster.tell((1, 2), epoch=3)
    cluster.release()
    cluster.advance(2_000)
    assert "no member holds the state" in cluster.status(1).blocked
    assert cluster.state(1).store.data == {}


def test_a_copy_remembers_answers() -> None:
    """Exactly once also through the newcomer: a key that was used before is known to it, as it was."""
    cluster = filled((0, 1), (1,), **SNAPSHOT)
    cluster.install((0, 1))
    assert [note["what"] for note in cluster.noted(0, "state_received")] == ["copy"]
    again = cluster.put(0, b"key0", b"value", b"once")
    cluster.run()
    assert cluster.written(again).position == 0
    other = cluster.put(0, b"key0", b"other", b"once")
    cluster.run()
    assert cluster.rejection(other) == ("idempotency_key_reused", True)


def test_a_copy_knows_what_was_forgotten() -> None:
    """Up to where origins were evicted is part of the copy: a late write of one must not look new."""
    cluster = filled((0, 1), (1,), 1, **SNAPSHOT)
    for number in range(MAX_ORIGINS + 5):
        state = cluster.state(1)
        request = Operation(50 + number, 1, 0, 0, b"k", b"%d" % number, b"")
        cluster.forge(0, 1, Forward(state.promised, 0, 10**9, request))
        state.log.append(request)
        cluster.tick(1)
    assert cluster.state(1).store.evicted > 0
    cluster.install((0, 1))
    assert cluster.state(0).store.evicted == cluster.state(1).store.evicted
    assert list(cluster.state(0).store.origins) == list(cluster.state(1).store.origins)


# Offers.


def test_an_offer_of_somebody_elses_ballot_is_ignored() -> None:
    """Only the primary itself, in this life, has its state to offer."""
    cluster = offered()
    offer(cluster, 6, ballot=cluster.state(0).promised._replace(primary=9))
    offer(cluster, 6, ballot=cluster.state(0).promised._replace(incarnation=9))
    assert cluster.ignored(1, "not_its_own_ballot") == 2
    assert cluster.state(1).learning is None
    assert answers(cluster) == []


def test_a_late_offer_takes_nothing_back() -> None:
    """What was copied is more than an old offer speaks of: deliver one when all of a newer one is here."""
    cluster = offered(chunk_bytes=10**6)
    offer(cluster, 6)
    cluster.forge(0, 1, chunk_of(cluster))
    assert copied(cluster, 1) == 6
    answers(cluster)
    offer(cluster, 4)
    assert cluster.ignored(1, "repeated") == 1
    assert copied(cluster, 1) == 6
    assert answers(cluster) == []


def test_the_same_offer_is_answered_again() -> None:
    """The answer may have been lost: a question goes on where it was, a whole copy is said to be whole."""
    cluster = offered()
    ballot = cluster.state(0).promised
    offer(cluster, 6)
    offer(cluster, 6)
    assert answers(cluster) == [Fetch(ballot, True, 0, 6)] * 2
    one = chunk_of(cluster)
    cluster.forge(0, 1, one)
    offer(cluster, 6)
    thaw = learning(cluster, 1).thaw
    assert thaw is not None
    assert answers(cluster) == [Fetch(ballot, True, thaw.next, 6)] * 2
    thaw_before = thaw
    offer(cluster, 6)
    assert learning(cluster, 1).thaw is thaw_before


def test_an_offer_that_began_before_the_snapshot_keeps_the_copy() -> None:
    """A snapshot is taken later than it is offered, so it may hold more: the same offer must not undo it."""
    cluster = offered(chunk_bytes=10**6)
    offer(cluster, 4)
    cluster.forge(0, 1, chunk_of(cluster))
    assert (copied(cluster, 1), learning(cluster, 1).end) == (6, 4)
    answers(cluster)
    offer(cluster, 4)
    assert copied(cluster, 1) == 6
    assert answers(cluster) == [Learned(cluster.state(0).promised, 6, False)]


def test_a_copy_that_ends_before_what_is_kept_is_fetched_anew() -> None:
    """The primary has forgotten what would come next: {0} was told back and forth, and wrote meanwhile."""
    cluster = offered(chunk_bytes=10**6)
    offer(cluster, 6)
    cluster.forge(0, 1, chunk_of(cluster))
    answers(cluster)
    cluster.tell((0,))
    cluster.put(0, b"more", b"v")
    assert cluster.state(0).log.start == 7
    cluster.tell((0, 1), to=(0,))
    offer(cluster, 7, kept=7)
    assert answers(cluster) == [Fetch(cluster.state(0).promised, True, 0, 7)]
    cluster.forge(0, 1, chunk_of(cluster))
    assert copied(cluster, 1) == 7


def test_only_the_tail_of_a_known_log_is_not_worth_a_copy() -> None:
    """It comes under the seal: the answer is final. With nothing in common, or too little kept, it is not."""
    cluster = filled((0, 1), (0, 1), 3)
    cluster.install((0,))
    cluster.put(0, b"more", b"v")
    cluster.hold(of())
    ballot = cluster.state(0).promised
    offer(cluster, 4, kept=3)
    assert answers(cluster) == [Learned(ballot, 3, True)]
    assert cluster.state(1).learning is None
    offer(cluster, 4, kept=4)
    assert answers(cluster) == [Fetch(ballot, True, 0, 4)]
    cluster = offered(0)
    offer(cluster, 0)
    assert answers(cluster) == [Fetch(cluster.state(0).promised, True, 0, 0)]


def test_a_copy_made_for_another_primary_goes_on() -> None:
    """1 was filled by 0; 2 has taken over from it, and offers the same log and more: the tail is fetched."""
    cluster = filled((0, 2, 3), (2, 3), chunk_bytes=10**6)
    cluster.hold(of(Learned))
    cluster.tell((2, 3, 4), to=(2,))
    cluster.ids = (0, 2, 3, 4)
    cluster.start(4)
    cluster.advance(300)
    assert copied(cluster, 4) == 6
    cluster.lose(of())
    cluster.crash(2)
    cluster.release()
    cluster.install((3,))
    cluster.put(3, b"more", b"v")
    cluster.hold(of(Propose))
    cluster.tell((3, 4))
    cluster.run()
    assert copied(cluster, 4) == 7
    assert [note["what"] for note in cluster.noted(4, "state_received")] == ["copy"]
    cluster.release()
    cluster.run()
    assert cluster.status(4).status == "active"
    assert cluster.state(4).store.data == cluster.state(3).store.data


def test_a_copy_of_another_history_is_not_gone_on_from() -> None:
    """Another cluster's primary offers its own: nothing of the first copy is in it."""
    cluster = offered(chunk_bytes=10**6)
    offer(cluster, 6)
    cluster.forge(0, 1, chunk_of(cluster))
    answers(cluster)
    ballot = Ballot(3, 0, 8, 77)
    cluster.forge(8, 1, Offer(ballot, 77, 6, 0, 0, ((ballot, 0),)), sender_life=77)
    assert copied(cluster, 1) == -1
    assert answers(cluster) == [Fetch(ballot, True, 0, 6)]


def test_a_part_of_a_copy_is_of_no_use_to_another_primary() -> None:
    """Snapshots of two nodes are taken at different times: another ballot's is fetched from its beginning."""
    cluster = offered()
    offer(cluster, 6)
    cluster.forge(0, 1, chunk_of(cluster))
    assert learning(cluster, 1).thaw is not None
    answers(cluster)
    state = cluster.state(0)
    ballot = Ballot(state.promised.epoch + 1, 0, 8, 77)
    lineage = (*state.lineage, (ballot, 6))
    other = Offer(ballot, state.history, 7, 0, 0, lineage)
    cluster.forge(8, 1, other, sender_life=77, history=state.history)
    assert learning(cluster, 1).thaw is None
    assert answers(cluster) == [Fetch(ballot, True, 0, 7)]


# Chunks.


def test_chunks_that_nobody_asked_for_are_ignored() -> None:
    """Of no offer, of another ballot, of another sender or life; of the log too early."""
    cluster = offered(chunk_bytes=10**6)
    one = chunk_of(cluster)
    cluster.forge(0, 1, one)
    offer(cluster, 6)
    cluster.forge(0, 1, replace(one, ballot=one.ballot._replace(attempt=3)))
    cluster.forge(0, 1, one, sender_life=4711)
    cluster.forge(0, 1, LogChunk(one.ballot, 0, (OPERATION,)))
    assert cluster.ignored(1, "not_asked_for") == 4
    assert learning(cluster, 1).thaw is None
    cluster.forge(0, 1, one)
    cluster.forge(0, 1, one)
    assert cluster.ignored(1, "not_asked_for") == 5
    assert copied(cluster, 1) == 6


def test_chunks_that_come_again_or_too_early_are_ignored() -> None:
    """Each item is taken once, in order; of the log as well: deliver copies, and what comes later."""
    cluster = copying()
    mail = only(cluster, SnapshotChunk)
    first = mail.message
    assert isinstance(first, SnapshotChunk)
    cluster.forge(0, 1, replace(first, offset=3))
    assert cluster.ignored(1, "repeated") == 1
    assert learning(cluster, 1).thaw is None
    cluster.deliver(mail)
    cluster.deliver(mail)
    assert cluster.ignored(1, "repeated") == 2
    thaw = learning(cluster, 1).thaw
    assert thaw is not None
    assert thaw.next == len(first.pairs)
    cluster.put(0, b"more", b"v")
    cluster.hold(of(Learned))
    cluster.release()
    cluster.hold(of(LogChunk))
    cluster.hold(of(Learned))
    cluster.run()
    assert copied(cluster, 1) == 6
    offer(cluster, 7)
    cluster.run()
    tail = only(cluster, LogChunk)
    cluster.forge(0, 1, LogChunk(first.ballot, 6, ()))
    cluster.forge(0, 1, LogChunk(first.ballot, 5, (OPERATION,)))
    assert cluster.ignored(1, "repeated") == 4
    cluster.deliver(tail)
    cluster.deliver(tail)
    assert cluster.ignored(1, "repeated") == 5
    assert copied(cluster, 1) == 7


def test_a_newer_snapshot_begins_anew_and_an_older_one_does_not() -> None:
    """The primary took another one: from the first item on it takes the place of the one under way."""
    cluster = offered(chunk_bytes=30)
    offer(cluster, 6)
    old = chunk_of(cluster)
    cluster.forge(0, 1, old)
    thaw = learning(cluster, 1).thaw
    assert thaw is not None
    taken = thaw.next
    assert 0 < taken < old.total
    answers(cluster)
    # A later part of the newer one says that there is one: it is asked for from its beginning.
    cluster.forge(0, 1, replace(old, applied=8, offset=taken))
    assert answers(cluster) == [Fetch(old.ballot, True, 0, 6)]
    newer = replace(old, applied=8, pairs=((b"newer", b"v"),))
    cluster.forge(0, 1, old)
    cluster.forge(0, 1, newer)
    thaw = learning(cluster, 1).thaw
    assert thaw is not None
    assert (thaw.applied, thaw.next) == (8, 1)
    assert b"newer" in thaw.store.data
    cluster.forge(0, 1, replace(old, offset=1))
    assert cluster.ignored(1, "repeated") == 1
    assert thaw.next == 1


def test_a_copy_that_does_not_add_up_is_fetched_anew() -> None:
    """What was put together is counted before it is used: two items of one name are one too few."""
    cluster = offered()
    offer(cluster, 6)
    answers(cluster)
    pairs = ((b"a", b"1"), (b"a", b"2"))
    ballot = cluster.state(0).promised
    cluster.forge(0, 1, SnapshotChunk(ballot, 6, 0, 0, 2, pairs, (), ()))
    assert copied(cluster, 1) == -1
    assert cluster.noted(1, "state_received") == []
    assert answers(cluster) == [Fetch(ballot, True, 0, 6)]


# When it counts.


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
def test_only_the_rest_is_fetched_under_the_seal(settings: dict[str, int]) -> None:
    """The copy is what the new state is made of: write more after its last word, and look what moves."""
    cluster = filled((0, 1), (0,), **settings)
    cluster.hold(of(Learned))
    cluster.tell((0, 1))
    cluster.run()
    for number in range(3):
        cluster.put(0, b"rest%d" % number, b"v")
    cluster.release()
    cluster.run(until=lambda: cluster.state(1).staging is not None)
    assert (staging(cluster, 1).learned, staging(cluster, 1).tail_end) == (6, 6)
    cluster.run()
    assert cluster.status(1).status == "active"
    assert cluster.state(1).store.data == cluster.state(0).store.data
    assert cluster.noted(0, "state_sent") == [
        {"to": 1, "what": "copy", "end": 6},
        {"to": 1, "what": "log", "end": 9},
    ]


def test_a_snapshot_that_is_newer_than_its_offer_is_used_whole() -> None:
    """It was offered up to 6, and taken at 7: the view begins with 7, and all of it is here."""
    cluster = filled((0, 1), (0,), **SNAPSHOT)
    cluster.hold(of(Fetch))
    cluster.tell((0, 1))
    cluster.run()
    cluster.put(0, b"more", b"v")
    cluster.release()
    cluster.run()
    assert cluster.status(1).status == "active"
    assert cluster.noted(1, "state_received") == [{"source": 0, "what": "copy", "end": 7}]
    assert cluster.noted(0, "state_sent") == [{"to": 1, "what": "copy", "end": 7}]


def test_a_copy_that_is_used_is_not_touched() -> None:
    """Late mail of the time before the seal: an offer, and chunks that go on where the copy ends.

    The new state would begin after what they bring, and the tail would be appended to that once more.
    """
    cluster = copying(keep=10**6)
    cluster.release()
    cluster.hold(of(LogChunk))
    cluster.hold(of(Learned))
    cluster.run()
    cluster.put(0, b"rest0", b"v")
    cluster.put(0, b"rest1", b"v")
    offer(cluster, 8)
    cluster.run()
    late = only(cluster, LogChunk)
    assert isinstance(late.message, LogChunk)
    assert late.message.first == 6
    cluster.deliver(cluster.on_the_way(Learned)[0])
    cluster.lose(of(Learned))
    cluster.run(until=lambda: cluster.state(1).staging is not None)
    assert staging(cluster, 1).learned == 6
    before = cluster.ignored(1, "not_asked_for")
    cluster.deliver(late)
    offer(cluster, 8, ballot=late.message.ballot)
    cluster.forge(0, 1, SnapshotChunk(late.message.ballot, 8, 0, 0, 0, (), (), ()))
    assert cluster.ignored(1, "not_asked_for") == before + 3
    assert copied(cluster, 1) == 6
    cluster.release()
    cluster.run()
    cluster.advance(2_000)
    assert cluster.status(1).status == "active"
    assert cluster.state(1).store.data == cluster.state(0).store.data
    assert cluster.state(1).learning is None


def test_a_copy_of_what_the_base_lacks_is_not_used() -> None:
    """Filled by the half of a split that loses: what it holds is no prefix of what the view begins with.

    1 copied from 0, which wrote on its own; {1, 2} begins with what 2 wrote on its own.
    """
    cluster = filled((0, 1, 2), (0, 2), 2, **SNAPSHOT)
    cluster.watch.one_history = False
    cluster.install((0,))
    cluster.install((2,), to=(2,))
    cluster.put(0, b"left", b"v")
    cluster.put(2, b"right", b"v")
    cluster.hold(of(Learned))
    cluster.tell((0, 1))
    cluster.run()
    assert copied(cluster, 1) == 3
    cluster.crash(0)
    cluster.lose(of())
    cluster.release()
    cluster.tell((1, 2))
    cluster.hold(of(Offer))
    cluster.advance(3_000)
    assert cluster.status(1).status == "active"
    assert sorted(cluster.state(1).store.data) == [b"key0", b"key1", b"right"]
    assert [note["what"] for note in cluster.noted(1, "state_received")] == ["copy", "snapshot"]


def test_a_copy_is_used_in_another_primarys_view() -> None:
    """It is a prefix of what that view begins with, so it is as good: 0 fills 2 and dies, {1, 2} is told."""
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.hold(of(Learned))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert copied(cluster, 2) == 6
    cluster.crash(0)
    cluster.release()
    cluster.lose(of())
    cluster.tell((1, 2))
    cluster.run()
    assert cluster.status(2).status == "active"
    assert [note["what"] for note in cluster.noted(2, "state_received")] == ["copy"]
    assert cluster.noted(1, "state_sent") == []
    assert cluster.state(2).store.data == cluster.state(1).store.data


def test_a_copy_of_nothing_replaces_nothing() -> None:
    """It is as good as none: the loser of a split that had begun with nothing gets the state under the seal.

    {0} and {1} come from a view in which nothing was written; 1 wrote, and 0 did not.
    """
    cluster = Cluster((0, 1))
    cluster.install((0, 1))
    cluster.watch.one_history = False
    cluster.install((1,), to=(1,))
    for _ in range(2):
        cluster.install((0,))
        cluster.tell((), to=(0,))
    cluster.install((0,))
    cluster.put(1, b"dropped", b"v")
    cluster.tell((0, 1))
    cluster.run()
    assert [note["what"] for note in cluster.noted(1, "state_received")] == ["copy", "snapshot"]
    assert cluster.status(1).status == "active"
    assert cluster.state(1).store.data == {}
    assert [(loss.id, loss.first, loss.end) for loss in cluster.status(1).dropped] == [(1, 0, 1)]


def test_a_copy_shorter_than_the_own_log_is_not_used() -> None:
    """What is here already need not be replaced: the own log agrees further than the copy goes."""
    cluster = filled((0, 1), (0, 1), 6)
    state = cluster.state(1)
    short = Store()
    for position in range(3):
        short.apply(state.log[position])
    state.learning = Learning(state.promised, state.history, 3, state.lineage, None, short)
    cluster.tell((0,), to=(0,))
    cluster.put(0, b"more", b"v")
    cluster.tell((0, 1))
    cluster.run()
    assert cluster.status(1).status == "active"
    assert cluster.state(1).log.start == 0
    assert cluster.state(1).store.data == cluster.state(0).store.data


# Letting go.


def test_a_copy_goes_when_the_node_is_told_to_stay_outside() -> None:
    """It would stay in memory for as long as the node lives: {0} is told to 1 as well."""
    cluster = copying()
    cluster.release()
    cluster.hold(of(Learned))
    cluster.run()
    assert copied(cluster, 1) == 6
    cluster.tell((0,), to=(0, 1))
    assert cluster.state(1).learning is None


def using() -> Cluster:
    """The view begins with one operation more than is in the copy of node 1, which is about to use it."""
    cluster = copying(keep=10**6)
    cluster.release()
    cluster.hold(of(Learned))
    cluster.run()
    cluster.put(0, b"rest", b"v")
    cluster.deliver(only(cluster, Learned))
    cluster.run(until=lambda: cluster.state(1).staging is not None)
    return cluster


def test_a_copy_that_is_used_outlives_the_telling() -> None:
    """Its word is true, and so is its promise: told to stay outside, it still takes over what it promised."""
    cluster = using()
    cluster.tell((0,), to=(1,))
    assert copied(cluster, 1) == 6
    cluster.run()
    assert cluster.state(1).synced == cluster.state(0).promised
    assert cluster.state(1).learning is None
    assert cluster.state(1).log.end == 7


def test_a_copy_that_is_used_has_to_be_there() -> None:
    """What we conclude is checked after every step: take the copy away, or a part of it."""
    cluster = using()
    state = cluster.state(1)
    check(state)
    learned, state.learning = state.learning, None
    with pytest.raises(InvariantError, match="a copy in use"):
        check(state)
    assert learned is not None
    assert learned.copy is not None
    state.learning = learned
    learned.copy.apply(OPERATION)
    with pytest.raises(InvariantError, match="a copy in use"):
        check(state)


def late_adopt(cluster: Cluster) -> Mail:
    return cluster.on_the_way(Adopt)[0]


def test_a_second_offer_of_the_view_is_answered_as_ever() -> None:
    """A member that made its state of a copy has adopted: it says so again."""
    cluster = copying()
    cluster.release()
    cluster.run(until=lambda: cluster.on_the_way(Adopt))
    again = late_adopt(cluster)
    cluster.run()
    before = cluster.ignored(0, "other_ballot")
    cluster.deliver(again)
    cluster.run()
    assert cluster.ignored(0, "other_ballot") == before + 1
