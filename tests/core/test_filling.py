"""Newcomers of the next view are filled while the present one goes on, and only then is it proposed."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pbproto import Receive, TellView, View
from pbproto.config import MILLISECOND
from pbproto.filling import MAX_ROUNDS, SHORT_TAIL
from pbproto.messages import (
    Fetch,
    Learned,
    LogChunk,
    Message,
    Offer,
    Propose,
    Refusal,
    Refuse,
    Replicate,
    Replicated,
    SnapshotChunk,
    Told,
)
from pbproto.state import FOREVER, Filling, Learner
from pbproto.values import Ballot

from .cluster import Cluster, Mail, active, address, of
from .test_transfer import LOG, SNAPSHOT, filled

CHUNKS = (SnapshotChunk, LogChunk)
LARGE = bytes(SHORT_TAIL + 1)
"""A value that is too much for a short tail."""


def filling(cluster: Cluster, id_: int) -> Filling:
    found = cluster.lead(id_).filling
    assert found is not None, f"node {id_} fills nobody"
    return found


def learner(cluster: Cluster, id_: int, of_: int = 0) -> Learner:
    return filling(cluster, of_).learners[id_]


def copied(cluster: Cluster, id_: int) -> int:
    """How many operations the whole copy of a newcomer has; -1 if there is none."""
    learning = cluster.state(id_).learning
    return learning.copy.applied if learning is not None and learning.copy is not None else -1


def copying(*, keep: int = 0, chunk: int = 60, **settings: int) -> Cluster:
    """Node 0 serves alone and holds six operations; node 1 is to join, and has asked for the first chunk."""
    cluster = filled((0, 1), (0,), log_keep_bytes=keep, chunk_bytes=chunk, **settings)
    cluster.hold(of(*CHUNKS))
    cluster.tell((0, 1))
    cluster.run()
    return cluster


def reasons(cluster: Cluster, id_: int) -> list[str]:
    """Why the node ended to fill newcomers, each time."""
    return [str(note["reason"]) for note in cluster.noted(id_, "filled")]


def only(cluster: Cluster, *kinds: type[Message]) -> Mail:
    (mail,) = cluster.on_the_way(*kinds)
    return mail


# The way it is meant to go.


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
@pytest.mark.parametrize("members", [(0,), (0, 1), (0, 1, 2)])
def test_newcomers_are_filled_and_join(settings: dict[str, int], members: tuple[int, ...]) -> None:
    """What joins is equal to who was there: maps and tables; and under the seal no state moves any more."""
    cluster = filled((0, 1, 2, 3), members, **settings)
    newcomers = [id_ for id_ in cluster.ids if id_ not in members]
    cluster.install(cluster.ids)
    cluster.advance(500)
    one, *others = (cluster.state(id_).store for id_ in cluster.ids)
    for other in others:
        assert other.data == one.data
        assert list(other.origins.items()) == list(one.origins.items())
        assert list(other.keys.items()) == list(one.keys.items())
        assert (other.applied, other.evicted) == (one.applied, one.evicted) == (6, 0)
    assert reasons(cluster, 0) == ["all learners are close"]
    assert cluster.noted(0, "filling") == [{"learners": ",".join(map(str, newcomers))}]
    for id_ in newcomers:
        assert cluster.noted(id_, "state_received") == [{"source": 0, "what": "copy", "end": 6}]
        assert cluster.state(id_).learning is None
    sent = [{"to": id_, "what": "copy", "end": 6} for id_ in newcomers]
    assert sorted(cluster.noted(0, "state_sent"), key=lambda note: note["to"]) == sent
    assert cluster.lead(0).filling is None


def test_the_present_view_goes_on_meanwhile() -> None:
    """Clients are served at each member while a newcomer copies; what they write is in the new view, too.

    The status says that the told view is not active yet, that clients are served, and whom it waits for.
    """
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    before = cluster.state(0).promised
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1, 2))
    cluster.run()
    for node in (0, 1):
        write = cluster.put(node, b"by %d" % node, b"v")
        read = cluster.get(node, b"by %d" % node)
        cluster.run()
        assert cluster.written(write).position == 6 + node
        assert cluster.value(read) == (b"v", 7 + node)
        status = cluster.status(node)
        assert (status.status, status.ready) == ("installing", True)
    assert cluster.state(0).promised == cluster.state(1).promised == before
    (waiting,) = cluster.status(0).waiting_for
    assert (waiting.id, waiting.address) == (2, address(2))
    assert waiting.reason == "it is being filled: position 0 of 8"
    (waiting,) = cluster.status(2).waiting_for
    assert (waiting.id, waiting.reason) == (0, "fetching a copy from it: position 0 of 6")
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    assert cluster.state(2).store.data == cluster.state(0).store.data
    assert len(cluster.state(2).store.data) == 8


def test_nothing_is_promised_before_all_are_close() -> None:
    """Two newcomers, one of which is slow: no proposal, until it is close, too."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    held = cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert (copied(cluster, 1), copied(cluster, 2)) == (6, -1)
    assert learner(cluster, 1).ready
    assert cluster.noted(0, "proposed")[1:] == []
    # It is left in peace: nothing is offered to it while it waits for the other.
    assert learner(cluster, 1).owed_since == learner(cluster, 1).offer_at == FOREVER
    cluster.release(held)
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3


