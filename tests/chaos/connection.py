"""One connection through the proxy in front of a node, from its first byte to its last."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from typing import Protocol

from .line import Open
from .mail import MAX_HEAD, NOBODY, sender_of
from .stream import PIECE, Stream, Way, Wire

DIAL_TIMEOUT = 2.0
"""Seconds."""


class Exchange(Protocol):
    """What a connection needs of the wires it is one of."""

    events: Counter[str]

    def wire(self, way: Way) -> Wire: ...
    def enter(self, connection: Connection) -> None: ...
    def leave(self, connection: Connection) -> None: ...


class Connection:
    """One connection of a node, from its first byte to its last, which may come long after its end."""

    def __init__(
        self,
        wires: Exchange,
        receiver: int,
        dial: Open,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self.wires = wires
        self.sender = NOBODY
        self.receiver = receiver
        self.streams: list[Stream] = []
        self._dial = dial
        self._near = (reader, writer)
        self._far: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._back: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Carry both directions until both have ended."""
        self.wires.enter(self)
        reader, writer = self._near
        writer.transport.set_write_buffer_limits(0)  # what is drained has left us
        try:
            first = await self._first_mail(reader)
            there = Stream(self.wires.wire((self.sender, self.receiver)), reader, self._far_end, first)
            self.streams.append(there)
            await there.run()
            if self._back is not None:
                await self._back
        except OSError:
            self.wires.events["refused"] += 1
        finally:
            if self._back is not None:
                self._back.cancel()
            self.wires.leave(self)
            self._close()

    async def _first_mail(self, reader: asyncio.StreamReader) -> bytes:
        """What came until it was clear who speaks."""
        first = b""
        while len(first) < MAX_HEAD:
            try:
                piece = await reader.read(PIECE)
            except OSError:
                break
            first += piece
            known = sender_of(first)
            if known is not None or not piece:
                self.sender = NOBODY if known is None else known
                break
        return first

    async def _far_end(self) -> asyncio.StreamWriter:
        """The node's end, made when the first byte is to be delivered: whoever lives there then gets it."""
        if self._far is None:
            reader, writer = await dialled(self._dial)
            writer.transport.set_write_buffer_limits(0)
            self._far = reader, writer
            back = Stream(self.wires.wire((self.receiver, self.sender)), reader, self._near_end, b"")
            self.streams.append(back)
            self._back = asyncio.get_running_loop().create_task(self._carry_back(back))
        return self._far[1]

    async def _carry_back(self, back: Stream) -> None:
        await back.run()
        # The node hung up: its peer has to learn it now, not when it sends the next mail.
        if not back.gap:
            self._near[1].close()

    async def _near_end(self) -> asyncio.StreamWriter:
        return self._near[1]

    def waiting(self, wire: Wire) -> int:
        """How many bytes this connection keeps for a wire."""
        return sum(each.kept for each in self.streams if each.wire is wire)

    def reset(self) -> None:
        """Both ends see a reset, and what is on its way is lost."""
        for _, writer in self._ends():
            link = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for stream in self.streams:
            stream.gap = True
            stream.wire.change()
        self._close()

    def _close(self) -> None:
        for _, writer in self._ends():
            writer.transport.abort()

    def _ends(self) -> tuple[tuple[asyncio.StreamReader, asyncio.StreamWriter], ...]:
        return (self._near,) if self._far is None else (self._near, self._far)


async def dialled(dial: Open) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A new connection to a node. Raises ``OSError``, also if it takes too long."""
    link, address = dial()
    try:
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        async with asyncio.timeout(DIAL_TIMEOUT):  # its TimeoutError is an OSError
            await asyncio.get_running_loop().sock_connect(link, address)
        return await asyncio.open_connection(sock=link, limit=PIECE)
    except BaseException:
        link.close()
        raise
