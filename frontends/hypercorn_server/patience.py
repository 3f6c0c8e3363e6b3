"""What a node bears of its connections under hypercorn: how many there are, and how slow each is.

A client that begins a request and does not go on, or asks for much and takes nothing, costs a connection for
as long as it likes; there are only so many. For uvicorn the same is in ``uvicorn_http.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, ClassVar

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, RawData, Updated
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol

from frontends.common.asgi import CERTIFIED
from frontends.common.settings import Settings
from frontends.common.tls import has_shown


class _Reader:
    """Tells the connection when something came, and when all of it was dealt with."""

    def __init__(self, inner: asyncio.StreamReader, arrived: Any, dealt_with: Any) -> None:
        self._inner = inner
        self._arrived = arrived
        self._dealt_with = dealt_with

    def at_eof(self) -> bool:
        return self._inner.at_eof()

    async def read(self, size: int) -> bytes:
        await self._dealt_with()
        data = await self._inner.read(size)
        self._arrived()
        return data


def _unless_offered(check: Any) -> Any:
    """Hypercorn's look at what a request wants to speak, for those that offer nothing else.

    Behind a proxy that passes an offer of HTTP/2 on the proxy would see nothing of what follows: no paths,
    no tokens. The offer is obsolete (RFC 9113, section 3.1); who begins with HTTP/2 is understood.
    """

    async def checked(event: Any) -> None:
        if not any(name == b"upgrade" for name, _ in event.headers):
            await check(event)

    return checked


class _Connection(TCPServer):
    """Also tells the application what hypercorn tells nobody: if the client has shown a certificate."""

    settings: ClassVar[Settings]
    open_now: ClassVar[int]

    def __init__(
        self, app: Any, loop: Any, config: Any, context: Any, state: Any, reader: Any, writer: Any
    ) -> None:
        state = {**state, CERTIFIED: has_shown(writer.get_extra_info("ssl_object"))}
        watched: Any = _Reader(reader, self._arrived, self._dealt_with)
        super().__init__(app, loop, config, context, state, watched, writer)
        self._idle = True
        """No request's head is complete that has not been answered."""
        self._gone = False
        """The client sends nothing any more."""
        self._timer: asyncio.TimerHandle | None = None
        self._spoken: object = None
        """What it speaks, as far as known."""

    async def run(self) -> None:
        kind = type(self)
        if kind.open_now >= self.settings.max_connections:
            self.writer.transport.abort()
            return
        kind.open_now += 1
        try:
            await super().run()
        finally:
            kind.open_now -= 1
            self._stop_timer()

    def _arrived(self) -> None:
        if self._idle and self._timer is None:
            self._timer = self.loop.call_later(self.settings.client_timeout, self.writer.transport.abort)

    async def _dealt_with(self) -> None:
        """See that a client who begins with HTTP/2, and with no request, is idle.

        To hypercorn the first line of HTTP/2 is a request that never ends.
        """
        spoken: Any = self.protocol.protocol
        if spoken is self._spoken:
            return
        self._spoken = spoken
        if isinstance(spoken, H11Protocol):
            vars(spoken)["_check_protocol"] = _unless_offered(spoken._check_protocol)
        elif isinstance(spoken, H2Protocol) and not spoken.streams:
            await self.protocol_send(Updated(idle=True))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _read_data(self) -> None:
        await super()._read_data()
        # Or hypercorn would keep the connection of a client that is gone until its idle time is over.
        self._gone = True
        await self.idle_task.stop()

    async def protocol_send(self, event: Any) -> None:
        if isinstance(event, RawData):
            await self._send(event.data)
            return
        if isinstance(event, Updated):
            self._idle = event.idle
            self._stop_timer()
            if event.idle and self._gone:
                return
        await super().protocol_send(event)

    async def _send(self, data: bytes) -> None:
        async with self.send_lock:
            try:
                self.writer.write(data)
                await self._drain()
            except (ConnectionError, RuntimeError):
                await self.protocol.handle(Closed())

    async def _drain(self) -> None:
        """Wait until there is room again; not for ever for a client that takes nothing."""
        left = self.writer.transport.get_write_buffer_size()
        while left:
            try:
                async with asyncio.timeout(self.settings.client_timeout):
                    await self.writer.drain()
                return
            except TimeoutError:
                before, left = left, self.writer.transport.get_write_buffer_size()
                if left >= before:
                    self.writer.transport.abort()
                    return

    async def _close(self) -> None:
        # A client that hangs up without TLS's own farewell is no news.
        with contextlib.suppress(OSError):
            await super()._close()


def connection(settings_: Settings) -> type[TCPServer]:
    """The class of the connections to the node with these settings, which counts its own."""

    class Connection(_Connection):
        settings = settings_
        open_now = 0

    return Connection
