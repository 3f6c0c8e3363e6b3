"""Virtual time: what is going to happen, in order. Nothing here reads a clock of the machine."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

from pbproto.config import SECOND


def ticks(seconds: float) -> int:
    """Seconds as nanoseconds; what is more than nothing is one at least.

    Who sleeps until a time that is a float sleeps for what is left of it: as none, it would be left for ever.
    """
    return round(seconds * SECOND) or int(seconds > 0)


class Timer:
    """Something that is going to happen, unless it is cancelled."""

    __slots__ = ("action", "time")

    def __init__(self, time: int, action: Callable[[], object]) -> None:
        self.time = time
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        """It does not happen, if it has not yet."""
        self.action = None


class Timeline:
    """The time, and what is going to happen. Whoever uses it holds ``turns``."""

    def __init__(self) -> None:
        self.now = 0
        """Nanoseconds since the beginning."""
        self.turns = Turns()
        self._queue: list[tuple[int, int, Timer]] = []
        self._numbers = count()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return self.now / SECOND

    def at(self, time: int, action: Callable[[], object]) -> Timer:
        """Let something happen at a time (nanoseconds); now at the earliest, after what was asked before."""
        timer = Timer(max(time, self.now), action)
        heappush(self._queue, (timer.time, next(self._numbers), timer))
        return timer

    def after(self, delay: int, action: Callable[[], object]) -> Timer:
        """Let something happen so many nanoseconds from now."""
        return self.at(self.now + delay, action)

    def step(self, end: int | None = None) -> bool:
        """Let the next thing happen; whether there was one, up to ``end``."""
        queue = self._queue
        while queue and queue[0][2].action is None:
            heappop(queue)
        if not queue or (end is not None and queue[0][0] > end):
            return False
        self.now, _, timer = heappop(queue)
        action, timer.action = timer.action, None
        if action is not None:
            action()
        return True

    def run(self, until: Callable[[], bool], end: int | None = None) -> bool:
        """Let time pass until ``until`` or ``end``, whichever comes first; whether ``until`` did.

        Between two things that happen other threads get their turn.
        """
        while not until():
            if not self.step(end):
                if end is not None:
                    self.now = max(self.now, end)
                return until()
            self.turns.give_way()
        return True


class Turns:
    """A re-entrant lock that threads get in the order in which they asked for it.

    A plain one would go back to the thread that has just let go of it: whoever waits for an answer drives the
    time for everybody, and nobody else would get a word in.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._owner = 0
        self._depth = 0

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner != me:
            self._enter(me)
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            with self._changed:
                self._owner = 0
                self._changed.notify_all()

    def give_way(self) -> None:
        """Let those in who wait, if the caller is in here once only."""
        if self._queue and self._depth == 1:
            self.__exit__()
            self.__enter__()

    def _enter(self, me: int) -> None:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                self._changed.wait_for(lambda: self._owner == 0 and self._queue[0] is ticket)
                self._owner = me
            finally:
                # Also where the wait was interrupted: nobody stands in line behind one who has left.
                self._queue.remove(ticket)
                self._changed.notify_all()
