"""What waiting clients wait for: each stage in which a request can stand, whom it names, and its words."""

from __future__ import annotations

from pbproto.config import MILLISECOND
from pbproto.messages import Adopt, Confirm, Confirmed, Forward, Forwarded, Refusal, Refuse, Replicate
from pbproto.status import lasting
from pbproto.values import NO_BALLOT
from pbproto.why import MOST, Wait, Why, why

from .cluster import Cluster, active, address, of

LENGTHS = (
    (0, "0 ms"),
    (999, "999 ms"),
    (1_000, "1.0 s"),
    (2_449, "2.4 s"),
    (9_999, "9.9 s"),
    (10_000, "10 s"),
    (59_999, "59 s"),
    (60_000, "1 min 0 s"),
    (3_599_999, "59 min 59 s"),
    (3_600_000, "1 h 0 min"),
    (172_799_999, "47 h 59 min"),
    (172_800_000, "2 days"),
)
"""Milliseconds, and how people say them."""


def seen(cluster: Cluster, id_: int) -> Why:
    """What the node says; where members are, and how many are left out, has to be right everywhere."""
    found = why(cluster.state(id_), cluster.now)
    for wait in found.waits:
        for awaited in wait.awaited:
            assert awaited.address == address(awaited.id)
    assert len(found.waits) + found.left_out == len(cluster.state(id_).waiting.clients)
    return found


def only(cluster: Cluster, id_: int) -> Wait:
    (wait,) = seen(cluster, id_).waits
    return wait


def whom(wait: Wait) -> list[tuple[int, str]]:
    return [(awaited.id, awaited.reason) for awaited in wait.awaited]


def test_a_node_where_nothing_waits_says_so_and_how_it_stands() -> None:
    """Goal: no news is told apart from bad news. Method: ask before a view, in
    one, and with a backup gone."""
    cluster = Cluster((0, 1))
    fresh = seen(cluster, 0)
    assert (fresh.id, fresh.view, fresh.epoch, fresh.primary, fresh.status) == (0, None, None, None, "none")
    assert (
        fresh.summary == "nothing waits; this node belongs to no view: it has been told none since it started"
    )
    assert (fresh.waits, fresh.left_out, fresh.at_primary) == ((), 0, None)
    cluster.install((0, 1))
    served = seen(cluster, 1)
    assert (served.epoch, served.primary, served.status, served.summary) == (1, 0, "active", "nothing waits")
    cluster.cut(0, 1)
    cluster.advance(1_500)
    (backup,) = cluster.lead(0).backups.values()
    assert seen(cluster, 0).summary == (
        f"nothing waits; node 1 ({address(1)}) keeps the view waiting: it does not answer, for "
        f"{lasting(cluster.now - backup.suspected_since)}; this node, the primary, hears no other member, so "
        "it may be the one that is cut off"
    )


def test_an_empty_and_a_numbered_view_are_named() -> None:
    """Goal: view, epoch and primary are those of the told view. Method: tell a numbered one, and
    an empty one."""
    cluster = Cluster((0,))
    cluster.tell((0,), epoch=1)
    assert (seen(cluster, 0).epoch, seen(cluster, 0).primary) == (1, 0)
    cluster.tell((), to=(0,), epoch=2)
    assert (seen(cluster, 0).epoch, seen(cluster, 0).primary) == (2, None)


def test_a_request_waits_while_a_view_is_installed() -> None:
    """Goal: it names the member that holds the view up. Method: a member's adoption is held back."""
    cluster = Cluster((0, 1))
    cluster.hold(of(Adopt))
    cluster.tell((0, 1))
    cluster.run()
    assert seen(cluster, 0).summary == (
        "nothing waits; the view is being installed (node 1: it does not hold the state yet)"
    )
    cluster.get(0, b"k")
    wait = only(cluster, 0)
    assert (wait.stage, whom(wait)) == ("installing", [(1, "it does not hold the state yet")])
    assert wait.words == "the view is being installed (node 1: it does not hold the state yet)"


