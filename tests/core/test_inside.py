"""What goes on in a node: who lags, which leases run, how far copies have come, what is kept."""

from __future__ import annotations

from pbproto import Config
from pbproto.advice import advise
from pbproto.config import MILLISECOND
from pbproto.inside import Inside, Transfer, look
from pbproto.messages import Fetch, LogChunk, Refusal, Refuse, Replicate, SnapshotChunk
from pbproto.values import NO_BALLOT, View

from .cluster import Cluster, active, address, of


def inside(cluster: Cluster, id_: int) -> Inside:
    found = look(cluster.state(id_), cluster.now)
    assert found == cluster.replicas[id_].look(cluster.now)
    return found


def transfers(cluster: Cluster, id_: int) -> list[tuple[int, str, str, str, int, int]]:
    for each in inside(cluster, id_).transfers:
        assert each.address == address(each.id)
    return [
        (each.id, each.direction, each.what, each.unit, each.done, each.total)
        for each in inside(cluster, id_).transfers
    ]


def test_a_fresh_node_has_nothing_to_show() -> None:
    """Every field before the first view."""
    assert inside(Cluster((4,)), 4) == Inside(
        backups=(),
        heard=None,
        lease=None,
        stands_by=None,
        transfers=(),
        log_start=0,
        log_bytes=0,
        waiting_bytes=0,
        uncommitted=0,
        parked=0,
        ignored=(),
        told=None,
        advice=advise(Cluster((4,)).state(4), 0),
    )


def test_a_primary_knows_how_far_its_backups_are() -> None:
    """Goal: lag, silence and suspicion are those of each backup. Method: two writes; one backup is cut off
    after the first, and suspected; the times are read off the clock of the test."""
    cluster = active(0, 1, 2)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.cut(0, 2)
    cluster.put(0, b"k", b"w")
    began = cluster.now
    cluster.advance(1_300)
    cluster.put(0, b"l", b"x")
    one, two = inside(cluster, 0).backups
    assert (one.id, one.address, one.acked, one.lag, one.owes) == (1, address(1), 2, 0, None)
    assert (one.suspected, one.suspected_for, one.lease) == ("", None, None)
    assert (two.id, two.acked, two.lag, two.suspected) == (2, 1, 1, "it does not answer")
    assert two.owes == cluster.now - began
    assert two.suspected_for == 300 * MILLISECOND
    assert two.incarnation == cluster.state(2).incarnation
    found = inside(cluster, 0)
    assert (found.uncommitted, found.parked, found.heard) == (1, 1, None)
    assert found.waiting_bytes == cluster.state(0).waiting.bytes > 0
    assert found.log_bytes == cluster.state(0).log.bytes > 0


def test_a_backup_knows_when_it_heard_its_primary() -> None:
    """Goal: silence is counted from the last word. Method: cut it off for a second."""
    cluster = active(0, 1)
    cluster.advance(50)
    cluster.cut(0, 1)
    cluster.advance(1_000)
    follow = cluster.state(1).follow
    assert follow is not None
    assert inside(cluster, 1).heard == cluster.now - follow.heard_at


def test_the_age_of_the_told_view_is_that_of_its_first_telling() -> None:
    """Goal: since when a node has been in, or outside of, its view. Method: tell one, tell it again, then
    another one; a member learns one with a number from its primary's proposal alone."""
    cluster = active(0, 1)
    cluster.advance(700)
    before = inside(cluster, 1).told
    assert before is not None
    assert before >= 700 * MILLISECOND
    cluster.tell((0, 1), to=(1,))
    assert inside(cluster, 1).told == before
    cluster.tell((), to=(1,))
    assert inside(cluster, 1).told == 0
    cluster.advance(50)
    assert inside(cluster, 1).told == 50 * MILLISECOND
    cluster.tell((0, 1), to=(1,))
    cluster.run()
    cluster.advance(90)
    cluster.tell((0, 1), to=(0,), epoch=9)
    cluster.run()
    assert (cluster.status(1).epoch, cluster.status(1).status) == (9, "active")
    learned = inside(cluster, 1).told
    assert learned is not None
    assert learned < 90 * MILLISECOND


def test_leases_are_shown_as_far_as_they_run() -> None:
    """Goal: what is left at the holder and at the giver, and nothing below 0. Method: with leases of a
    second, just after they were given and long after."""
    cluster = active(0, 1, lease=1_000 * MILLISECOND)
    cluster.run()
    lead = cluster.lead(0)
    found = inside(cluster, 0)
    assert found.lease == lead.leased_until - cluster.now > 0
    assert found.backups[0].lease == lead.backups[1].leased_until - cluster.now
    assert inside(cluster, 1).stands_by == cluster.state(1).lease_until - cluster.now > 0
    assert inside(cluster, 1).lease is None
    cluster.cut(0, 1)
    cluster.advance(5_000)
    assert (inside(cluster, 0).lease, inside(cluster, 1).stands_by) == (0, 0)