def test_who_waited_for_the_others_gets_what_came_meanwhile() -> None:
    """Ready early is not ready now: more than a short tail is written before the slow one is close."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    held = cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.put(0, b"large", LARGE)
    cluster.release(held)
    cluster.hold(of(Propose))
    cluster.run()
    assert (copied(cluster, 1), copied(cluster, 2)) == (7, 7)
    assert cluster.state(0).proposal is not None
    assert reasons(cluster, 0) == ["all learners are close"]


def test_who_is_offered_the_rest_already_is_not_asked_again() -> None:
    """Two waited for the third, and lack much by then: the answer of one does not hurry the other."""
    cluster = filled((0, 1, 2, 3), (0,), **SNAPSHOT)
    held = cluster.hold(of(SnapshotChunk, receiver=3))
    cluster.tell((0, 1, 2, 3))
    cluster.run()
    cluster.put(0, b"large", LARGE)
    cluster.release(held)
    cluster.hold(of(Offer, receiver=1))
    cluster.run()
    assert [learner(cluster, id_).held for id_ in (1, 2, 3)] == [6, 7, 7]
    assert len(cluster.on_the_way(Offer, receiver=1)) == 1
    assert cluster.state(0).proposal is None
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 4


def test_a_short_tail_may_be_missing() -> None:
    """What is written while the last word is on its way does not put the proposal off; one byte more does."""
    for size, proposed in ((SHORT_TAIL, True), (SHORT_TAIL + 1, False)):
        cluster = copying()
        cluster.release()
        cluster.hold(of(Learned))
        cluster.run()
        token = cluster.put(0, b"k", b"")
        overhead = cluster.state(0).log[cluster.written(token).position].size
        cluster.put(0, b"k", bytes(size - 2 * overhead))
        cluster.release()
        cluster.run(until=lambda c=cluster: not c.on_the_way(Learned))  # type: ignore[misc]
        assert (cluster.state(0).proposal is not None) is proposed
        cluster.run()
        assert cluster.status(1).status == "active"
        assert cluster.state(1).store.data == cluster.state(0).store.data


def test_who_never_catches_up_gets_the_rest_under_the_seal() -> None:
    """It copies slower than clients write: after some rounds it is enough. Write too much in each round."""
    cluster = copying()
    cluster.release()
    cluster.hold(of(Learned))
    rounds = 0
    while cluster.state(0).proposal is None:
        rounds += 1
        assert rounds <= MAX_ROUNDS
        cluster.run()
        cluster.put(0, b"k%d" % rounds, LARGE)
        cluster.deliver(only(cluster, Learned))
    assert rounds == MAX_ROUNDS
    cluster.release()
    cluster.run()
    assert cluster.status(1).status == "active"
    assert len(cluster.state(1).store.data) == 6 + MAX_ROUNDS
    assert cluster.noted(0, "state_sent")[-1]["what"] == "log"


def test_who_lacks_only_the_tail_of_the_log_is_close() -> None:
    """A member that was away has all that it does not find in the log: nothing is copied for it."""
    cluster = filled((0, 1, 2), (0, 1, 2))
    cluster.install((0, 1))
    cluster.put(0, b"later", LARGE)
    cluster.run()
    cluster.install((0, 1, 2))
    assert reasons(cluster, 0) == ["all learners are close"]
    assert [note["what"] for note in cluster.noted(2, "state_received")] == ["log"]
    assert cluster.state(2).log.start == 0


def test_a_tail_that_is_missing_is_kept() -> None:
    """It waits for another newcomer, and what it lacks is not forgotten meanwhile: else all would be sent."""
    cluster = filled((0, 1, 2), (0, 1), log_keep_bytes=600, chunk_bytes=60)
    cluster.install((0,))
    cluster.put(0, b"later", b"v")
    cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert learner(cluster, 1).rounds == MAX_ROUNDS
    for number in range(20):
        cluster.put(0, b"more%d" % number, b"v")
    assert cluster.state(0).log.start <= 6
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    assert [note["what"] for note in cluster.noted(1, "state_received")] == ["log"]


# What makes it not worth waiting for.


def test_a_newcomer_that_is_silent_is_not_waited_for() -> None:
    """It is proposed as it would have been without copies, as soon as a backup would be suspected."""
    cluster = filled((0,), (0,))
    cluster.tell((0, 1))
    cluster.advance(999)
    assert cluster.state(0).promised.epoch == 1
    cluster.advance(1)
    assert cluster.state(0).promised.epoch == 2
    assert reasons(cluster, 0) == ["node 1 does not answer"]


def test_a_newcomer_that_answers_slowly_is_waited_for() -> None:
    """Each question is a sign of life: let more than a second pass between the chunks."""
    cluster = copying()
    for _ in range(2):
        cluster.advance(900)
        cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
        cluster.lose(of(SnapshotChunk))
        cluster.run()
    assert cluster.lead(0).filling is not None
    assert copied(cluster, 1) == -1


def chunk_times(cluster: Cluster) -> list[tuple[int, int]]:
    """Nothing holds the newcomer up but the rate: when each chunk was sent, its bytes of keys and values."""
    seen = []
    while (lead := cluster.state(0).lead) is not None and lead.filling is not None:
        for mail in cluster.on_the_way(*CHUNKS):
            if isinstance(mail.message, SnapshotChunk):
                size = sum(len(key) + len(value) for key, value in mail.message.pairs)
            else:
                assert isinstance(mail.message, LogChunk)
                size = sum(operation.size for operation in mail.message.operations)
            seen.append((cluster.now, size))
            cluster.deliver(mail)
        if cluster.mail:
            cluster.deliver(cluster.mail[0])
        else:
            assert cluster.next_deadline is not None
            cluster.now = cluster.next_deadline
            cluster.wake()
    return seen


@pytest.mark.parametrize("settings", [{"log_keep_bytes": 0}, {}], ids=["snapshot", "log"])
def test_a_newcomer_gets_so_much_in_a_second_and_no_more(settings: dict[str, int]) -> None:
    """1,000 bytes a second, in chunks of about 60: each comes when the one before is paid for, not later."""
    cluster = filled((0, 1), (0,), 30, chunk_bytes=60, fill_rate=1_000, **settings)
    cluster.tell((0, 1))
    times = chunk_times(cluster)
    assert len(times) > 4
    for (before, size), (after, _) in pairwise(times):
        assert after - before == size * MILLISECOND
    cluster.run()
    assert reasons(cluster, 0) == ["all learners are close"]
    assert cluster.status(1).status == "active"


def test_a_low_rate_is_no_silence() -> None:
    """A byte a second, and whoever is silent for a tenth of one is given up: chunks come every quarter."""
    cluster = filled(
        (0, 1), (0,), 30, log_keep_bytes=0, chunk_bytes=60, fill_rate=1, suspect_after=100 * MILLISECOND
    )
    cluster.tell((0, 1))
    times = chunk_times(cluster)
    assert len(times) > 4
    assert {after - before for (before, _), (after, _) in pairwise(times)} == {250 * MILLISECOND}
    assert reasons(cluster, 0) == ["all learners are close"]


def test_of_questions_before_their_time_the_last_is_answered() -> None:
    """A question comes three times while the newcomer has to wait: it gets one chunk."""
    cluster = copying(fill_rate=1)
    (first,) = cluster.on_the_way(SnapshotChunk)
    cluster.deliver(first)
    question = only(cluster, Fetch)
    cluster.run()
    cluster.step(0, Receive(question.envelope, question.message))
    cluster.step(0, Receive(question.envelope, question.message))
    assert learner(cluster, 1).question == question.message
    assert cluster.on_the_way(SnapshotChunk) == []
    cluster.advance(250)
    assert learner(cluster, 1).question is None
    assert len(cluster.on_the_way(SnapshotChunk)) == 1


def test_an_offer_is_made_again_less_and_less_often() -> None:
    """A newcomer that is not there yet is not shouted at: note the times of the offers."""
    cluster = filled((0,), (0,), suspect_after=10_000 * MILLISECOND)
    cluster.tell((0, 1))
    start, times = cluster.now, [0]
    while len(times) < 6:
        cluster.mail.clear()
        assert cluster.next_deadline is not None
        cluster.now = cluster.next_deadline
        cluster.wake()
        if cluster.on_the_way(Offer):
            times.append((cluster.now - start) // MILLISECOND)
    assert [after - before for before, after in pairwise(times)] == [250, 500, 1000, 2000, 2000]


def test_what_is_lost_is_made_good_by_the_next_offer() -> None:
    """The newcomer has no clock: lose the first two messages of each kind, and some more."""
    cluster = filled((0, 1), (0,), 30, suspect_after=9_000 * MILLISECOND, **SNAPSHOT)
    cluster.tell((0, 1))
    kinds = of(Offer, Fetch, SnapshotChunk, LogChunk, Learned)
    seen: dict[type[Message], int] = {}
    for _ in range(400):
        if cluster.state(0).lead is None:
            break
        cluster.run(until=lambda: any(kinds(mail) for mail in cluster.mail))
        for mail in [mail for mail in cluster.mail if kinds(mail)]:
            count = seen[type(mail.message)] = seen.get(type(mail.message), 0) + 1
            if count <= 2 or count == 5:
                cluster.lose(lambda other, gone=mail: other is gone)  # type: ignore[misc]
            else:
                cluster.deliver(mail)
        if not any(kinds(mail) for mail in cluster.mail):
            cluster.now += 250 * MILLISECOND
            cluster.wake()
    cluster.run()
    assert cluster.status(1).status == "active"
    assert reasons(cluster, 0) == ["all learners are close"]
    assert seen.keys() >= {Offer, Fetch, SnapshotChunk, Learned}


def test_who_was_restarted_meanwhile_ends_it() -> None:
    """It is refused by the new life, which was told nothing: the proposal will say so to whoever looks."""
    cluster = copying()
    cluster.start(1)
    cluster.release()
    cluster.lose(of())
    cluster.advance(300)
    why = "node 1: it was restarted and has not been told this view since"
    assert reasons(cluster, 0) == [why]
    assert cluster.status(0).waiting_for[0].reason == "it has not been told a view since it started"


def test_a_new_life_of_a_newcomer_begins_anew() -> None:
    """What its former life said counts for nothing: let a new one ask, after the old one was close."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert learner(cluster, 1).ready
    cluster.start(1)
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Fetch(ballot, True, 0, 6))
    assert learner(cluster, 1).incarnation == cluster.state(1).incarnation
    assert not learner(cluster, 1).ready
    assert learner(cluster, 1).held == 0
    cluster.forge(0, 1, Offer(ballot, cluster.state(0).history, 6, 6, 6, cluster.state(0).lineage))
    cluster.release()
    cluster.tell((0, 1, 2), to=(1,))
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3


