"""How state gets to the members that lack it: in bounded chunks, aside, swapped in whole."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from pbproto import Ballot, Config, InvariantError, Message, Operation
from pbproto.messages import (
    Adopt,
    Adopted,
    Fetch,
    Forward,
    LogChunk,
    Promise,
    Propose,
    Replicate,
    SnapshotChunk,
)
from pbproto.out import Out
from pbproto.state import Base, Staging
from pbproto.store import Frozen
from pbproto.transfer import _swap, send_adopt

from .cluster import Cluster, Mail, active, of, view

SNAPSHOT = {"log_keep_bytes": 0, "chunk_bytes": 60}
LOG = {"chunk_bytes": 60}


def filled(ids: tuple[int, ...], members: tuple[int, ...], count: int = 6, **settings: int) -> Cluster:
    """A cluster with a view of the members, in which so many keys were written."""
    cluster = Cluster(ids, Config(**settings))
    cluster.install(members)
    for number in range(count):
        cluster.put(members[0], b"key%d" % number, b"value", b"once" if number == 0 else b"")
    cluster.run()
    cluster.advance(500)
    return cluster


def staging(cluster: Cluster, id_: int) -> Staging:
    staged = cluster.state(id_).staging
    assert staged is not None
    return staged


def fetched(cluster: Cluster) -> list[Mail]:
    return cluster.on_the_way(SnapshotChunk, LogChunk)


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
@pytest.mark.parametrize("new", [0, 2])
def test_a_new_member_gets_everything(settings: dict[str, int], new: int) -> None:
    """As the new primary, or as a new backup; as a snapshot, or as the log: stores and tables are equal."""
    members = tuple(id_ for id_ in (0, 1, 2) if id_ != new)
    cluster = filled((0, 1, 2), members, **settings)
    cluster.install((0, 1, 2))
    cluster.advance(500)
    one, *others = (cluster.state(id_).store for id_ in (0, 1, 2))
    for other in others:
        assert other.data == one.data
        assert list(other.origins.items()) == list(one.origins.items())
        assert list(other.keys.items()) == list(one.keys.items())
    what = "snapshot" if settings is SNAPSHOT else "log"
    assert [note["what"] for note in cluster.noted(new, "state_received")] == [what]
    assert len(one.data) == 6


def test_a_member_that_was_away_gets_only_what_it_lacks() -> None:
    """The tail of the log from where both agree: 2 has four operations of six."""
    cluster = filled((0, 1, 2), (0, 1, 2), 4)
    cluster.install((0, 1))
    for number in range(2):
        cluster.put(0, b"later%d" % number, b"value")
    cluster.run()
    sent: list[Operation] = []
    cluster.hold(of(LogChunk))
    cluster.tell((0, 1, 2))
    cluster.run()
    for mail in fetched(cluster):
        assert isinstance(mail.message, LogChunk)
        assert mail.message.first == 4
        sent += mail.message.operations
    assert [operation.key for operation in sent] == [b"later0", b"later1"]
    cluster.release()
    cluster.run()
    assert cluster.status(2).status == "active"


def test_equal_members_send_nothing() -> None:
    """Told a smaller view, all have what it begins with: no state moves."""
    cluster = filled((0, 1, 2), (0, 1, 2))
    cluster.hold(of(Fetch))
    cluster.install((1, 2))
    assert cluster.noted(1, "state_sent") == []


def test_what_never_happened_is_cut_off() -> None:
    """A write that only one backup has, and that its primary never committed, goes from its log.

    0 writes, 1 has it, 2 does not; {0, 1, 2} is installed again, because 2 was restarted.
    """
    cluster = active(0, 1, 2)
    cluster.cut(0, 2)
    token = cluster.put(0, b"k", b"v")
    cluster.run()
    assert cluster.state(1).log.end == 1
    cluster.tell((1,), to=(0,))
    assert cluster.rejection(token) == ("outside_view", False)
    cluster.release()
    cluster.install((0, 1, 2))
    assert [cluster.state(id_).log.end for id_ in cluster.ids] == [0, 0, 0]


def test_an_applied_operation_that_the_base_lacks_takes_a_snapshot() -> None:
    """What is applied cannot be taken back one by one: the losing half of a split gets the whole state."""
    cluster = filled((0, 1), (0, 1), 2)
    cluster.watch.one_history = False
    cluster.install((0,))
    cluster.put(0, b"left", b"v")
    for _ in range(2):
        cluster.install((1,))
        cluster.tell((), to=(1,))
    cluster.install((1,))
    cluster.put(1, b"right", b"v")
    cluster.install((0, 1))
    assert [note["what"] for note in cluster.noted(0, "state_received")] == ["snapshot"]
    assert sorted(cluster.state(0).store.data) == [b"key0", b"key1", b"right"]


def test_the_old_state_stays_until_the_new_one_is_whole() -> None:
    """A member that threw its copy away for a transfer that is never finished would lose the last copy.

    The losing half of a split fetches a snapshot, and the source dies half way: the old state is still
    there, is still said to be of the old ballot, and serves in a view of its own.
    """
    cluster = filled((0, 1), (0, 1), 6, chunk_bytes=30)
    cluster.watch.one_history = False
    cluster.install((0,))
    cluster.put(0, b"left", b"v")
    synced = cluster.state(0).synced
    for _ in range(2):
        cluster.install((1,))
        cluster.tell((), to=(1,))
    cluster.install((1,))
    cluster.put(1, b"right", b"v")
    cluster.tell((0, 1))
    cluster.run(until=lambda: cluster.state(0).staging is not None and len(fetched(cluster)) == 1)
    cluster.run(until=lambda: staging(cluster, 0).thaw is not None)
    thaw = staging(cluster, 0).thaw
    assert thaw is not None
    assert not thaw.complete
    cluster.crash(1)
    state = cluster.state(0)
    assert state.synced == synced
    assert b"left" in state.store.data
    assert b"right" not in state.store.data
    assert (state.commit, state.log.end) == (7, 7)
    cluster.install((0,))
    read = cluster.get(0, b"left")
    assert cluster.value(read) == (b"v", 7)


def test_a_half_filled_member_is_no_source() -> None:
    """It has promised, and holds nothing yet: installed with an empty one, it must not pass for synced.

    1 fetches from 0, which dies; then {1, 2} is told. Numbered, it is blocked: the data is elsewhere.
    """
    cluster = Cluster((0, 1, 2), Config(**SNAPSHOT))
    cluster.install((0,), epoch=1)
    for number in range(6):
        cluster.put(0, b"key%d" % number, b"value")
    cluster.tell((0, 1), epoch=2)
    cluster.run(until=lambda: fetched(cluster))
    cluster.deliver(fetched(cluster)[0])
    assert cluster.state(1).synced is None
    cluster.crash(0)
    cluster.tell((1, 2), epoch=3)
    cluster.advance(2_000)
    assert "no member holds the state" in cluster.status(1).blocked
    assert cluster.state(1).store.data == {}


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
def test_a_transfer_resumes_after_loss_where_it_was(settings: dict[str, int]) -> None:
    """Chunks are asked for one at a time, and a lost one again: lose every second answer."""
    cluster = filled((0, 1), (0,), **settings)
    held = cluster.hold(of(SnapshotChunk, LogChunk))
    cluster.tell((0, 1))
    cluster.run()
    offsets = []
    for number in range(40):
        if not fetched(cluster):
            break
        (mail,) = fetched(cluster)
        if number % 2:
            cluster.deliver(mail)
        else:
            cluster.lose(lambda other, lost=mail: other is lost)  # type: ignore[misc]
            cluster.now += 2_000 * 10**6
            cluster.wake()
        cluster.run()
        message = mail.message
        assert isinstance(message, SnapshotChunk | LogChunk)
        offsets.append(message.offset if isinstance(message, SnapshotChunk) else message.first)
    cluster.release(held)
    cluster.advance(3_000)
    assert cluster.status(1).status == "active"
    assert offsets == sorted(offsets)
    assert offsets[0] == offsets[1] == 0
    assert len(dict.fromkeys(offsets)) >= 3


def test_a_chunk_is_asked_for_less_and_less_often() -> None:
    """A source that is gone is not shouted at: note the times of the questions."""
    cluster = filled((0, 1), (0,), **LOG)
    cluster.hold(of(Fetch))
    cluster.tell((0, 1))
    cluster.run()
    start, times = cluster.now, [0]
    while len(times) < 6:
        deadline = cluster.replicas[1].deadline
        assert deadline is not None
        cluster.now = deadline
        cluster.lose(of())
        cluster.tick(1)
        if cluster.on_the_way(Fetch):
            times.append((cluster.now - start) // 10**6)
    assert [after - before for before, after in pairwise(times)] == [
        250,
        500,
        1000,
        2000,
        2000,
    ]


def test_a_trimmed_log_is_answered_with_the_state() -> None:
    """A new member asks for the log from 0, of which nothing is kept: the answer is a snapshot.

    Operations that are not committed yet follow as the tail of the log.
    """
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    cluster.hold(of(Replicate))
    cluster.put(0, b"tail", b"v")
    cluster.release()
    cluster.cut(0, 1)
    cluster.run()
    cluster.release()
    cluster.mail.clear()
    cluster.crash(0)
    cluster.install((1, 2))
    cluster.advance(500)
    assert cluster.state(2).store.data == cluster.state(1).store.data
    assert cluster.state(2).log.start == cluster.state(2).log.end == 6


def test_a_snapshot_and_the_tail_make_the_base() -> None:
    """The source holds more than it has applied: the new member gets both parts, in this order."""
    cluster = filled((0, 1, 2), (0, 1), **SNAPSHOT)
    token = cluster.put(0, b"tail", b"v")
    cluster.run(until=lambda: cluster.state(1).log.end == 7)
    assert cluster.waits(token)
    cluster.crash(0)
    cluster.mail.clear()
    assert (cluster.state(1).commit, cluster.state(1).log.end) == (6, 7)
    cluster.hold(of(Adopted))
    cluster.tell((1, 2))
    cluster.run()
    sent = [note["what"] for note in cluster.noted(1, "state_sent")]
    assert sent == ["snapshot", "log"]
    cluster.release()
    cluster.run()
    assert cluster.state(2).store.data[b"tail"] == b"v"
    assert cluster.state(2).log.end == 7


def test_the_base_is_adopted_once() -> None:
    """Lost and repeated Adopt and Adopted: the member adopts once and says so every time."""
    cluster = Cluster((0, 1))
    held = cluster.hold(of(Adopted))
    cluster.tell((0, 1))
    cluster.run()
    (adopted,) = cluster.on_the_way(Adopted)
    cluster.lose(of(Adopted))
    cluster.release(held)
    cluster.advance(300)
    assert cluster.status(1).status == "active"
    before = cluster.ignored(0, "other_ballot")
    cluster.deliver(adopted)
    assert cluster.ignored(0, "other_ballot") == before + 1


def test_an_offer_while_the_base_is_fetched_changes_nothing() -> None:
    """The primary repeats its offer; the member is on its way already."""
    cluster = filled((0, 1), (0,), **LOG)
    cluster.hold(of(LogChunk))
    cluster.tell((0, 1))
    cluster.run()
    before = staging(cluster, 1)
    cluster.advance(2_000)
    assert staging(cluster, 1) is before
    assert cluster.ignored(1, "repeated") >= 1


def test_an_offer_that_does_not_fit_is_ignored() -> None:
    """Another ballot, another member, another life: only the promised primary says what there is to hold."""
    cluster = Cluster((0, 1, 2))
    cluster.hold(of(Adopt))
    cluster.tell((0, 1, 2))
    cluster.run()
    ballot = cluster.state(1).promised
    before = cluster.ignored(1, "other_ballot")
    cluster.forge(0, 1, Adopt(ballot._replace(attempt=4), 1, 0, (), ()))
    assert cluster.ignored(1, "other_ballot") == before + 1
    cluster.forge(2, 1, Adopt(ballot, 1, 0, (), ()))
    cluster.forge(0, 1, Adopt(ballot, 1, 0, (), ()), sender_life=4711)
    assert cluster.ignored(1, "not_the_primary") == 2
    assert cluster.state(1).synced is None


def test_an_adoption_counts_for_the_life_that_promised() -> None:
    """A member's other life, a stranger, another ballot and an early word do not make the view active."""
    cluster = Cluster((0, 1))
    cluster.hold(of(Promise, Adopted))
    cluster.tell((0, 1))
    cluster.run()
    ballot = cluster.state(0).promised
    before = cluster.ignored(0, "other_ballot")
    cluster.forge(1, 0, Adopted(ballot))
    cluster.forge(1, 0, Adopted(ballot._replace(attempt=7)))
    assert cluster.ignored(0, "other_ballot") == before + 2
    cluster.release()
    cluster.hold(of(Adopted))
    cluster.run()
    cluster.forge(1, 0, Adopted(ballot), sender_life=4711)
    cluster.forge(9, 0, Adopted(ballot))
    assert cluster.ignored(0, "not_a_member") == 2
    assert cluster.status(0).status == "installing"
    assert [waiting.reason for waiting in cluster.status(0).waiting_for] == ["it does not hold the state yet"]


