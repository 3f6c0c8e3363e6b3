"""Virtual time: for threads, for event loops, and the same each time."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from pbkv.testing import Cluster, ClusterError
from pbkv.testing.timeline import Timeline, Turns
from pbkv.testing.transcript import MOST_LINES, Transcript
from pbproto import Replica

ROOT = Path(__file__).resolve().parents[2]


# The same each time.


def life(seed: int) -> list[str]:
    """What happens to a cluster with a bit of everything."""
    cluster = Cluster(4, seed=seed, view_service="aggressive", view_size=3, request_timeout=3.0)
    cluster.drop(0.2)
    for n in range(20):
        with cluster.http(1 + n % 4, timeout=5.0) as client:
            try:
                client.put(f"/data/{n}", json={"value": "v"})
            except httpx.TransportError:
                cluster.sleep(0.3)
        if n == 5:
            cluster.kill(1)
        if n == 10:
            cluster.restart(1)
            cluster.lose_answer()
        if n == 15:
            cluster.slow(2, 0.2)
    return [f"{seed} {cluster.data()}", *cluster.transcript]


def test_a_seed_gives_one_run() -> None:
    """Goal: a failure comes again. Method: run a life twice here and once in a process with other hashes, and
    one of another seed; compare the transcripts.
    """
    first = life(5)
    assert life(5) == first
    assert life(6)[1:] != first[1:]
    program = "from tests.plugin.test_time import life; print('\\n'.join(life(5)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == first


def test_no_clock_of_the_machine_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the clocks away that could be read, and let a cluster fail over."""

    def gone(*_: object) -> int:
        raise AssertionError("the machine's clock was read")

    cluster = Cluster()
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "clock_gettime_ns", "sleep"):
        monkeypatch.setattr(f"time.{name}", gone)
    cluster.fail_over()
    cluster.wait_until_active()
    assert cluster.primary == 2


# Requests and timeouts.


def test_a_request_waits_for_as_long_as_its_own_timeout_says() -> None:
    """Ask a paused node with several timeouts: each gives up after so many virtual seconds."""
    cluster = Cluster()
    cluster.pause(1)
    for timeout in (0.1, 2.0, 20.0):
        began = cluster.clock()
        with cluster.http(1) as client, pytest.raises(httpx.ReadTimeout):
            client.get("/data/k", timeout=httpx.Timeout(1.0, read=timeout))
        assert timeout <= cluster.clock() - began < timeout + 0.01


def test_a_request_that_would_wait_for_ever_is_an_error_of_the_test() -> None:
    """Ask a node that is paused, and one that is cut off, without a timeout: the error says so."""
    cluster = Cluster()
    cluster.pause(1)
    cluster.cut("clients", 2)
    for node in (1, 2):
        with cluster.http(node, timeout=None) as client, pytest.raises(ClusterError, match="has no timeout"):
            client.get("/data/k")


def test_the_nodes_give_up_as_their_settings_say() -> None:
    """With a request timeout of two seconds a write that waits for a paused backup is answered 504 then."""
    cluster = Cluster(request_timeout=2.0)
    cluster.pause(3)
    with cluster.http(1, timeout=30) as client:
        answer = client.put("/data/k", json={"value": "v"})
    assert (answer.status_code, answer.json()["outcome"]) == (504, "unknown")
    assert 2.0 <= cluster.clock() < 2.1


def test_nobody_is_at_other_addresses() -> None:
    """Ask hosts, ports and schemes that are none of the cluster's: a connection error says who is there."""
    cluster = Cluster(1)
    with httpx.Client(transport=cluster.transport()) as client:
        assert client.get("http://node1:80/ping").status_code == 200
        for url in ("http://node2/ping", "http://node1:8080/ping", "https://node1/ping"):
            with pytest.raises(httpx.ConnectError, match="there are http://node1"):
                client.get(url)


def test_a_view_may_name_an_address_where_nobody_is() -> None:
    """Tell a view with a stranger by HTTP: it is waited for, as for a node that does not run."""
    cluster = Cluster(2, view=False)
    members = [{"id": 1, "address": "node1:80"}, {"id": 7, "address": "elsewhere:80"}]
    with cluster.http(1) as client:
        assert client.put("/view", json={"view": members}).status_code == 200
        cluster.advance(5)
        assert client.get("/ready").status_code == 503
    assert [wait.id for wait in cluster.status(1).waiting_for] == [7]


