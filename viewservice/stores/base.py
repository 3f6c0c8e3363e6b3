"""What a store has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from viewservice.record import Record


class StoreError(Exception):
    """The store cannot be used, in words for people."""


class Store(ABC):
    """One record, replaced by compare-and-set; and one of the instances that share it acts at a time.

    Only the first is needed for safety.
    """

    kind: str = "other"
    """What it is, in a word."""
    errors: int = 0
    """How often it could not be read or written, since the start."""

    @abstractmethod
    async def campaign(self, lead: Callable[[Record | None], None]) -> None:
        """Try to be the one that acts, again and again, until cancelled.

        Calls ``lead(record)`` when this instance is to act, with what is written down, read after it was
        chosen; and ``lead(None)`` when it is not any more. Raises ``StoreError`` only for what will not pass
        by itself.
        """

    @abstractmethod
    async def write(self, record: Record) -> Record | None:
        """Replace the record if its version is ``record.version - 1``, durably; what is written down then.

        ``None`` if the store cannot be reached: then nobody knows whether it was written.
        """

    @abstractmethod
    def resign(self) -> None:
        """The core has stopped acting by itself: ``lead`` has to be called again, with a fresh reading."""

    @abstractmethod
    async def close(self) -> None:
        """Let another instance act at once, if this one did."""
