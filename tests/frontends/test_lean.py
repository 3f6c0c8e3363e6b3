"""The way past the web framework, without a server: what it takes in, what it turns away, what it leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
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
        self.reads = 0
        self.shared: lean.Lean | None = None
        self.taken = asyncio.Event()
        """The answer was taken by the client; a slow one takes its time."""
        self.taken.set()

    def application(self) -> lean.Lean:
        """The callable; several exchanges may go to one."""

        async def passed_on(*_: object) -> None:
            self.passed_on = True

        return lean.Lean(passed_on, lambda: self.mapping)

    async def __call__(
        self,
        method: str,
        target: bytes,
        pieces: Iterable[Any] = (b"",),
        length: int | None = None,
        lines: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        left = list(pieces)
        headers = [*lines]
        if length is not None:
            headers.append((b"content-length", b"%d" % length))

        async def receive() -> Any:
            self.reads += 1
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

        scope = {"type": "http", "method": method, "raw_path": target, "headers": headers}
        await (self.shared or self.application())(scope, receive, send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def body(self) -> bytes:
        return bytes(self.sent[1]["body"])


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def settle() -> None:
    """Let everybody go on who can."""
    for _ in range(20):
        await asyncio.sleep(0)


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
    """Peers' mail takes the same way, with what its sender says of versions; the answer says it too."""
    exchange = Exchange(node := Node())
    await exchange("POST", b"/peer", [b"ab", b"c"], 3, [(b"pbproto-wire", b"1-7")])
    assert (exchange.status, exchange.body) == (200, b"cba")
    assert node.headers == ["1-7"]
    assert exchange.headers[b"pbproto-wire"] == b"1-2"


@pytest.mark.parametrize("target", [b"/ping", b"/view", b"/data", b"/peer/", b"/", b"", b"/Data/k"])
async def test_everything_else_is_passed_on(target: bytes) -> None:
    """Whatever is neither a key nor mail is the application's."""
    exchange = Exchange(Node())
    await exchange("GET", target)
    assert exchange.passed_on
    assert not exchange.sent


async def test_a_body_that_is_said_to_be_too_long_is_not_read() -> None:
    """The length is enough to turn it away: it is answered before anything is read."""
    exchange = Exchange(Node())
    go_on = asyncio.Event()
    asking = asyncio.create_task(exchange("PUT", b"/data/k", [go_on, b"x"], SETTINGS.client_body_limit + 1))
    await until(lambda: len(exchange.sent) == 2)
    assert exchange.status == 413
    assert exchange.sent[1]["more_body"]
    go_on.set()
    await asking
    assert exchange.sent[2:] == [{"type": "http.response.body", "body": b""}]


async def test_who_asks_before_sending_is_only_answered() -> None:
    """Expect: 100-continue: a client that is turned away need not send the body, so nobody waits for it."""
    exchange = Exchange(Node())
    lines = [(b"expect", b"100-continue")]
    await exchange("PUT", b"/data/k", [], SETTINGS.client_body_limit + 1, lines)
    assert exchange.status == 413
    assert not exchange.sent[1]["more_body"]


async def test_bodies_that_nobody_wants_are_read_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are answered at once. Their bodies are taken in turn, and whoever sends slowly loses its turn."""
    monkeypatch.setattr(lean, "DRAINS", 1)
    monkeypatch.setattr(lean, "DRAIN_TURN", 1000.0)
    node = Node()
    node.full = True
    first, second, third = (Exchange(node) for _ in range(3))
    application = first.application()
    events = [asyncio.Event() for _ in range(3)]
    asking = []
    for each, event in zip((first, second, third), events, strict=True):
        each.shared = application
        asking.append(asyncio.create_task(each("PUT", b"/data/k", [event, b"x"], 2 * SHORT)))
        await until(lambda each=each: len(each.sent) == 2)  # type: ignore[misc]
        assert each.status == 503
    events[2].set()
    events[1].set()
    await settle()
    assert [each.reads for each in (first, second, third)] == [1, 0, 0]
    monkeypatch.setattr(lean, "DRAIN_TURN", 0.0)
    events[0].set()
    await asyncio.gather(*asking)
    assert [len(each.sent) for each in (first, second, third)] == [3, 3, 3]
    fourth, fifth = Exchange(node), Exchange(node)
    fourth.shared = fifth.shared = application
    never = asyncio.Event()
    stalled = asyncio.create_task(fourth("PUT", b"/data/k", [never, b"x"], 2 * SHORT))
    await until(lambda: fourth.reads)
    await fifth("PUT", b"/data/k", [b"x"], 2 * SHORT)
    assert len(fifth.sent) == 3
    never.set()
    await stalled


async def test_a_client_that_hangs_up_after_its_answer() -> None:
    """It was turned away and goes in the middle of its body: its turn goes to the next."""
    node = Node()
    node.full = True
    for _ in range(2 * lean.DRAINS):
        exchange = Exchange(node)
        await exchange("PUT", b"/data/k", [b"x", None], 2 * SHORT)
        assert exchange.status == 503


async def test_a_full_node_reads_no_long_bodies() -> None:
    """There is no room: a long body is turned away before it is read, a short one is up to the replica."""
    node = Node()
    node.full = True
    long, short = Exchange(node), Exchange(node)
    await long("PUT", b"/data/k", [put_body(SHORT)], SHORT + 13)
    assert (long.status, json.loads(long.body)["reason"]) == (503, "overloaded")
    await short("PUT", b"/data/k", [put_body(10)], 22)
    assert short.status == 201


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


async def test_a_body_that_does_not_come_is_given_up() -> None:
    """A client that sends the head alone waits for its time to be over."""
    node = Node()
    node.settings = Settings(id=1, client_timeout=0.01)
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
    await second("PUT", b"/data/k", [long], len(long))
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
