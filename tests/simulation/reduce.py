"""Finding small lists that still do something (delta debugging: Zeller and Hildebrandt, 2002)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def reduce(items: Sequence[T], fails: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Leave out as many items as possible, in pieces from half of them down to one.

    ``fails`` must hold of what is left. Ends with a list from which no single item can be left out. The last
    items go first: what happens late matters least.
    """
    kept = tuple(items)
    if not kept or fails(()):
        return ()
    size = (len(kept) + 1) // 2
    while True:
        end, shorter = len(kept), False
        while end > 0:
            start = max(0, end - size)
            rest = kept[:start] + kept[end:]
            if len(rest) < len(kept) and fails(rest):
                kept, shorter = rest, True
            end = start
        if size > 1:
            size = (size + 1) // 2
        elif not shorter:
            return kept
