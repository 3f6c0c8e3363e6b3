"""The clients of the store on a virtual cluster."""

from __future__ import annotations

import asyncio

import pytest

from pbkv import NotApplied, Unavailable
from pbkv.testing import Cluster


def life(seed: int) -> tuple[list[str], dict[str, str]]:
    """A client writes through a failover and a lost answer."""
    cluster = Cluster(seed=seed)
    with cluster.client() as client:
        client.put("a", "1")
        cluster.lose_answer()
        client.put("b", "2")
        cluster.fail_over()
        client.put("c", "3")
        assert client.get("b").value == "2"
    return cluster.transcript, cluster.data()


def test_a_client_gets_through_a_failover_and_a_lost_answer() -> None:
    """Write with the client while answers and nodes are lost: all is there, and a seed gives one run."""
    transcript, data = life(3)
    assert data == {"a": "1", "b": "2", "c": "3"}
    assert life(3) == (transcript, data)


def test_an_asynchronous_client_waits_in_virtual_time() -> None:
    """Let twenty tasks of one client write while the primary dies: all of it is there."""
    cluster = Cluster()

    async def work() -> None:
        async def die() -> None:
            await cluster.async_sleep(0.001)
            cluster.fail_over()

        async with cluster.async_client() as client:
            await asyncio.gather(*(client.put(f"k{n}", "v") for n in range(20)), die())

    asyncio.run(work())
    assert cluster.data() == {f"k{n}": "v" for n in sorted(range(20), key=str)}


def test_calls_end_when_no_node_runs() -> None:
    """Goal: a call whose pauses never lead anywhere ends when its time is up, in no time of the machine.

    Method: the least that can be slept for lets time pass; then kill all nodes and write, read, and write
    with asyncio. The pauses are drawn, so there are odd remainders of a nanosecond among them.
    """
    cluster = Cluster()
    before = cluster.clock()
    cluster.sleep(1e-11)
    assert cluster.clock() > before
    cluster.kill(1, 2, 3)
    began = cluster.clock()
    with cluster.client(timeout=20) as client:
        with pytest.raises(NotApplied):
            client.put("k", "v")
        with pytest.raises(Unavailable):
            client.get("k")

    async def write() -> None:
        async with cluster.async_client(timeout=20) as client:
            with pytest.raises(NotApplied):
                await client.put("k", "v")

    asyncio.run(write())
    assert 50 < cluster.clock() - began <= 60
