"""The bound of the data: it is never passed, there is always a way out, and every refusal is certain."""

from __future__ import annotations

from random import Random

import pytest

from pbproto import Config, Kind, Note, Put, Reject, Result
from pbproto.config import MILLISECOND
from pbproto.messages import Forward, Forwarded, Replicated, VerdictCode
from pbproto.state import Room
from pbproto.store import KEY_BYTES

from .cluster import Cluster, active, of
from .test_ordering import forwarded, suspicious, verdicts

ENTRY = KEY_BYTES + 1
"""What a key of one byte counts, without its value."""


def filled(*nodes: int, bound: int = 2 * ENTRY + 100, **settings: int) -> Cluster:
    """A cluster with one key of 60 bytes: of a second there may be 40, of a third nothing."""
    cluster = active(*nodes, max_data_bytes=bound, **settings)
    cluster.put(0, b"a", b"v" * 60)
    cluster.advance(500)
    return cluster


def said(cluster: Cluster, node: int) -> list[str]:
    """What the node has said of its room, in order."""
    codes = [note.code.value for who, note in cluster.notes if who == node]
    return [code.removeprefix("store_") for code in codes if code.startswith("store_")]


@pytest.mark.parametrize("node", [0, 1], ids=["at the primary", "at a backup"])
def test_what_would_outgrow_the_bound_is_refused_with_certainty(node: int) -> None:
    """Goal: the last byte has its place and the next has none.

    Method: one byte too many, then as many as fit; what was refused is in no log, and the words have both
    figures.
    """
    cluster = filled(0, 1)
    too_much = cluster.put(node, b"b", b"v" * 41)
    cluster.run()
    assert cluster.rejection(too_much) == ("store_full", True)
    answer = cluster.asked[too_much].answer
    assert isinstance(answer, Reject)
    assert f"have {2 * ENTRY + 100} bytes" in answer.detail
    assert f"has {ENTRY + 60}" in answer.detail
    assert [cluster.state(id_).log.end for id_ in (0, 1)] == [1, 1]
    fits = cluster.put(node, b"b", b"v" * 40)
    cluster.advance(500)
    assert cluster.written(fits) == Result(Kind.CREATED, 1)
    assert cluster.state(0).store.data_bytes == cluster.state(1).store.data_bytes == 2 * ENTRY + 100


def test_there_is_a_way_out_of_a_full_store() -> None:
    """Goal: nobody is locked in. Method: at the bound to the byte, write as much again, then less, then
    delete; then there is room for another key.
    """
    cluster = filled(0, 1, bound=ENTRY + 60)
    tokens = [cluster.put(0, b"b", b""), cluster.put(0, b"a", b"v" * 61)]
    cluster.run()
    assert [cluster.rejection(token) for token in tokens] == [("store_full", True)] * 2
    for node, value in ((0, b"w" * 60), (1, b"w" * 59)):
        token = cluster.put(node, b"a", value)
        cluster.run()
        assert cluster.written(token).kind is Kind.UPDATED
    gone = cluster.delete(1, b"a")
    cluster.run()
    assert cluster.written(gone).kind is Kind.DELETED
    assert cluster.state(0).store.data_bytes == 0
    other = cluster.put(0, b"b", b"v" * 60)
    cluster.run()
    assert cluster.written(other).kind is Kind.CREATED


def test_many_at_once_do_not_pass_the_bound() -> None:
    """Goal: what stands in the log counts. Method: ten keys in one step, where there is room for two more;
    none is committed until all have come.
    """
    cluster = filled(0, 1, bound=3 * ENTRY + 60)
    held = cluster.hold(of(Replicated))
    tokens = [cluster.put(number % 2, b"%d" % number, b"") for number in range(10)]
    for mail in cluster.on_the_way(Forward):
        cluster.deliver(mail)
    assert cluster.state(0).log.end == 3
    cluster.release(held)
    cluster.run()
    refused = [token for token in tokens if isinstance(cluster.asked[token].answer, Reject)]
    assert len(refused) == 8
    assert all(cluster.rejection(token) == ("store_full", True) for token in refused)
    assert cluster.state(0).store.data_bytes == 3 * ENTRY + 60


