"""Lets virtual time pass on an event loop: when everybody on it waits, the next thing happens.

So a coroutine never misses a moment: what it does between two waits takes no virtual time, and ``gather`` of
a slow write and a failover is the same run each time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakKeyDictionary

from .timeline import Timeline

MOST_AT_ONCE = 200
"""Things that happen before the loop looks at its sockets and threads again."""
IDLE_TURNS = 20
"""On a loop that does not show what is ready: as many turns in a row pass for idleness."""

_PUMPS: WeakKeyDictionary[asyncio.AbstractEventLoop, Pump] = WeakKeyDictionary()


def pump() -> Pump:
    """The pump of the running event loop; one for all clusters, or each would wait for the others."""
    loop = asyncio.get_running_loop()
    found = _PUMPS.get(loop)
    if found is None:
        found = _PUMPS[loop] = Pump()
    return found


class Pump:
    """Whoever waits for virtual time on one event loop, and what lets it pass."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._waiting: dict[asyncio.Future[None], Timeline] = {}
        self._scheduled = False
        self._woken = False
        self._turns = 0

    async def wait(self, timeline: Timeline, begin: Callable[[Callable[[], None]], object]) -> None:
        """Call ``begin`` with a function, and wait until that is called, from whichever thread."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def resolve() -> None:
            if not future.done():
                future.set_result(None)

        def wake() -> None:
            self._woken = True
            if threading.get_ident() == self._thread:
                resolve()
            else:  # another thread drives the time
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(resolve)

        with timeline.turns:
            begin(wake)
        self._waiting[future] = timeline
        self._schedule(loop)
        try:
            await future
        finally:
            del self._waiting[future]

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = False
        waiting = [future for future in self._waiting if not future.done()]
        if not waiting:
            return
        if not self._others_are_ready(loop):
            try:
                for timeline in dict.fromkeys(self._waiting[future] for future in waiting):
                    self._let_pass(timeline)
            except Exception as error:
                # Nobody else would ever hear of it.
                for future in waiting:
                    if not future.done():
                        future.set_exception(error)
                return
        self._schedule(loop)

    def _let_pass(self, timeline: Timeline) -> None:
        self._woken = False
        with timeline.turns:
            for _ in range(MOST_AT_ONCE):
                if self._woken or not timeline.step():
                    return
                timeline.turns.give_way()

    def _others_are_ready(self, loop: asyncio.AbstractEventLoop) -> bool:
        ready = getattr(loop, "_ready", None)  # of asyncio's own loops; there is no public way to know
        if ready is not None:
            return bool(ready)
        self._turns = (self._turns + 1) % IDLE_TURNS
        return self._turns != 0