def test_a_replica_that_breaks_a_rule_fails_the_test_and_not_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let a replica fail within a request: its error comes out at the client, synchronous or not."""
    cluster = Cluster()

    def fail(*_: object, **__: object) -> Any:
        raise ZeroDivisionError("a rule is broken")

    async def ask() -> None:
        async with cluster.async_http(1) as client:
            await client.get("/data/k")

    monkeypatch.setattr(Replica, "step", fail)
    with cluster.http(1) as client, pytest.raises(ZeroDivisionError):
        client.get("/data/k")
    with pytest.raises(ZeroDivisionError):
        asyncio.run(ask())


def test_what_fails_later_comes_out_where_somebody_waits() -> None:
    """Let an impossible fault happen under a request, synchronous or not: the request raises its error."""
    cluster = Cluster()
    cluster.kill(3)

    async def ask() -> None:
        async with cluster.async_http(1) as client:
            await client.get("/data/k")

    cluster.later(0.5, partial(cluster.kill, 3))
    with cluster.http(1) as client, pytest.raises(ClusterError, match="cannot kill node 3"):
        client.get("/data/k")
    cluster.later(0.5, partial(cluster.resume, 1))
    with pytest.raises(ClusterError, match="node 1 is not paused"):
        asyncio.run(ask())


# Event loops.


async def test_a_slow_write_and_a_failover_at_the_same_time() -> None:
    """A write waits at node 2 for a slow primary; a second in, another task fails over: the write goes on."""
    cluster = Cluster()
    cluster.slow(1, 5.0)

    async def die() -> float:
        await cluster.async_sleep(1.0)
        cluster.fail_over(1)
        return cluster.clock()

    async with cluster.async_http(2, timeout=30.0) as client:
        answer, at = await asyncio.gather(client.put("/data/k", json={"value": "v"}), die())
    assert answer.status_code == 201
    assert 1.0 < at < cluster.clock() < 1.1
    assert cluster.data() == {"k": "v"}


async def test_time_stands_still_while_a_coroutine_has_something_to_do() -> None:
    """Beside a request that waits, pass the loop a thousand times: no virtual time goes by meanwhile."""
    cluster = Cluster()
    cluster.pause(1)
    async with cluster.async_http(1, timeout=3.0) as client:
        waiting = asyncio.ensure_future(client.get("/data/k"))
        began = cluster.clock()
        for _ in range(1000):
            await asyncio.sleep(0)
        assert cluster.clock() == began
        with pytest.raises(httpx.ReadTimeout):
            await waiting
    assert 3.0 <= cluster.clock() - began < 3.1


async def test_many_requests_at_once_share_one_time() -> None:
    """Write with fifty tasks, and sleep with one more: all at the same time, each once, in order of time."""
    cluster = Cluster()
    done: list[str] = []

    async def put(n: int) -> int:
        async with cluster.async_http(1 + n % 3) as client:
            answer = await client.put(f"/data/{n}", json={"value": "v"})
            done.append("write")
            return int(answer.headers["msg-num"])

    async def sleep() -> None:
        await cluster.async_sleep(1.0)
        done.append("sleep")

    *numbers, _ = await asyncio.gather(*(put(n) for n in range(50)), sleep())
    assert sorted(number for number in numbers if number is not None) == list(range(50))
    assert done == ["write"] * 50 + ["sleep"]
    assert cluster.clock() < 1.1


async def test_two_clusters_on_one_loop_do_not_wait_for_each_other() -> None:
    """Let a task of one cluster sleep again and again until one of another has slept: both get their time."""
    one, other = Cluster(), Cluster(2)
    done: list[float] = []

    async def wait() -> None:
        for _ in range(1000):
            if done:
                return
            await one.async_sleep(1.0)
        raise AssertionError("the other cluster's time stands still")

    async def sleep() -> None:
        await other.async_sleep(100.0)
        done.append(other.clock())

    await asyncio.gather(wait(), sleep())
    assert 100.0 <= done[0] < 100.1


async def test_a_task_that_is_cancelled_has_hung_up() -> None:
    """Cancel a write that waits for a paused backup: it takes effect later, and nothing is left waiting."""
    cluster = Cluster()
    cluster.pause(3)
    async with cluster.async_http(1, timeout=30) as client:
        waiting = asyncio.ensure_future(client.put("/data/k", json={"value": "v"}))
        await cluster.async_sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    cluster.resume(3)
    cluster.run_until(lambda: cluster.data() == {"k": "v"})


def test_a_loop_that_hides_what_is_ready_serves_as_well() -> None:
    """Run on uvloop, which shows no queue: many turns without anything count as idle."""
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(test_a_slow_write_and_a_failover_at_the_same_time())
        runner.run(test_many_requests_at_once_share_one_time())
        runner.run(test_two_clusters_on_one_loop_do_not_wait_for_each_other())


def test_one_cluster_may_be_used_on_several_loops() -> None:
    """Run a loop, use the cluster without one, and run another: time goes on, and so does the store."""
    cluster = Cluster()

    async def put(key: str) -> int:
        async with cluster.async_http(1) as client:
            return (await client.put(f"/data/{key}", json={"value": "v"})).status_code

    assert asyncio.run(put("a")) == 201
    with cluster.http(2) as client:
        assert client.get("/data/a").status_code == 200
    assert asyncio.run(put("b")) == 201


async def test_a_blocking_client_in_a_coroutine_drives_the_time_for_all() -> None:
    """While a task waits, let this one block in a synchronous client: both get their answers."""
    cluster = Cluster()
    async with cluster.async_http(1) as patient:
        waiting = asyncio.ensure_future(patient.put("/data/a", json={"value": "v"}))
        await asyncio.sleep(0)
        with cluster.http(2) as client:
            assert client.put("/data/b", json={"value": "v"}).status_code == 201
        assert (await waiting).status_code == 201


# Threads.


def in_threads(*works: Callable[[], object]) -> None:
    """Run them at the same time; the first error is raised."""
    errors: list[BaseException] = []

    def run(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_threads_write_at_the_same_time_and_each_write_happens_once() -> None:
    """Write with six threads through all nodes: every number comes once, everything is there."""
    cluster = Cluster()
    numbers: list[int] = []

    def work(n: int) -> None:
        with cluster.http(1 + n % 3, timeout=60) as client:
            for i in range(10):
                answer = client.put(f"/data/{n}/{i}", json={"value": "v"})
                numbers.append(int(answer.headers["msg-num"]))

    in_threads(*(partial(work, n) for n in range(6)))
    assert sorted(numbers) == list(range(60))
    assert len(cluster.data()) == 60


async def test_a_thread_that_drives_the_time_wakes_those_on_a_loop() -> None:
    """Let a synchronous client in a thread and tasks of this loop use one cluster at the same time."""
    cluster = Cluster()

    def block() -> list[int]:
        with cluster.http(3, timeout=60) as client:
            return [client.put(f"/data/t{n}", json={"value": "v"}).status_code for n in range(50)]

    async def wait() -> list[int]:
        async with cluster.async_http(2, timeout=60) as client:
            return [(await client.put(f"/data/l{n}", json={"value": "v"})).status_code for n in range(50)]

    blocked, waited = await asyncio.gather(asyncio.to_thread(block), wait())
    assert blocked == waited == [201] * 50


def test_who_drives_the_time_lets_others_in() -> None:
    """A thread lets time pass until a flag is set, which another sets from within its own turn."""
    cluster = Cluster()
    flag = threading.Event()

    def wait() -> None:
        cluster.run_until(flag.is_set, timeout=10**9)

    def set_it() -> None:
        with cluster._timeline.turns:
            flag.set()

    in_threads(wait, set_it)


def test_turns_are_taken_in_the_order_in_which_they_were_asked_for() -> None:
    """Queue threads up behind a holder, one after another, and let go: they come in that order."""
    turns = Turns()
    came: list[int] = []

    def take(n: int) -> None:
        with turns, turns:
            came.append(n)

    threads = [threading.Thread(target=take, args=(n,)) for n in range(5)]
    with turns:
        for n, thread in enumerate(threads):
            thread.start()
            while len(turns._queue) <= n:
                thread.join(0.001)
        assert came == []
        with turns:
            turns.give_way()  # not for good: the outer turn is not over
        assert came == []
        turns.give_way()
        assert came == [0, 1, 2, 3, 4]
    for thread in threads:
        thread.join(10)


# The timeline.


def test_things_happen_in_order_of_time_and_then_of_asking() -> None:
    """Ask for some things, cancel one, and let time pass up to a moment, then to the end."""
    timeline = Timeline()
    happened: list[str] = []
    timeline.at(20, lambda: happened.append("late"))
    timeline.at(10, lambda: happened.append("first"))
    timeline.at(10, lambda: happened.append("second"))
    timeline.at(10, lambda: happened.append("cancelled")).cancel()
    assert not timeline.run(lambda: False, 15)
    assert (happened, timeline.now) == (["first", "second"], 15)
    timeline.at(3, lambda: happened.append("past"))
    while timeline.step():
        pass
    assert (happened, timeline.now) == (["first", "second", "past", "late"], 20)


def test_a_transcript_keeps_the_last_lines() -> None:
    """Add more lines than are kept: the first are gone, and the end says how many came before."""
    transcript = Transcript(Timeline())
    for n in range(MOST_LINES + 5):
        transcript.add(f"line {n}")
    lines = transcript.lines
    assert (len(lines), lines[0].split()[-1]) == (MOST_LINES, "5")
    assert transcript.tail(2).splitlines()[0] == f"… {MOST_LINES + 3} earlier lines"
    assert transcript.tail(2).splitlines()[-1] == lines[-1]