def test_a_key_that_is_about_to_go_gives_no_room_yet() -> None:
    """Goal: whatever becomes of the log, the bound holds. Method: while a DELETE and a smaller value stand in
    the log, ask for the room that they will give; it is there once they are committed.
    """
    cluster = filled(0, 1, bound=ENTRY + 60)
    for operation in ("delete", "smaller"):
        held = cluster.hold(of(Replicated))
        if operation == "delete":
            cluster.delete(0, b"a")
        else:
            cluster.put(0, b"b", b"")
        early = cluster.put(0, b"c", b"v" * 30)
        assert cluster.rejection(early) == ("store_full", True)
        cluster.release(held)
        cluster.run()
        cluster.put(0, b"b", b"v" * 60)
        cluster.run()
        assert cluster.state(0).store.data == {b"b": b"v" * 60}


def test_what_is_written_again_while_it_is_deleted_takes_its_own_room() -> None:
    """Goal: the bound holds for every order of what is admitted. Method: many rounds of random writes to few
    keys, acknowledged now and then; the data is watched at each commit, and both sizes are met.
    """
    random = Random(4)
    bound = 4 * ENTRY
    sizes: dict[int, None] = {}
    for _ in range(60):
        cluster = active(0, 1, max_data_bytes=bound)
        for _ in range(25):
            held = cluster.hold(of(Replicated))
            for _ in range(random.randrange(1, 6)):
                key = b"%d" % random.randrange(5)
                if random.random() < 0.3:
                    cluster.delete(0, key)
                else:
                    value = b"%d " % len(cluster.asked)  # the watch tells writes apart by it
                    cluster.put(0, key, value.ljust(random.randrange(1, 300), b"v"))
            cluster.release(held)
            cluster.run()
            sizes[cluster.state(0).store.data_bytes] = None
            assert cluster.state(0).store.data_bytes <= bound
    assert max(sizes) > bound - 100


def test_the_bound_may_be_left_out() -> None:
    """Goal: 0 is no bound. Method: fill, and nobody says anything."""
    cluster = filled(0, 1, bound=0)
    tokens = [cluster.put(0, b"%d" % number, b"v" * 1000) for number in range(50)]
    cluster.run()
    assert all(cluster.written(token) for token in tokens)
    assert said(cluster, 0) == []


# Repeats.


def test_a_repeated_write_gets_its_first_answer_although_the_store_is_full() -> None:
    """Goal: what happened has happened. Method: repeat by its key a write that filled the store, at both
    nodes, committed and not; then a late copy of the message.
    """
    cluster = active(0, 1, max_data_bytes=ENTRY + 60)
    held = cluster.hold(of(Replicated))
    first = cluster.put(1, b"a", b"v" * 60, b"once")
    late = forwarded(cluster)
    cluster.deliver(late)
    echo = cluster.put(0, b"a", b"v" * 60, b"once")
    cluster.release(held)
    cluster.run()
    again = cluster.put(1, b"a", b"v" * 60, b"once")
    cluster.run()
    assert [cluster.written(token) for token in (first, echo, again)] == [Result(Kind.CREATED, 0)] * 3
    cluster.deliver(late)
    cluster.run()
    assert cluster.state(0).log.end == 1


def test_a_refused_write_is_not_remembered_under_its_key() -> None:
    """Goal: the same request may succeed later. Method: refuse it, make room, repeat it by its key."""
    cluster = filled(0, 1, bound=ENTRY + 60)
    refused = cluster.put(1, b"b", b"v", b"once")
    cluster.run()
    assert cluster.rejection(refused) == ("store_full", True)
    cluster.delete(0, b"a")
    cluster.run()
    again = cluster.put(0, b"b", b"v", b"once")
    cluster.run()
    assert cluster.written(again) == Result(Kind.CREATED, 2)


def test_a_late_copy_does_not_bring_a_refused_write_back() -> None:
    """Goal: not applied is never. Method: a copy of the message comes when there is room again: the answer
    stands.
    """
    cluster = filled(0, 1, bound=ENTRY + 60)
    token = cluster.put(1, b"b", b"v")
    late = forwarded(cluster)
    cluster.run()
    assert cluster.rejection(token) == ("store_full", True)
    cluster.delete(0, b"a")
    cluster.run()
    cluster.hold(of(Forwarded))
    cluster.deliver(late)
    (verdict,) = verdicts(cluster)
    assert (verdict.code, verdict.position) == (VerdictCode.STORE_FULL, ENTRY + 60)
    assert cluster.state(0).log.end == 2


