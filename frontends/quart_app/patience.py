"""What a node bears of its connections under hypercorn: how many there are, and how slow each is.

A client that begins a request and does not go on, or asks for much and takes nothing, costs a connection for
as long as it likes; there are only so many. For uvicorn the same is in ``uvicorn_http.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, RawData, Updated

from frontends.common.settings import Settings
from frontends.common.tls import has_shown

from .lean import CERTIFIED


class _Reader:
    """Tells the connection when something came."""

    def __init__(self, inner: asyncio.StreamReader, arrived: Any) -> None:
        self._inner = inner
        self._arrived = arrived

    def at_eof(self) -> bool:
        return self._inner.at_eof()

    async def read(self, size: int) -> bytes:
        data = await self._inner.read(size)
        self._arrived()
        return data


def connection(settings: Settings) -> type[TCPServer]:
    """The class of the connections to the node with these settings."""
    open_now = 0

    class Connection(TCPServer):
        """Also tells the application what hypercorn tells nobody: if the client has shown a certificate."""

        def __init__(
            self, app: Any, loop: Any, config: Any, context: Any, state: Any, reader: Any, writer: Any
        ) -> None:
            state = {**state, CERTIFIED: has_shown(writer.get_extra_info("ssl_object"))}
            watched: Any = _Reader(reader, self._arrived)
            super().__init__(app, loop, config, context, state, watched, writer)
            self._idle = True
            """No request's head is complete that has not been answered."""
            self._gone = False
            """The client sends nothing any more."""
            self._timer: asyncio.TimerHandle | None = None

        async def run(self) -> None:
            nonlocal open_now
            if open_now >= settings.max_connections:
                self.writer.transport.abort()
                return
            open_now += 1
            try:
                await super().run()
            finally:
                open_now -= 1
                self._stop_timer()

        def _arrived(self) -> None:
            if self._idle and self._timer is None:
                self._timer = self.loop.call_later(settings.client_timeout, self.writer.transport.abort)

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
                    async with asyncio.timeout(settings.client_timeout):
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

    return Connection