def test_who_holds_another_history_is_not_filled() -> None:
    """It refuses the copy, and the view is blocked as it would be without: two stores are not mixed."""
    cluster = filled((0,), (0,))
    cluster.watch.one_history = False
    cluster.ids = (0, 1)
    cluster.start(1)
    cluster.install((1,))
    cluster.put(1, b"other", b"v")
    cluster.tell((0, 1))
    cluster.run()
    assert reasons(cluster, 0) == ["node 1: it holds operations of another history"]
    cluster.advance(1_000)
    assert cluster.status(0).waiting_for[0].reason == "it holds operations of another history"


def test_a_primary_that_cannot_commit_fills_nobody() -> None:
    """It has nothing to go on with: a backup is suspected before the telling, or begins to be meanwhile."""
    cluster = filled((0, 1, 2), (0, 1))
    cluster.cut(0, 1)
    cluster.advance(2_000)
    cluster.tell((0, 1, 2))
    assert cluster.noted(0, "filling") == []
    assert cluster.state(0).proposal is not None
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.cut(0, 1)
    cluster.advance(2_000)
    assert reasons(cluster, 0) == ["the present view can commit nothing"]
    assert cluster.state(0).proposal is not None


def test_a_primary_that_was_left_fills_nobody() -> None:
    """A backup has promised somebody else: this view will not commit any more."""
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1, 2))
    cluster.run()
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Refuse(ballot, Refusal.PROMISED_HIGHER, 1, Ballot(9, 0, 1, 1)))
    assert reasons(cluster, 0) == ["the present view can commit nothing"]
    assert cluster.state(0).promised.epoch == 10


