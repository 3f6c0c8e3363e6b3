"""What the scenarios on real processes share: a cluster that is lent, and what they say in one word."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import httpx

from .harness import Cluster, Node, wait_until

Contents = dict[str, str]


class Shared:
    """A cluster that is started when it is first needed, and lent to one test after the other.

    Starting nodes is what costs time in these tests. A test leaves the cluster in whatever state its scenario
    ends in; taking it back is part of the scenario: all faults end, all nodes are told the same view, and
    the cluster must come back to life and agree. If it does not, that is a failure, and the next test gets
    a new one.
    """

    def __init__(self, make: Callable[[], Cluster]) -> None:
        self._make = make
        self._cluster: Cluster | None = None
        self._seen: dict[Path, int] = {}

    def lend(self) -> Cluster:
        if self._cluster is None:
            self._cluster = self._make()
            self.take_back()
        self._seen = {node.log: len(node.log_text()) for node in self._cluster.nodes.values()}
        return self._cluster

    def take_back(self) -> None:
        """The liveness half of every scenario."""
        cluster = self._cluster
        assert cluster is not None
        try:
            cluster.assert_none_died()
            cluster.end_faults()
            cluster.start_all()
            cluster.install(cluster.nodes)
            everything = [persistent_contents(node) for node in cluster.nodes.values()]
            assert all(each == everything[0] for each in everything)
            cluster.assert_none_died()
        except BaseException:
            self.close()
            raise
        finally:
            for node in cluster.nodes.values():  # pytest shows this only if something failed
                print(f"==== {node!r}\n{node.log_text()[self._seen.get(node.log, 0) :][-20_000:]}")

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None


def number(response: httpx.Response) -> int:
    """The request's place in the total order."""
    return int(response.headers["Msg-Num"])


def write(node: Node, key: str, value: str) -> int:
    """A write that must succeed; returns its number."""
    response = node.put(key, value)
    assert response.status_code in (200, 201), f"{node!r}: {response.status_code} {response.text}"
    assert response.json() == {}
    return number(response)


def erase(node: Node, key: str) -> int:
    """A deletion that must find its key; returns its number."""
    response = node.delete(key)
    assert response.status_code == 200, f"{node!r}: {response.status_code} {response.text}"
    return number(response)


def read(node: Node, key: str) -> str | None:
    """A read that must be answered; None for a key that does not exist."""
    response = node.get(key)
    assert response.status_code in (200, 404), f"{node!r}: {response.status_code} {response.text}"
    if response.status_code == 404:
        return None
    return brief(response.json()["value"])


def brief(value: str) -> str:
    """A long value by length and digest: comparing those fails just as surely, and fails readably."""
    if len(value) < 200:
        return value
    return f"{len(value)} characters, sha256 {sha256(value.encode()).hexdigest()}"


def contents(node: Node) -> Contents:
    """The whole store, which must be readable."""
    response = node.data()
    assert response.status_code == 200, f"{node!r}: {response.status_code} {response.text}"
    return {name: brief(value) for name, value in response.json().items()}


def losses(node: Node) -> set[tuple[int, int, int]]:
    """What this node says was dropped when halves were joined: (node, first position, end)."""
    return {(loss["id"], loss["from"], loss["to"]) for loss in node.view()["dropped"]}


def insist(
    nodes: Iterable[Node],
    method: str,
    key: str,
    token: str,
    *,
    value: str | None = None,
    refusals: list[str] | None = None,
) -> httpx.Response:
    """Repeat a request under one Idempotency-Key, at one node after the other, until it is answered.

    A refusal must say what it means: 503 that the request was certainly not applied, 504 that it may be.
    What did not work is noted in `refusals`.
    """
    refusals = [] if refusals is None else refusals
    deadline = time.monotonic() + 90
    for node in itertools.cycle(nodes):
        try:
            response = node.request(
                method,
                "/data/" + key,
                json=None if value is None else {"value": value},
                headers={"Idempotency-Key": token},
            )
        except httpx.TransportError as trouble:
            refusals.append(repr(trouble))
        else:
            if response.status_code not in (503, 504):
                return response
            assert response.json()["outcome"] == {503: "not_applied", 504: "unknown"}[response.status_code]
            assert "Retry-After" in response.headers
            refusals.append(response.text)
        assert time.monotonic() < deadline, f"{method} {key} was never answered: {refusals[-1]}"
        time.sleep(0.02)
    raise AssertionError("there is no node to ask")


def persistently(node: Node, key: str, value: str) -> None:
    """Write until it succeeds: with a short patience, a slow moment of the machine may refuse it first."""
    wait_until(lambda: node.put(key, value).status_code in (200, 201), f"{node!r} takes a write", 90)


def own(everything: Contents, key: str) -> Contents:
    return {name: value for name, value in everything.items() if name.startswith(f"{key}/")}


def persistent_contents(node: Node) -> Contents:
    """The whole store, asked for until it is answered."""
    response = wait_until(
        lambda: answer if (answer := node.data()).status_code == 200 else None, f"{node!r} lists its data", 90
    )
    assert response is not None
    return {name: brief(value) for name, value in response.json().items()}


def answers_of_all_sorts(node: Node, key: str, pool: ThreadPoolExecutor) -> dict[str, httpx.Response]:
    """What a node answers to each kind of data request, asked all at once since each may take its time."""
    requests = {
        "GET known": pool.submit(node.get, f"{key}/known"),
        "GET deleted": pool.submit(node.get, f"{key}/deleted"),
        "GET created": pool.submit(node.get, f"{key}/created"),
        "GET all": pool.submit(node.data),
        "PUT": pool.submit(node.put, f"{key}/zombie", "x"),
        "DELETE": pool.submit(node.delete, f"{key}/known"),
    }
    return {name: request.result() for name, request in requests.items()}


def assert_refused(answers: dict[str, httpx.Response]) -> None:
    """Nothing was answered from this node's own state, and each refusal says how certain it is."""
    for name, answer in answers.items():
        allowed = {503: "not_applied", 504: "unknown"}
        assert answer.status_code in allowed, f"{name}: {answer.status_code} {answer.text[:200]}"
        assert answer.json()["outcome"] == allowed[answer.status_code], name
        if name.startswith("GET"):
            assert answer.status_code == 503, f"{name}: a read that cannot be confirmed is 503"