def test_a_write_waits_for_acknowledgements() -> None:
    """Goal: who has not acknowledged its position, from when on. Method: one of two backups is cut off, for
    less than it takes to be suspected; the time is read off the clock of the test."""
    cluster = active(0, 1, 2)
    cluster.put(0, b"a", b"v")
    cluster.run()
    cluster.cut(0, 2)
    cluster.put(0, b"k", b"v")
    cluster.advance(300)
    wait = only(cluster, 0)
    assert (wait.operation, wait.key, wait.stage, wait.exposed) == ("put", b"k", "replicating", True)
    assert whom(wait) == [(2, "it has acknowledged what stands below 1, not 1")]
    assert wait.awaited[0].silent == 300 * MILLISECOND
    assert (wait.age, wait.left) == (300 * MILLISECOND, 9_700 * MILLISECOND)
    assert wait.words == "node 2 (silent for 300 ms) has not acknowledged position 1"
    assert seen(cluster, 0).summary == f"1 request waits, for 300 ms: {wait.words}"


def test_several_backups_are_named_together() -> None:
    """Goal: plural and singular. Method: all three backups are silent; a DELETE waits."""
    cluster = active(0, 1, 2, 3)
    cluster.hold(of(Replicate))
    cluster.delete(0, b"k")
    cluster.put(0, b"l", b"v")
    first, second = seen(cluster, 0).waits
    assert first.operation == "delete"
    names = "node 1 (silent for 0 ms), node 2 (silent for 0 ms) and node 3 (silent for 0 ms)"
    assert first.words == f"{names} have not acknowledged position 0"
    assert second.words.endswith("position 1")
    assert seen(cluster, 0).summary.startswith("2 requests wait, the oldest for 0 ms: node 1")


def test_a_repeated_request_waits_for_the_first() -> None:
    """Goal: who sent an Idempotency-Key twice is told of the first one's position. Method: nobody answers."""
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    cluster.put(0, b"k", b"v", b"name")
    cluster.put(0, b"k", b"v", b"name")
    first, second = seen(cluster, 0).waits
    assert (first.stage, second.stage) == ("replicating", "echoing")
    assert second.words == f"it repeats the write at position 0, of which the same is true: {first.words}"
    assert second.awaited == first.awaited


def test_a_write_is_parked_behind_a_suspected_backup() -> None:
    """Goal: it is said to be in no log, and for how long who has been suspected. Method: two backups away."""
    cluster = active(0, 1, 2)
    cluster.cut(0, 1, 2)
    cluster.advance(1_500)
    suspected = cluster.lead(0).backups[1].suspected_since
    cluster.put(0, b"k", b"v")
    wait = only(cluster, 0)
    age = lasting(cluster.now - suspected)
    assert (wait.stage, wait.exposed) == ("parked", False)
    assert [id_ for id_, _ in whom(wait)] == [1, 2]
    assert wait.awaited[0].reason == "new writes wait for it; it is suspected: it does not answer"
    assert wait.words == (
        f"it waits in no log yet, because node 1 is suspected (it does not answer, for {age}) and "
        f"node 2 is suspected (it does not answer, for {age})"
    )


