"""Reads decisions out of bytes, so that an engine that changes bytes changes what a run does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Takes bytes off the front. Once they are used up every decision is the first one."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """Up to this many bytes."""
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def number(self, bytes_: int = 1) -> int:
        """An unsigned number of this many bytes, big-endian."""
        return int.from_bytes(self.take(bytes_), "big")

    def one_of(self, items: Sequence[T]) -> T:
        """One of up to 256 items."""
        return items[self.number() % len(items)]
