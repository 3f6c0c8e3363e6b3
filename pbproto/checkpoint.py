"""A replica's whole state as bytes, and back: exact, so that whatever happens next gives the same effects.

What may be large (the map, the remembered answers, the log) is not written with the rest but in pieces of its
own. Taking a checkpoint takes a snapshot of the map and copies the other containers, each in one go; the
pieces are made when they are asked for, by any thread, while the replica goes on.

A *digest* says that two states are equal. The *brief* one says it of everything but the contents of byte
strings and of long collections, of which it sees the lengths: it costs little, however large the state is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from struct import Struct
from typing import Any, get_type_hints
from zlib import crc32

from .answers import Answers
from .buckets import MAX_BUCKETS, BucketMap, Buckets
from .forms import BYTES, INT, Form, FormError, Forms, Parts, Reader, write_bytes
from .log import Log
from .messages import KeyRecord, OriginRecord, SnapshotChunk
from .redaction import Redactor
from .state import State
from .store import Frozen, Origin, Store, Thaw, fingerprint
from .values import NO_BALLOT, Operation

PIECE_BYTES = 65_536
"""About how large a piece is, unless a single item is larger."""
DIGEST_BYTES = 16
_U32 = Struct(">I")


# The form of all but the large parts.


def _write_thaw(parts: Parts, thaw: Thaw) -> None:
    for number in (thaw.applied, thaw.evicted, thaw.total, thaw.next):
        INT.write(parts, number)


def _read_thaw(reader: Reader) -> Thaw:
    applied, evicted, total, next_ = (INT.read(reader) for _ in range(4))
    thaw = Thaw(SnapshotChunk(NO_BALLOT, applied, evicted, 0, total, (), (), ()), Store())
    thaw.next = next_
    return thaw


def _write_store(parts: Parts, store: Store) -> None:
    for number in (store.applied, store.evicted, store.data.width):
        INT.write(parts, number)


def _read_store(reader: Reader) -> Store:
    applied, evicted, width = (INT.read(reader) for _ in range(3))
    if not 0 < width <= MAX_BUCKETS:
        raise FormError(f"a map has no {width} buckets")
    return _without_items(applied, evicted, width)


def _without_items(applied: int, evicted: int, width: int) -> Store:
    store = Store(BucketMap(width))
    store.applied, store.evicted = applied, evicted
    return store


def _write_frozen(parts: Parts, frozen: Frozen) -> None:
    for number in (frozen.applied, frozen.evicted, frozen.map.width):
        INT.write(parts, number)


def _read_frozen(reader: Reader) -> Frozen:
    return Frozen(_read_store(reader))  # empty, until ``restore`` has its items


_FORMS = Forms(
    {
        Store: Form(_write_store, _read_store),
        Thaw: Form(_write_thaw, _read_thaw),
        Log: Form(lambda parts, log: INT.write(parts, log.start), lambda reader: Log(INT.read(reader))),
        Frozen: Form(_write_frozen, _read_frozen),
        list[Operation]: Form(lambda _parts, _operations: None, lambda _reader: []),
    }
)
_STATE = _FORMS.of(State)
_PAIR = _FORMS.of(tuple[bytes, bytes])
_ORIGIN = _FORMS.of(OriginRecord)
_KEY = _FORMS.of(KeyRecord)
_OPERATION = _FORMS.of(Operation)

DECLARED = (
    *(
        f"{class_.__name__}{class_.__slots__}"
        for class_ in (Store, Answers, Buckets, BucketMap, Thaw, Log, Frozen)
    ),
    *_FORMS.declared,
)
"""The classes of which a state consists, as text; of those that are written by hand, what they have."""
SHAPE = blake2b("\n".join(DECLARED).encode(), digest_size=8).digest()
"""Names the classes that a state consists of, field by field: states of another shape cannot be read."""


# The large parts, each a sequence of items: of the store, of one that is being put together, of one that is
# kept as it was, of one that is learned, the log, the tail that is being fetched, and the hidden fingerprints
# of a redacted state.

_PARTS = (*(_PAIR, _ORIGIN, _KEY) * 4, _OPERATION, _OPERATION, BYTES)
_NAMES = len(_PARTS) - 1


def _parts_of(frozen: Frozen | None, redactor: Redactor | None) -> list[Iterable[Any]]:
    """The items of a store; they are made when they are asked for."""
    if frozen is None:
        return [(), (), ()]
    pairs: Iterable[Any] = frozen.map.items()
    keys: Iterable[Any] = frozen.keys()
    if redactor is not None:
        pairs = map(redactor.pair, pairs)
        keys = map(redactor.key_record, keys)
    return [pairs, frozen.origins, keys]


def named_operations(state: State) -> Iterator[Operation]:
    """The operations with an idempotency key that this state may still apply or compare, in order."""
    for waiter in state.waiting.clients.values():
        if waiter.operation is not None:
            yield waiter.operation
    if state.lead is not None:
        for parked in state.lead.parked.values():
            yield parked.operation
    log = state.log
    yield from log.since(log.start, log.end, log.bytes)
    if state.staging is not None:
        yield from state.staging.tail


def with_key(operations: Iterable[Operation]) -> list[Operation]:
    """Those of the operations whose fingerprint will be taken."""
    return [operation for operation in operations if operation.idempotency_key]


class Checkpoint:
    """A state as it is now. It may go on; ``pieces`` can be taken once, at any time."""

    def __init__(self, state: State, redactor: Redactor | None = None) -> None:
        log, staging = state.log, state.staging
        thaw, frozen, learned = _thawing(state), state.frozen, _learned(state)
        stores = [
            Frozen(state.store),
            None if thaw is None else Frozen(thaw),
            # While the store holds still since, it has the same items, in the same order.
            None if frozen is None or frozen.applied == state.store.applied else frozen,
            None if learned is None else Frozen(learned),
        ]
        parts = [part for each in stores for part in _parts_of(each, redactor)]
        operations: list[Iterable[Operation]] = [log.since(log.start, log.end, log.bytes)]
        operations.append(tuple(staging.tail) if staging is not None else ())
        names: Iterable[bytes] = ()
        if redactor is not None:
            hide = redactor.fingerprint
            names = (hide(fingerprint(each)) for each in with_key(named_operations(state)))
            operations = [map(redactor.operation, each) for each in operations]
            state = redactor.state(state)
        self._head: Parts = []
        _STATE.write(self._head, state)
        self._parts = [*parts, *operations, names]

    @property
    def head(self) -> bytes:
        """All but the large parts. What waits may be long, so it is put together when it is asked for."""
        return b"".join(self._head)

    def pieces(self) -> Iterator[bytes]:
        """The large parts: each piece is the number of its part and some of its items."""
        for number, (form, items) in enumerate(zip(_PARTS, self._parts, strict=True)):
            parts: Parts = []
            size = 0
            for item in items:
                before = len(parts)
                form.write(parts, item)
                size += sum(map(len, parts[before:]))
                if size >= PIECE_BYTES:
                    yield b"".join([bytes([number]), *parts])
                    parts, size = [], 0
            if parts:
                yield b"".join([bytes([number]), *parts])


class Digest:
    """Digests the head and then the pieces of a checkpoint, but not the hidden fingerprints, which are not
    part of the state."""

    def __init__(self, head: bytes) -> None:
        self._hash = blake2b(digest_size=DIGEST_BYTES)
        self.size = 0
        self._add(head)

    def add(self, piece: bytes) -> None:
        if piece[0] != _NAMES:
            self._add(piece)

    def _add(self, piece: bytes) -> None:
        framed: Parts = []
        write_bytes(framed, piece)
        for part in framed:
            self._hash.update(part)
        self.size += len(piece)

    def value(self) -> bytes:
        return self._hash.digest()


def digest(state: State, redactor: Redactor | None = None, limit: int | None = None) -> bytes | None:
    """The digest of a whole state, or ``None`` if it has more than about ``limit`` bytes."""
    if limit is not None and _least_size(state) > limit:
        return None
    checkpoint = Checkpoint(state, redactor)
    whole = Digest(checkpoint.head)
    for piece in checkpoint.pieces():
        whole.add(piece)
        if limit is not None and whole.size > limit:
            return None
    return whole.value()


def _least_size(state: State) -> int:
    """What a state has at least, without looking at its items."""
    items = len(state.waiting.clients)
    for store in (state.store, _thawing(state), _learned(state)):
        if store is not None:
            items += len(store.data) + len(store.keys)
    return state.log.bytes + state.waiting.bytes + 8 * items


def _thawing(state: State) -> Store | None:
    """The store that is being put together."""
    staging = state.staging
    return staging.thaw.store if staging is not None and staging.thaw is not None else None


def _learned(state: State) -> Store | None:
    """The store that is a copy of another primary's, or is going to be one."""
    learning = state.learning
    if learning is None or learning.thaw is None:
        return learning.copy if learning is not None else None
    return learning.thaw.store


