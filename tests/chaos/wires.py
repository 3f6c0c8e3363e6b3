"""The wires between real nodes: small TCP proxies that hold, lose and slow what peers say to each other.

Each node is known to its peers by the address of a proxy in front of it (clients go past it). All proxies
run on one event loop in a thread of their own. Who speaks is seen from the first mail on a connection, so a
fault is about a *way*: what one node says to another, on whichever connection. A wire can be

* **cut**: what is said is lost. A TCP stream cannot go on after a gap, so its connection is reset as soon as
  the cut ends.
* **held**: what is said is kept, also when the speaker has long hung up, and delivered when the hold ends:
  what a half-open connection does (the kernel goes on sending what a closed socket left behind). While it
  is held nothing else can happen to it.
* **slow**: each piece takes a while longer, and only so many bytes a second pass.

All connections of a node can be **reset** at once. And old mail can be **echoed**: copies of what a node was
told, minutes ago perhaps, reach it once more, in any order.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from .connection import DIAL_TIMEOUT, Connection, dialled
from .line import Open
from .stream import PIECE, Traffic, Trouble, Way, Wire

T = TypeVar("T")


class Wires:
    """All wires of a cluster. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._wires: dict[Way, Wire] = {}
        self._servers: list[asyncio.Server] = []
        self._dials: dict[int, Open] = {}
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self.events: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        """Faults of the proxies themselves: there must be none."""
        self._thread.start()

    def attach(self, node: int, listener: socket.socket, dial: Open) -> None:
        """Serve ``listener`` (bound, not listening) as the way to ``node``; the wires close it."""
        self._dials[node] = dial

        async def serve() -> None:
            def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                # A task of ours: asyncio would print a trace of each that is cancelled at the end.
                task = self._loop.create_task(Connection(self, node, dial, reader, writer).run())
                self._tasks.add(task)
                task.add_done_callback(self._ended)

            self._servers.append(await asyncio.start_server(accept, sock=listener, limit=PIECE))

        self._do(serve())

    def impose(self, trouble: Trouble, ways: Iterable[Way]) -> Callable[[], None]:
        """Begin a trouble on some ways; returns what ends it (once; more often does no harm)."""
        chosen = tuple(ways)

        async def begin() -> None:
            for way in chosen:
                self.wire(way).troubles.append(trouble)
                self.wire(way).change()

        async def end() -> None:
            for way in chosen:
                if trouble in self.wire(way).troubles:
                    self.wire(way).troubles.remove(trouble)
                self.wire(way).change()
            self._reset_broken()

        self._do(begin())
        done: list[bool] = []

        def lift() -> None:
            if not done:
                done.append(True)
                self._do(end())

        return lift

    def heal(self) -> None:
        """End all troubles."""

        async def end() -> None:
            for wire in self._wires.values():
                wire.troubles.clear()
                wire.change()
            self._reset_broken()

        self._do(end())

    def reset(self, node: int) -> int:
        """Reset every connection to and from a node that is not held; returns how many there were.

        Nothing passes a held wire, the news of a reset neither.
        """

        async def cut() -> int:
            theirs = [
                each
                for each in self._connections
                if node in (each.sender, each.receiver) and not any(way.wire.held for way in each.streams)
            ]
            for each in theirs:
                each.reset()
            self.events["reset"] += len(theirs)
            return len(theirs)

        return self._do(cut())

    def echo(self, node: int, count: int, random: Random) -> int:
        """Bring a node up to ``count`` mails that it was sent before; returns how many reached it."""

        async def bring() -> int:
            known = [
                mail
                for (_, listener), wire in self._wires.items()
                if listener == node and node in self._dials
                for mail in (*wire.archive.latest, *wire.archive.sample)
            ]
            chosen = random.sample(known, min(count, len(known)))
            return sum(await asyncio.gather(*(self._bring(node, mail) for mail in chosen)))

        reached = self._do(bring())
        self.events["echoed"] += reached
        return reached

    async def _bring(self, node: int, mail: bytes) -> bool:
        """One mail on a connection of its own; whether its answer came, which nobody reads."""
        with contextlib.suppress(OSError):
            reader, writer = await dialled(self._dials[node])
            try:
                writer.write(mail)
                async with asyncio.timeout(DIAL_TIMEOUT):
                    return bool(await reader.read(PIECE))
            finally:
                writer.transport.abort()
        return False

    def traffic(self, way: Way) -> Traffic:
        """What passed one way until now."""

        async def read() -> Traffic:
            seen = self.wire(way).traffic
            return replace(seen)

        return self._do(read())

    def total(self) -> Traffic:
        """What passed all ways together."""
        each = [self.traffic(way) for way in tuple(self._wires)]
        return Traffic(
            sum(one.passed for one in each),
            sum(one.lost for one in each),
            sum(one.late for one in each),
            sum(one.late_mails for one in each),
            max((one.oldest for one in each), default=0.0),
        )

    def waiting(self, way: Way) -> int:
        """How many bytes stand on a wire."""

        async def read() -> int:
            return sum(each.waiting(self.wire(way)) for each in self._connections)

        return self._do(read())

    def close(self) -> None:
        """End everything; safe to call twice."""
        if self._closed:
            return
        self._closed = True

        async def end() -> None:
            for server in self._servers:
                server.close()
            for connection in tuple(self._connections):
                connection.reset()
            tasks = [task for task in asyncio.all_tasks(self._loop) if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    # ---- for connections, on the loop

    def wire(self, way: Way) -> Wire:
        return self._wires.setdefault(way, Wire())

    def enter(self, connection: Connection) -> None:
        self._connections.add(connection)
        self.events["connections"] += 1

    def leave(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)

    def _reset_broken(self) -> None:
        for connection in tuple(self._connections):
            if any(stream.gap and not stream.wire.cut for stream in connection.streams):
                connection.reset()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            work.close()
            raise RuntimeError("the wires are closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
