"""The way past the web framework, without a server: what it takes in, what it turns away, what it leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from frontends.common import api
from frontends.common.budget import SHORT
from frontends.common.settings import Settings
from frontends.quart_app import lean
from pbproto import Put

from .prompt_node import SETTINGS, Node, put_body


class Exchange:
    """One request to the callable and what became of it."""

    def __init__(self, node: Any, mapping: api.Api | None = None) -> None:
        self.mapping = mapping or api.Api(node)
        self.sent: list[Any] = []
        self.passed_on = False
        self.taken = asyncio.Event()
        """The answer was taken by the client; a slow one takes its time."""
        self.taken.set()

    async def __call__(
        self, method: str, target: bytes, pieces: Iterable[Any] = (b"",), length: int | None = None
    ) -> None:
        left = list(pieces)
        headers = [] if length is None else [(b"content-length", b"%d" % length)]

        async def receive() -> Any:
            piece = left.pop(0)
            if isinstance(piece, asyncio.Event):
                await piece.wait()
                piece = left.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": bool(left)}

        async def send(message: Any) -> None:
            await self.taken.wait()
            self.sent.append(message)

        async def passed_on(*_: object) -> None:
            self.passed_on = True

        scope = {"type": "http", "method": method, "raw_path": target, "headers": headers}
        await lean.Lean(passed_on, lambda: self.mapping)(scope, receive, send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return bytes(self.sent[1]["body"])


async def test_keys_are_written_and_read() -> None:
    """The usual way: a PUT whose body comes in pieces, then a GET."""
    node = Node()
    put, get = Exchange(node), Exchange(node)
    body = put_body(100)
    await put("PUT", b"/data/k", [body[:5], b"", body[5:]], len(body))
    assert (put.status, put.body) == (201, b"{}")
    assert put.headers[b"msg-num"] == b"7"
    assert put.headers[b"content-length"] == b"2"
    assert node.asked[0][0] == Put(0, b"k", b"v" * 100)
    await get("GET", b"/data/k")
    assert (get.status, json.loads(get.body)) == (200, {"value": "value"})


async def test_mail_goes_to_the_node_and_comes_back() -> None:
    """Peers' mail takes the same way."""
    exchange = Exchange(Node())
    await exchange("POST", b"/peer", [b"ab", b"c"], 3)
    assert (exchange.status, exchange.body) == (200, b"cba")


@pytest.mark.parametrize("target", [b"/ping", b"/view", b"/data", b"/peer/", b"/", b"", b"/Data/k"])
async def test_everything_else_is_passed_on(target: bytes) -> None:
    """Whatever is neither a key nor mail is the application's."""
    exchange = Exchange(Node())
    await exchange("GET", target)
    assert exchange.passed_on
    assert not exchange.sent


async def test_a_body_that_is_said_to_be_too_long_is_not_read() -> None:
    """The length is enough to turn it away: there is nothing to be read here."""
    exchange = Exchange(Node())
    await exchange("PUT", b"/data/k", [], SETTINGS.client_body_limit + 1)
    assert exchange.status == 413


async def test_a_body_that_grows_too_long_is_turned_away() -> None:
    """Nobody said how long it is, and it does not end."""
    node = Node()
    node.settings = Settings(id=1, max_value_bytes=10)
    exchange = Exchange(node)
    await exchange("PUT", b"/data/k", [b"x" * SHORT] * 3)
    assert exchange.status == 413
    assert not node.asked


async def test_a_client_that_hangs_up_asks_nothing() -> None:
    """It is gone in the middle of its body: nothing is sent, nothing is written."""
    node = Node()
    exchange = Exchange(node)
    await exchange("PUT", b"/data/k", [b'{"value":', None])
    assert not exchange.sent
    assert not node.asked


async def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends the head alone waits for its time to be over."""
    monkeypatch.setattr(lean, "BODY_TIMEOUT", 0.01)
    node = Node()
    exchange = Exchange(node)
    await exchange("PUT", b"/data/k", [asyncio.Event(), b""])
    assert exchange.status == 408
    assert not node.asked


async def test_an_error_of_ours_is_a_500() -> None:
    """What goes wrong in the node leaves no trace in the answer."""
    node = Node()
    monkey: Any = node
    monkey.receive = None
    exchange = Exchange(node)
    await exchange("POST", b"/peer", [b"x"])
    assert exchange.status == 500
    assert b"internal_error" in exchange.body


async def test_long_bodies_share_a_bound() -> None:
    """One is on its way; another finds no room, and is told so at once; a short one does."""
    node = Node()
    first, second, short, chunked, later = (Exchange(node, None) for _ in range(5))
    for each in (second, short, chunked, later):
        each.mapping = first.mapping
    long, go_on = put_body(2 * SHORT), asyncio.Event()
    sending = asyncio.create_task(first("PUT", b"/data/k", [long[:10], go_on, long[10:]], len(long)))
    await asyncio.sleep(0)
    await second("PUT", b"/data/k", [], len(long))
    assert second.status == 503
    assert second.headers[b"retry-after"]
    assert json.loads(second.body)["outcome"] == "not_applied"
    await chunked("PUT", b"/data/k", [long[:SHORT], long[SHORT:]])
    assert chunked.status == 503
    await short("PUT", b"/data/k", [put_body(10)])
    assert short.status == 201
    go_on.set()
    await sending
    assert first.status == 201
    await later("PUT", b"/data/k", [long], len(long))
    assert later.status == 201


async def test_answers_that_nobody_takes_share_it_too() -> None:
    """A slow client holds a long value; the next one finds no room; mail does, whatever clients hold."""
    node = Node()
    node.value = b"v" * 2 * SHORT
    slow, next_, mail, later = (Exchange(node) for _ in range(4))
    for each in (next_, mail, later):
        each.mapping = slow.mapping
    slow.taken.clear()
    sending = asyncio.create_task(slow("GET", b"/data/k"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await next_("GET", b"/data/k")
    assert next_.status == 503
    await mail("POST", b"/peer", [b"x" * 2 * SHORT])
    assert mail.status == 200
    slow.taken.set()
    await sending
    assert slow.status == 200
    await later("GET", b"/data/k")
    assert later.status == 200


async def test_a_client_that_does_not_wait_cancels_nothing() -> None:
    """Its task is cancelled while the node works: the late answer harms nobody."""
    node = Node()
    node.waits = True
    exchange = Exchange(node)
    task = asyncio.create_task(exchange("GET", b"/data/k"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    node.answer(0)
    assert not exchange.sent
