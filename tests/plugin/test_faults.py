"""What may be done to a virtual cluster, and what its clients see of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import httpx
import pytest

from pbkv.testing import Cluster, ClusterError


def put(cluster: Cluster, node: int, key: str, timeout: float = 2.0) -> httpx.Response:
    with cluster.http(node, timeout=timeout) as client:
        return client.put(f"/data/{key}", json={"value": key})


def fails(error: type[Exception], cluster: Cluster, node: int, key: str, timeout: float = 2.0) -> float:
    """A write has to fail in this way; the virtual seconds that it took."""
    began = cluster.clock()
    with pytest.raises(error):
        put(cluster, node, key, timeout)
    return cluster.clock() - began


# Nodes.


def test_a_cluster_serves_at_once_through_every_node() -> None:
    """Write and read through all nodes: the numbers go on, and everybody has everything."""
    cluster = Cluster()
    assert [put(cluster, id_, f"k{id_}").headers["msg-num"] for id_ in cluster.ids] == ["0", "1", "2"]
    cluster.advance(1)
    for id_ in cluster.ids:
        assert cluster.data(id_) == {"k1": "k1", "k2": "k2", "k3": "k3"}
        assert cluster.status(id_).status == "active"
    assert cluster.primary == 1
    assert cluster.urls == ["http://node1", "http://node2", "http://node3"]


def test_a_failover_loses_nothing_that_was_acknowledged() -> None:
    """Kill the primary and tell the others: what was written is there, node 1 refuses connections."""
    cluster = Cluster()
    put(cluster, 1, "before")
    cluster.fail_over()
    assert put(cluster, 3, "after").status_code == 201
    assert (cluster.primary, cluster.running) == (2, [2, 3])
    assert cluster.data() == {"before": "before", "after": "after"}
    assert fails(httpx.ConnectError, cluster, 1, "k") < 0.1


def test_who_is_restarted_is_empty_until_it_is_taken_in() -> None:
    """Kill, restart and take in a node: another incarnation, no data, then all data."""
    cluster = Cluster()
    put(cluster, 1, "k")
    before = cluster.status(1).incarnation
    cluster.fail_over(1)
    cluster.restart(1)
    assert cluster.status(1).incarnation != before
    assert (cluster.status(1).status, cluster.data(1)) == ("none", {})
    cluster.set_view(1, 2, 3)
    cluster.wait_until_active()
    assert cluster.primary == 1
    assert cluster.data(1) == {"k": "k"}


def test_a_node_that_dies_breaks_the_connections_of_those_who_wait() -> None:
    """Let a write wait for a paused backup and kill the node it was sent to: the client is told at once."""
    cluster = Cluster()
    cluster.pause(3)
    for node in (1, 2):
        cluster.later(1, partial(cluster.kill, node))
        assert 1.0 < fails(httpx.RemoteProtocolError, cluster, node, "k", 9.0) < 1.1


def test_a_node_that_is_stopped_answers_those_who_wait() -> None:
    """Let a write wait for a paused backup and stop the node: it says 504, and is gone."""
    cluster = Cluster()
    cluster.pause(3)
    cluster.later(1, lambda: cluster.stop(1))
    answer = put(cluster, 1, "k")
    assert (answer.status_code, answer.json()["outcome"]) == (504, "unknown")
    assert cluster.running == [2]


def test_nothing_of_a_former_life_reaches_the_next() -> None:
    """Kill a node with mail under way, and with requests that wait because it is slow, and because it is
    paused. Restart it and let it serve: it does nothing of that, and the former life hears no answers.
    """
    cluster = Cluster()
    cluster.slow(2, 0.4)
    fails(httpx.ReadTimeout, cluster, 1, "mail", 0.1)
    cluster.slow(1, 0.2)
    cluster.pause(1)
    fails(httpx.ReadTimeout, cluster, 1, "paused", 0.25)
    fails(httpx.ReadTimeout, cluster, 1, "slow", 0.02)
    former = cluster._world.hosts[1].node
    assert former is not None
    before = former.status()
    cluster.fail_over(1)
    cluster.restart(1)
    cluster.set_view(1, 2, 3)
    cluster.wait_until_active()
    cluster.heal()
    cluster.pause(1)
    cluster.resume(1)
    cluster.advance(10)
    assert not {"paused", "slow"} & set(cluster.data())
    assert former.status() == before


def test_what_reaches_a_paused_node_is_done_when_it_goes_on() -> None:
    """A client gives up on a paused node: the write takes effect later, once."""
    cluster = Cluster()
    cluster.pause(1)
    assert 2.0 <= fails(httpx.ReadTimeout, cluster, 1, "k") < 2.1
    assert cluster.data(2) == {}
    cluster.resume(1)
    cluster.run_until(lambda: cluster.data() == {"k": "k"})
    assert put(cluster, 2, "other").headers["msg-num"] == "1"


def test_a_write_takes_as_long_as_the_slowest_backup() -> None:
    """Slow a backup down, write, and make it quick again: compare the virtual times."""
    cluster = Cluster()
    cluster.slow(3, 0.5)
    began = cluster.clock()
    put(cluster, 1, "slow")
    assert 0.5 < cluster.clock() - began < 0.6
    cluster.heal()
    began = cluster.clock()
    put(cluster, 1, "quick")
    assert cluster.clock() - began < 0.1


def test_a_view_can_be_any_part_of_the_cluster() -> None:
    """Tell no view, then one of a part: who was never told turns clients away, who is inside serves."""
    cluster = Cluster(4, view=False)
    assert put(cluster, 1, "k").status_code == 503
    cluster.set_view(2, 3)
    assert put(cluster, 3, "k").status_code == 201
    assert cluster.primary == 2
    assert cluster.status(4).status == "none"
    cluster.promote(3)
    cluster.wait_until_active()
    assert (cluster.primary, cluster.data()) == (3, {"k": "k"})
    cluster.set_view(2, 3, 4)
    cluster.wait_until_active()
    cluster.kill(2, 4)
    cluster.promote(3)
    cluster.wait_until_active()
    assert cluster.data() == {"k": "k"}


# The network.


def test_a_cut_between_nodes_holds_writes_back_until_it_is_healed() -> None:
    """Cut a backup off: a write gets no answer in time; healed, it takes effect and others go on."""
    cluster = Cluster()
    cluster.cut(3)
    fails(httpx.ReadTimeout, cluster, 1, "k")
    assert cluster.data() == {}
    cluster.heal(3)
    cluster.run_until(lambda: cluster.data(3) == {"k": "k"})
    assert put(cluster, 3, "other").status_code == 201


def test_a_cut_between_two_nodes_leaves_the_others() -> None:
    """Backups need no link between each other, and each needs one to the primary: cut both, one by one."""
    cluster = Cluster()
    cluster.cut(2, 3)
    assert put(cluster, 3, "k").status_code == 201
    cluster.cut(1, 3, one_way=True)
    fails(httpx.ReadTimeout, cluster, 1, "other")


@pytest.mark.parametrize(("sender", "receiver"), [(1, 2), (2, 1)])
def test_a_cut_one_way_is_enough_to_stop_writes(sender: int, receiver: int) -> None:
    """Cut what a primary says to a backup, or the other way: nothing is acknowledged until it is healed."""
    cluster = Cluster()
    cluster.cut(sender, receiver, one_way=True)
    fails(httpx.ReadTimeout, cluster, 1, "k")
    cluster.heal(receiver, sender)
    assert put(cluster, 1, "k").status_code == 200, "the first write took effect"


def test_a_client_that_is_cut_off_knows_that_nothing_happened() -> None:
    """Cut clients off, wait, heal: no connection, and no write then or later."""
    cluster = Cluster()
    cluster.cut("clients", 1)
    assert 2.0 <= fails(httpx.ConnectTimeout, cluster, 1, "k") < 2.01
    cluster.heal()
    cluster.advance(60)
    assert cluster.data() == {}


def test_a_client_whose_answer_is_cut_off_knows_nothing() -> None:
    """Cut only what a node says to clients: no answer in time, and the write is there."""
    cluster = Cluster()
    cluster.cut(1, "clients", one_way=True)
    fails(httpx.ReadTimeout, cluster, 1, "k")
    assert cluster.data() == {"k": "k"}


def test_a_cut_that_is_healed_in_time_only_delays() -> None:
    """Cut a client off and heal a second later: the write goes through, a second late."""
    cluster = Cluster()
    cluster.cut("clients", 1)
    cluster.later(1, cluster.heal)
    assert put(cluster, 1, "k").status_code == 201
    assert 1.0 < cluster.clock() < 1.1


def test_a_node_that_is_isolated_serves_nobody() -> None:
    """Isolate the primary and promote another: its clients cannot reach it, the others go on."""
    cluster = Cluster()
    cluster.isolate(1)
    fails(httpx.ConnectTimeout, cluster, 1, "k")
    cluster.promote(2)
    assert put(cluster, 2, "k").status_code == 201
    assert cluster.primary == 2


@pytest.mark.parametrize(("reset", "error"), [(False, httpx.ReadTimeout), (True, httpx.ReadError)])
def test_a_lost_answer_is_that_of_a_write_that_took_effect(reset: bool, error: type[Exception]) -> None:
    """Lose one answer at node 2: reads and other nodes answer, the next write there is there unheard."""
    cluster = Cluster()
    cluster.lose_answer(2, reset=reset)
    assert put(cluster, 1, "a").status_code == 201
    with cluster.http(2) as client:
        assert client.get("/data/a").json() == {"value": "a"}
    fails(error, cluster, 2, "b")
    assert cluster.data() == {"a": "a", "b": "b"}
    assert put(cluster, 2, "c").status_code == 201


def test_messages_that_are_dropped_are_sent_again() -> None:
    """Break half of all exchanges between nodes: every write succeeds in the end, each exactly once."""
    cluster = Cluster(seed=3)
    cluster.drop(0.5)
    numbers = [put(cluster, 1 + n % 3, f"k{n}", 60.0).headers["msg-num"] for n in range(12)]
    assert numbers == [str(n) for n in range(12)]
    took = cluster.clock()
    cluster.drop(0)
    for n in range(12):
        put(cluster, 1 + n % 3, f"k{n}")
    assert cluster.clock() - took < took, "nothing was dropped"


def test_everything_may_be_dropped_on_one_way() -> None:
    """Drop all that the primary sends to node 2: the write waits, and goes through when that ends."""
    cluster = Cluster()
    cluster.drop(1, 1, 2)
    fails(httpx.ReadTimeout, cluster, 1, "k")
    cluster.drop(0, receiver=2)
    cluster.run_until(lambda: cluster.data() == {"k": "k"})


# Misuse.


@pytest.mark.parametrize(
    ("misuse", "words"),
    [
        (lambda cluster: cluster.kill(4), "there is no node 4"),
        (lambda cluster: cluster.kill(), "name a node"),
        (lambda cluster: cluster.kill(3), "cannot kill node 3: it is not running"),
        (lambda cluster: cluster.kill(1, 1), "each node once"),
        (lambda cluster: cluster.pause(2), "paused already"),
        (lambda cluster: cluster.pause(3), "not running"),
        (lambda cluster: cluster.resume(1), "not paused"),
        (lambda cluster: cluster.stop(2), "it is paused"),
        (lambda cluster: cluster.status(3), "not running"),
        (lambda cluster: cluster.data(3), "not running"),
        (lambda cluster: cluster.promote(3), "not running"),
        (lambda cluster: cluster.url(0), "there is no node 0"),
        (lambda cluster: cluster.slow(1, -1), "slow by 0"),
        (lambda cluster: cluster.cut(1, 1), "between 1 and itself"),
        (lambda cluster: cluster.cut(1, "client"), "no end 'client'"),
        (lambda cluster: cluster.drop(2), "from 0 to 1"),
        (lambda cluster: cluster.lose_answer(9), "there is no node 9"),
        (lambda cluster: cluster.set_view(), "name a node"),
        (lambda cluster: cluster.set_view(1, 9), "there is no node 9"),
        (lambda cluster: cluster.set_view(1, epoch=1), "node 1 refuses"),
        (lambda cluster: cluster.fail_over(1), "no member of the view would be left"),
        (lambda cluster: cluster.advance(-1), "does not go back"),
        (lambda cluster: cluster.later(-1, cluster.heal), "does not go back"),
    ],
)
def test_what_cannot_be_is_said_and_changes_nothing(misuse: Callable[[Cluster], object], words: str) -> None:
    """Misuse a cluster with node 2 paused and node 3 dead: a clear error, and everybody is as before."""
    cluster = Cluster()
    cluster.kill(3)
    cluster.pause(2)
    before = [cluster.status(1), cluster.status(2), cluster.clock(), cluster.running]
    with pytest.raises(ClusterError, match=words):
        misuse(cluster)
    assert [cluster.status(1), cluster.status(2), cluster.clock(), cluster.running] == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"nodes": 0}, "nodes has to be"),
        ({"nodes": True}, "nodes has to be"),
        ({"latency": 0}, "latency has to be"),
        ({"request_timout": 1}, "no setting 'request_timout'"),
        ({"request_timeout": "soon"}, "request_timeout has to be a number"),
        ({"threads": 8}, "means nothing in virtual time"),
        ({"record": "file"}, "means nothing in virtual time"),
        ({"view_service": "slow"}, "no preset 'slow'"),
        ({"view_service": True, "view_size": 4}, "1 to 3 members"),
    ],
)
def test_a_cluster_that_cannot_be_is_not_made(options: dict[str, object], words: str) -> None:
    """Give arguments that nobody can mean: the error says which."""
    with pytest.raises(ClusterError, match=words):
        Cluster(**options)  # type: ignore[arg-type]


def test_without_a_primary_there_is_no_failover_and_no_data() -> None:
    """Ask a cluster without a view for them: the errors say how its nodes are."""
    cluster = Cluster(view=False)
    assert cluster.primary is None
    with pytest.raises(ClusterError, match="node 1 is none, none"):
        cluster.data()
    with pytest.raises(ClusterError, match="no primary"):
        cluster.fail_over()
    with pytest.raises(TimeoutError, match="not within 5 s"):
        cluster.wait_until_active(5)
    assert cluster.clock() == 5.0


# The view service.


def test_a_view_service_fails_over_by_itself() -> None:
    """Kill the primary: the write goes through; restart it: the view is whole again."""
    cluster = Cluster(view_service=True)
    put(cluster, 1, "before")
    cluster.kill(1)
    assert put(cluster, 2, "after").status_code == 201
    assert cluster.primary == 2
    cluster.restart(1)
    cluster.run_until(lambda: cluster.primary == 1)
    assert cluster.data(1) == {"before": "before", "after": "after"}
    with pytest.raises(ClusterError, match="has a view service"):
        cluster.set_view(1)


def test_a_view_service_fills_up_from_spares() -> None:
    """With two members and a spare, fail over: the spare is a member, in the quick preset as well."""
    cluster = Cluster(view_service="aggressive", view_size=2)
    assert cluster.status(3).status == "none"
    cluster.fail_over()
    cluster.run_until(lambda: cluster.status(3).status == "active")
    put(cluster, 3, "k")
    cluster.run_until(lambda: cluster.data(3) == {"k": "k"})


def test_a_view_service_that_is_cut_off_concludes_nothing_of_content_nodes() -> None:
    """Cut the service off from a backup that the primary reaches: the view stays; isolate it: it leaves."""
    cluster = Cluster(view_service=True)
    cluster.cut("view service", 3)
    cluster.advance(10)
    assert cluster.status(1).epoch == 1
    cluster.isolate(3)
    cluster.run_until(lambda: cluster.status(1).epoch == 2)
    assert put(cluster, 1, "k").status_code == 201
