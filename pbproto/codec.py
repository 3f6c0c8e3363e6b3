"""The wire form of peer messages: a batch of ``(envelope, message)`` pairs as bytes, and back.

Layout, big-endian throughout::

    magic "pbkv" | version u16 | section*
    section = envelope (5 x u64) | count u32 | message*
    message = kind u8 | its fields in the order of the class

Lengths are u32, all other numbers u64; of these only incarnations and histories, which are random bits, use
the top bit: what is counted (ids, epochs, positions, rounds, times) ends at 2**63 - 1. Bytes are read into
integers, byte strings, text and the closed set of classes below and into nothing else: reading a message
executes nothing it says. Whatever is not exactly this raises ``CodecError``; a version that is not known
raises ``VersionError``, which names it and the known ones.

A version is for one batch. All of ``VERSIONS`` are read and written; which one a peer gets is agreed upon by
whoever carries the mail. Versions differ in fields that a later one added (``_SINCE``), which an earlier one
leaves out, and in verdicts (``_LATER_VERDICTS``), for which an earlier one says another that is true as well:
nothing that a replica decides may depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from itertools import pairwise
from struct import Struct
from typing import Any, NamedTuple

from .messages import (
    Adopt,
    Adopted,
    Confirm,
    Confirmed,
    Envelope,
    Fetch,
    Forward,
    Forwarded,
    KeyRecord,
    Learned,
    Lineage,
    LogChunk,
    Message,
    Offer,
    OriginRecord,
    Promise,
    Propose,
    Refusal,
    Refuse,
    Replicate,
    Replicated,
    Seek,
    SnapshotChunk,
    Told,
    Verdict,
    VerdictCode,
)
from .values import (
    MAX_ID,
    MAX_IDEMPOTENCY_KEY_BYTES,
    MAX_KEY_BYTES,
    MAX_TRACE_BYTES,
    Ballot,
    Dropped,
    Kind,
    Member,
    Operation,
    Result,
    View,
)

MAGIC = b"pbkv"
VERSIONS = (1, 2)
"""What this code speaks, without gaps: a range is all that peers tell each other."""
VERSION = VERSIONS[-1]
MEDIA_TYPE = "application/vnd.pbproto"


class CodecError(ValueError):
    """The bytes are not a batch of messages."""


class VersionError(CodecError):
    """The bytes are of a version of the protocol that is not known, or not to be spoken."""


_U8 = Struct(">B")
_U16 = Struct(">H")
_U32 = Struct(">I")
_U64 = Struct(">Q")
_BALLOT = Struct(">QQQQ")
_SECTION = Struct(">QQQQQI")  # an envelope, and how many messages it has
_OPERATION = Struct(">QQQQBHI")  # origin, incarnation, counter, settled, idempotency key, key, value length
_RESULT = Struct(">BQ")
_DROPPED = Struct(">QQQ")
_VERDICT = Struct(">QBQ")
_REPLICATE_HEAD = Struct(">QQQQQI")  # ballot, first, number of operations
_REPLICATE_END = Struct(">QQQ")
_REPLICATED = Struct(">QQQQQQQ")

_HEAD_BYTES = len(MAGIC) + _U16.size
_TOO_SHORT = "the message ends too early"
_TOO_MANY = "a count is larger than the message"
_NO_VALUE = 2**32 - 1
"""The value length of a DELETE."""


class _Reader:
    """Takes fields off the front of a byte string and never reads past its end."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        start = self.at
        end = start + count
        if end > len(self.data):
            raise CodecError(_TOO_SHORT)
        self.at = end
        return self.data[start:end]

    def unpack(self, form: Struct) -> tuple[Any, ...]:
        start = self.at
        end = start + form.size
        if end > len(self.data):
            raise CodecError(_TOO_SHORT)
        self.at = end
        return form.unpack_from(self.data, start)

    def length(self) -> int:
        """How many items follow."""
        count: int = self.unpack(_U32)[0]
        # Every item takes a byte at least: a count that lies is found before anything is allocated for it.
        if count > len(self.data) - self.at:
            raise CodecError(_TOO_MANY)
        return count

    def blob(self) -> bytes:
        return self.take(self.unpack(_U32)[0])


Parts = list[bytes]


class _Field(NamedTuple):
    """How one kind of field is written and read."""

    write: Callable[[Parts, Any], None]
    read: Callable[[_Reader], Any]


def _integer(form: Struct) -> _Field:
    return _Field(lambda parts, value: parts.append(form.pack(value)), lambda reader: reader.unpack(form)[0])


