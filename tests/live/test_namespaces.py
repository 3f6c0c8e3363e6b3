"""The same nodes on hosts of their own, in a network whose cables can be pulled.

Each node runs in a Linux network namespace with an address like 172.4.0.1:8081 (see `netns`). Clients are on
another host of that network; where a client must reach a node that the network does not, it is on the node's
own host. The scenarios run with both frontends, since each has its own way to talk to peers and to find out
that they are silent; not with a mixed cluster, which would add nothing about the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from .harness import Kind, wait_until
from .netns import PORT, NetworkCluster, why_not
from .scenario import (
    Shared,
    answers_of_all_sorts,
    assert_refused,
    own,
    persistent_contents,
    persistently,
)

# The timeout is generous: it is for a hang, and many test runs may share one slow machine.
pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

ALL = (0, 1, 2)
ENV = {
    "PBPROTO_REQUEST_TIMEOUT": "2",
    "PBPROTO_SUSPECT_AFTER": "0.5",
    "PBPROTO_CHUNK_BYTES": "4096",
}


@pytest.fixture(scope="module")
def permitted() -> None:
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="module", params=["quart", "wsgi"])
def shared(
    request: pytest.FixtureRequest, permitted: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shared]:
    assert permitted is None
    kind: Kind = request.param
    tmp_path = tmp_path_factory.mktemp(f"netns-{kind}")
    clusters = Shared(lambda: NetworkCluster(tmp_path, kind, 3, env=ENV))
    yield clusters
    clusters.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


@pytest.fixture
def cluster(shared: Shared, pool: ThreadPoolExecutor) -> Iterator[NetworkCluster]:
    """Three nodes in a healthy network; the view of all three is active."""
    assert pool is not None
    lent = shared.lend()
    assert isinstance(lent, NetworkCluster)
    yield lent
    shared.take_back()


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """The beginning of all keys of this test."""
    name: str = request.node.name
    return name


def test_replication_between_hosts(cluster: NetworkCluster, key: str) -> None:
    """Goal: nodes on different hosts replicate, under the addresses the view names, ids from 0.

    Method: write through each node from another host, read everything everywhere. A node that listens on
    0.0.0.0 is known to its peers by the address in the view, and to a client on its own host by another.
    """
    assert [member["address"] for member in cluster.node(2).view()["view"]] == [
        f"172.4.0.{i}:{PORT}" for i in (1, 2, 3)
    ]
    for node_id in ALL:
        persistently(cluster.node(node_id), f"{key}/{node_id}", "x")
    expected = {f"{key}/{node_id}": "x" for node_id in ALL}
    for node_id in ALL:
        assert own(persistent_contents(cluster.node(node_id)), key) == expected
    local = cluster.network.call("n1", httpx.get, f"http://127.0.0.1:{PORT}/ping", trust_env=False)
    assert local.json()["id"] == 1


def test_partitioned_primary(cluster: NetworkCluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: a primary cut off from all others answers nobody with success, before and after its replacement.

    Method: pull its cable; a client on its own host asks for all sorts of things, before and after the others
    were told a view without it and changed everything. Plug it in again, still not told: the same from
    outside. Told the view of all, it has the others' data and nothing of what it refused.
    """
    inside = cluster.inside(0)
    persistently(cluster.node(0), f"{key}/known", "old")
    persistently(cluster.node(0), f"{key}/deleted", "old")
    cluster.network.unplug("n0")
    assert not cluster.network.passes("client", "n0")
    assert_refused(answers_of_all_sorts(inside, key, pool))

    cluster.install([1, 2])
    persistently(cluster.node(1), f"{key}/known", "new")
    persistently(cluster.node(2), f"{key}/created", "new")
    wait_until(lambda: cluster.node(1).delete(f"{key}/deleted").status_code == 404, "the key is deleted")
    expected = {f"{key}/known": "new", f"{key}/created": "new"}
    assert_refused(answers_of_all_sorts(inside, key, pool))

    cluster.network.plug("n0")
    wait_until(lambda: cluster.network.passes("client", "n0"), "the cable is plugged in again")
    assert_refused(answers_of_all_sorts(cluster.node(0), key, pool))
    assert own(persistent_contents(cluster.node(2)), key) == expected
    cluster.install(ALL)
    for node_id in ALL:
        assert own(persistent_contents(cluster.node(node_id)), key) == expected


def test_partitioned_backup_returns_by_itself(
    cluster: NetworkCluster, key: str, pool: ThreadPoolExecutor
) -> None:
    """Goal: without a backup nothing succeeds, and its return sets everything going without a new view.

    Method: pull the cable of node 2; writes and reads are refused on both sides. Plug it in again, tell
    nothing: writes succeed through every node.
    """
    persistently(cluster.node(0), f"{key}/known", "x")
    cluster.network.unplug("n2")
    outside = pool.submit(answers_of_all_sorts, cluster.node(0), key, pool)
    assert_refused(answers_of_all_sorts(cluster.inside(2), key, pool))
    assert_refused(outside.result())
    cluster.network.plug("n2")
    for node_id in ALL:
        persistently(cluster.node(node_id), f"{key}/after/{node_id}", "x")
    everything = [persistent_contents(cluster.node(node_id)) for node_id in ALL]
    assert everything[0] == everything[1] == everything[2]


