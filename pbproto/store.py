"""What is replicated: the map, and the remembered answers that make each write happen exactly once.

The answers are part of the state, and travel with it, because the node that has to recognise a repeated
request may be a primary that was elected after the first one was applied (the client table of Viewstamped
Replication Revisited, section 4). Everything here is decided by the order of operations alone, so that
equal logs give equal stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from itertools import islice
from typing import Any

from .answers import Answers, unpack
from .buckets import BucketMap
from .errors import ensure
from .messages import KeyRecord, OriginRecord, SnapshotChunk
from .values import Ballot, Kind, Operation, Result

MAX_ORIGINS = 1024
"""Lives of nodes whose results are remembered; the one that wrote least recently is forgotten first."""
MAX_IDEMPOTENCY_KEYS = 65_536
"""Idempotency keys that are remembered; the oldest is forgotten first.

Both limits are constants of the protocol and not settings: replicas with different limits would drift apart.
"""

# By names of their own: as attributes of their ``Enum`` they take ten times as long (Python 3.11).
_CREATED, _UPDATED, _DELETED, _MISSING = Kind.CREATED, Kind.UPDATED, Kind.DELETED, Kind.MISSING

KEY_BYTES = 256
"""What a key counts in the size of the data, besides its own bytes and those of its value: about what else it
takes of a process (``docs/deployment.md``, *Memory*: 360 bytes in all for a short key and 100 bytes). The map
alone takes half of that; so the size is rather too high than too low."""

CHUNK_ITEMS = 8192
"""Items in a chunk at most: of small ones many more would have room, and each takes its time."""


class Known(Enum):
    """What the store knows of a request that has no result in it."""

    NEW = "new"
    SETTLED = "settled"
    """The origin has its answer and will not ask again: a late copy of the message."""
    MAYBE_FORGOTTEN = "maybe_forgotten"
    """It may have been applied before its origin was forgotten: nobody can say."""


@dataclass(slots=True)
class Origin:
    """The results of one node's life. ``results`` holds no counter below ``settled``."""

    first_position: int
    """Where it was first heard of, or heard of again after it had been forgotten."""
    settled: int = 0
    last_position: int = 0
    results: dict[int, Result] = field(default_factory=dict)


def forget_below(results: dict[int, Any], before: int, mark: int) -> None:
    """Forget the counters below ``mark``; those below ``before`` are forgotten already.

    Each counter is passed once, so this costs O(1) per request however many wait at the same time.
    """
    if mark - before <= len(results):
        for counter in range(before, mark):
            results.pop(counter, None)
    else:
        for counter in [known for known in results if known < mark]:
            del results[counter]


def fingerprint(operation: Operation) -> bytes:
    """A digest of what the operation asks for, to tell a repeated request from another one."""
    digest = blake2b(digest_size=16)
    digest.update(b"delete" if operation.value is None else b"put")
    digest.update(len(operation.key).to_bytes(4, "big"))
    digest.update(operation.key)
    digest.update(operation.value or b"")
    return digest.digest()


class Store:
    """The state after all operations below ``applied``."""

    __slots__ = ("applied", "data", "evicted", "keys", "origins")

    def __init__(self, data: BucketMap | None = None) -> None:
        """The empty store; ``data`` is an empty map for it."""
        self.applied = 0
        self.data = BucketMap() if data is None else data
        self.origins: dict[tuple[int, int], Origin] = {}  # the one that wrote least recently first
        self.keys = Answers()
        self.evicted = 0
        """Every operation of a forgotten origin stands below this position."""

    @property
    def data_bytes(self) -> int:
        """The size of the data: the UTF-8 bytes of all keys and values, and ``KEY_BYTES`` for each key.

        What else is remembered (results, idempotency keys) is bounded by itself and does not count.
        """
        return self.data.content_bytes + KEY_BYTES * len(self.data)

    def apply(self, operation: Operation) -> Result:
        """Apply the next operation and remember its result."""
        if operation.value is None:
            kind = _DELETED if self.data.remove(operation.key) else _MISSING
        else:
            kind = _UPDATED if self.data.put(operation.key, operation.value) else _CREATED
        result = Result(kind, self.applied)
        self._remember(operation, result)
        self.applied += 1
        return result

    def _remember(self, operation: Operation, result: Result) -> None:
        name = (operation.origin, operation.incarnation)
        origin = self.origins.pop(name, None) or Origin(first_position=result.position)
        self.origins[name] = origin
        ensure(operation.counter not in origin.results, "no request is applied twice")
        ensure(operation.counter >= origin.settled, "no settled request is applied")
        origin.last_position = result.position
        origin.results[operation.counter] = result
        if operation.settled > origin.settled:
            forget_below(origin.results, origin.settled, operation.settled)
            origin.settled = operation.settled
        if len(self.origins) > MAX_ORIGINS:
            oldest = next(iter(self.origins))
            self.evicted = max(self.evicted, self.origins.pop(oldest).last_position + 1)
        if operation.idempotency_key:
            ensure(operation.idempotency_key not in self.keys, "no idempotency key is applied twice")
            self.keys[operation.idempotency_key] = (fingerprint(operation), result)
            if len(self.keys) > MAX_IDEMPOTENCY_KEYS:
                self.keys.forget_oldest()

    def look_up(self, operation: Operation, since: int) -> Result | Known:
        """What became of this request so far. ``since``: a position that it cannot stand below."""
        origin = self.origins.get((operation.origin, operation.incarnation))
        if origin is None:
            return Known.MAYBE_FORGOTTEN if since < self.evicted else Known.NEW
        if operation.counter < origin.settled:
            return Known.SETTLED
        result = origin.results.get(operation.counter)
        if result is None and since < min(self.evicted, origin.first_position):
            return Known.MAYBE_FORGOTTEN
        return Known.NEW if result is None else result


