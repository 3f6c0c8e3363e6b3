"""Mail that waits to be carried to the peers: bounded per peer and in all.

What is dropped counts as lost on the way: the core sends again what matters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from pbproto import Envelope, Message
from pbproto.config import MIB
from pbproto.messages import Adopt, Fetch, LogChunk, Propose, Replicate, SnapshotChunk, Told
from pbproto.values import OPERATION_BYTES

MAIL_BYTES = 4 * MIB
"""About as much as one POST carries, unless a single message is larger."""
QUEUE_BYTES = 64 * MIB
"""What may queue up for one peer; beyond it the oldest is dropped."""
ALL_BYTES = 256 * MIB
"""What may queue up for all peers together; beyond it the oldest for whom the most waits is dropped."""


@dataclass(slots=True)
class Item:
    """A message in a queue, or the place where one was before a newer one took over."""

    envelope: Envelope
    message: Message | None
    size: int


_REPEATED = (Replicate, LogChunk, SnapshotChunk, Propose, Adopt, Fetch, Told)
"""Messages of which the newest to a peer says all that an older one of the kind said."""


def size_of(message: Message) -> int:
    """About how many bytes a message has on the wire."""
    size = 200
    for operation in getattr(message, "operations", ()):
        value = operation.value
        size += OPERATION_BYTES + len(operation.key) + (0 if value is None else len(value))
    operation = getattr(message, "operation", None)
    if operation is not None:
        size += operation.size + len(getattr(message, "trace", b""))
    for key, value in getattr(message, "pairs", ()):
        size += len(key) + len(value) + 8
    return size


class Outbox:
    """What waits to be carried to one address."""

    __slots__ = ("_latest", "bytes", "items")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.bytes = 0
        self._latest: dict[type, Item] = {}

    def put(self, envelope: Envelope, message: Message) -> None:
        """The newest; the oldest may be dropped for it."""
        kind = type(message)
        item = Item(envelope, message, size_of(message))
        if kind in _REPEATED:
            # Sent again before the last one was even carried: only the newer is worth its bytes.
            older = self._latest.get(kind)
            if older is not None and older.message is not None and older.envelope == envelope:
                self.bytes -= older.size
                older.message = None
            self._latest[kind] = item
        self.items.append(item)
        self.bytes += item.size
        while self.bytes > QUEUE_BYTES and len(self.items) > 1:
            self.pop()

    def pop(self) -> Item:
        item = self.items.popleft()
        if item.message is not None:
            self.bytes -= item.size
        return item

    def take(self, fits: Callable[[Envelope], bool] | None = None) -> list[tuple[Envelope, Message]]:
        """The oldest messages up to about ``MAIL_BYTES``; ``fits`` says who may have them."""
        taken: list[tuple[Envelope, Message]] = []
        room = MAIL_BYTES
        while self.items and room > 0:
            first = self.items[0]
            if first.message is None:
                self.pop()
                continue
            if (taken and first.size > room) or (fits is not None and not fits(first.envelope)):
                break
            self.pop()
            room -= first.size
            taken.append((first.envelope, first.message))
            first.message = None
        return taken


class Outboxes:
    """What waits to be carried, by address."""

    __slots__ = ("_boxes",)

    def __init__(self) -> None:
        self._boxes: dict[str, Outbox] = {}

    @property
    def bytes(self) -> int:
        """In all; a node has few peers."""
        return sum([box.bytes for box in self._boxes.values()])

    def sizes(self) -> dict[str, int]:
        """Bytes that wait, by address; nothing is said of those for whom nothing does."""
        return {address: box.bytes for address, box in self._boxes.items() if box.bytes}

    def put(self, address: str, envelope: Envelope, message: Message) -> None:
        """The newest for this address."""
        box = self._boxes.get(address)
        if box is None:
            box = self._boxes[address] = Outbox()
        box.put(envelope, message)
        while self.bytes > ALL_BYTES:
            max(self._boxes.values(), key=lambda each: each.bytes).pop()

    def take(
        self, address: str, fits: Callable[[Envelope], bool] | None = None
    ) -> list[tuple[Envelope, Message]]:
        """The oldest messages for this address, as ``Outbox.take`` takes them."""
        box = self._boxes.get(address)
        if box is None:
            return []
        taken = box.take(fits)
        if not box.items:
            del self._boxes[address]
        return taken