def test_a_primary_that_was_left_fills_nobody_later() -> None:
    """A late sign of life makes the backup look well again; it has promised somebody else all the same."""
    cluster = filled((0, 1, 2), (0, 1))
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Refuse(ballot, Refusal.PROMISED_HIGHER, 1, Ballot(9, 0, 1, 1)))
    cluster.forge(1, 0, Replicated(ballot, 6, 0))
    assert not any(backup.suspected for backup in cluster.lead(0).backups.values())
    cluster.tell((0, 1, 2))
    cluster.run()
    assert cluster.noted(0, "filling") == []
    assert cluster.state(0).promised.epoch == 10


def test_the_log_does_not_grow_for_ever() -> None:
    """A newcomer that takes long makes the log long: there is an end to it. Write while its chunk is held.

    What would be kept anyway does not count: else some settings would fill nobody.
    """
    cluster = copying(keep=2_000, max_waiting_bytes=1_000)
    cluster.advance(500)
    count = 0
    while cluster.lead(0).filling is not None:
        kept = cluster.state(0).log.bytes
        assert kept <= 3_000
        cluster.put(0, b"more%d" % count, bytes(100))
        count += 1
        if cluster.state(0).lead is None:
            break
    assert kept > 2_800
    assert reasons(cluster, 0) == ["the log grew too long meanwhile"]