def test_a_backup_that_refuses_is_not_called_silent() -> None:
    """Goal: silence is counted only where an answer is owed. Method: a backup answers by a refusal."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.forge(1, 0, Refuse(cluster.lead(0).ballot, Refusal.NOT_IN_BALLOT, 1, NO_BALLOT))
    backup = cluster.lead(0).backups[1]
    assert backup.suspected
    cluster.hold(of(Replicate))
    cluster.put(0, b"k", b"w")
    assert backup.suspected in only(cluster, 0).words
    assert only(cluster, 0).awaited[0].silent is None


def test_a_write_is_parked_behind_a_full_log() -> None:
    """Goal: a slow backup, suspected or not, is named. Method: one write may be uncommitted, two come; then
    the same with nobody behind, which no event leads to."""
    cluster = active(0, 1, max_waiting=2)
    cluster.hold(of(Replicate))
    cluster.put(0, b"k", b"v")
    cluster.put(1, b"l", b"w")
    cluster.run()
    cluster.put(0, b"m", b"v")
    wait = seen(cluster, 0).waits[1]
    assert wait.stage == "parked"
    assert whom(wait) == [(1, "it has acknowledged what stands below 0 of 2")]
    assert wait.words == (
        "it waits in no log yet, because 2 writes in the log are too many already: "
        "node 1 (silent for 0 ms) has not acknowledged all of them"
    )
    cluster.lead(0).backups[1].acked = 2
    wait = seen(cluster, 0).waits[1]
    assert wait.awaited == ()
    assert wait.words.endswith("too many already: it is about to be answered")


def test_a_read_at_the_primary_waits_for_a_round() -> None:
    """Goal: who has not answered the round, or not acknowledged what the read is to see. Method: a read
    while nobody answers, and one behind a write of which one backup has acknowledged the round only."""
    cluster = active(0, 1, 2)
    cluster.hold(of(Replicate))
    cluster.get(0, b"k")
    wait = only(cluster, 0)
    assert (wait.operation, wait.key, wait.stage, wait.exposed) == ("get", b"k", "confirming", False)
    round_ = cluster.lead(0).round
    assert whom(wait) == [(id_, f"it has not answered round {round_}") for id_ in (1, 2)]
    names = "node 1 (silent for 0 ms) and node 2 (silent for 0 ms)"
    assert wait.words == f"{names} have not confirmed the read"
    cluster.put(0, b"k", b"v")
    cluster.get_all(0)
    cluster.lead(0).backups[1].round = cluster.lead(0).round
    listing = seen(cluster, 0).waits[-1]
    assert (listing.operation, listing.key) == ("list", b"")
    assert whom(listing)[0] == (1, "it has acknowledged what stands below 0, not yet below 1")


def test_a_read_that_takes_a_round_in_spite_of_leases_says_so() -> None:
    """Goal: lapsed leases are seen. Method: a backup is silent until they are over; then a read."""
    cluster = active(0, 1, lease=1_000 * MILLISECOND)
    cluster.run()
    cluster.cut(0, 1)
    cluster.advance(1_200)
    cluster.get(0, b"k")
    assert only(cluster, 0).words.endswith("; it takes a round, since not all leases of the backups run")


def test_requests_at_a_backup_wait_for_the_primary() -> None:
    """Goal: forwarded writes and reads are told apart, with the last word of the primary. Method: the
    primary's answers are held back; the second read comes while the question for the first is under way."""
    cluster = active(0, 1)
    cluster.hold(of(Forward, Forwarded, Confirm, Confirmed))
    cluster.advance(100)
    cluster.put(1, b"k", b"v")
    cluster.get(1, b"k")
    cluster.advance(30)
    cluster.get(1, b"l")
    cluster.advance(20)
    write, read, later = seen(cluster, 1).waits
    follow = cluster.state(1).follow
    assert follow is not None
    heard = lasting(cluster.now - follow.heard_at)
    assert (write.stage, whom(write)) == ("forwarded", [(0, "it has not said what became of the write")])
    assert write.words == (
        "it was forwarded to the primary, node 0, which has not said what became of it and was last heard of "
        f"{heard} ago; GET /why at node 0 says more"
    )
    assert (read.stage, whom(read)) == (
        "confirming",
        [(0, "it has not said which position the read has to see")],
    )
    assert read.words == (
        "the primary, node 0, has not said which position the read has to see; it was last asked 50 ms ago, "
        f"and last heard of {heard} ago"
    )
    assert whom(later) == [(0, "it has not answered the question before the one for this read")]
    assert later.words == (
        "the primary, node 0, has not answered the question before the one for this read, "
        f"and last heard of {heard} ago"
    )
    assert read.awaited[0].silent == cluster.now - follow.heard_at


