"""The operations of the current lineage, numbered from 0; the oldest are forgotten once they are applied."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from .errors import ensure
from .values import Operation


class Log:
    """Positions ``start`` to ``end - 1``. ``start`` only grows; ``truncate`` and ``append`` move ``end``."""

    __slots__ = ("_first", "_operations", "_sums", "_total", "_trimmed", "end", "start")

    def __init__(self, start: int = 0) -> None:
        self.start = start
        # Kept, although it follows from the others: it is asked for many times in each step.
        self.end = start
        self._operations: list[Operation] = []
        # Index of position `start` in the lists: trimming moves this and deletes in bulk, so that it
        # costs O(1) per operation instead of shifting the lists each time.
        self._first = 0
        # Bytes of all operations up to and with each, counted from where the log began: what a piece of it
        # has is a subtraction, and where a number of bytes ends a bisection.
        self._sums: list[int] = []
        self._total = 0
        self._trimmed = 0

    @property
    def bytes(self) -> int:
        """Bytes of the operations that are kept."""
        return self._total - self._trimmed

    def __getitem__(self, position: int) -> Operation:
        index = self._first + position - self.start
        ensure(self._first <= index < len(self._operations), "the log is read only where it is kept")
        return self._operations[index]

    def between(self, first: int, end: int) -> list[Operation]:
        """The operations from ``first`` on, before ``end``."""
        ensure(self.start <= first <= end <= self.end, "the log is read only where it is kept")
        shift = self._first - self.start
        return self._operations[first + shift : end + shift]

    def append(self, operation: Operation) -> int:
        """Add an operation; its position."""
        position = self.end
        self._operations.append(operation)
        self._total += operation.size
        self._sums.append(self._total)
        self.end = position + 1
        return position

    def since(self, first: int, end: int, max_bytes: int) -> tuple[Operation, ...]:
        """Operations from ``first``, before ``end``, of ``max_bytes`` at most, but one if there is one."""
        ensure(self.start <= first, "what was trimmed is not sent")
        index = self._first + first - self.start
        stop = min(self._first + end - self.start, len(self._operations))
        if index >= stop:
            return ()
        cut = bisect_right(self._sums, self._before(index) + max_bytes, index, stop)
        return tuple(self._operations[index : max(cut, index + 1)])

    def tail(self, end: int, max_bytes: int) -> int:
        """From which position on the operations before ``end`` that are kept have at most so many bytes."""
        index = self._first + end - self.start
        least = self._before(index) - max_bytes
        return self.start + bisect_left(range(self._first, index), least, key=self._before)

    def truncate(self, end: int) -> None:
        """Forget the operations from ``end`` on."""
        ensure(self.start <= end, "the log is not cut below what was trimmed")
        if end < self.end:
            index = self._first + end - self.start
            self._total = self._before(index)
            del self._operations[index:], self._sums[index:]
            self.end = end

    def trim(self, limit: int, keep_bytes: int) -> None:
        """Forget operations below ``limit``, the oldest first, while more than ``keep_bytes`` are kept."""
        excess = self._total - keep_bytes
        if self.start < limit and self._trimmed < excess:
            stop = min(self._first + limit - self.start, len(self._operations))
            index = min(bisect_left(self._sums, excess, self._first, stop) + 1, stop)
            self.start += index - self._first
            self._first = index
            self._trimmed = self._sums[index - 1]
        if self._first > 64 and self._first * 2 > len(self._operations):
            del self._operations[: self._first], self._sums[: self._first]
            self._first = 0

    def _before(self, index: int) -> int:
        return self._sums[index - 1] if index > self._first else self._trimmed
