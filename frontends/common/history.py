"""The last things that happened at a node: a ring of its notes with wall time and a number, to be asked for.

What clients and peers can cause at any rate is not in it: it would drive out what matters. Those are counted
elsewhere.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from pbproto import Code, Note

KEPT = 200
"""Events that are kept; the oldest goes first."""

STARTED = "started"
"""The first event of each life of a node; all others are named as in ``pbproto.Code``."""

_LEFT_OUT = (Code.REJECTED, Code.IGNORED)
_BEGINNINGS = (Code.VIEW_TOLD, Code.VIEW_LEARNED, Code.PROPOSED)

_LEVELS = {
    Code.SUSPECTED: "warning",
    Code.STOPPED_SERVING: "warning",
    Code.BLOCKED: "warning",
    Code.STARTED_EMPTY: "warning",
    Code.STORE_NEARLY_FULL: "warning",
    Code.STORE_FULL: "error",
    Code.DROPPED: "error",
}

Fields = tuple[tuple[str, str | int], ...]


class Event(NamedTuple):
    """Something that happened. ``number`` counts from 1 in each life of a node, without gaps."""

    number: int
    time: float
    """Seconds since 1970 by the wall clock, which may be set back."""
    name: str
    level: str
    """``info``, ``warning`` or ``error``."""
    fields: Fields


class Events(NamedTuple):
    """The events after some number."""

    last: int
    """The number of the newest event; ask for those after it next time."""
    missed: int
    """How many after the number that was asked for are kept no longer."""
    events: tuple[Event, ...]
    """The oldest first."""


class History:
    """The events of one life of a node. Not safe for threads."""

    def __init__(self, incarnation: int, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._last = 0
        self._refusals: dict[str | int, Fields] = {}
        self._append(STARTED, "info", (("incarnation", f"{incarnation:016x}"),))

    def add(self, note: Note) -> None:
        """Keep a note, if it is one that matters."""
        code = note.code
        if code in _LEFT_OUT:
            return
        if code in _BEGINNINGS:
            self._refusals.clear()
        elif code is Code.REFUSED_BY:
            # A member refuses each time it is asked again: once with the same words is enough.
            member = note.fields[0][1]
            if self._refusals.get(member) == note.fields:
                return
            self._refusals[member] = note.fields
        level = _LEVELS.get(code, "info")
        if code is Code.VIEW_TOLD and ("members", "nobody") in note.fields:
            level = "warning"  # a node that was sent home looks well but for this
        self._append(code.value, level, note.fields)

    def _append(self, name: str, level: str, fields: Fields) -> None:
        self._last += 1
        self._events.append(Event(self._last, self._clock(), name, level, fields))

    def since(self, number: int) -> Events:
        """All that is kept of what came after event ``number``; 0: of everything."""
        first = self._events[0].number
        found = tuple(event for event in self._events if event.number > number)
        return Events(self._last, max(0, first - 1 - number), found)