def _record(form: Struct, make: Callable[..., Any]) -> _Field:
    return _Field(
        lambda parts, value: parts.append(form.pack(*value)), lambda reader: make(*reader.unpack(form))
    )


def _choice(make: Callable[[int], Any]) -> _Field:
    return _Field(
        lambda parts, value: parts.append(_U8.pack(value)), lambda reader: make(reader.unpack(_U8)[0])
    )


def _many(item: _Field) -> _Field:
    def write(parts: Parts, values: Any) -> None:
        parts.append(_U32.pack(len(values)))
        for value in values:
            item.write(parts, value)

    def read(reader: _Reader) -> tuple[Any, ...]:
        return tuple([item.read(reader) for _ in range(reader.length())])

    return _Field(write, read)


def _optional(item: _Field) -> _Field:
    def write(parts: Parts, value: Any) -> None:
        parts.append(b"\x00" if value is None else b"\x01")
        if value is not None:
            item.write(parts, value)

    def read(reader: _Reader) -> Any:
        (present,) = reader.unpack(_U8)
        if present > 1:
            raise CodecError("a presence mark is neither 0 nor 1")
        return item.read(reader) if present else None

    return _Field(write, read)


def _structure(make: Callable[..., Any], *items: _Field) -> _Field:
    def write(parts: Parts, values: Any) -> None:
        for item, value in zip(items, values, strict=True):
            item.write(parts, value)

    return _Field(write, lambda reader: make(*[item.read(reader) for item in items]))


def _write_blob(parts: Parts, value: bytes) -> None:
    parts.append(_U32.pack(len(value)))
    parts.append(value)


def _read_trace(reader: _Reader) -> bytes:
    trace = reader.blob()
    if len(trace) > MAX_TRACE_BYTES:
        raise CodecError("a trace context is too long")
    return trace


def _write_operation(parts: Parts, operation: Operation) -> None:
    origin, incarnation, counter, settled, key, value, idempotency_key = operation
    length = _NO_VALUE if value is None else len(value)
    parts.append(
        _OPERATION.pack(origin, incarnation, counter, settled, len(idempotency_key), len(key), length)
    )
    parts.append(idempotency_key)
    parts.append(key)
    if value is not None:
        parts.append(value)


def _read_operations(reader: _Reader, count: int) -> list[Operation]:
    # In one piece, not by ``take`` and ``unpack``: nothing is read as often, and this takes half as long.
    data, at, end = reader.data, reader.at, len(reader.data)
    size, unpack, make = _OPERATION.size, _OPERATION.unpack_from, Operation
    operations = []
    for _ in range(count):
        if at + size > end:
            raise CodecError(_TOO_SHORT)
        origin, incarnation, counter, settled, name_length, key_length, length = unpack(data, at)
        if not 0 < key_length <= MAX_KEY_BYTES or name_length > MAX_IDEMPOTENCY_KEY_BYTES:
            raise CodecError("an operation has a key of a bad length")
        if settled > counter:
            raise CodecError("an operation is settled before it begins")
        if origin > MAX_ID or counter > MAX_ID:
            raise CodecError(_TOO_LARGE)
        key_at = at + size + name_length
        value_at = key_at + key_length
        value_end = value_at if length == _NO_VALUE else value_at + length
        if value_end > end:
            raise CodecError(_TOO_SHORT)
        value = None if length == _NO_VALUE else data[value_at:value_end]
        operations.append(
            make(
                origin, incarnation, counter, settled, data[key_at:value_at], value, data[at + size : key_at]
            )
        )
        at = value_end
    reader.at = at
    return operations


def _read_several_operations(reader: _Reader) -> tuple[Operation, ...]:
    return tuple(_read_operations(reader, reader.length()))


def _read_flag(reader: _Reader) -> bool:
    flag: int = reader.unpack(_U8)[0]
    if flag > 1:
        raise CodecError("a flag is neither 0 nor 1")
    return flag == 1


def _write_member(parts: Parts, member: Member) -> None:
    parts.append(_U64.pack(member.id))
    _write_blob(parts, member.address.encode())


def _read_member(reader: _Reader) -> Member:
    (id_,) = reader.unpack(_U64)
    return Member(id_, reader.blob().decode())


def _read_members(reader: _Reader) -> tuple[Member, ...]:
    members: tuple[Member, ...] = _MEMBER_LIST.read(reader)
    if View(members).members != members:
        raise CodecError("the members of a view are not in order")
    return members


_TOO_LARGE = "a number is larger than anybody counts"