def test_one_way_cut(cluster: NetworkCluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: a backup that hears but is not heard may hold a write nobody was told of; that is harmless.

    Method: lose what node 2 sends to node 0. A write at the primary is refused, perhaps as "unknown", since
    it may have reached both backups; reads are refused. Promote {1, 2}: the write is there or it is not,
    and from the first read on it stays so, also after healing and joining. "Not applied" is for certain.
    """
    persistently(cluster.node(0), f"{key}/known", "x")
    cluster.network.mute("n2", "n0")
    assert cluster.network.passes("n0", "n2")
    assert not cluster.network.passes("n2", "n0")
    requests = {
        "PUT": pool.submit(cluster.node(0).put, f"{key}/doubtful", "x"),
        "GET": pool.submit(cluster.node(0).get, f"{key}/known"),
        "GET all": pool.submit(cluster.node(0).data),
    }
    answers = {name: request.result() for name, request in requests.items()}
    assert_refused(answers)

    cluster.install([1, 2])
    seen = own(persistent_contents(cluster.node(2)), key)
    if answers["PUT"].status_code == 503:
        assert f"{key}/doubtful" not in seen
    assert_refused({"GET": cluster.node(0).get(f"{key}/known")})
    cluster.network.heal()
    assert own(persistent_contents(cluster.node(1)), key) == seen
    cluster.install(ALL)
    for node_id in ALL:
        assert own(persistent_contents(cluster.node(node_id)), key) == seen


def test_view_is_completed_when_the_network_is(
    cluster: NetworkCluster, key: str, pool: ThreadPoolExecutor
) -> None:
    """Goal: a view whose members cannot reach each other waits, says for whom, and completes by itself.

    Method: cut nodes 0 and 2 off from each other, both ways; everybody else reaches both. Tell the view of
    all to everyone. The present view goes on until node 2 has owed an answer for so long that the new one is
    proposed all the same. Then nothing succeeds; `GET /view` names node 2. Heal the network and tell nothing.
    """
    cluster.install([0, 1])
    persistently(cluster.node(1), f"{key}/known", "x")
    cluster.network.mute("n2", "n0")
    cluster.network.mute("n0", "n2")
    cluster.tell(ALL)

    def waits() -> bool:
        view = cluster.node(0).view()
        return view["status"] == "installing" and [who["id"] for who in view["waiting_for"]] == [2]

    wait_until(waits, "the primary waits for node 2 only")
    wait_until(lambda: not any(cluster.node(node_id).ready() for node_id in ALL), "nobody serves any more")
    asked = [pool.submit(cluster.node(node_id).get, f"{key}/known") for node_id in ALL]
    assert_refused({f"GET {i}": request.result() for i, request in enumerate(asked)})
    cluster.network.heal()
    cluster.wait_active(ALL)
    for node_id in ALL:
        assert own(persistent_contents(cluster.node(node_id)), key) == {f"{key}/known": "x"}


def test_state_transfer_over_a_bad_cable(cluster: NetworkCluster, key: str, pool: ThreadPoolExecutor) -> None:
    """Goal: a transfer of state that is interrupted goes on where it was, and what arrives is complete.

    Method: while node 2 is out of the view write what takes hundreds of chunks of 4 KiB. Tell the view of
    all, and each time that node 2 says it has got further, pull its cable, see it get no further, and plug
    it in again. A view of it alone proves what it has.
    """
    cluster.install([0, 1])
    writes = [
        pool.submit(persistently, cluster.node(i % 2), f"{key}/{i}", f"{i:04}" * 1024) for i in range(400)
    ]
    for done in writes:
        done.result()
    inside = cluster.inside(2)
    known: object = inside.view()["waiting_for"]
    cluster.tell(ALL)
    interruptions = 0
    while interruptions < 2:
        before_cut = known
        wait_until(lambda: inside.view()["waiting_for"] != before_cut, "node 2 gets further")  # noqa: B023
        cluster.network.unplug("n2")
        assert not cluster.network.passes("n0", "n2")
        known = inside.view()["waiting_for"]
        if inside.view()["status"] == "active":
            break
        interruptions += 1
        assert not cluster.network.passes("n0", "n2")
        assert inside.view()["waiting_for"] == known
        cluster.network.plug("n2")
    assert interruptions >= 1, "the transfer was over before the cable was pulled"
    cluster.network.heal()
    cluster.wait_active(ALL)
    before = persistent_contents(cluster.node(0))
    assert len(own(before, key)) == 400
    cluster.install([2])
    assert persistent_contents(cluster.node(2)) == before