def test_what_peers_sent_in_vain_is_counted() -> None:
    """Goal: the names and numbers of the gate. Method: forge mail of another ballot, twice."""
    cluster = active(0, 1)
    for _ in range(2):
        cluster.forge(1, 0, Fetch(NO_BALLOT, False, 0, 0))
    assert dict(inside(cluster, 0).ignored) == cluster.state(0).ignored
    assert sum(dict(inside(cluster, 0).ignored).values()) == 2


def test_a_member_that_is_filled_shows_how_far_it_is() -> None:
    """Goal: items of a snapshot, then operations of the log. Method: restart a backup, let chunk by chunk
    through; first where everything was trimmed, then where the log is kept."""
    for keep, expected in (
        (0, [(0, "from", "log", "operations", 0, 3), (0, "from", "state", "items", 1, 4)]),
        (10**6, [(0, "from", "log", "operations", 0, 3), (0, "from", "log", "operations", 1, 3)]),
    ):
        cluster = active(0, 1, log_keep_bytes=keep, chunk_bytes=1)
        for number in range(3):
            cluster.put(0, b"%d" % number, b"v")
        cluster.run()
        cluster.start(1)
        cluster.tell((0, 1))
        cluster.hold(of(Fetch))
        cluster.run()
        found = []
        for _ in range(2):
            found += transfers(cluster, 1)
            cluster.deliver(cluster.on_the_way(Fetch)[0])
            cluster.run()
        assert found == expected


def test_a_newcomer_and_who_fills_it_show_the_same_copy() -> None:
    """Goal: a copy is seen from both ends. Method: node 1 joins node 0, chunk by chunk: items of a snapshot
    first, then the operations that came meanwhile; in the end it refuses."""
    cluster = Cluster((0, 1), Config(log_keep_bytes=0, chunk_bytes=1))
    cluster.install((0,))
    for number in range(3):
        cluster.put(0, b"%d" % number, b"v")
    held = cluster.hold(of(SnapshotChunk, LogChunk))
    cluster.tell((0, 1))
    cluster.run()
    assert transfers(cluster, 0) == [(1, "to", "copy", "operations", 0, 3)]
    assert transfers(cluster, 1) == [(0, "from", "copy", "operations", 0, 3)]
    cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
    assert transfers(cluster, 1) == [(0, "from", "copy", "items", 1, 4)]
    cluster.release(held)
    cluster.hold(of(Replicate))
    cluster.run(until=lambda: transfers(cluster, 1)[0][3] != "items")
    assert transfers(cluster, 1) == [(0, "from", "copy", "operations", 3, 3)]


def test_a_newcomer_that_refuses_shows_why() -> None:
    """Goal: the words of a refusal. Method: the newcomer answers the offer by one."""
    cluster = active(0)
    cluster.put(0, b"k", b"v")
    cluster.hold(of())
    cluster.tell((0, 1), to=(0,))
    filling = cluster.lead(0).filling
    assert filling is not None
    filling.learners[1].refusal = "it does not want to"
    assert inside(cluster, 0).transfers == (
        Transfer(1, address(1), "to", "copy", "operations", 0, 1, "it does not want to"),
    )


def test_the_source_of_a_copy_is_named_wherever_it_is_known() -> None:
    """Goal: its address is found in the told view, else in the promised one, else not. Method: take the
    views away from a learner one by one."""
    cluster = Cluster((0, 1), Config(log_keep_bytes=0, chunk_bytes=1))
    cluster.install((0,))
    cluster.put(0, b"k", b"v")
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1))
    cluster.run()
    state = cluster.state(1)
    told = state.told
    assert told is not None
    assert inside(cluster, 1).transfers[0].address == address(0)
    state.told, state.promised_view = None, told
    assert inside(cluster, 1).transfers[0].address == address(0)
    state.promised_view = View(())
    assert (inside(cluster, 1).transfers[0].id, inside(cluster, 1).transfers[0].address) == (0, "")


def test_a_refusal_is_one_of_the_words_that_peers_use() -> None:
    """Goal: a backup that refuses is shown as suspected with its words. Method: forge the refusal."""
    cluster = active(0, 1)
    cluster.forge(1, 0, Refuse(cluster.lead(0).ballot, Refusal.NOT_IN_BALLOT, 1, NO_BALLOT))
    (backup,) = inside(cluster, 0).backups
    assert backup.suspected == cluster.lead(0).backups[1].suspected != ""
