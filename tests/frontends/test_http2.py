"""Requests in HTTP/2 that are answered before their body has come, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from frontends.hypercorn_server import http2

HEAD = {"type": "http.response.start", "status": 405, "headers": []}
BODY = {"type": "http.response.body", "body": b"{}"}
END = {"type": "http.response.body", "body": b""}


class Connection:
    """What a server gives to an application, and what it is sent."""

    def __init__(self, version: str = "2", patience: float = 60.0) -> None:
        self.patience = patience
        self.scope = {"type": "http", "http_version": version}
        self.coming: asyncio.Queue[Any] = asyncio.Queue()
        self.sent: list[Any] = []

    def comes(self, piece: bytes, *, more: bool) -> None:
        """A piece of the body."""
        self.coming.put_nowait({"type": "http.request", "body": piece, "more_body": more})

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    async def run(self, application: Any) -> None:
        await http2.WholeRequests(application, self.patience)(self.scope, self.coming.get, self.send)


async def refuse(_: Any, __: Any, send: Any) -> None:
    """Answer at once."""
    await send(HEAD)
    await send(BODY)


async def turns(condition: Callable[[], object]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def test_other_versions_are_not_touched() -> None:
    """Goal: HTTP/1.1 as it was. Method: no body comes, and the answer is over all the same."""
    connection = Connection("1.1")
    await connection.run(refuse)
    assert connection.sent == [HEAD, BODY]


async def test_a_body_that_was_read_holds_nothing_back() -> None:
    """Goal: the usual request as it was. Method: the application reads all of it, then answers."""
    connection = Connection()
    connection.comes(b"a", more=True)
    connection.comes(b"b", more=False)

    async def read(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await refuse(scope, receive, send)

    await connection.run(read)
    assert connection.sent == [HEAD, BODY]


@pytest.mark.parametrize(
    "last", [{"type": "http.disconnect"}, {"type": "http.request", "body": b"", "more_body": False}]
)
async def test_the_end_of_an_early_answer_waits_for_the_body(last: Any) -> None:
    """Goal: the stream is there as long as its body comes. Method: look what was sent until then."""
    connection = Connection()
    running = asyncio.create_task(connection.run(refuse))
    await turns(lambda: len(connection.sent) == 2)
    assert connection.sent == [HEAD, {**BODY, "more_body": True}]
    connection.comes(b"a", more=True)
    await turns(connection.coming.empty)
    assert len(connection.sent) == 2
    connection.coming.put_nowait(last)
    await running
    assert connection.sent[2:] == [END]


async def test_the_application_may_get_the_last_piece() -> None:
    """Goal: nobody waits for what another task has got. Method: one receives meanwhile, as Quart does."""
    connection = Connection()
    beside: list[Any] = []

    async def receive_beside(_: Any, receive: Any, send: Any) -> None:
        async def all_() -> None:
            while not beside or beside[-1]["more_body"]:
                beside.append(await receive())

        task = asyncio.create_task(all_())
        await asyncio.sleep(0)  # it is the first in the queue
        await refuse(None, receive, send)
        await task

    running = asyncio.create_task(connection.run(receive_beside))
    await turns(lambda: len(connection.sent) == 2)
    for _ in range(10):  # until both of them wait
        await asyncio.sleep(0)
    connection.comes(b"a", more=False)
    async with asyncio.timeout(20):
        await running
    assert connection.sent[2:] == [END]
    assert len(beside) == 1


async def test_a_body_that_does_not_come_is_given_up() -> None:
    """Goal: nothing waits for ever. Method: no piece comes; the answer ends in time."""
    connection = Connection(patience=0.01)
    await connection.run(refuse)
    assert connection.sent[2:] == [END]


class Stalling(Connection):
    """A client that takes so many messages and then no more."""

    def __init__(self, takes: int, patience: float = 0.01) -> None:
        super().__init__(patience=patience)
        self._takes = takes

    async def send(self, message: Any) -> None:
        if len(self.sent) == self._takes:
            await asyncio.Event().wait()
        await super().send(message)


@pytest.mark.parametrize("takes", [0, 1, 2])
async def test_an_answer_that_nobody_takes_is_given_up(takes: int) -> None:
    """Goal: who gives no window for an answer does not keep for ever what it takes up.

    Method: a long answer to a client that takes its head, a piece of it, or nothing. The application is over,
    with its own clearing up done, and no error is left for the server to log.
    """
    cleared: list[bool] = []

    async def answer(_: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            await send(HEAD)
            await send({**BODY, "body": b"x" * (3 * http2.PIECE)})
        finally:
            cleared.append(True)

    connection = Stalling(takes)
    connection.comes(b"", more=False)
    async with asyncio.timeout(20):
        await connection.run(answer)
    assert cleared == [True]
    assert len(connection.sent) == takes


async def test_a_slow_client_gets_a_long_answer_whole() -> None:
    """Goal: the time is that of a piece. Method: one that takes each piece in time, and all of them not."""
    patience = 0.2

    class Slow(Connection):
        async def send(self, message: Any) -> None:
            await asyncio.sleep(patience / 4)
            await super().send(message)

    async def answer(_: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(HEAD)
        await send({**BODY, "body": bytes(range(256)) * (6 * http2.PIECE // 256) + b"end"})

    connection = Slow(patience=patience)
    connection.comes(b"", more=False)
    await connection.run(answer)
    assert b"".join(each["body"] for each in connection.sent[1:]) == bytes(range(256)) * 1536 + b"end"
    assert [each.get("more_body", False) for each in connection.sent[1:]] == [True] * 6 + [False]
