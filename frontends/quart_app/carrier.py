"""Carries mail to one peer: one POST under way over one connection, the rest goes in the next.

A primary posts to every backup for each batch of writes, so what a POST costs bounds what a node can serve.
An HTTP client for all purposes costs several times what these few callbacks around a parser do
(docs/benchmarks.md; ``python -m bench.peer_clients``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from time import perf_counter
from typing import cast

import httptools

from frontends.common import proof
from frontends.common.listen import MAX_HEAD
from frontends.common.logs import LOGGER, logfmt
from frontends.common.node import Complaints, Node, bad_mail
from frontends.common.settings import MAX_MAIL_BYTES, Settings, split_address
from frontends.common.wire import HEADER, LOST, Posted
from pbproto import CodecError
from pbproto.codec import MEDIA_TYPE
from pbproto.config import MIB

IDLE = 30.0
"""Seconds after which a peer that gets no mail has no connection any more."""
_WIRE = HEADER.encode()


class Carrier:
    """The mail to one address. Belongs to the running event loop; ``gone`` is called when it has left.

    A POST is made once, and never again by itself: what is lost is sent anew by the replica if still needed.
    """

    def __init__(self, node: Node, settings: Settings, address: str, gone: Callable[[], object]) -> None:
        self._node = node
        self._patience = settings.peer_timeout
        self._address = address
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._head = (
            f"POST /peer HTTP/1.1\r\nhost: {address}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"{HEADER}: {node.peers.header}\r\n"
        ).encode()
        self._held = b""
        """Mail that goes out when the peer has proved to be one."""
        self._nonce = ""
        self._complaints = Complaints(node, address)
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._busy = False
        """Mail is under way, or its answer is being taken in."""
        self._posted = 0.0
        """When the mail under way was posted."""
        self._until = self._loop.time() + IDLE
        """When the mail under way is given up; if there is none, when this carrier leaves."""
        self._timer = self._loop.call_at(self._until, self._look)

    def wake(self) -> None:
        """There may be mail."""
        if not self._busy:
            self._go_on()

    def close(self) -> None:
        """Carry nothing any more."""
        self._busy = True
        self._timer.cancel()
        if self._connecting is not None:
            self._connecting.cancel()
        self._hang_up()

    def _go_on(self) -> None:
        """Post what there is, if there is anything."""
        mail = self._node.take_mail(self._address)
        self._busy = bool(mail)
        # The timer is not set anew for each POST: it looks when it fires, which is seldom.
        self._until = self._loop.time() + (self._patience + len(mail) / MIB if mail else IDLE)
        if self._timer.when() > self._until:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._until, self._look)
        if not mail:
            return
        self._posted = perf_counter()  # the loop's own clock is one of milliseconds on uvloop
        if self._connection is None:
            self._connecting = self._loop.create_task(self._connect(mail))
        else:
            self._post(self._connection, mail)

    def _post(self, connection: _Connection, mail: bytes) -> None:
        access = self._node.access
        lines = b""
        if access is not None:
            receiver = self._node.receiver_at(self._address)
            if connection.proved != receiver:
                self._held, mail = mail, proof.nothing(self._node.peers.version(self._address))
            asked = proof.ask(access, receiver, mail)
            self._nonce = asked.nonce
            lines = "".join([f"{name}: {value}\r\n" for name, value in asked.headers]).encode()
        connection.post(self._head + lines, mail)

    async def _connect(self, mail: bytes) -> None:
        connection = None
        with suppress(OSError, TimeoutError, ValueError):
            host, port = split_address(self._address)
            async with asyncio.timeout(self._patience):
                _, connection = await self._loop.create_connection(
                    lambda: _Connection(self._ended),
                    host,
                    port,
                    ssl=self._node.tls.client if self._node.tls is not None else None,
                )
        self._connecting = None
        if connection is None:
            self._take_in(LOST)  # this mail is lost; what came meanwhile may be newer
        else:
            self._connection = connection
            self._post(connection, mail)

    def _ended(self, connection: _Connection, answer: Posted) -> None:
        """A POST ended, or the connection did: with the peer's answer, if a usable one came."""
        if connection is not self._connection:
            return  # closed by us
        if connection.closed:
            self._connection = None
        if not self._busy:
            return
        held, self._held = self._held, b""
        access = self._node.access
        if access is not None and not (
            answer.body and proof.is_answer(access, self._nonce, connection.mac, answer.body)
        ):
            if answer.status:
                self._complaints.unproved(answer.status)
                self._hang_up()
            self._take_in(LOST)
        elif held and not connection.closed:
            connection.proved = int(self._nonce.partition("-")[0])
            self._post(connection, held)
        else:
            self._take_in(answer)

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _take_in(self, answer: Posted) -> None:
        self._node.meters.mail(self._address, perf_counter() - self._posted, answered=answer.usable)
        try:
            self._node.posted(self._address, answer)
        except CodecError as error:
            bad_mail(self._node, self._address, error)
        except Exception:
            # A carrier that stopped here would cut the peer off for ever.
            LOGGER.exception("%s", logfmt(self._node.id, "mail_failed", address=self._address))
        self._go_on()

    def _look(self) -> None:
        """Give up what takes too long, and leave when there was no mail for long."""
        if self._until <= self._loop.time() and self._connecting is None:
            if not self._busy:
                self.close()
                self._gone()
                return
            if self._connection is not None:
                self._hang_up()
                self._held = b""
                self._take_in(LOST)
        self._timer = self._loop.call_at(max(self._until, self._loop.time() + 0.01), self._look)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with one request at a time. ``ended(self, answer)`` is called after each, and at the end."""

    def __init__(self, ended: Callable[[_Connection, Posted], None]) -> None:
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer = bytearray()
        self._head = 0
        """Bytes of the answer so far while its head is not complete; then -1."""
        self._wire: str | None = None
        self.proved = -1
        """The node that the peer has proved to be; -1 while it has not."""
        self.mac = ""
        """By which the answer claims to be from a node."""

    @property
    def closed(self) -> bool:
        return self._transport is None

    def post(self, head: bytes, mail: bytes) -> None:
        if self._transport is None:
            self._ended(self, LOST)
            return
        self._answer = bytearray()
        self._head = 0
        self._wire = None
        self._parser = httptools.HttpResponseParser(self)
        self.mac = ""
        self._transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(mail), mail))

    def close(self) -> None:
        """End at once."""
        transport, self._transport, self._parser = self._transport, None, None
        if transport is not None:
            transport.abort()

    def _fail(self) -> None:
        self.close()
        self._ended(self, LOST)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._transport is not None:
            self._fail()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._fail()  # nothing was asked
            return
        if self._head >= 0:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail()
            return
        if len(self._answer) > MAX_MAIL_BYTES or self._head > MAX_HEAD:
            self._fail()

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == len(_WIRE) and name.lower() == _WIRE:
            self._wire = value.decode("latin-1")
        elif name.lower() == b"pbproto-mac":
            self.mac = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._head = -1

    def on_body(self, piece: bytes) -> None:
        self._answer += piece

    def on_message_complete(self) -> None:
        parser, self._parser = self._parser, None
        if parser is None:
            return
        status = parser.get_status_code()
        whole = len(self._answer) <= MAX_MAIL_BYTES
        if not (whole and status == HTTPStatus.OK and parser.should_keep_alive()):
            self.close()
        self._ended(self, Posted(status, self._wire, bytes(self._answer) if whole else b""))
