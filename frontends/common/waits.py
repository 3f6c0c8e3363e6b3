"""Says in the log that calls of an application wait for a view.

Over HTTP a client hears at once that a node has no view. A call in process is repeated until its time is up,
half a minute by default, and to whoever has forgotten to tell a view that looks like an application that
hangs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from pbproto import Reason, Reject, Status

from .logs import LOGGER, logfmt
from .node import Node
from .status_page import not_serving

EVERY = 60.0
"""Seconds between two such lines."""
_FOR_A_VIEW = (Reason.NO_VIEW, Reason.OUTSIDE, Reason.TIMEOUT)
_UNTOLD = "tell it one that it is a member of: PUT /view below its prefix, tell_view(), or the view service"
_BLOCKED = "they go on when another view is told"
_SILENT = "they go on when these members answer, or a view without them is told"


class Waits:
    """The calls of one application. ``clock`` in seconds. Any thread may say."""

    def __init__(self, node: Node, clock: Callable[[], float]) -> None:
        self._node = node
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0

    def turned_away(self, reject: Reject, timeout: float) -> None:
        """An attempt was, of a call that may take ``timeout`` seconds."""
        if reject.reason in _FOR_A_VIEW:
            self.unanswered(timeout)

    def unanswered(self, timeout: float) -> None:
        """An attempt waits for long already, of a call that may take ``timeout`` seconds."""
        with self._lock:
            now = self._clock()
            if now < self._next:
                return
            status = self._node.status()
            if status.ready:
                return  # it was something else, or is over
            self._next = now + EVERY
        line = logfmt(
            self._node.id,
            "calls_wait",
            reason=not_serving(status),
            seconds_at_most=timeout,
            hint=_hint(status),
        )
        LOGGER.warning("%s", line)


def _hint(status: Status) -> str:
    if status.status in ("none", "outside"):
        return _UNTOLD
    return _BLOCKED if status.blocked else _SILENT
