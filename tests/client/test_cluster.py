"""Both clients at a real cluster that fails: what returned stands in the one order, once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from pbkv import AsyncClient, Client, Deleted, Listing, NotApplied, Read, Unavailable, Unknown, Written
from pbkv.requests import new_idempotency_key
from tests.checker.history import Call
from tests.checker.linearizability import check
from tests.live.harness import Cluster, wait_until

WRITERS = 3
"""Of each kind: threads with one client, tasks with another."""
KEYS = ("a/b", "..", "\U0001f600")
LOST = 0.15
"""The share of answers that never reach the client: their writes are repeated."""


class Lossy(httpx.HTTPTransport):
    """Loses some answers on their way back."""

    random = Random(7)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if self.random.random() < LOST:
            response.close()
            raise httpx.ReadError("lost", request=request)
        return response


class AsyncLossy(httpx.AsyncHTTPTransport):
    """The same, awaited."""

    random = Random(8)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if self.random.random() < LOST:
            await response.aclose()
            raise httpx.ReadError("lost", request=request)
        return response


class Book:
    """What every client asked and was told."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.over = threading.Event()
        self.counts = count()

    def ask(self, random: Random) -> tuple[str, str, str | None, str]:
        """What to do, to which key, with which value, under which name."""
        what = random.choice(["put", "put", "put", "delete", "get", "list"])
        value = f"v{next(self.counts)}" if what == "put" else None
        name = new_idempotency_key() if what in ("put", "delete") else ""
        return what, "" if what == "list" else random.choice(KEYS), value, name

    def write(self, client: int, ask: tuple[str, str, str | None, str], start: int, outcome: Any) -> None:
        what, key, value, name = ask
        end = time.monotonic_ns()
        common: dict[str, Any] = {"client": client, "node": 0, "what": what, "start": start, "key": key}
        common |= {"name": name, "value": value}
        match outcome:
            case Written(number, created):
                told: dict[str, Any] = {"outcome": "ok", "number": number, "existed": not created}
            case Deleted(number, existed):
                told = {"outcome": "ok", "number": number, "existed": existed}
            case Read(found, number):
                told = {"outcome": "ok", "number": number, "value": found}
            case Listing(items, number):
                told = {"outcome": "ok", "number": number, "items": items}
            case NotApplied():
                told = {"outcome": "not_applied"}
            case Unknown() | Unavailable():
                told = {"outcome": "unknown"}
            case other:
                raise AssertionError(other)
        self.calls.append(Call(**(common | told), end=end))


def operation(client: Any, ask: tuple[str, str, str | None, str]) -> Any:
    what, key, value, name = ask
    if what == "put":
        return client.put(key, value, idempotency_key=name, first_use=True)
    if what == "delete":
        return client.delete(key, idempotency_key=name, first_use=True)
    return client.get(key) if what == "get" else client.items()


def thread_of(book: Book, client: Client, number: int) -> Callable[[], None]:
    random = Random(number)

    def run() -> None:
        while not book.over.is_set():
            ask, start = book.ask(random), time.monotonic_ns()
            try:
                outcome = operation(client, ask)
            except (NotApplied, Unknown, Unavailable) as error:
                outcome = error
            book.write(number, ask, start, outcome)

    return run


async def task_of(book: Book, client: AsyncClient, number: int) -> None:
    random = Random(number)
    while not book.over.is_set():
        ask, start = book.ask(random), time.monotonic_ns()
        try:
            outcome = await operation(client, ask)
        except (NotApplied, Unknown, Unavailable) as error:
            outcome = error
        book.write(number, ask, start, outcome)


async def tasks(book: Book, urls: list[str]) -> None:
    async with AsyncClient(urls, transport=AsyncLossy()) as client:
        work: list[Coroutine[Any, Any, None]] = [
            task_of(book, client, WRITERS + number) for number in range(WRITERS)
        ]
        await asyncio.gather(*work)


def answered(book: Book) -> int:
    return sum(call.outcome == "ok" for call in book.calls)


