"""Overhears every operation that any replica applies.

A log may be trimmed in the very step in which its operations are committed, so looking at the logs between
steps misses some. Every committed operation is applied somewhere first; so its application is where history
is made.
"""

from __future__ import annotations

from functools import wraps

from pbproto import Operation, Result
from pbproto.store import Store

Applied = tuple[Store, int, Operation, Result]

_overheard: list[Applied] = []


def _listen() -> None:
    apply = Store.apply

    @wraps(apply)
    def overheard(self: Store, operation: Operation) -> Result:
        position = self.applied
        result = apply(self, operation)
        _overheard.append((self, position, operation, result))
        return result

    Store.apply = overheard  # type: ignore[method-assign]


_listen()


def take() -> list[Applied]:
    """What was applied since the last call: by which store, position, operation, result."""
    found = _overheard[:]
    _overheard.clear()
    return found