def test_only_a_sealed_holder_is_a_source() -> None:
    """Who holds nothing and who serves gives nothing away, and nobody gives strangers anything."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,))
    cluster.forge(0, 1, Fetch(cluster.state(1).promised, False, 0, 0))
    assert cluster.ignored(1, "other_ballot") == 1
    cluster.tell((0, 1), to=(0,))
    cluster.run()
    cluster.forge(9, 1, Fetch(cluster.state(1).promised, False, 0, 0))
    assert cluster.ignored(1, "not_a_member") == 1
    ballot = cluster.state(1).promised
    cluster.forge(0, 1, Fetch(ballot, True, 0, 0))
    assert cluster.ignored(1, "not_a_source") == 1
    assert fetched(cluster) == []


def test_a_question_beyond_the_state_is_ignored() -> None:
    """A wrong offset must not look like the end of the state: ask for items after the last."""
    cluster = filled((0, 1), (0,), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1))
    cluster.run()
    cluster.mail.clear()
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Fetch(ballot, True, 99, 6))
    assert cluster.ignored(0, "beyond_the_state") == 1
    assert fetched(cluster) == []


def test_chunks_that_do_not_fit_change_nothing() -> None:
    """Not asked for, of another ballot, sender or life, out of order, repeated: each is ignored by name."""
    cluster = filled((0, 1, 2), (0,), **SNAPSHOT)
    cluster.forge(0, 1, LogChunk(Ballot(1, 0, 0, 1), 0, ()))
    cluster.forge(0, 1, SnapshotChunk(Ballot(1, 0, 0, 1), 0, 0, 0, 0, (), (), ()))
    assert cluster.ignored(1, "not_asked_for") == 2
    cluster.hold(of(SnapshotChunk, receiver=1))
    cluster.tell((0, 1, 2))
    cluster.run()
    (mail,) = cluster.on_the_way(SnapshotChunk, receiver=1)
    first = mail.message
    assert isinstance(first, SnapshotChunk)
    ballot = first.ballot
    cluster.forge(0, 1, LogChunk(ballot, 0, (Operation(0, 1, 0, 0, b"k", b"v", b""),)))
    later = SnapshotChunk(ballot, first.applied, 0, 3, first.total, first.pairs, (), ())
    cluster.forge(0, 1, later)
    cluster.forge(2, 1, first)
    cluster.forge(0, 1, first, sender_life=4711)
    cluster.forge(0, 1, SnapshotChunk(ballot._replace(attempt=8), 6, 0, 0, 9, (), (), ()))
    cluster.forge(0, 1, SnapshotChunk(ballot, 99, 0, 0, 9, (), (), ()))
    assert cluster.ignored(1, "not_asked_for") == 6
    assert staging(cluster, 1).thaw is None
    cluster.deliver(mail)
    thaw = staging(cluster, 1).thaw
    assert thaw is not None
    taken = thaw.next
    out_of_order = cluster.ignored(1, "out_of_order")
    cluster.forge(0, 1, first)
    cluster.forge(0, 1, LogChunk(ballot, 0, (Operation(0, 1, 0, 0, b"k", b"v", b""),)))
    assert cluster.ignored(1, "out_of_order") == out_of_order + 2
    assert thaw.next == taken
    cluster.release()
    cluster.run()
    assert cluster.state(1).store.data == cluster.state(0).store.data


def test_repeated_parts_of_the_tail_are_not_appended() -> None:
    """Copies of a part of the log, and empty parts, are ignored; more than the base is not taken."""
    cluster = filled((0, 1), (0,), 3, **LOG)
    cluster.hold(of(LogChunk))
    cluster.tell((0, 1))
    cluster.run()
    (mail,) = fetched(cluster)
    cluster.deliver(mail)
    assert staging(cluster, 1).tail_end == 1
    before = cluster.ignored(1, "repeated")
    cluster.deliver(mail)
    ballot = cluster.state(1).promised
    cluster.forge(0, 1, LogChunk(ballot, 1, ()))
    assert cluster.ignored(1, "repeated") == before + 2
    log = cluster.state(0).log
    rest = (log[1], log[2], Operation(9, 9, 9, 0, b"no", b"no", b""))
    cluster.forge(0, 1, LogChunk(ballot, 1, rest))
    assert cluster.state(1).log.end == 3
    cluster.release()
    cluster.run()
    assert cluster.status(1).status == "active"


def test_copies_of_a_whole_snapshot_are_ignored_while_the_tail_comes() -> None:
    """The snapshot is complete and the tail is on its way: a copy of the last chunk changes nothing."""
    cluster = filled((0, 1, 2), (0, 1), log_keep_bytes=0)
    cluster.put(0, b"tail", b"v")
    cluster.run(until=lambda: cluster.state(1).log.end == 7)
    cluster.crash(0)
    cluster.mail.clear()
    cluster.hold(of(LogChunk))
    cluster.tell((1, 2))
    cluster.run(until=lambda: fetched(cluster))
    (mail,) = fetched(cluster)
    cluster.run()
    before = cluster.ignored(2, "repeated")
    cluster.deliver(mail)
    assert cluster.ignored(2, "repeated") == before + 1
    cluster.release()
    cluster.run()
    assert cluster.state(2).log.end == 7


def test_a_snapshot_that_does_not_add_up_is_fetched_anew() -> None:
    """What was put together is counted before it is used: two items of one name are one too few."""
    cluster = filled((0, 1), (0,), 2, **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1))
    cluster.run()
    ballot = cluster.state(1).promised
    pairs = ((b"a", b"1"), (b"a", b"2"))
    cluster.forge(0, 1, SnapshotChunk(ballot, 2, 0, 0, 2, pairs, (), ()))
    assert staging(cluster, 1).thaw is None
    assert cluster.state(1).synced is None
    cluster.release()
    cluster.run()
    assert cluster.state(1).store.data == cluster.state(0).store.data


def test_the_primary_fetches_from_a_member_and_gives_on() -> None:
    """A new primary has to get the base itself before it gives it: 1 holds it, 0 and 2 are new."""
    cluster = filled((0, 1, 2), (1,), **SNAPSHOT)
    cluster.tell((0, 1, 2))
    cluster.run(until=lambda: cluster.state(0).staging is not None)
    assert [waiting.id for waiting in cluster.status(0).waiting_for] == [1]
    assert cluster.status(0).waiting_for[0].reason == "fetching the log from it: position 0 of 6"
    cluster.run()
    assert cluster.noted(0, "state_received")[0]["source"] == 1
    assert cluster.noted(2, "state_received")[0]["source"] == 0
    assert cluster.status(2).status == "active"


def test_a_base_is_given_only_by_who_holds_it() -> None:
    """What we conclude is checked: a primary without a base offers none, and nothing applied is cut."""
    cluster = Cluster((0, 1))
    cluster.hold(of(Propose))
    cluster.tell((0, 1))
    state = cluster.state(0)
    assert state.proposal is not None
    with pytest.raises(InvariantError, match="base is chosen"):
        send_adopt(state, state.proposal, view((0, 1)).members[1], Out())
    cluster = filled((0,), (0,), 3)
    state = cluster.state(0)
    base = staging_of(cluster)
    state.promised = base.ballot
    with pytest.raises(InvariantError, match="applied is cut"):
        _swap(state, base, Out())


def staging_of(cluster: Cluster) -> Staging:
    """A staging that would cut the applied log of node 0 at 1."""
    ballot = Ballot(9, 0, 0, cluster.state(0).incarnation)
    source = view((0,)).members[0]
    return Staging(ballot, source, 1, Base(0, 1, 1, (), ()), 1)


def ask(cluster: Cluster, snapshot: bool, position: int, end: int) -> Message | None:
    """What node 0, a sealed source, answers to a Fetch of node 1."""
    cluster.mail.clear()
    cluster.forge(1, 0, Fetch(cluster.state(0).promised, snapshot, position, end))
    mails = fetched(cluster)
    return mails[0].message if mails else None


def sealed(**settings: int) -> Cluster:
    """Node 0 holds six operations, and offers them to node 1, which gets nothing."""
    cluster = filled((0, 1), (0,), **settings)
    cluster.hold(of(SnapshotChunk, LogChunk, Fetch))
    cluster.tell((0, 1))
    cluster.run()
    return cluster


def test_a_source_answers_at_the_very_ends() -> None:
    """Nothing is left to send at the end of the log and of the state: an empty chunk says so."""
    cluster = sealed()
    answer = ask(cluster, False, 6, 6)
    assert answer == LogChunk(cluster.state(0).promised, 6, ())
    cluster = sealed(log_keep_bytes=0)
    frozen = Frozen(cluster.state(0).store)
    answer = ask(cluster, True, frozen.total, 6)
    assert isinstance(answer, SnapshotChunk)
    assert (answer.offset, answer.pairs, answer.origins, answer.keys) == (frozen.total, (), (), ())


def test_a_snapshot_in_place_of_a_log_begins_at_its_first_item() -> None:
    """A position in the log is not one in the state: ask for a tail of which the beginning was trimmed."""
    cluster = sealed(log_keep_bytes=0)
    answer = ask(cluster, False, 3, 6)
    assert isinstance(answer, SnapshotChunk)
    assert answer.offset == 0
    assert len(answer.pairs) == 6


def test_the_end_of_a_state_is_noted_once() -> None:
    """When the last item goes out, also if all goes in one chunk: values, results and keys are all items."""
    for settings in ({"log_keep_bytes": 0}, SNAPSHOT):
        cluster = filled((0, 1), (0,), **settings)
        cluster.install((0, 1))
        assert cluster.noted(0, "state_sent") == [{"to": 1, "what": "snapshot", "end": 6}]
        assert cluster.noted(1, "state_received") == [{"source": 0, "what": "snapshot", "end": 6}]


def test_chunks_that_come_too_early_or_again_are_named() -> None:
    """Out of order is what begins elsewhere, repeated what comes after the whole: one item, then a tail."""
    cluster = sealed(log_keep_bytes=0)
    ballot = cluster.state(1).promised
    one = SnapshotChunk(ballot, 2, 0, 0, 1, ((b"k", b"v"),), (), ())
    cluster.forge(0, 1, replace(one, offset=1))
    assert cluster.ignored(1, "out_of_order") == 1
    cluster.forge(0, 1, one)
    cluster.forge(0, 1, one)
    assert cluster.ignored(1, "repeated") == 1
    assert staging(cluster, 1).tail_start == 2


def test_a_state_without_items_is_one_too() -> None:
    """Its only chunk is empty, and the tail comes after it."""
    cluster = sealed(log_keep_bytes=0)
    ballot = cluster.state(1).promised
    cluster.forge(0, 1, SnapshotChunk(ballot, 2, 0, 0, 0, (), (), ()))
    assert cluster.ignored(1, "repeated") == 0
    assert (staging(cluster, 1).tail_start, staging(cluster, 1).refetches) == (2, 0)


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
def test_a_chunk_that_comes_makes_the_next_questions_quick_again(settings: dict[str, int]) -> None:
    """The pauses between questions begin with the shortest: lose chunks for a while, then let one through."""
    cluster = filled((0, 1), (0,), **settings)
    held = cluster.hold(of(SnapshotChunk, LogChunk))
    cluster.tell((0, 1))
    cluster.advance(3_000)
    assert staging(cluster, 1).refetches > 2
    cluster.deliver(fetched(cluster)[0])
    assert staging(cluster, 1).refetches == 0
    cluster.release(held)


def test_a_primary_that_has_the_base_offers_it_quickly() -> None:
    """However long the promises took: the first offer is repeated after the shortest pause."""
    cluster = active(1, 2)
    cluster.put(1, b"k", b"v")
    cluster.run()
    cluster.start(0)
    cluster.hold(of(LogChunk))
    cluster.tell((0, 1, 2))
    cluster.advance(3_000)
    proposal = cluster.state(0).proposal
    assert proposal is not None
    assert proposal.resends > 2
    cluster.deliver(fetched(cluster)[0])
    assert cluster.state(0).synced == proposal.ballot
    assert proposal.resends == 0


def test_a_transfer_that_ends_late_does_not_activate_the_view_it_was_for() -> None:
    """What belongs to a view carries its ballot: the end of an installation that was given up is ignored.

    {0, 1, 2} waits for 2's last word only when {0, 2} is told; that waits for 2 as well when the word comes.
    """
    cluster = filled((0, 1, 2), (0, 1))
    cluster.hold(of(Adopted, sender=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    (late,) = cluster.on_the_way(Adopted, sender=2)
    cluster.hold(of(Adopt))
    cluster.tell((0, 2))
    cluster.run()
    assert len(cluster.on_the_way(Adopt, receiver=2)) == 1
    before = cluster.ignored(0, "other_ballot")
    cluster.deliver(late)
    assert cluster.ignored(0, "other_ballot") == before + 1
    assert cluster.status(0).status == "installing"
    assert [waiting.reason for waiting in cluster.status(0).waiting_for] == ["it does not hold the state yet"]
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in (0, 2)] == ["active", "active"]


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
@pytest.mark.parametrize("away", [0, 2])
def test_a_deleted_key_does_not_come_back_with_a_member(settings: dict[str, int], away: int) -> None:
    """A member that was away gets the state, it adds nothing of its own.

    Without it two keys are deleted and one is written again; then it returns, as a backup or as the primary,
    and serves alone.
    """
    cluster = filled((0, 1, 2), (0, 1, 2), **settings)
    others = tuple(id_ for id_ in (0, 1, 2) if id_ != away)
    cluster.install(others)
    cluster.delete(others[1], b"key0")
    cluster.delete(others[1], b"key1")
    cluster.run()
    cluster.put(others[0], b"key1", b"again")
    cluster.run()
    assert b"key0" in cluster.state(away).store.data
    cluster.tell((0, 1, 2))
    cluster.advance(5_000)
    cluster.install((away,))
    listing, position = cluster.listing(cluster.get_all(away))
    kept = {b"key%d" % number: b"value" for number in range(2, 6)}
    assert (listing, position) == ({**kept, b"key1": b"again"}, 9)


def test_who_waits_through_a_join_counts_in_the_joined_log() -> None:
    """A position of a log that was dropped says nothing of the other one.

    1 wrote alone, up to 4; its next client comes when {0, 1} is told, whose base goes up to 1 and lacks that.
    Were its write sent on as one that cannot stand below 4, a copy that comes when its origin has been
    forgotten would look new, and be applied twice.
    """
    cluster = active(0, 1)
    cluster.put(0, b"k", b"common")
    cluster.advance(500)
    cluster.watch.one_history = False
    cluster.install((1,))
    for number in range(3):
        cluster.put(1, b"k", b"dropped %d" % number)
    cluster.install((0,))
    cluster.install((0,), epoch=9)
    cluster.tell((0, 1), epoch=10)
    write = cluster.put(1, b"k", b"late")
    assert cluster.state(1).waiting.clients[3].since == 4
    cluster.run(until=lambda: cluster.on_the_way(Forward))
    (mail,) = cluster.on_the_way(Forward)
    assert isinstance(mail.message, Forward)
    assert mail.message.since == 1
    cluster.run()
    assert cluster.written(write).position == 1