def _check_counts(*counts: int) -> None:
    # Nobody has counted that far, and one more than the largest u64 would fit into no message of ours.
    if max(counts) > MAX_ID:
        raise CodecError(_TOO_LARGE)


def _read_count(reader: _Reader) -> int:
    count: int = reader.unpack(_U64)[0]
    if count > MAX_ID:  # asked here, and in _make_ballot: every message has some, and a call costs more
        _check_counts(count)
    return count


def _make_ballot(epoch: int, attempt: int, primary: int, incarnation: int) -> Ballot:
    if epoch > MAX_ID or attempt > MAX_ID or primary > MAX_ID:
        _check_counts(epoch, attempt, primary)
    return Ballot(epoch, attempt, primary, incarnation)


def _make_result(kind: int, position: int) -> Result:
    _check_counts(position)
    return Result(Kind(kind), position)


def _make_dropped(id_: int, first: int, end: int) -> Dropped:
    _check_counts(id_, first, end)
    return Dropped(id_, first, end)


def _make_verdict(counter: int, code: int, position: int) -> Verdict:
    _check_counts(counter, position)
    return Verdict(counter, VerdictCode(code), position)


def _write_verdict_1(parts: Parts, verdict: Verdict) -> None:
    counter, code, position = verdict
    if code in _LATER_VERDICTS:
        code, position = _LATER_VERDICTS[code], 0
    parts.append(_VERDICT.pack(counter, code, position))


def _read_verdict_1(reader: _Reader) -> Verdict:
    verdict: Verdict = _A_VERDICT.read(reader)
    if verdict.code in _LATER_VERDICTS:
        raise CodecError("a verdict is of a later version")
    return verdict


def _read_lineage(reader: _Reader) -> Lineage:
    lineage: Lineage = _STRETCHES.read(reader)
    for before, after in pairwise(lineage):
        if not (before[0] < after[0] and before[1] <= after[1]):
            raise CodecError("a lineage is not in order")
    return lineage


_BITS = _integer(_U64)
_COUNT = _Field(_BITS.write, _read_count)
_FLAG = _Field(lambda parts, value: parts.append(b"\x01" if value else b"\x00"), _read_flag)
_BLOB = _Field(_write_blob, _Reader.blob)
_TRACE = _Field(_write_blob, _read_trace)
_A_BALLOT = _record(_BALLOT, _make_ballot)
_A_RESULT = _record(_RESULT, _make_result)
_STRETCHES = _many(_structure(lambda *pair: pair, _A_BALLOT, _COUNT))
_LINEAGE = _Field(_STRETCHES.write, _read_lineage)
_AN_OPERATION = _Field(_write_operation, lambda reader: _read_operations(reader, 1)[0])
_OPERATIONS = _Field(_many(_AN_OPERATION).write, _read_several_operations)
_MEMBER_LIST = _many(_Field(_write_member, _read_member))
_MEMBERS = _Field(_MEMBER_LIST.write, _read_members)
_A_VERDICT = _record(_VERDICT, _make_verdict)
_LOSS = _record(_DROPPED, _make_dropped)
_PAIR = _structure(lambda *pair: pair, _BLOB, _BLOB)
_RESULTS = _many(_structure(lambda *pair: pair, _COUNT, _A_RESULT))
_ORIGIN = _structure(OriginRecord, _COUNT, _BITS, _COUNT, _COUNT, _COUNT, _RESULTS)
_KEY = _structure(KeyRecord, _BLOB, _BLOB, _A_RESULT)

_MESSAGES: tuple[tuple[type, tuple[_Field, ...]], ...] = (
    (Told, (_MEMBERS, _COUNT)),
    (Propose, (_A_BALLOT, _MEMBERS, _FLAG, _A_BALLOT)),
    (Promise, (_A_BALLOT, _optional(_A_BALLOT), _BITS, _COUNT, _COUNT, _COUNT, _LINEAGE)),
    (Adopt, (_A_BALLOT, _BITS, _COUNT, _LINEAGE, _many(_LOSS))),
    (Adopted, (_A_BALLOT,)),
    (Fetch, (_A_BALLOT, _FLAG, _COUNT, _COUNT)),
    (LogChunk, (_A_BALLOT, _COUNT, _OPERATIONS)),
    (
        SnapshotChunk,
        (_A_BALLOT, _COUNT, _COUNT, _COUNT, _COUNT, _many(_PAIR), _many(_ORIGIN), _many(_KEY)),
    ),
    (Replicate, (_A_BALLOT, _COUNT, _OPERATIONS, _COUNT, _COUNT, _COUNT)),
    (Replicated, (_A_BALLOT, _COUNT, _COUNT, _COUNT)),
    (Forward, (_A_BALLOT, _COUNT, _COUNT, _AN_OPERATION, _TRACE)),
    (Forwarded, (_A_BALLOT, _many(_A_VERDICT))),
    (Confirm, (_A_BALLOT, _COUNT, _FLAG)),
    (Confirmed, (_A_BALLOT, _COUNT, _COUNT)),
    (Refuse, (_A_BALLOT, _choice(Refusal), _COUNT, _A_BALLOT)),
    (Seek, (_MEMBERS,)),
    (Offer, (_A_BALLOT, _BITS, _COUNT, _COUNT, _COUNT, _LINEAGE)),
    (Learned, (_A_BALLOT, _COUNT, _FLAG)),
)
"""The place in this table is the kind on the wire: new messages go to the end."""

