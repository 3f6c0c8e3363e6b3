"""What an application asks of its own node stands in the metrics as what comes over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pbkv import NotApplied, Refused, Unknown
from pbkv.testing import Cluster

from .hosting import ADDRESS, FRAMEWORKS, Hosted, done, hosted, other_node
from .test_store import SCRIPT, outcome

both = pytest.mark.parametrize("framework", FRAMEWORKS)
DATA = ("put", "get", "delete", "list")
Counts = dict[tuple[str, ...], float]


def read(text: str, name: str, *labels: str) -> Counts:
    """The samples of one name that are not 0, by these labels."""
    return {
        tuple(sample.labels[label] for label in labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and sample.value
    }


async def scraped(host: Hosted) -> str:
    return (await host.ask("GET", "/kv/metrics")).text


def requests(text: str, *operations: str) -> Counts:
    """How many requests of these operations there were, by operation and outcome."""
    found = read(text, "pbproto_request_seconds_count", "operation", "outcome")
    return {names: number for names, number in found.items() if names[0] in operations}


def rejected(text: str) -> Counts:
    return read(text, "pbproto_requests_rejected_total", "reason")


@both
async def test_calls_count_as_requests_do(framework: str) -> None:
    """Goal: whoever looks at a node's series need not know by which way it was asked. Method: the same calls
    in process, and by a client of another node; compare all counts of operations for data."""
    cluster = Cluster(1, max_value_bytes=1000)
    remote = cluster.client()
    async with hosted(framework, max_value_bytes=1000) as host:
        for use in SCRIPT:
            await outcome(use, remote)
            await outcome(use, host.store)
        here, there = await scraped(host), cluster.http(1).get("/metrics").text
        counts = requests(here, *DATA)
        assert counts == requests(there, *DATA)
        assert {("put", "created"), ("put", "key_reused"), ("put", "bad_request"), ("delete", "missing")} <= {
            *counts
        }
        assert rejected(here) == rejected(there)
        seconds = read(here, "pbproto_request_seconds_sum", "operation", "outcome")
        # What did not get as far as the replica took no time that anybody measured.
        assert all(0 < seconds[names] < 60 for names in counts if names[1] != "bad_request")
        # The same series: a request over HTTP adds to them.
        assert (await host.ask("GET", "/kv/data/none")).status == 404
        after = requests(await scraped(host), *DATA)
        assert after == counts | {("get", "missing"): counts["get", "missing"] + 1}


@both
async def test_what_becomes_of_a_call_is_counted_once(framework: str) -> None:
    """Goal: a call that waits is seen to wait, and one whose caller gave up counts as what became of it.

    Method: a view that waits for another node: nothing is counted until it goes on, then one write.
    """
    with other_node() as other:
        async with hosted(framework, view=other.view) as host:
            with pytest.raises(Unknown):
                await done(host.store.put("k", "v", timeout=0.05))
            text = await scraped(host)
            assert requests(text, *DATA) == {}
            assert read(text, "pbproto_requests_waiting") == {(): 1}
            other.go_on()
            assert (await done(host.store.get("k"))).value == "v"
            text = await scraped(host)
            assert requests(text, *DATA) == {("put", "created"): 1, ("get", "found"): 1}
            assert read(text, "pbproto_requests_waiting") == {}


@both
async def test_attempts_and_views_are_counted(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: each attempt is a request, as over HTTP; a view that is told is one, too, a look at the status is
    none. Method: a node without a view turns each attempt away, and lets the next one come soon; then it is
    told views, good and bad."""
    monkeypatch.setattr("frontends.common.responses.RETRY_AFTER", "0")
    async with hosted(framework, view={}) as host:
        with pytest.raises(NotApplied) as caught:
            await done(host.store.put("k", "v", timeout=0.3))
        await done(host.store.tell_view({1: ADDRESS}, 5))
        with pytest.raises(Refused):
            await done(host.store.tell_view({1: ADDRESS}, 4))
        host.store.status()
        text = await scraped(host)
        assert caught.value.count > 1
        assert requests(text, *DATA) == {("put", "not_applied"): caught.value.count}
        assert requests(text, "view") == {("view", "ok"): 1, ("view", "refused"): 1}
        assert rejected(text)["no_view",] == caught.value.count
        assert rejected(text)["stale_epoch",] == 1


async def test_who_may_not_wait_is_counted() -> None:
    """Goal: threads that run out are seen. Method: two calls take all that may wait; the third is refused."""
    with other_node() as other:
        async with hosted("flask", view=other.view, threads=4) as host:
            store: Any = host.store
            waiting = [asyncio.create_task(asyncio.to_thread(store.put, f"k{n}", "v")) for n in range(2)]
            while len(store._node._waiters) < 2:
                await asyncio.sleep(0.001)
            with pytest.raises(NotApplied, match="overloaded"):
                store.put("k", "v")
            text = await scraped(host)
            assert requests(text, *DATA) == {("put", "not_applied"): 1}
            assert rejected(text) == {("overloaded",): 1}
            other.go_on()
            await asyncio.gather(*waiting)