def test_an_old_release_hears_that_it_was_not_applied() -> None:
    """Goal: certain in version 1 as well. Method: a backup that speaks it; its client hears a certain no."""
    cluster = filled(0, 1, bound=ENTRY + 60)
    cluster.wires[1] = 1
    token = cluster.put(1, b"b", b"v")
    cluster.run()
    assert cluster.rejection(token) == ("timeout", True)
    assert cluster.left_out == 1


# Suspicion, and other primaries.


def test_what_waits_outside_the_log_is_asked_again_when_it_gets_its_place() -> None:
    """Goal: parked writes pass no bound together. Method: three wait while a backup is suspected, and each
    would fit alone; when it answers, two have no room any more.
    """
    cluster = suspicious(max_data_bytes=ENTRY + 60)
    tokens = [
        cluster.put(node, b"%d" % node, value * 60) for node, value in ((0, b"u"), (1, b"v"), (0, b"w"))
    ]
    tokens.append(cluster.put(0, b"x", b"x" * 61))
    cluster.run()
    assert [cluster.waits(token) for token in tokens] == [True, True, True, False]
    assert cluster.rejection(tokens[3]) == ("store_full", True)
    cluster.release()
    cluster.advance(1_100)
    assert cluster.written(tokens[0]) == Result(Kind.CREATED, 0)
    # The third writes the first one's key, which is not committed when it is asked.
    assert [cluster.rejection(token) for token in tokens[1:3]] == [("store_full", True)] * 2
    assert cluster.lead(0).parked == {}
    assert cluster.lead(0).parked_bytes == 0


def bounds(cluster: Cluster, **by_node: int) -> None:
    """Start the nodes anew with bounds of their own, ``n<id>=bytes``."""
    for name, bound in by_node.items():
        cluster.config = Config(max_data_bytes=bound)
        cluster.start(int(name.removeprefix("n")))


def test_replicas_apply_what_is_in_the_log_whatever_their_own_bound_is() -> None:
    """Goal: replicas stay equal. Method: the backup's bound is lower than what the primary lets in; then it
    becomes the primary: nothing is lost, it lets nothing grow, and lets go of everything.
    """
    cluster = Cluster((0, 1, 2))
    bounds(cluster, n0=10_000, n1=ENTRY, n2=10_000)
    cluster.install((0, 1, 2))
    for number in range(5):
        cluster.put(1, b"%d" % number, b"v" * 100)
    cluster.advance(500)
    assert cluster.state(0).store.data == cluster.state(1).store.data
    assert said(cluster, 1) == []
    cluster.crash(0)
    cluster.install((1, 2))
    assert len(cluster.state(1).store.data) == 5
    assert said(cluster, 1) == ["nearly_full"]
    grows, keeps = cluster.put(2, b"5", b""), cluster.put(2, b"0", b"w" * 100)
    cluster.run()
    assert cluster.rejection(grows) == ("store_full", True)
    assert cluster.written(keeps).kind is Kind.UPDATED
    for number in range(5):
        cluster.delete(2, b"%d" % number)
    cluster.run()
    assert cluster.state(1).store.data_bytes == 0
    assert said(cluster, 1) == ["nearly_full", "full", "has_room"]


def test_a_newcomer_of_a_lower_bound_gets_all() -> None:
    """Goal: joins lose nothing. Method: a node whose bound the data exceeds joins, by a snapshot, as the
    primary; the size is right in the copy, too.
    """
    cluster = Cluster((0, 1, 2), Config(log_keep_bytes=0))
    bounds(cluster, n0=ENTRY)
    cluster.install((1, 2))
    for number in range(5):
        cluster.put(1, b"%d" % number, b"v" * 100)
    cluster.run()
    cluster.install((0, 1, 2))
    assert cluster.state(0).store.data_bytes == 5 * (ENTRY + 100)
    refused = cluster.put(2, b"6", b"v")
    cluster.run()
    assert cluster.rejection(refused) == ("store_full", True)