# The outside changes its mind.


def test_told_back_nobody_is_filled_and_nothing_is_proposed() -> None:
    """{0} is told again while it fills 1: it was never away, and what the newcomer still says is ignored."""
    cluster = copying()
    before = cluster.state(0).promised
    cluster.tell((0,))
    assert cluster.lead(0).filling is None
    cluster.release()
    cluster.run()
    cluster.advance(3_000)
    assert cluster.status(0).status == "active"
    assert cluster.state(0).promised == before
    assert cluster.ignored(0, "not_a_member") == 1
    assert copied(cluster, 1) == -1


def test_told_out_of_it_the_primary_fills_nobody() -> None:
    """{1} is told to 0 as well: it serves no more, and offers no more."""
    cluster = copying()
    cluster.tell((1,), to=(0,))
    cluster.release()
    cluster.run()
    cluster.advance(3_000)
    assert cluster.state(0).lead is None
    assert cluster.on_the_way() == []
    assert cluster.status(0).status == "outside"


def test_another_view_goes_on_with_the_same_newcomers() -> None:
    """What a newcomer holds, it holds: {0, 1, 2} is told while 1 is filled for {0, 1}."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    held = cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1))
    cluster.run()
    cluster.deliver(only(cluster, SnapshotChunk))
    cluster.run()
    before = learner(cluster, 1)
    frozen = before.frozen
    cluster.tell((0, 1, 2))
    assert learner(cluster, 1) is before
    assert learner(cluster, 1).frozen is frozen is not None
    cluster.run()
    thaw = cluster.state(1).learning
    assert thaw is not None
    assert thaw.thaw is not None
    cluster.release(held)
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    assert [note["learners"] for note in cluster.noted(0, "filling")] == ["1", "1,2"]


def test_a_newcomer_that_is_not_wanted_any_more_is_let_go_of() -> None:
    """{0, 2} is told while 1 and 2 are filled: 1 is not waited for, and its questions are ignored."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    held = cluster.hold(of(SnapshotChunk, receiver=1))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.tell((0, 2), to=(0, 2))
    cluster.forge(1, 0, Fetch(cluster.state(0).promised, True, 0, 6))
    cluster.forge(1, 0, Learned(cluster.state(0).promised, 6, False))
    assert cluster.ignored(0, "not_a_learner") == 2
    cluster.release(held)
    cluster.run()
    assert [cluster.status(id_).status for id_ in (0, 2)] == ["active"] * 2