def test_whatever_returned_happened_once(tmp_path: Path) -> None:
    """Goal: over both frontends, two failovers and lost answers, each call that returned stands in the one
    order, once, and where it says.

    Method: threads and tasks write, delete, read and list through both clients. The primary is killed and a
    view told; the next primary is restarted, empty, and told a view again. The history, with its numbers, is
    judged by the checker; every call has one idempotency key for all its attempts.
    """
    book = Book()
    with Cluster(tmp_path, "mixed", 3) as cluster:
        cluster.start_all()
        cluster.install([1, 2, 3])
        urls = [cluster.node(id_).url for id_ in (1, 2, 3)]
        with Client(urls, transport=Lossy()) as client:
            threads = [threading.Thread(target=thread_of(book, client, number)) for number in range(WRITERS)]
            threads.append(threading.Thread(target=lambda: asyncio.run(tasks(book, urls))))
            for thread in threads:
                thread.start()
            try:
                go_on(book, 100)
                cluster.node(1).kill()
                cluster.install([2, 3])
                go_on(book, 100)
                cluster.node(2).kill()
                cluster.install([3])
                cluster.node(2).restart()
                cluster.install([2, 3])
                go_on(book, 100)
            finally:
                book.over.set()
                for thread in threads:
                    thread.join()
            start = time.monotonic_ns()
            book.write(99, ("list", "", None, ""), start, client.items())
        cluster.assert_none_died()
    assert {call.what for call in book.calls if call.outcome == "ok"} == {"put", "delete", "get", "list"}
    assert {call.client for call in book.calls} == {*range(2 * WRITERS), 99}
    verdict = check(book.calls)
    assert verdict.result == "ok", verdict.explain()
    writes = [call for call in book.calls if call.writes and call.outcome == "ok"]
    assert len({call.number for call in writes}) == len(writes)


def go_on(book: Book, more: int) -> None:
    """Wait until so many more calls were answered."""
    before = answered(book)
    wait_until(lambda: answered(book) >= before + more, f"{more} more answers")


def test_a_stuck_primary_gives_certain_answers(tmp_path: Path) -> None:
    """Goal: who waits long enough is told the truth by a real node. Method: one member of two stops; a write
    at the other is in its log, so it is unknown, and the next is parked, so it is not applied; when the
    member is back, the first is resolved."""
    # Without heartbeats nobody is suspected before the first write is in the log.
    environment = {
        "PBPROTO_REQUEST_TIMEOUT": "0.5",
        "PBPROTO_SUSPECT_AFTER": "0.1",
        "PBPROTO_HEARTBEAT": "60",
    }
    with Cluster(tmp_path, "mixed", 2, env=environment) as cluster:
        cluster.start_all()
        cluster.install([1, 2])
        with Client([cluster.node(1).url], timeout=1.0, follow_view=False) as client:
            client.put("k", "0")
            cluster.node(2).pause()
            with pytest.raises(Unknown) as caught:
                client.put("k", "1")
            with pytest.raises(NotApplied):
                client.put("k", "2")
            with pytest.raises(Unavailable):
                client.get("k")
            cluster.node(2).resume()
            assert client.resolve(caught.value, timeout=30.0) == Written(1, False)
            assert client.get("k", timeout=30.0) == Read("1", 2)


def test_the_view_moves_away_from_the_only_node_that_was_given(tmp_path: Path) -> None:
    """Goal: a client that knows one node is served as long as the store lives, wherever it is.

    Method: clients of both kinds are given node 1, and served by it. It leaves the view, and is killed; then
    the next member leaves it, too. Those that do not follow fail from the first step on.
    """
    with Cluster(tmp_path, "mixed", 3) as cluster, asyncio.Runner() as runner:
        cluster.start_all()
        cluster.install([1, 2])
        given = [cluster.node(1).url]
        with Client(given) as client, Client(given, follow_view=False) as stays:
            other = AsyncClient(given)
            for number in range(3):  # who makes one call asks for no view
                client.put("k", f"{number}")
                runner.run(other.put("k", f"{number}"))
            assert client.learned == other.learned == (cluster.node(2).url,)
            cluster.install([2], to=[1, 2])
            assert client.get("k").value == "2"
            with pytest.raises(Unavailable, match="outside_view"):
                stays.get("k", timeout=1.0)
            cluster.node(1).kill()
            assert runner.run(other.get("k")).value == "2"
            cluster.install([2, 3])
            cluster.install([3], to=[2, 3])
            assert client.delete("k").existed
            assert runner.run(other.put("k", "w")).created
            assert client.nodes == tuple(given)
            runner.run(other.aclose())
        cluster.assert_none_died()
