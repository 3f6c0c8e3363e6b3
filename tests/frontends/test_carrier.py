"""Mail to a peer that answers, does not, or answers anything at all: a real socket, and a node that notes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from frontends.common.meters import Meters
from frontends.common.settings import Settings
from frontends.common.wire import LOST, Peers, Posted, Range
from frontends.quart_app import carrier
from frontends.quart_app.carrier import Carrier
from pbproto import CodecError

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Node:
    """Has mail that the test puts in, and keeps what comes back."""

    id = 1
    access = None
    tls = None

    def __init__(self) -> None:
        self.mail: list[bytes] = []
        self.answers: list[bytes] = []
        self.heard = asyncio.Event()
        self.asked_for = 0
        self.wrong: Exception | None = None
        self.meters = Meters()
        self.peers = Peers(Range(1, 2))
        self.ends: list[Posted] = []

    def clock(self) -> int:
        return 0

    def take_mail(self, _: str) -> bytes:
        self.asked_for += 1
        return self.mail.pop(0) if self.mail else b""

    def posted(self, _: str, ended: Posted) -> None:
        self.ends.append(ended)
        if ended.status != 200 or not ended.body:
            return
        self.answers.append(ended.body)
        self.heard.set()
        if self.wrong is not None:
            raise self.wrong


class Peer:
    """Listens, and lets ``handle`` say what it does with each POST on each connection."""

    def __init__(self) -> None:
        self.connections = 0
        self.posts: list[bytes] = []
        self.reply = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        self.then = "stay"
        self.silent = asyncio.Event()
        self.got = asyncio.Event()
        self.address = ""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                assert head.startswith(b"POST /peer HTTP/1.1\r\n")
                assert b"\r\npbproto-wire: 1-2\r\n" in head
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self.posts.append(await reader.readexactly(length))
                self.got.set()
                if self.then == "silence":
                    await self.silent.wait()
                writer.write(self.reply)
                if self.then == "leave":
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.handle, "127.0.0.1", 0)
    peer.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield peer
    peer.silent.set()
    server.close()


def carry(node: Any, address: str, gone: Callable[[], object] = lambda: None, **settings: float) -> Carrier:
    return Carrier(node, Settings(id=1, **settings), address, gone)  # type: ignore[arg-type]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


async def test_mail_and_answers_go_over_one_connection(peer: Peer) -> None:
    """Three pieces of mail, two of which queued up meanwhile: each is posted once, in order."""
    node = Node()
    node.mail = [b"one", b"two", b"x" * 300_000]
    carried = carry(node, peer.address)
    carried.wake()
    carried.wake()  # one is under way already
    await until(lambda: len(node.answers) == 3)
    assert peer.posts == [b"one", b"two", b"x" * 300_000]
    assert node.answers == [b"ok"] * 3
    node.mail = [b"four"]
    carried.wake()
    await until(lambda: len(node.answers) == 4)
    assert peer.connections == 1
    carried.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno",
        b"HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000,
        b"nonsense\r\n\r\n",
        b"",
    ],
)
async def test_whatever_is_no_answer_is_a_loss(peer: Peer, reply: bytes) -> None:
    """Another status, a redirect, a bad head, an endless one, no HTTP, nothing: the next mail goes anew."""
    node = Node()
    node.mail = [b"lost"]
    peer.reply, peer.then = reply, "leave"
    carried = carry(node, peer.address)
    carried.wake()
    await until(lambda: node.asked_for == 2)
    assert not node.answers
    peer.reply, peer.then = Peer().reply, "stay"
    node.mail = [b"next"]
    carried.wake()
    await until(lambda: node.answers == [b"ok"])
    assert peer.posts == [b"lost", b"next"]
    carried.close()


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (b"200 OK\r\ncontent-length: 2\r\nPBProto-Wire: 1-2\r\n\r\nok", Posted(200, "1-2", b"ok")),
        (b"200 OK\r\ncontent-length: 2\r\n\r\nok", Posted(200, None, b"ok")),
        (b"200 OK\r\ncontent-length: 0\r\npbproto-wire: 1-2\r\n\r\n", Posted(200, "1-2", b"")),
        (b"400 No\r\ncontent-length: 2\r\npbproto-wire: 1-1\r\n\r\nno", Posted(400, "1-1", b"no")),
        (b"400 No\r\ncontent-length: 2\r\n\r\nno", Posted(400, None, b"no")),
        (b"503 Full\r\ncontent-length: 2\r\npbproto-wire: 1-2\r\n\r\nno", Posted(503, "1-2", b"no")),
        (b"nonsense", LOST),
    ],
)
async def test_the_node_hears_how_each_post_ended(peer: Peer, reply: bytes, end: Posted) -> None:
    """Goal: what a peer says of versions reaches the node, and is not taken for what the next one says.

    Method: an answer of each kind, then one without the header, on whichever connection there is.
    """
    node = Node()
    node.mail = [b"one"]
    peer.reply = b"HTTP/1.1 " + reply
    carried = carry(node, peer.address, peer_timeout=20.0)
    carried.wake()
    await until(lambda: node.asked_for == 2)
    assert node.ends == [end]
    peer.reply = Peer().reply
    node.mail = [b"two"]
    carried.wake()
    await until(lambda: node.asked_for == 4)
    assert node.ends[1:] == [Posted(200, None, b"ok")]
    carried.close()


async def test_an_answer_that_ends_the_connection_counts(peer: Peer) -> None:
    """The peer closes after each answer: every one is taken in, over as many connections."""
    node = Node()
    node.mail = [b"one", b"two"]
    peer.reply = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    peer.then = "leave"
    carried = carry(node, peer.address)
    carried.wake()
    await until(lambda: len(node.answers) == 2)
    assert peer.connections == 2
    carried.close()


async def test_a_silent_peer_is_given_up(peer: Peer) -> None:
    """It takes the mail and says nothing: after the patience of a POST the next one is sent."""
    node = Node()
    node.mail = [b"lost", b"next"]
    peer.then = "silence"
    carried = carry(node, peer.address, peer_timeout=0.05)
    carried.wake()
    await peer.got.wait()
    peer.then = "stay"
    await until(lambda: node.answers == [b"ok"])
    assert peer.posts == [b"lost", b"next"]
    carried.close()


async def test_nobody_listens() -> None:
    """The connection is refused: the mail is lost, and the carrier asks for what came meanwhile."""
    node = Node()
    node.mail = [b"lost", b"lost, too"]
    carried = carry(node, "127.0.0.1:1")
    carried.wake()
    await until(lambda: node.asked_for == 3)
    assert not node.answers
    carried.close()


async def test_a_word_that_nobody_asked_for_ends_the_connection(peer: Peer) -> None:
    """A peer that goes on after its answer is not one of ours: the next mail takes another connection."""
    node = Node()
    node.mail = [b"one"]
    peer.reply += b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmore"
    carried = carry(node, peer.address)
    carried.wake()
    await until(lambda: len(node.answers) == 1)
    assert node.answers == [b"ok"]
    carried.close()


@pytest.mark.parametrize("error", [CodecError("not mail"), ZeroDivisionError()])
async def test_a_bad_answer_does_not_stop_the_carrier(peer: Peer, error: Exception) -> None:
    """The node cannot use what came: the next mail is carried all the same."""
    node = Node()
    node.wrong = error
    node.mail = [b"one", b"two"]
    carried = carry(node, peer.address)
    carried.wake()
    await until(lambda: len(node.answers) == 2)
    carried.close()


async def test_an_idle_carrier_leaves(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without mail for long it closes its connection and says that it is gone."""
    monkeypatch.setattr(carrier, "IDLE", 0.02)
    gone = asyncio.Event()
    node = Node()
    node.mail = [b"one"]
    carried = carry(node, peer.address, gone.set)
    carried.wake()
    await until(lambda: node.answers == [b"ok"])
    async with asyncio.timeout(20):
        await gone.wait()


async def test_a_closed_carrier_says_nothing(peer: Peer) -> None:
    """It is closed while a POST is under way: no answer is taken in, and no more mail is taken."""
    node = Node()
    node.mail = [b"one", b"two"]
    peer.then = "silence"
    carried = carry(node, peer.address)
    carried.wake()
    await peer.got.wait()
    carried.close()
    peer.silent.set()
    carried.wake()
    await asyncio.sleep(0.01)
    assert not node.answers
    assert node.mail == [b"two"]
