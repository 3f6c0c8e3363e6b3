"""The operations of the current lineage, numbered from 0; the oldest are forgotten once they are applied."""

from __future__ import annotations

from .errors import ensure
from .values import Operation


class Log:
    """Positions ``start`` to ``end - 1``. ``start`` only grows; ``truncate`` and ``append`` move ``end``."""

    __slots__ = ("_bytes", "_first", "_operations", "end", "start")

    def __init__(self, start: int = 0) -> None:
        self.start = start
        # Kept, although it follows from the others: it is asked for many times in each step.
        self.end = start
        self._operations: list[Operation] = []
        # Index of position `start` in the list: trimming moves this and deletes in bulk, so that it
        # costs O(1) per operation instead of shifting the list each time.
        self._first = 0
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Bytes of the operations that are kept."""
        return self._bytes

    def __getitem__(self, position: int) -> Operation:
        index = self._first + position - self.start
        ensure(self._first <= index < len(self._operations), "the log is read only where it is kept")
        return self._operations[index]

    def append(self, operation: Operation) -> int:
        """Add an operation; its position."""
        position = self.end
        self._operations.append(operation)
        self._bytes += operation.size
        self.end = position + 1
        return position

    def since(self, first: int, end: int, max_bytes: int) -> tuple[Operation, ...]:
        """Operations from ``first``, before ``end``, of ``max_bytes`` at most, but one if there is one."""
        ensure(self.start <= first, "what was trimmed is not sent")
        index = self._first + first - self.start
        stop = min(self._first + end - self.start, len(self._operations))
        taken = 0
        cut = index
        while cut < stop:
            taken += self._operations[cut].size
            if taken > max_bytes and cut > index:
                break
            cut += 1
        return tuple(self._operations[index:cut])

    def tail(self, end: int, max_bytes: int) -> int:
        """From which position on the operations before ``end`` that are kept have at most so many bytes."""
        index = self._first + end - self.start
        taken = 0
        while index > self._first and taken + self._operations[index - 1].size <= max_bytes:
            index -= 1
            taken += self._operations[index].size
        return self.start + index - self._first

    def truncate(self, end: int) -> None:
        """Forget the operations from ``end`` on."""
        ensure(self.start <= end, "the log is not cut below what was trimmed")
        index = self._first + end - self.start
        for operation in self._operations[index:]:
            self._bytes -= operation.size
        del self._operations[index:]
        self.end = min(self.end, end)

    def trim(self, limit: int, keep_bytes: int) -> None:
        """Forget operations below ``limit``, the oldest first, while more than ``keep_bytes`` are kept."""
        while self.start < limit and self._bytes > keep_bytes:
            self._bytes -= self._operations[self._first].size
            self._first += 1
            self.start += 1
        if self._first > 64 and self._first * 2 > len(self._operations):
            del self._operations[: self._first]
            self._first = 0