def test_a_write_that_waits_through_a_failover_meets_the_next_bound() -> None:
    """Goal: each primary decides by its own bound, and only of what did not happen. Method: two writes are
    forwarded and not answered, of which only the first reached the log; the next primary lets nothing grow.
    """
    cluster = Cluster((0, 1, 2))
    bounds(cluster, n0=10_000, n1=ENTRY, n2=10_000)
    cluster.install((0, 1, 2))
    cluster.hold(of(Forwarded, sender=0))
    cluster.hold(of(Replicated))
    happened = cluster.put(2, b"a", b"v" * 100)
    cluster.run()
    lost = cluster.put(2, b"b", b"v")
    cluster.lose(of(Forward))
    cluster.crash(0)
    cluster.release()
    cluster.install((1, 2))
    cluster.advance(500)
    assert cluster.written(happened) == Result(Kind.CREATED, 0)
    assert cluster.rejection(lost) == ("store_full", True)
    assert cluster.state(2).store.data == {b"a": b"v" * 100}


# What is said.


def test_it_is_said_once_and_once_more_after_there_was_room() -> None:
    """Goal: whoever watches the log is warned, and not flooded. Method: to 80 %, to the end, refuse often,
    down to 75 %, below, and up again.
    """
    bound = 10 * ENTRY
    cluster = active(0, 1, max_data_bytes=bound)

    def write(number: int) -> None:
        cluster.put(0, b"%d" % number, b"")
        cluster.run()

    for number in range(7):
        write(number)
    assert said(cluster, 0) == []
    write(7)
    assert said(cluster, 0) == ["nearly_full"]
    for number in [*range(8, 10), 0, 1]:
        write(number)
    assert said(cluster, 0) == ["nearly_full"]
    for _ in range(5):
        cluster.put(1, b"x", b"")
        cluster.run()
    assert said(cluster, 0) == ["nearly_full", "full"]
    assert cluster.lead(0).room is Room.NONE
    for number in (0, 1):
        cluster.delete(0, b"%d" % number)
        cluster.run()
    assert said(cluster, 0) == ["nearly_full", "full"]
    cluster.delete(0, b"2")
    cluster.run()
    assert said(cluster, 0) == ["nearly_full", "full", "has_room"]
    for number in (0, 1, 2, 10):
        write(number)
    assert said(cluster, 0) == ["nearly_full", "full", "has_room", "nearly_full", "full"]
    assert said(cluster, 1) == []
    full = [note for _, note in cluster.notes if note.code.value == "store_full"]
    assert full[0] == Note(full[0].code, (("data_bytes", bound), ("max_data_bytes", bound)))


def test_a_write_that_is_too_large_for_a_store_with_room_is_no_news() -> None:
    """Goal: "full" means full. Method: one value larger than the bound, at an empty store."""
    cluster = active(0, max_data_bytes=1000)
    token = cluster.put(0, b"a", b"v" * 1000)
    assert cluster.rejection(token) == ("store_full", True)
    assert said(cluster, 0) == []


def test_what_is_under_way_is_in_the_words() -> None:
    """Goal: a refusal far below the bound can be understood. Method: refuse because of what stands in the
    log.
    """
    cluster = active(0, 1, max_data_bytes=2 * ENTRY, suspect_after=10_000 * MILLISECOND)
    cluster.hold(of(Replicated))
    cluster.put(0, b"a", b"v" * 100)
    token = cluster.put(0, b"b", b"v" * 200)
    answer = cluster.asked[token].answer
    assert isinstance(answer, Reject)
    assert answer.detail.endswith(f"it has 0 here, and up to {ENTRY + 100} are under way")


def test_many_in_one_step_do_not_pass_the_bound() -> None:
    """Goal: what is left of the room is not given twice. Method: a batch of ten, where there is room for two;
    then another one when one of these is gone.
    """
    cluster = active(0, 1, max_data_bytes=2 * ENTRY)
    tokens = cluster.ask_together(0, *(Put(number, b"%d" % number, b"") for number in range(10)))
    cluster.run()
    assert [isinstance(cluster.asked[token].answer, Reject) for token in tokens] == [False] * 2 + [True] * 8
    cluster.delete(0, b"0")
    cluster.run()
    tokens = cluster.ask_together(
        0, *(Put(20 + number, b"abc"[number : number + 1], b"") for number in range(3))
    )
    cluster.run()
    assert [isinstance(cluster.asked[token].answer, Reject) for token in tokens] == [False, True, True]
    assert cluster.state(0).store.data_bytes == 2 * ENTRY
