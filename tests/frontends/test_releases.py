"""A node and a peer of another release, over real sockets, with the carriers of both frontends."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar

import pytest

from frontends.common import access, proof
from frontends.common.node import Answer, Node
from frontends.common.settings import Settings
from frontends.quart_app.driver import Driver as AsyncDriver
from frontends.wsgi_app.driver import Driver as ThreadDriver
from pbproto import (
    CodecError,
    Config,
    Effect,
    Envelope,
    Event,
    Message,
    Put,
    Receive,
    Replica,
    Reply,
    Send,
    TellView,
    Tick,
    View,
    decode,
    encode,
)
from pbproto.codec import version_of
from pbproto.config import MILLISECOND
from pbproto.messages import Forward

T = TypeVar("T")
QUICK = {"resend_after": 0.02, "heartbeat": 0.04, "suspect_after": 0.08}
SECRET = "a-secret-that-only-peers-know"
TRACE = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def settings(id_: int, secret: str) -> Settings:
    tokens = (("peer", secret),) if secret else ()
    return Settings(id=id_, request_timeout=20, named_tokens=tokens, **QUICK)  # type: ignore[arg-type]


class Peer:
    """Node 0, the primary. Becomes any release: up to version ``newest``, from ``oldest`` on.

    One that speaks only version 1 behaves as the release before the header: it sends none, looks at none, and
    answers 400 to any other version. With a ``secret`` it takes mail only with a proof, and proves what it
    answers.
    """

    def __init__(self, secret: str = "") -> None:
        self.access = access.of(settings(0, secret))
        self.oldest, self.newest = 1, 1
        self.posts: Counter[int] = Counter()
        """How many POSTs of each version were taken in."""
        self.refused = self.unread = 0
        """How many POSTs, and answers to its own, it could not read."""
        self.traces: list[bytes] = []
        """Of the forwarded writes that arrived."""
        self._lock = threading.RLock()
        self._replica = Replica(
            0, 5, Config(**{name: int(s * 1000) * MILLISECOND for name, s in QUICK.items()})
        )
        self._mail: list[tuple[Envelope, Message]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._server.serve_forever, args=(0.01,))]

    def start(self, deliver: Callable[[bytes, str | None], bytes]) -> None:
        """Serve, and hand mail of its own to ``deliver``, with the header, as a POST would."""
        self._threads.append(threading.Thread(target=self._go_on, args=(deliver,)))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join(20)
        self._server.server_close()

    @property
    def header(self) -> str | None:
        return f"{self.oldest}-{self.newest}" if self.newest > 1 else None

    def step(self, *events: Event) -> list[Effect]:
        with self._lock:
            found: list[Effect] = []
            for event in events:
                found += self._replica.step(event, now=time.monotonic_ns())
            self._mail += [(each.envelope, each.message) for each in found if isinstance(each, Send)]
            return found

    def read(self, data: bytes) -> list[tuple[Envelope, Message]]:
        """As the release does that this one is. Raises ``CodecError``."""
        if not self.oldest <= version_of(data) <= self.newest:
            raise CodecError(f"the peer speaks version {version_of(data)} of the protocol")
        return decode(data)

    def take_in(self, data: bytes) -> tuple[int, bytes]:
        """The answer to a POST."""
        with self._lock:
            try:
                batch = self.read(data)
            except CodecError as error:
                self.refused += 1
                return 400, json.dumps({"reason": "other_version", "detail": str(error)}).encode()
            self.posts[version_of(data)] += 1
            self.traces += [message.trace for _, message in batch if isinstance(message, Forward)]
            self.step(*(Receive(*pair) for pair in batch))
            answers, self._mail = self._mail, []
            return 200, encode(answers, version_of(data))

    def _go_on(self, deliver: Callable[[bytes, str | None], bytes]) -> None:
        while not self._stopped.wait(0.002):
            with self._lock:
                if (self._replica.deadline or time.monotonic_ns()) <= time.monotonic_ns():
                    self.step(Tick())
                mail, self._mail = self._mail, []
            if mail and self.oldest == 1:  # of a later release nothing could be read here
                try:
                    answers = self.read(deliver(encode(mail, 1), self.header))
                    self.step(*(Receive(*pair) for pair in answers))
                except CodecError:
                    self.unread += 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body leave together

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                known = b"" if peer.access is None else proof.check_head(peer.access, 0, headers)
                status, body = peer.take_in(data)
                self.send_response(status)
                for name, value in proof.answer(known, headers, body) if known else ():
                    self.send_header(name, value)
                if peer.header is not None:
                    self.send_header("pbproto-wire", peer.header)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing about each request."""

        return Handler


class Ours(Protocol):
    """A node with one of the drivers."""

    node: Node

    def call(self, function: Callable[[], T]) -> T:
        """Call where the driver wants it called."""


