"""The figures that a node gives to whoever draws curves: each against what was done to a cluster."""

from __future__ import annotations

from pbproto import Config
from pbproto.config import MILLISECOND, SECOND
from pbproto.gauges import BackupGauge, Gauges, NewcomerGauge
from pbproto.messages import Adopt, Learned, Replicate, SnapshotChunk

from .cluster import Cluster, active, of


def gauges(cluster: Cluster, id_: int) -> Gauges:
    return cluster.replicas[id_].gauges(cluster.now)


def test_a_fresh_node_has_nothing_to_show() -> None:
    """Goal: no figure needs a view. Method: every figure of a node that was told nothing."""
    cluster = Cluster((4,))
    assert gauges(cluster, 4) == Gauges(cluster.status(4), (), (), 0, 0, 0, 0, 0, 0, 0, 0, ())


def test_the_lag_of_a_backup_is_what_it_has_not_acknowledged() -> None:
    """Goal: whom the writes wait for is seen. Method: hold what one of two backups is sent."""
    cluster = active(0, 1, 2)
    cluster.hold(of(Replicate, receiver=2))
    for number in range(3):
        cluster.put(0, b"%d" % number, b"v")
    cluster.run()
    assert gauges(cluster, 0).backups == (BackupGauge(1, 0, False), BackupGauge(2, 3, False))
    assert gauges(cluster, 1).backups == ()
    cluster.release()
    cluster.run()
    assert [backup.lag for backup in gauges(cluster, 0).backups] == [0, 0]


def test_a_suspected_backup_and_who_waits_for_it_are_counted() -> None:
    """Goal: a view that stands still shows why. Method: cut a backup off, write, and write once more."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.advance(1_500)
    cluster.put(0, b"key", b"value")
    found = gauges(cluster, 0)
    assert found.backups == (BackupGauge(1, 1, True),)
    assert (found.parked, found.status.waiting) == (1, 2)
    waiters = cluster.state(0).waiting.clients.values()
    assert found.waiting_bytes == sum(waiter.size for waiter in waiters) > len(b"kvkeyvalue")


def test_the_kept_log_and_the_remembered_keys_are_counted() -> None:
    """Goal: what a node remembers is seen. Method: write with and without a key, keeping all and nothing."""
    for keep, kept in ((10**6, 3), (0, 0)):
        cluster = active(0, 1, log_keep_bytes=keep)
        cluster.put(0, b"a", b"v")
        cluster.put(0, b"b", b"v", b"name")
        cluster.delete(0, b"a", b"other")
        cluster.advance(2_000)
        found = gauges(cluster, 0)
        assert (found.log_operations, found.remembered) == (kept, 2)
        assert (found.log_bytes > 0) == (kept > 0)


def test_a_transfer_shows_its_items() -> None:
    """Goal: how far a member is. Method: it was restarted; let it have its snapshot chunk by chunk."""
    cluster = active(0, 1, log_keep_bytes=0, chunk_bytes=1)
    for number in range(3):
        cluster.put(0, b"%d" % number, b"v")
    cluster.run()
    cluster.start(1)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1))
    cluster.run()
    seen = []
    while cluster.on_the_way(SnapshotChunk):
        cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
        cluster.lose(of(SnapshotChunk))
        seen.append((gauges(cluster, 1).received, gauges(cluster, 1).expected))
        cluster.run()
    # Three pairs and the record of the one origin that wrote them; with the last one it is no transfer.
    assert seen[:3] == [(1, 4), (2, 4), (3, 4)]
    assert (gauges(cluster, 1).received, gauges(cluster, 1).expected) == (0, 0)


def test_a_newcomer_that_is_filled_shows_what_it_lacks() -> None:
    """Goal: how far a fill is. Method: its word on what it holds does not come, and then does."""
    cluster = Cluster((0, 1), Config(log_keep_bytes=0, chunk_bytes=10))
    cluster.install((0,))
    for number in range(30):
        cluster.put(0, b"%d" % number, b"v")
    cluster.run()
    cluster.hold(of(Learned))
    cluster.hold(of(Adopt))
    cluster.tell((0, 1))
    cluster.run()
    assert gauges(cluster, 0).newcomers == (NewcomerGauge(1, 30),)
    cluster.release(None)
    cluster.run()
    assert gauges(cluster, 0).newcomers == ()


def test_a_lease_runs_down() -> None:
    """Goal: for how long the primary may read alone. Method: two looks, between which only time passes."""
    cluster = active(0, 1, lease=SECOND)
    cluster.advance(1_000)
    before = gauges(cluster, 0).lease
    assert 0 < before <= SECOND
    cluster.now += 100 * MILLISECOND
    assert gauges(cluster, 0).lease == before - 100 * MILLISECOND
    cluster.now += SECOND
    assert gauges(cluster, 0).lease == gauges(cluster, 1).lease == 0
    assert gauges(active(0, 1), 0).lease == 0


def test_ignored_messages_are_told_apart() -> None:
    """Goal: strange mail is seen. Method: mail of a ballot that is over."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    mail = cluster.on_the_way(Replicate)[0]
    cluster.run()
    cluster.start(1)
    cluster.deliver(mail)
    (reason, number), *others = gauges(cluster, 1).ignored
    assert (number, others) == (1, [])
    assert reason in cluster.state(1).ignored