def possible(state: State) -> bool:
    """Whether a checkpoint can be taken now: snapshots that learners are fetching would be further copies."""
    filling = state.lead.filling if state.lead is not None else None
    return filling is None or all(learner.frozen is None for learner in filling.learners.values())


def _write_brief_store(parts: Parts, store: Store) -> None:
    _write_store(parts, store)
    for items in (store.data, store.origins, store.keys):
        INT.write(parts, len(items))


def _write_brief_log(parts: Parts, log: Log) -> None:
    for number in (log.start, log.end, log.bytes):
        INT.write(parts, number)


_BRIEF_FORMS = Forms(
    {
        Store: Form(_write_brief_store, _read_store),
        Thaw: Form(_write_thaw, _read_thaw),
        Log: Form(_write_brief_log, lambda reader: reader),
        Frozen: Form(_write_frozen, lambda reader: reader),
    },
    brief=True,
)
_BRIEF = [(name, _BRIEF_FORMS.of(hint)) for name, hint in get_type_hints(State).items()]


def brief_digest(state: State) -> bytes:
    """The brief digest of a state, four bytes for each of its fields; the same for a redacted one, since
    lengths are what it has."""
    return b"".join([_U32.pack(crc32(form.dump(getattr(state, name)))) for name, form in _BRIEF])


