"""One way between two nodes and what it suffers, and one direction of one connection on it. See ``wires``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from .mail import Archive, Splitter

Way = tuple[int, int]
"""Who speaks, and who listens."""

PIECE = 65_536
PIECES = 64
"""How many pieces one direction of a connection keeps; then the speaker waits, as with a full window."""
LATE_LINGER = 1.0
"""Seconds between what was delivered late and the news that its speaker hung up: servers may throw away a
request whose client is gone, and the network is free to keep that news to itself."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a wire may suffer; several at once add up."""

    cut: bool = False
    held: bool = False
    delay: float = 0.0
    """Seconds."""
    rate: float = 0.0
    """Bytes a second; 0 for no limit."""


CUT = Trouble(cut=True)
HOLD = Trouble(held=True)


@dataclass(slots=True)
class Traffic:
    """What passed one way, in bytes, and what passed late or never."""

    passed: int = 0
    lost: int = 0
    late: int = 0
    """Bytes that were held before they were delivered."""
    late_mails: int = 0
    """Requests among them (or answers: each begins with its own line)."""
    oldest: float = 0.0
    """Seconds between the arrival and the delivery of the one that was held longest."""


@dataclass(slots=True)
class Wire:
    """One way, and what it suffers now. Only the loop touches it."""

    troubles: list[Trouble] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    archive: Archive = field(default_factory=Archive)

    @property
    def cut(self) -> bool:
        return any(trouble.cut for trouble in self.troubles)

    @property
    def held(self) -> bool:
        return any(trouble.held for trouble in self.troubles)

    @property
    def pace(self) -> tuple[float, float]:
        """The delay in seconds and the bytes a second, 0 for no limit."""
        if not self.troubles:
            return 0.0, 0.0
        rates = [trouble.rate for trouble in self.troubles if trouble.rate]
        return sum(trouble.delay for trouble in self.troubles), min(rates, default=0.0)

    def change(self) -> None:
        """Wake whoever waits for another state of this wire."""
        self.changed.set()
        self.changed = asyncio.Event()


class Stream:
    """One direction of a connection."""

    def __init__(
        self,
        wire: Wire,
        reader: asyncio.StreamReader,
        end: Callable[[], Coroutine[Any, Any, asyncio.StreamWriter]],
        first: bytes,
    ) -> None:
        self.wire = wire
        self.gap = False
        """Whether something is missing: nothing may pass any more."""
        self.kept = 0
        self._reader = reader
        self._end = end
        self._first = first
        self._queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES)
        self._free_at = 0.0
        self._late = False
        self._splitter = Splitter()

    async def run(self) -> None:
        """Read, keep, deliver; ends when all that the speaker said is delivered or lost."""
        reading = asyncio.get_running_loop().create_task(self._read())
        try:
            await self._deliver()
        finally:
            reading.cancel()

    async def _read(self) -> None:
        clock = asyncio.get_running_loop().time
        piece = self._first
        while True:
            if piece:
                self.kept += len(piece)
                await self._queue.put((clock(), piece))
            try:
                piece = await self._reader.read(PIECE)
            except OSError:
                break  # what the speaker said before its end is still on its way
            if not piece:
                break
        await self._queue.put((clock(), b""))

    async def _deliver(self) -> None:
        said = False
        while True:
            arrived, piece = await self._queue.get()
            if not piece:
                break
            said = True
            passes = await self._due(arrived, len(piece))
            self.kept -= len(piece)
            writer = await self._end() if passes else None
            if writer is None or writer.is_closing():
                self.gap = self.gap or writer is None
                self.wire.traffic.lost += len(piece)
                continue
            writer.write(piece)
            self._count(piece, arrived)
            with contextlib.suppress(OSError):  # a listener that is gone loses what it is told
                await writer.drain()
        if said:
            await self._hang_up(arrived)

    def _count(self, piece: bytes, arrived: float) -> None:
        traffic = self.wire.traffic
        traffic.passed += len(piece)
        for mail in self._splitter.feed(piece):
            self.wire.archive.add(mail)
        if self._late:
            traffic.late += len(piece)
            traffic.oldest = max(traffic.oldest, asyncio.get_running_loop().time() - arrived)
            traffic.late_mails += piece.count(b"POST /peer ") + piece.count(b"HTTP/1.1 200")

    async def _due(self, arrived: float, size: int) -> bool:
        """Wait until a piece is due; whether it passes at all."""
        clock = asyncio.get_running_loop().time
        self._late = False
        while True:
            if self.gap:
                return False
            pause = None
            if self.wire.held:
                self._late = True
            elif self.wire.cut:
                return False
            else:
                delay, rate = self.wire.pace
                begin = max(arrived, self._free_at) if rate else arrived
                pause = begin + (size / rate if rate else 0.0) + delay - clock()
                if pause <= 0:
                    self._free_at = clock() - delay
                    return True
            changed = self.wire.changed
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), pause)

    async def _hang_up(self, arrived: float) -> None:
        """Pass on the news that the speaker has ended; a hold keeps even that, and a cut loses it."""
        if self._late:
            await asyncio.sleep(LATE_LINGER)
        if not await self._due(arrived, 0):
            self.gap = True
            return
        writer = await self._end()
        if not writer.is_closing():
            with contextlib.suppress(OSError):
                writer.write_eof()
