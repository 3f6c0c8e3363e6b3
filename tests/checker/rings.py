"""A set of indexes that is walked in order: taking out and putting back cost the same however many there are.

Doubly linked lists whose links survive in what was taken out, so that undoing in reverse order needs nothing
else: Knuth's dancing links (2000), which Lowe uses likewise.
"""

from __future__ import annotations

from collections.abc import Sequence


def ring(order: Sequence[int]) -> tuple[list[int], list[int]]:
    """Links that go through the indexes in this order and around."""
    following, back = [0] * len(order), [0] * len(order)
    for place, index in enumerate(order):
        after = order[(place + 1) % len(order)]
        following[index], back[after] = after, index
    return following, back


def unlink(following: list[int], back: list[int], index: int) -> None:
    after, before = following[index], back[index]
    following[before], back[after] = after, before


def relink(following: list[int], back: list[int], index: int) -> None:
    """Undo the last ``unlink`` that was not undone."""
    following[back[index]] = back[following[index]] = index