def test_told_the_same_again_it_goes_on() -> None:
    """An impatient outside repeats itself: the newcomer is not given up, and nothing begins anew."""
    cluster = copying()
    for _ in range(5):
        cluster.advance(300)
        cluster.tell((0, 1))
        cluster.run()
    offsets = []
    while cluster.on_the_way(SnapshotChunk):
        message = cluster.on_the_way(SnapshotChunk)[0].message
        assert isinstance(message, SnapshotChunk)
        offsets.append(message.offset)
        cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
        cluster.lose(of(SnapshotChunk))
        cluster.tell((0, 1))
        cluster.run()
    assert offsets[0] == 0
    assert offsets == sorted(dict.fromkeys(offsets))
    assert len(offsets) > 1
    assert cluster.status(1).status == "active"
    assert len(cluster.noted(1, "state_received")) == 1


def test_told_again_when_all_are_close_but_one() -> None:
    """Who is ready is offered the copy once more, says that it has it, and is left in peace again."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.tell((0, 1, 2), to=(0,))
    cluster.run()
    assert learner(cluster, 1).rounds == 1
    assert learner(cluster, 1).owed_since == learner(cluster, 1).offer_at == FOREVER


def test_backups_may_be_told_first() -> None:
    """The nudges of a member change nothing while its primary fills; it serves, whatever it was told."""
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.tell((0, 1, 2), to=(1, 2))
    cluster.run()
    assert cluster.status(1).ready
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1, 2), to=(0,))
    cluster.run()
    cluster.advance(900)
    assert cluster.on_the_way(Propose) == []
    write = cluster.put(1, b"meanwhile", b"v")
    cluster.run()
    assert cluster.written(write).position == 6
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3


def test_a_member_that_leaves_helps_until_the_end() -> None:
    """{0, 2} in place of {0, 1}: 1 is outside by now, and acknowledges what 0 writes until the seal."""
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 2))
    cluster.tell((0, 2), to=(1,))
    cluster.run()
    write = cluster.put(0, b"meanwhile", b"v")
    cluster.run()
    assert cluster.written(write).position == 6
    assert cluster.status(1).status == "outside"
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in (0, 2)] == ["active"] * 2
    assert cluster.state(2).store.data[b"meanwhile"] == b"v"


def test_a_member_at_another_address_is_a_newcomer() -> None:
    """The copy is offered where it is to be, and the life at the old address goes on meanwhile."""
    cluster = filled((0, 1), (0, 1))
    cluster.step(0, TellView(View.of([(0, address(0)), (1, "elsewhere:80")])))
    assert [mail.to for mail in cluster.on_the_way(Offer)] == ["elsewhere:80"]
    write = cluster.put(0, b"meanwhile", b"v")
    cluster.run()
    assert cluster.written(write).position == 6
    cluster.advance(1_000)
    assert reasons(cluster, 0) == ["node 1 does not answer"]


def test_a_newer_numbered_view_ends_it() -> None:
    """Learned from its proposal, at a primary that fills for an older one: it follows."""
    cluster = Cluster((0, 1, 2, 3))
    cluster.install((1, 2), epoch=1)
    cluster.put(1, b"k", b"v")
    cluster.run()
    cluster.hold(of(SnapshotChunk))
    cluster.tell((1, 2, 3), epoch=2)
    cluster.run()
    assert filling(cluster, 1).proposes
    late = cluster.state(1).promised
    cluster.release()
    cluster.hold(of(SnapshotChunk, receiver=3))
    cluster.tell((0, 1, 2), to=(0, 2), epoch=3)
    cluster.run()
    assert cluster.state(1).lead is None
    assert cluster.noted(1, "view_learned") == [{"epoch": 3, "members": "0,1,2"}]
    cluster.forge(3, 1, Learned(late, 1, False))
    assert cluster.ignored(1, "other_ballot") >= 1
    assert [cluster.status(id_).status for id_ in (0, 1, 2)] == ["active"] * 3


def test_a_node_that_stops_turns_clients_away_and_fills_on() -> None:
    """Close is said to clients; as a member it works on as long as it lives."""
    cluster = copying()
    cluster.close(0)
    assert not cluster.status(0).ready
    cluster.release()
    cluster.run()
    assert cluster.status(1).status == "active"


# Late copies, and mail that does not fit.


def test_a_late_copy_of_a_learners_word_ends_no_round() -> None:
    """Delivered three times it counts once; only what was offered since can be the next round."""
    cluster = copying()
    cluster.release()
    cluster.hold(of(Learned, Offer))
    cluster.run()
    cluster.put(0, b"large", LARGE)
    mail = only(cluster, Learned)
    cluster.deliver(mail)
    before = len(cluster.on_the_way(Offer))
    cluster.deliver(mail)
    cluster.deliver(mail)
    assert learner(cluster, 1).rounds == 1
    assert cluster.ignored(0, "repeated") == 2
    assert len(cluster.on_the_way(Offer)) == before == 1
    assert learner(cluster, 1).offer_at < FOREVER


def test_a_late_copy_of_a_ready_ones_word_forgets_nothing() -> None:
    """It was close, has been offered more since, and the first word comes again: it is offered that again."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run(until=lambda: cluster.on_the_way(Learned, sender=1))
    word = cluster.on_the_way(Learned, sender=1)[0]
    cluster.run()
    cluster.put(0, b"large", LARGE)
    cluster.release()
    cluster.hold(of(Offer, receiver=1))
    cluster.run()
    assert learner(cluster, 2).ready
    cluster.lose(of(Offer))
    cluster.deliver(word)
    assert learner(cluster, 1).owed_since < FOREVER
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
def test_every_message_may_come_twice(settings: dict[str, int]) -> None:
    """And later ones in between: deliver all mail twice, the second time after all that the first led to.

    The copy is fetched once, and is the same.
    """
    cluster = filled((0, 1), (0,), **settings)
    cluster.tell((0, 1))
    again: list[Mail] = []
    for _ in range(2_000):
        if cluster.mail:
            again.append(cluster.mail[0])
            cluster.deliver(cluster.mail[0])
        elif again:
            cluster.deliver(again.pop(0))
        if len(again) > 40:
            cluster.deliver(again.pop(0))
    assert cluster.mail == again == []
    assert cluster.status(1).status == "active"
    assert len(cluster.noted(1, "state_received")) == 1
    assert cluster.state(1).store.data == cluster.state(0).store.data