def test_a_silent_primary_is_not_said_to_know_more() -> None:
    """Goal: nobody is sent to a node that may be dead. Method: a write at a backup that is cut off."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.advance(100)
    cluster.put(1, b"k", b"v")
    assert "GET /why at node 0" in only(cluster, 1).words
    cluster.advance(6_000)
    follow = cluster.state(1).follow
    assert follow is not None
    assert only(cluster, 1).words == (
        "it was forwarded to the primary, node 0, which has not said what became of it and was last heard of "
        f"{lasting(cluster.now - follow.heard_at)} ago"
    )


def test_a_primary_speaks_of_what_its_backups_brought() -> None:
    """Goal: a primary without clients of its own is not called idle. Method: one write of a backup in the
    log, then a second one parked, then only that."""
    cluster = active(0, 1, 2)
    cluster.cut(0, 2)
    cluster.put(1, b"k", b"v")
    cluster.run()
    found = seen(cluster, 0)
    assert found.summary == (
        "no client waits here, but 1 write that a backup brought waits: "
        "node 2 (silent for 0 ms) has not acknowledged position 0"
    )
    cluster.advance(1_100)
    cluster.put(1, b"l", b"v")
    cluster.get(1, b"l")
    cluster.run()
    found = seen(cluster, 0)
    others = found.at_primary
    assert others is not None
    assert (others.parked, others.uncommitted, others.echoing, others.reads, others.asks) == (1, 1, 0, 0, 1)
    assert found.summary.startswith("no client waits here, but 2 writes of backups wait: node 2")
    lead = cluster.lead(0)
    lead.uncommitted.clear()
    assert "it waits in no log yet" in seen(cluster, 0).summary


def test_what_has_no_place_yet_has_just_arrived() -> None:
    """Goal: every state has an answer. Method: take a write and a read out of where they stand, which no
    event does, at a primary and at a backup."""
    cluster = active(0, 1)
    cluster.hold(of(Replicate, Confirm))
    cluster.put(0, b"k", b"v")
    cluster.get(0, b"k")
    cluster.get(1, b"k")
    cluster.lead(0).uncommitted.clear()
    cluster.lead(0).reads.clear()
    follow = cluster.state(1).follow
    assert follow is not None
    follow.reads.clear()
    stages = [wait.stage for id_ in (0, 1) for wait in seen(cluster, id_).waits]
    assert stages == ["entering"] * 3
    cluster.state(1).follow = None
    assert only(cluster, 1).stage == "entering"
    cluster.state(0).lead = None


def test_only_the_oldest_are_shown_and_the_others_counted() -> None:
    """Goal: an answer is bounded, whatever waits. Method: more reads than are shown, one of them parked
    behind; the places of those that are not shown are not looked at."""
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    for number in range(MOST + 5):
        cluster.get(0, b"%d" % number)
    found = seen(cluster, 0)
    assert (len(found.waits), found.left_out) == (MOST, 5)
    assert [wait.key for wait in found.waits] == [b"%d" % number for number in range(MOST)]
    assert {wait.stage for wait in found.waits} == {"confirming"}
    assert found.summary.startswith(f"{MOST + 5} requests wait, the oldest for 0 ms")


def test_nothing_changes_by_being_asked() -> None:
    """Goal: who looks in disturbs nothing. Method: compare the state before and after, of a busy cluster."""
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    cluster.put(0, b"k", b"v")
    cluster.get(1, b"k")
    cluster.run()
    before = [repr(cluster.state(id_)) for id_ in (0, 1)]
    assert [cluster.replicas[id_].why(cluster.now).id for id_ in (0, 1)] == [0, 1]
    assert [repr(cluster.state(id_)) for id_ in (0, 1)] == before


def test_lengths_of_time_are_said_as_people_do() -> None:
    """Goal: two figures or so, and never longer than it was. Method: both sides of each bound."""
    for milliseconds, words in LENGTHS:
        assert lasting(milliseconds * MILLISECOND) == words
