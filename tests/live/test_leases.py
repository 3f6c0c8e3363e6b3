"""Reads under leases, on real processes of both frontends: what they may do alone, and for whom they wait."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import Cluster, Kind, wait_until
from .scenario import persistent_contents, persistently

ENV = {"PBPROTO_READS": "lease", "PBPROTO_LEASE": "5", "PBPROTO_REQUEST_TIMEOUT": "1"}
KINDS = [pytest.param(kind, marks=pytest.mark.xdist_group(f"leases-{kind}")) for kind in ("quart", "wsgi")]


@pytest.fixture(scope="module", params=KINDS)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes with leases of five seconds, started once per frontend."""
    kind: Kind = request.param
    with Cluster(tmp_path_factory.mktemp(kind), kind, first_id=0, env=ENV) as cluster:
        cluster.start_all()
        yield cluster
        cluster.end_faults()
        for node in cluster.nodes.values():
            assert "Traceback" not in node.log_text(), f"{node!r}:\n{node.log_tail()}"


def test_reads_need_no_other_node_while_leases_run(cluster: Cluster) -> None:
    """Goal: under leases a read is answered although a backup is silent; by a round it would be refused.

    Method: stop node 2 (SIGSTOP), read one key and all at the primary and at the other backup, wake node 2.
    The leases may lapse on the way if this machine is slow; so it is tried again until all was answered.
    """
    cluster.install([0, 1, 2])
    persistently(cluster.node(1), "k", "v")

    def answered() -> bool:
        cluster.node(2).pause()
        try:
            answers = [cluster.node(id_).get("k") for id_ in (0, 1)] + [cluster.node(0).data()]
        finally:
            cluster.node(2).resume()
        return [answer.status_code for answer in answers] == [200] * 3

    wait_until(answered, "reads are answered while node 2 is stopped", timeout=60)


def test_paused_primary_answers_nothing_from_before_it_was_replaced(cluster: Cluster) -> None:
    """Goal: a lease ends for a primary that sleeps, and nobody takes over before.

    Method: stop node 0, tell {1, 2}: node 1 postpones its proposal, then leads and changes the value. Wake
    node 0 and read there: refused. Then node 0 takes the lead over again, and has the new value.
    """
    cluster.install([0, 1, 2])
    persistently(cluster.node(0), "slept", "old")
    cluster.node(0).pause()
    cluster.install([1, 2])
    assert "event=postponed" in cluster.node(1).log_text()
    persistently(cluster.node(1), "slept", "new")
    cluster.node(0).resume()
    assert cluster.node(0).get("slept").status_code == 503
    cluster.install([0, 1, 2])
    assert persistent_contents(cluster.node(0))["slept"] == "new"