def test_a_late_copy_of_a_question_keeps_the_log() -> None:
    """A newcomer that has all asks for what came since; an old question must not let that be forgotten."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.tell((0, 1, 2))
    cluster.run(until=lambda: cluster.on_the_way(Fetch, sender=1))
    late = cluster.on_the_way(Fetch, sender=1)[0]
    cluster.run()
    cluster.put(0, b"more", b"v")
    cluster.deliver(late)
    assert learner(cluster, 1).needs == 6
    cluster.put(0, b"more", b"v")
    assert cluster.state(0).log.start == 6
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    assert len(cluster.noted(1, "state_received")) + len(cluster.noted(2, "state_received")) <= 4


def test_a_learners_word_that_does_not_fit_is_ignored() -> None:
    """Of another ballot, beyond what is committed, of a stranger; and of anybody where nobody is filled."""
    cluster = copying()
    ballot = cluster.state(0).promised
    before = cluster.ignored(0, "other_ballot")
    cluster.forge(1, 0, Learned(ballot._replace(attempt=9), 6, False))
    assert cluster.ignored(0, "other_ballot") == before + 1
    cluster.forge(1, 0, Learned(ballot, 7, False))
    assert cluster.ignored(0, "beyond_the_log") == 1
    cluster.forge(9, 0, Learned(ballot, 6, False))
    cluster.forge(9, 0, Fetch(ballot, True, 0, 6))
    assert cluster.ignored(0, "not_a_learner") == 2
    cluster.forge(1, 0, Fetch(ballot._replace(attempt=9), True, 0, 6))
    assert cluster.ignored(0, "other_ballot") == before + 2
    assert learner(cluster, 1).rounds == 0
    cluster.tell((0,))
    cluster.forge(1, 0, Learned(ballot, 6, False))
    assert cluster.ignored(0, "other_ballot") == before + 3


def test_what_is_not_committed_is_nobodys_copy() -> None:
    """A position that stands in the log and on no backup is beyond all that was offered."""
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk, Replicate))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.put(0, b"k", b"v")
    assert (cluster.state(0).commit, cluster.state(0).log.end) == (6, 7)
    cluster.forge(2, 0, Learned(cluster.state(0).promised, 7, False))
    assert cluster.ignored(0, "beyond_the_log") == 1
    assert learner(cluster, 2).rounds == 0


def test_the_refusal_of_a_backup_is_not_a_learners() -> None:
    """Refusals name whom they are about: one of nobody in particular changes nothing."""
    cluster = copying()
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Refuse(ballot, Refusal.NOT_TOLD, 9, ballot))
    assert learner(cluster, 1).refusal == ""
    assert cluster.lead(0).filling is not None


# What is kept for them, and for how long.


def test_the_log_is_kept_as_long_as_a_newcomer_needs_it() -> None:
    """Nothing is kept here otherwise: from its snapshot on, until it has what came after; no longer."""
    cluster = copying()
    for number in range(3):
        cluster.put(0, b"more%d" % number, b"v")
    assert cluster.state(0).log.start == 6
    cluster.release()
    cluster.hold(of(Learned))
    cluster.run()
    assert copied(cluster, 1) == 6
    cluster.put(0, b"more", b"v")
    assert cluster.state(0).log.start == 6
    cluster.release()
    cluster.run()
    assert cluster.status(1).status == "active"
    assert cluster.noted(0, "state_sent")[-1]["what"] == "log"
    cluster.advance(500)
    assert cluster.state(0).log.start == cluster.state(0).log.end == 10


def test_the_log_is_forgotten_as_far_as_it_was_fetched() -> None:
    """A newcomer that asks for the next part has the one before: look after each question."""
    cluster = copying()
    for number in range(6):
        cluster.put(0, b"more%d" % number, b"v")
    cluster.put(0, b"large", LARGE)
    cluster.release()
    cluster.hold(of(LogChunk))
    cluster.run()
    firsts = []
    while cluster.on_the_way(LogChunk):
        mail = only(cluster, LogChunk)
        assert isinstance(mail.message, LogChunk)
        firsts.append(mail.message.first)
        assert learner(cluster, 1).needs == cluster.state(0).log.start == mail.message.first
        cluster.deliver(mail)
        cluster.run()
    assert firsts[0] == 6
    assert len(firsts) > 3
    assert cluster.status(1).status == "active"


def test_the_log_is_forgotten_when_nobody_is_filled_any_more() -> None:
    """Told back, the very next step trims what was kept for the newcomer; its snapshot goes as well."""
    cluster = copying()
    cluster.put(0, b"more", b"v")
    assert learner(cluster, 1).frozen is not None
    assert cluster.state(0).log.start == 6
    cluster.tell((0,))
    assert cluster.lead(0).filling is None
    assert cluster.state(0).log.start == 7


def test_a_snapshot_is_kept_until_it_is_copied() -> None:
    """The newcomer says what it holds, and the snapshot goes: it would keep old values alive."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk, receiver=2))
    cluster.hold(of(Learned))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert learner(cluster, 1).frozen is not None
    cluster.deliver(only(cluster, Learned))
    assert learner(cluster, 1).frozen is None
    assert learner(cluster, 2).frozen is not None