class OnThreads:
    def __init__(self, settings: Settings) -> None:
        self._driver = ThreadDriver(settings)
        self.node = self._driver.node

    def call(self, function: Callable[[], T]) -> T:
        return function()

    def stop(self) -> None:
        self._driver.stop()


class OnLoop:
    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

        async def make() -> AsyncDriver:
            return AsyncDriver(settings)

        self._driver = asyncio.run_coroutine_threadsafe(make(), self._loop).result(20)
        self.node = self._driver.node

    def call(self, function: Callable[[], T]) -> T:
        async def run() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(20)

    def stop(self) -> None:
        self.call(self._driver.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()


@contextmanager
def _started(make: Callable[[Settings], Any], secret: str) -> Iterator[tuple[Peer, Ours]]:
    peer, ours = Peer(secret), make(settings(1, secret))
    try:
        node: Node = ours.node
        peer.start(lambda mail, header: ours.call(lambda: node.receive(mail, header)))
        view = View.of([(0, peer.address), (1, "127.0.0.1:1")])
        peer.step(TellView(view))
        ours.call(lambda: node.tell_view(view))
        until(lambda: node.status().status == "active")
        yield peer, ours
    finally:
        with suppress(RuntimeError):
            peer.stop()
        ours.stop()


@pytest.fixture(
    params=[(OnLoop, ""), (OnThreads, ""), (OnLoop, SECRET), (OnThreads, SECRET)],
    ids=["quart", "wsgi", "quart-secret", "wsgi-secret"],
)
def started(request: pytest.FixtureRequest) -> Iterator[tuple[Peer, Ours]]:
    """A peer of the old release and a node of this one, in an active view."""
    with _started(*request.param) as both:
        yield both


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.002)


def ask(ours: Ours, key: bytes) -> Future[Answer]:
    """Write at our node, which forwards it to the peer."""
    done: Future[Answer] = Future()
    ours.call(lambda: ours.node.request(lambda token: Put(token, key, b"v", trace=TRACE), done.set_result))
    return done


def write(ours: Ours, key: bytes) -> None:
    assert isinstance(ask(ours, key).result(20), Reply)


def test_an_old_release_is_worked_with_and_its_upgrade_and_downgrade_noticed(
    started: tuple[Peer, Ours], caplog: pytest.LogCaptureFixture
) -> None:
    """Goal: a peer of the old release notices nothing of a newer one, and no change of release stops writes.

    Method: write through a peer of the old release, which becomes a new one, and the old one again: only then
    is one mail refused. A trace context comes along exactly where version 2 is spoken.
    """
    caplog.set_level("INFO", "pbproto")
    peer, ours = started
    write(ours, b"old")
    assert list(peer.posts) == [1]
    assert (peer.refused, peer.unread, set(peer.traces)) == (0, 0, {b""})
    peer.newest = 2
    write(ours, b"first word")  # a backup posts only if it has something to say
    assert set(peer.traces) == {b""}
    peer.traces.clear()
    write(ours, b"new")
    assert set(peer.traces) == {TRACE}
    assert peer.posts[2] > 0
    peer.newest = 1
    peer.traces.clear()
    write(ours, b"old again")
    until(lambda: peer.refused)
    write(ours, b"and on")
    assert (peer.refused, set(peer.traces)) == (1, {b""})
    assert peer.unread <= 1, "but for one that was under way when it changed, it could read all answers"
    lines = [record.getMessage() for record in caplog.records if "wire" in record.getMessage()]
    assert [line.split(" ")[1].removeprefix("event=") for line in lines][-3:] == [
        "peer_wire",
        "wire_refused",
        "peer_wire",
    ]
    assert "version=1" in lines[-1]


def test_a_peer_without_a_common_version_stops_writes_and_nothing_else(
    started: tuple[Peer, Ours], caplog: pytest.LogCaptureFixture
) -> None:
    """Goal: with two releases that have nothing in common nothing is acknowledged, and the operator sees why.

    Method: the peer becomes a release that speaks 3-4 only; write, look at the status and the log. Then it is
    replaced by one that can be understood, and the write that waited goes through.
    """
    peer, ours = started
    peer.oldest, peer.newest = 3, 4
    before = ours.node.status()
    waits = ask(ours, b"k")
    expected = "it speaks versions 3-4 of the peer protocol, this node 1-2"
    until(lambda: [wait.reason for wait in ours.node.status().waiting_for] == [expected])
    refused = peer.refused
    until(lambda: peer.refused > refused + 2)
    assert not waits.done()
    status = ours.node.status()
    assert (status.commit, status.log_end, status.synced) == (before.commit, before.log_end, before.synced)
    assert caplog.text.count("event=no_common_wire") == 1
    peer.oldest, peer.newest = 1, 2
    assert isinstance(waits.result(20), Reply)
    until(lambda: not ours.node.status().waiting_for)
