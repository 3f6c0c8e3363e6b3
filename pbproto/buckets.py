"""A map of byte strings of which snapshots can be taken at any time, in time that hardly grows with its size.

The keys are spread over *buckets*, each a dict. A snapshot takes the list of the buckets and shares them; who
writes to a bucket that a snapshot may have makes a copy of it first (copy on write). So nothing here ever
takes longer than one bucket does, but for a snapshot, which copies one pointer for each bucket.

The number of buckets grows with the number of keys, by one at a time (linear hashing: W. Litwin, VLDB 1980),
so that no step pays for a resize. A key's bucket is told by its CRC-32, not by ``hash``, which differs from
process to process. The order of the items is that of the buckets, and within a bucket that in which the keys
came: the same operations give the same order, and up to ``LOAD`` keys it is the order of a dict. Keys that
somebody has chosen to share a CRC share a bucket, and the map is as slow as one dict: never wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, ItemsView, Iterator, Mapping, MutableMapping
from itertools import accumulate, islice
from zlib import crc32

LOAD = 64
"""Keys per bucket on average, at most. More make the copy of a bucket longer, fewer a snapshot."""
MAX_BUCKETS = 2**20
"""More are not made, so that a snapshot of the largest map is a matter of milliseconds, too."""
TIDY = 256
"""Buckets that are thrown away at a time."""

Bucket = dict[bytes, bytes]
Place = Callable[[bytes], int]


class _Items(ItemsView[bytes, bytes]):
    """The items, bucket by bucket: ``ItemsView`` by itself would look up each key."""

    __slots__ = ()
    _mapping: Buckets

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        # A generator holds the snapshot that it goes through. An iterator over the buckets alone would not,
        # and when the snapshot died before it, the map would write to buckets that are still being read.
        for bucket in self._mapping._buckets:
            yield from bucket.items()


class Buckets(Mapping[bytes, bytes]):
    """What a map and its snapshots have in common: reading."""

    __slots__ = ("_buckets", "_count", "_mask", "_place")

    def __init__(self, buckets: list[Bucket], count: int, mask: int, place: Place) -> None:
        self._buckets = buckets
        self._count = count
        self._mask = mask
        """The bits that count of the number that ``place`` gives; the highest may be one too many."""
        self._place = place

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: bytes) -> bytes:
        return self._buckets[self._at(key)][key]

    def get(self, key: bytes, default: bytes | None = None) -> bytes | None:  # type: ignore[override]
        # As in ``_at``: a call saved in each read.
        at = self._place(key) & self._mask
        if at >= len(self._buckets):
            at &= self._mask >> 1
        return self._buckets[at].get(key, default)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and key in self._buckets[self._at(key)]

    def __iter__(self) -> Iterator[bytes]:
        for bucket in self._buckets:
            yield from bucket

    def items(self) -> ItemsView[bytes, bytes]:
        """The items in order; to iterate over them takes no more than a dict does."""
        return _Items(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict(self.items())})"

    @property
    def width(self) -> int:
        """The number of buckets. A map of the same width gives items that it gets in order back in order."""
        return len(self._buckets)

    def _at(self, key: bytes) -> int:
        """The number of the bucket that has the key if any has it."""
        at = self._place(key) & self._mask
        return at if at < len(self._buckets) else at & (self._mask >> 1)


class Snapshot(Buckets):
    """The map as it was, for as long as anybody holds this; may be read by any thread.

    To let go of it takes no time either: its buckets, of which it may be the last holder by now, are left to
    the map to be freed a few at a time.
    """

    __slots__ = ("_ends", "_living", "_waste")

    def __init__(self, of: BucketMap) -> None:
        super().__init__(of._buckets.copy(), of._count, of._mask, of._place)
        self._ends: list[int] = []
        """Up to which item each bucket goes, once somebody asks for items by their number."""
        self._living = of._living
        self._waste = of._waste
        self._living.append(None)

    def __del__(self) -> None:
        # By whichever thread lets go last, at any moment: both calls are atomic.
        self._living.pop()
        self._waste.append(self._buckets)

    def items_from(self, offset: int) -> Iterator[tuple[bytes, bytes]]:
        """The items from the one at ``offset`` on, found in the logarithm of the number of buckets."""
        if not self._ends:
            self._ends = list(accumulate(map(len, self._buckets)))
        first = bisect_right(self._ends, offset)
        skip = offset - self._ends[first - 1] if first else offset
        for at in range(first, len(self._buckets)):
            yield from islice(self._buckets[at].items(), skip, None)
            skip = 0


class BucketMap(Buckets, MutableMapping[bytes, bytes]):
    """The map. Not safe for threads, but for its snapshots."""

    __slots__ = ("_living", "_owned", "_waste", "content_bytes")

    def __init__(self, width: int = 1, place: Place = crc32, waste: list[list[Bucket]] | None = None) -> None:
        """An empty map of ``width`` buckets, 1 to ``MAX_BUCKETS``.

        ``place`` gives a key a number, the same in each process, whose low bits tell its bucket.
        """
        super().__init__([{} for _ in range(width)], 0, (1 << (width - 1).bit_length()) - 1, place)
        self._owned = bytearray(b"\1") * width
        """Per bucket whether it may be written to; 0 while a snapshot may have it, too."""
        self.content_bytes = 0
        """The bytes of all keys and values."""
        self._living: list[None] = []
        """An item for each snapshot that somebody holds."""
        self._waste: list[list[Bucket]] = [] if waste is None else waste
        """Buckets that were let go of. To free a million items at once would take as long as to copy them."""

    def __del__(self) -> None:
        self._waste.append(self._buckets)

    def successor(self, count: int) -> BucketMap:
        """An empty map, made for ``count`` keys, that is to take the place of this one.

        Whichever of the two is left frees the other.
        """
        return BucketMap(min(max(1, -(-count // LOAD)), MAX_BUCKETS), self._place, self._waste)

    def snapshot(self) -> Snapshot:
        """The map as it is now."""
        self._owned = bytearray(self.width)
        return Snapshot(self)

    def put(self, key: bytes, value: bytes) -> bool:
        """Set the value of a key; whether it had one."""
        # ``_at`` once more, and all in one function: each write of each client comes through here.
        buckets = self._buckets
        at = self._place(key) & self._mask
        if at >= len(buckets):
            at &= self._mask >> 1
        bucket = buckets[at] if self._owned[at] else self._own(at)
        before = bucket.get(key)
        bucket[key] = value
        if before is not None:
            self.content_bytes += len(value) - len(before)
            return True
        self.content_bytes += len(key) + len(value)
        self._count += 1
        if self._count > LOAD * len(buckets):
            self._grow()
        return False

    def remove(self, key: bytes) -> bool:
        """Remove a key; whether it was there."""
        at = self._at(key)
        if key not in self._buckets[at]:
            return False
        bucket = self._buckets[at] if self._owned[at] else self._own(at)
        self.content_bytes -= len(key) + len(bucket.pop(key))
        self._count -= 1
        return True

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.put(key, value)

    def __delitem__(self, key: bytes) -> None:
        if not self.remove(key):
            raise KeyError(key)

    def tidy(self) -> None:
        """Free some of what was let go of. To be called now and then."""
        if self._waste:
            buckets = self._waste.pop()
            del buckets[-TIDY:]
            if buckets:
                self._waste.append(buckets)

    def _own(self, at: int) -> Bucket:
        """A bucket that no snapshot has, in place of one that some may have."""
        if not self._living:
            self._owned = bytearray(b"\1") * self.width
            return self._buckets[at]
        bucket = self._buckets[at] = self._buckets[at].copy()
        self._owned[at] = 1
        return bucket

    def _grow(self) -> None:
        """Make one more bucket, of the items of another whose next bit is set."""
        new = self.width
        if new == MAX_BUCKETS:
            return
        if new > self._mask:
            self._mask = 2 * self._mask + 1
        old = new & (self._mask >> 1)
        bit, place = new ^ old, self._place
        # Two new dicts and none changed: a snapshot may have the old one.
        staying: Bucket = {}
        leaving: Bucket = {}
        for key, value in self._buckets[old].items():
            (leaving if place(key) & bit else staying)[key] = value
        self._buckets[old] = staying
        self._buckets.append(leaving)
        self._owned[old] = 1
        self._owned.append(1)