_SINCE: dict[type, dict[str, int]] = {
    Forward: {"trace": 2},
}
"""The fields in which the versions differ: the version that brought a field, for each that is not as old as
its message. Such fields stand at the end, in the order in which they came, and have a default, which is what
is read where they are left out."""
_LATER_VERDICTS = {VerdictCode.STORE_FULL: VerdictCode.NOT_APPLIED}
"""The verdicts that version 2 brought, and what version 1 says: that is as certain, and remembered alike."""
_OTHER_FORMS: dict[tuple[int, type], tuple[_Field, ...]] = {
    (1, Forwarded): (_A_BALLOT, _many(_Field(_write_verdict_1, _read_verdict_1))),
}
"""Messages that are written otherwise in a version."""


def _forms_in(version: int, class_: type, forms: tuple[_Field, ...]) -> tuple[_Field, ...]:
    """The fields that a message has on the wire in this version."""
    other = _OTHER_FORMS.get((version, class_))
    if other is not None:
        return other
    since = _SINCE.get(class_, {})
    known = zip(fields(class_), forms, strict=True)
    return tuple([form for field, form in known if since.get(field.name, 0) <= version])


_Write = Callable[[Parts, Any], None]
_Read = Callable[[_Reader], Any]


def _writer(class_: type, forms: tuple[_Field, ...]) -> _Write:
    names = fields(class_)[: len(forms)]  # what a later version has added stands at the end
    writers = [(field.name, form.write) for field, form in zip(names, forms, strict=True)]

    def write(parts: Parts, message: Any) -> None:
        for name, write_field in writers:
            write_field(parts, getattr(message, name))

    return write


def _reader(class_: type, forms: tuple[_Field, ...]) -> _Read:
    readers = [form.read for form in forms]
    return lambda reader: class_(*[read(reader) for read in readers])


# One of each of these goes to each backup and back for every batch of writes, so they are written and read in
# one piece, to the same bytes as the table would make.


def _write_replicate(parts: Parts, message: Replicate) -> None:
    parts.append(_REPLICATE_HEAD.pack(*message.ballot, message.first, len(message.operations)))
    for operation in message.operations:
        _write_operation(parts, operation)
    parts.append(_REPLICATE_END.pack(message.commit, message.round, message.lease))


def _read_replicate(reader: _Reader) -> Replicate:
    epoch, attempt, primary, incarnation, first, count = reader.unpack(_REPLICATE_HEAD)
    ballot = _make_ballot(epoch, attempt, primary, incarnation)
    if count > len(reader.data) - reader.at:
        raise CodecError(_TOO_MANY)
    operations = tuple(_read_operations(reader, count))
    commit, round_, lease = reader.unpack(_REPLICATE_END)
    _check_counts(first, commit, round_, lease)
    return Replicate(ballot, first, operations, commit, round_, lease)


def _write_replicated(parts: Parts, message: Replicated) -> None:
    parts.append(_REPLICATED.pack(*message.ballot, message.log_end, message.round, message.lease))


def _read_replicated(reader: _Reader) -> Replicated:
    epoch, attempt, primary, incarnation, log_end, round_, lease = reader.unpack(_REPLICATED)
    _check_counts(log_end, round_, lease)
    return Replicated(_make_ballot(epoch, attempt, primary, incarnation), log_end, round_, lease)


def _checked(read: _Read, check: Callable[[Any], None]) -> _Read:
    def read_and_check(reader: _Reader) -> Any:
        message = read(reader)
        check(message)
        return message

    return read_and_check


def _check_log(lineage: Lineage, end: int, *positions: int) -> None:
    if any(start > end for _, start in lineage) or any(position > end for position in positions):
        raise CodecError("a log is said to hold what lies beyond its end")


