"""What a node tells whoever is on call: what is wrong, what it costs, what ends it, and whom it names."""

from __future__ import annotations

import pytest

from pbproto.advice import Advice
from pbproto.config import MILLISECOND
from pbproto.status import lasting

from .cluster import Cluster, active, address, view


def advice(cluster: Cluster, id_: int) -> Advice:
    """What the node says, alike in all places where it does."""
    found = cluster.replicas[id_].advise(cluster.now)
    assert (
        found
        == cluster.replicas[id_].look(cluster.now).advice
        == cluster.replicas[id_].why(cluster.now).advice
    )
    assert found is not None
    return found


def quiet(cluster: Cluster, *ids: int) -> bool:
    return all(cluster.replicas[id_].advise(cluster.now) is None for id_ in ids)


def node(id_: int) -> str:
    return f"node {id_} ({address(id_)})"


def test_a_cluster_that_goes_on_asks_for_nothing() -> None:
    """Goal: no advice where none is needed. Method: a view is installed, and serves; a silence of
    less than is usual; a view that is being installed."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1))
    assert quiet(cluster, 0, 1)
    cluster.run()
    assert quiet(cluster, 0, 1)
    cluster.cut(0, 1)
    cluster.advance(900)
    assert quiet(cluster, 0, 1)


@pytest.mark.parametrize("epoch", [None, 4])
def test_a_backup_that_misses_its_primary_names_who_is_left(epoch: int | None) -> None:
    """Goal: for how long, what waits, and which view ends it; that one is obeyed and keeps the data. Method:
    the primary is cut off, after an unnumbered and after a numbered view; what is advised is told."""
    cluster = active(0, 1, 2)
    if epoch is not None:
        cluster.tell((0, 1, 2), epoch=epoch)
        cluster.run()
    cluster.put(0, b"k", b"v")
    cluster.advance(500)
    cluster.cut(0, 1, 2)
    cluster.advance(12_000)
    follow = cluster.state(1).follow
    assert follow is not None
    found = advice(cluster, 1)
    silent = lasting(cluster.now - follow.heard_at)
    assert found.what.startswith(f"{node(0)}, the primary, has not been heard by this node for {silent}: ")
    assert found.costs == "writes and reads at this node wait for it, and end after 10 s with 503 or 504"
    assert found.remedy.startswith("it goes on when node 0 is heard again, ")
    assert f"{node(1)} and {node(2)}" in found.remedy
    assert found.view == view((1, 2), None if epoch is None else epoch + 1)
    assert ("with epoch 5 or higher" in found.remedy) == (epoch is not None)
    cluster.tell((1, 2), epoch=found.view.epoch)
    cluster.run()
    assert (cluster.status(1).status, cluster.status(1).keys) == ("active", 1)
    assert quiet(cluster, 1, 2)


def test_a_primary_names_the_backup_that_holds_all_up() -> None:
    """Goal: who it is, for how long, and that the others can go on without it. Method: one backup of two is
    cut off; then both, when the primary may be the one that is."""
    cluster = active(0, 1, 2)
    cluster.cut(2, 0, 1)
    cluster.advance(4_000)
    found = advice(cluster, 0)
    suspected = cluster.lead(0).backups[2].suspected_since
    silent = lasting(cluster.now - suspected)
    assert found.what == f"{node(2)} keeps the view waiting: it does not answer, for {silent}"
    assert found.costs == "writes and reads wait at every member, and end after 10 s with 503 or 504"
    assert found.remedy.startswith("it goes on when node 2 answers again; if that does not come, PUT /view")
    assert found.view == view((0, 1))
    assert found.caution.startswith("ask the others first")
    cluster.cut(0, 1)
    cluster.advance(4_000)
    found = advice(cluster, 0)
    assert found.what.endswith("hears no other member, so it may be the one that is cut off")
    assert found.remedy.startswith("it goes on when node 1 and node 2 answer again; ")
    assert found.view == view((0,))


def test_leases_are_reads_that_go_on_for_a_while() -> None:
    """The cost is told as it is where reads rest on leases."""
    cluster = active(0, 1, lease=1_000 * MILLISECOND)
    cluster.run()
    cluster.cut(0, 1)
    cluster.advance(2_000)
    assert advice(cluster, 0).costs.startswith("writes and reads, once the leases have run out, wait")


def test_a_backup_that_was_restarted_is_let_in_by_the_present_view() -> None:
    """Goal: who answers and refuses can be kept. Method: a backup is restarted; then it is told the view."""
    cluster = active(0, 1, 2)
    cluster.start(2)
    cluster.put(0, b"k", b"v")
    cluster.advance(2_000)
    found = advice(cluster, 0)
    assert f"{node(2)} keeps the view waiting: {cluster.lead(0).backups[2].suspected}, for " in found.what
    assert found.remedy.startswith("it goes on when the present view is PUT to node 2 again; ")
    assert "cut off" not in found.what
    assert found.view == view((0, 1, 2)), "that loses nobody"
    cluster.tell((0, 1, 2))
    cluster.advance(2_000)
    assert cluster.status(2).status == "active"
    assert quiet(cluster, 0, 1, 2)


def test_a_primary_that_was_restarted_is_let_in_by_the_present_view() -> None:
    """Goal: what is said of a silent primary is true of one that lives again. Method: it is restarted, and
    says nothing; then it is told the view."""
    cluster = active(0, 1, 2)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.start(0)
    cluster.advance(4_000)
    assert "which after a restart takes a PUT of the present view to it" in advice(cluster, 1).remedy
    cluster.tell((0, 1, 2), to=(0,))
    cluster.advance(2_000)
    assert (cluster.status(0).status, cluster.status(0).keys) == ("active", 1)
    assert quiet(cluster, 0, 1, 2)


def test_a_primary_that_was_replaced_does_not_ask_for_a_view_of_its_own() -> None:
    """Goal: nobody is led to two views at a time. Method: the others are told another view while it is cut
    off; then it hears of it, and is told it."""
    cluster = active(0, 1, 2)
    way = cluster.cut(0, 1, 2)
    cluster.tell((1, 2), to=(1, 2))
    cluster.advance(3_000)
    assert cluster.status(1).status == "active"
    cluster.release(way)
    cluster.advance(3_000)
    found = advice(cluster, 0)
    promised = cluster.state(1).promised
    assert found.what.startswith(f"this node leads no more: a view that node 1 leads (ballot {promised}) has")
    assert (found.remedy, found.view) == ("PUT the view that was told last to this node as well", None)
    cluster.tell((1, 2), to=(0,))
    assert "without it" in advice(cluster, 0).what


def test_a_node_without_a_view_says_how_it_gets_in() -> None:
    """Goal: never told, sent home by the empty view, and left out are told apart, with the time and the
    number. Method: each of them; then a view with the node in it."""
    cluster = Cluster((0, 1))
    assert advice(cluster, 0).what == "this node belongs to no view: it has been told none since it started"
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    for told, words in (
        (((), None), "the empty view, 1.2 s ago"),
        (((), 7), "the empty view of epoch 7, 1.2 s ago"),
        (((0,), 8), f"a view of epoch 8 without it, of {node(0)}, 1.2 s ago"),
    ):
        cluster.tell(told[0], to=(1,), epoch=told[1])
        cluster.advance(1_200)
        found = advice(cluster, 1)
        assert found.what == f"this node belongs to no view: it was told {words}"
        assert found.costs == "it serves no reads and no writes; it keeps the data that it has, in memory"
        assert found.remedy.startswith("it gets in when a view with it among the members is PUT to each")
        assert found.view is None
        assert cluster.replicas[1].why(cluster.now).summary == f"nothing waits; {found.what}"
    cluster.tell((0, 1), epoch=9)
    cluster.run()
    assert quiet(cluster, 0, 1)