def test_who_asks_beyond_a_newer_smaller_snapshot_begins_anew() -> None:
    """The first snapshot is gone, told back and forth, and keys were deleted: the next has fewer items.

    An answer that says nothing would leave the newcomer asking the same for ever.
    """
    cluster = filled((0, 1), (0,), 12, **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1))
    for _ in range(3):
        cluster.run()
        cluster.deliver(only(cluster, SnapshotChunk))
    cluster.run()
    cluster.lose(of())
    learning = cluster.state(1).learning
    assert learning is not None
    assert learning.thaw is not None
    cluster.tell((0,))
    for number in range(11):
        cluster.delete(0, b"key%d" % number)
    cluster.tell((0, 1))
    cluster.run(until=lambda: cluster.on_the_way(SnapshotChunk))
    frozen = learner(cluster, 1).frozen
    assert frozen is not None
    assert frozen.total < learning.thaw.next
    cluster.lose(of(SnapshotChunk))
    cluster.release()
    cluster.advance(500)
    assert cluster.status(1).status == "active"
    assert cluster.state(1).store.data == cluster.state(0).store.data
    assert reasons(cluster, 0) == ["all learners are close"]


def test_nobody_is_told_twice_what_it_was_told_once() -> None:
    """Members go on nudging while the primary fills; it neither proposes nor answers."""
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.forge(1, 0, Told(cluster.status(0).view.members, 0))  # type: ignore[union-attr]
    assert cluster.on_the_way(Propose, Refuse) == []


def test_an_active_view_may_have_no_newcomers() -> None:
    """A smaller view is proposed at once: there is nobody to fill."""
    cluster = active(0, 1, 2)
    cluster.tell((0, 1), to=(0,))
    assert cluster.noted(0, "filling") == []
    assert cluster.state(0).proposal is not None
