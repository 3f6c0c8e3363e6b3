"""How many bytes of long bodies a node holds at a time: requests that are being read, answers being sent.

The replica bounds what waits in it. Before a body has become a request, and after an answer has become a
body, somebody else has to: a thousand clients that send a megabyte each, or slowly take one, are a gigabyte.
"""

from __future__ import annotations

import threading

SHORT = 65_536
"""Bytes of a body that is not counted: about as much as a server buffers for any connection."""


class Budget:
    """At most ``limit`` bytes in all shares together. May be used by any thread."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes in all shares."""
        return self._held

    def grow(self, before: int, size: int) -> bool:
        """Whether a share of ``before`` bytes may have ``size``."""
        with self._lock:
            # One body always passes, however small the limit is: it would never pass otherwise.
            if self._held > before and self._held + size - before > self._limit:
                return False
            self._held += size - before
        return True


class Share:
    """What one body takes of a budget, from the first ``need`` until ``end``."""

    __slots__ = ("_budget", "_held")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0

    def need(self, size: int) -> bool:
        """Whether the body may have so many bytes."""
        if size <= SHORT or size <= self._held:
            return True
        if not self._budget.grow(self._held, size):
            return False
        self._held = size
        return True

    def end(self) -> None:
        """The body is no longer here."""
        if self._held:
            self._budget.grow(self._held, 0)
            self._held = 0