def origin_records(store: Store) -> list[OriginRecord]:
    """The origins of a store as they are sent and recorded, in order."""
    return [
        OriginRecord(
            *name, known.first_position, known.settled, known.last_position, tuple(known.results.items())
        )
        for name, known in store.origins.items()
    ]


class Frozen:
    """A store as it was at ``applied``, and its items in transfer order. The store may go on meanwhile.

    To make one takes a snapshot of the map and lists of the remembered answers, which are few; what it costs
    in memory is what the store overwrites until it is let go of.
    """

    __slots__ = ("_keys", "applied", "evicted", "map", "origins", "total")

    def __init__(self, store: Store) -> None:
        self.applied = store.applied
        self.evicted = store.evicted
        self.map = store.data.snapshot()
        self.origins = origin_records(store)
        self._keys = store.keys.packed()
        self.total = len(self.map) + len(self.origins) + len(self._keys)

    def keys(self, first: int = 0) -> Iterator[KeyRecord]:
        """The idempotency keys from number ``first`` on, the oldest first."""
        return (KeyRecord(key, *unpack(packed)) for key, packed in islice(self._keys, first, None))

    def chunk(self, ballot: Ballot, offset: int, max_bytes: int) -> SnapshotChunk:
        """Items from ``offset`` on, ``max_bytes`` and ``CHUNK_ITEMS`` at most, but one if there is one."""
        pairs: list[tuple[bytes, bytes]] = []
        origins: list[OriginRecord] = []
        keys: list[KeyRecord] = []
        room = max_bytes
        for number, item in enumerate(self._items_from(offset)):
            if number > 0 and (room <= 0 or number >= CHUNK_ITEMS):
                break
            if isinstance(item, OriginRecord):
                origins.append(item)
                room -= 40 + 17 * len(item.results)
            elif isinstance(item, KeyRecord):
                keys.append(item)
                room -= 300
            else:
                pairs.append(item)
                room -= len(item[0]) + len(item[1]) + 8
        return SnapshotChunk(
            ballot, self.applied, self.evicted, offset, self.total, tuple(pairs), tuple(origins), tuple(keys)
        )

    def _items_from(self, offset: int) -> Iterator[tuple[bytes, bytes] | OriginRecord | KeyRecord]:
        yield from self.map.items_from(offset)
        offset = max(0, offset - len(self.map))
        yield from self.origins[offset:]
        yield from self.keys(max(0, offset - len(self.origins)))


class Thaw:
    """A store that is being put together from chunks, aside from the one in use."""

    __slots__ = ("applied", "evicted", "next", "store", "total")

    def __init__(self, first: SnapshotChunk, old: Store) -> None:
        """``old``: the store that this one is to replace."""
        self.applied = first.applied
        self.evicted = first.evicted
        self.total = first.total
        self.next = 0
        self.store = Store(old.data.successor(first.total))

    def add(self, chunk: SnapshotChunk) -> bool:
        """Take the chunk in if it is the next of this very snapshot; whether it was."""
        if (chunk.applied, chunk.evicted, chunk.total) != (self.applied, self.evicted, self.total):
            return False
        count = len(chunk.pairs) + len(chunk.origins) + len(chunk.keys)
        if chunk.offset != self.next or self.next + count > self.total:
            return False
        if count == 0 and self.total:
            return False
        for pair in chunk.pairs:
            self.store.data.put(*pair)
        for record in chunk.origins:
            self.store.origins[(record.origin, record.incarnation)] = Origin(
                record.first_position, record.settled, record.last_position, dict(record.results)
            )
        for key in chunk.keys:
            self.store.keys[key.idempotency_key] = (key.fingerprint, key.result)
        self.next += count
        return True

    @property
    def complete(self) -> bool:
        return self.next == self.total

    def finish(self) -> Store | None:
        """The whole store, or ``None`` if what was sent does not add up to it."""
        store = self.store
        count = len(store.data) + len(store.origins) + len(store.keys)
        if not self.complete or count != self.total:
            return None
        store.applied = self.applied
        store.evicted = self.evicted
        return store