def different_fields(one: bytes, other: bytes) -> list[str]:
    """The fields of the state in which two brief digests differ."""
    places = [slice(at, at + _U32.size) for at in range(0, len(_BRIEF) * _U32.size, _U32.size)]
    return [name for (name, _), at in zip(_BRIEF, places, strict=True) if one[at] != other[at]]


# And back.


def restore(head: bytes, pieces: Iterable[bytes]) -> tuple[State, list[bytes]]:
    """The state, and the hidden fingerprints of its named operations. Raises ``FormError``."""
    state: State = _STATE.load(head)
    names: list[bytes] = []
    frozen = state.frozen
    kept = Store() if frozen is None else _without_items(frozen.applied, frozen.evicted, frozen.map.width)
    put = _putters(state, kept, names)
    for piece in pieces:
        reader = Reader(piece)
        number = reader.u8()
        if number >= len(_PARTS):
            raise FormError(f"a checkpoint has no part {number}")
        while reader.at < reader.end:
            put[number](_PARTS[number].next(reader))
    if frozen is not None:
        state.frozen = Frozen(state.store if frozen.applied == state.store.applied else kept)
    return state, names


def _putters(state: State, kept: Store, names: list[bytes]) -> list[Callable[[Any], Any]]:
    """Per part what is done with an item of it."""
    tail: list[Operation] = state.staging.tail if state.staging is not None else []
    return [
        *_store_putters(state.store),
        *_store_putters(_thawing(state) or Store()),
        *_store_putters(kept),
        *_store_putters(_learned(state) or Store()),
        state.log.append,
        tail.append,
        names.append,
    ]


def _store_putters(store: Store) -> list[Callable[[Any], Any]]:
    def pair(item: tuple[bytes, bytes]) -> None:
        store.data.put(*item)

    def origin(item: OriginRecord) -> None:
        store.origins[(item.origin, item.incarnation)] = Origin(
            item.first_position, item.settled, item.last_position, dict(item.results)
        )

    def key(item: KeyRecord) -> None:
        store.keys[item.idempotency_key] = (item.fingerprint, item.result)

    return [pair, origin, key]