def _check_promise(message: Promise) -> None:
    _check_log(message.lineage, message.log_end, message.commit, message.base)


def _check_adopt(message: Adopt) -> None:
    _check_log(message.lineage, message.end)


def _check_offer(message: Offer) -> None:
    _check_log(message.lineage, message.end, message.kept, message.near)


_CHECKS: dict[type, Callable[[Any], None]] = {
    Promise: _check_promise,
    Adopt: _check_adopt,
    Offer: _check_offer,
}
_IN_ONE_PIECE: dict[type, tuple[_Write, _Read]] = {
    Replicate: (_write_replicate, _read_replicate),
    Replicated: (_write_replicated, _read_replicated),
}


class _Version:
    """How the batches of one version are written and read."""

    __slots__ = ("head", "readers", "writers")

    def __init__(self, version: int) -> None:
        self.head = MAGIC + _U16.pack(version)
        self.writers: dict[type, tuple[bytes, _Write]] = {}
        self.readers: list[_Read] = []
        for kind, (class_, all_forms) in enumerate(_MESSAGES):
            forms = _forms_in(version, class_, all_forms)
            write, read = _IN_ONE_PIECE.get(class_) or (_writer(class_, forms), _reader(class_, forms))
            self.writers[class_] = (bytes([kind]), write)
            self.readers.append(_checked(read, _CHECKS[class_]) if class_ in _CHECKS else read)


_VERSIONS = {version: _Version(version) for version in VERSIONS}


def encode(batch: Iterable[tuple[Envelope, Message]], version: int = VERSION) -> bytes:
    """The wire form of a batch, in order. Neighbours with equal envelopes share one.

    Raises ``VersionError`` for a ``version`` that is none of ``VERSIONS``.
    """
    spoken = _VERSIONS.get(version)
    if spoken is None:
        raise VersionError(f"version {version} of the protocol is none of {VERSIONS}")
    parts: Parts = [spoken.head]
    writers = spoken.writers
    section: Envelope | None = None
    head = count = 0
    for envelope, message in batch:
        if envelope != section:
            if section is not None:
                parts[head] = _SECTION.pack(*section, count)
            section, head, count = envelope, len(parts), 0
            parts.append(b"")
        count += 1
        kind, write = writers[type(message)]
        parts.append(kind)
        write(parts, message)
    if section is not None:
        parts[head] = _SECTION.pack(*section, count)
    return b"".join(parts)


def version_of(data: bytes) -> int:
    """The version of the batch in ``data``, known or not. Raises ``CodecError`` for what is no batch."""
    if data[: len(MAGIC)] != MAGIC:
        raise CodecError("these are not peer messages")
    if len(data) < _HEAD_BYTES:
        raise CodecError(_TOO_SHORT)
    version: int = _U16.unpack_from(data, len(MAGIC))[0]
    return version


def decode(data: bytes, newest: int = VERSION) -> list[tuple[Envelope, Message]]:
    """The batch in ``data``, in any of ``VERSIONS`` up to ``newest``.

    Raises ``VersionError`` for other versions, ``CodecError`` for anything that ``encode`` does not write.
    """
    version = version_of(data)
    spoken = _VERSIONS.get(version)
    if spoken is None or version > newest:
        known = f"versions {VERSIONS[0]} to {newest}" if newest > VERSIONS[0] else f"version {newest} only"
        raise VersionError(f"the peer speaks version {version} of the protocol, this node {known}")
    reader = _Reader(data)
    reader.at = _HEAD_BYTES
    readers = spoken.readers
    end = len(data)
    batch: list[tuple[Envelope, Message]] = []
    try:
        while reader.at < end:
            sender, life, receiver, receivers_life, history, count = reader.unpack(_SECTION)
            envelope = Envelope(sender, life, receiver, receivers_life, history)
            if not 0 < count <= end - reader.at:
                raise CodecError("a section has no messages, or more than it has bytes")
            for _ in range(count):
                batch.append((envelope, _read_message(reader, readers)))
    except CodecError:
        raise
    except ValueError as error:
        raise CodecError(f"a field has a value that it cannot have: {error}") from error
    return batch


def _read_message(reader: _Reader, readers: list[_Read]) -> Message:
    at = reader.at
    if at >= len(reader.data):
        raise CodecError(_TOO_SHORT)
    kind = reader.data[at]
    reader.at = at + 1
    if kind >= len(readers):
        raise CodecError(f"message kind {kind} is not known")
    message: Message = readers[kind](reader)
    return message
