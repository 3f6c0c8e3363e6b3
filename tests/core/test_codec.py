"""The wire form: everything that can be said survives the way, and what breaks its rules is named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings

from pbproto import (
    Ballot,
    CodecError,
    Dropped,
    Envelope,
    Kind,
    Member,
    Message,
    Operation,
    Result,
    VersionError,
    codec,
    decode,
    encode,
)
from pbproto.codec import MAGIC, VERSION, VERSIONS, version_of
from pbproto.messages import (
    Adopt,
    Adopted,
    Confirm,
    Confirmed,
    Fetch,
    Forward,
    Forwarded,
    KeyRecord,
    Learned,
    LogChunk,
    Offer,
    OriginRecord,
    Promise,
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
from pbproto.values import MAX_ID, MAX_TRACE_BYTES

from ..fuzz.codec import run as check_bytes
from . import golden
from .cluster import MESSAGES
from .versions import as_said
from .wire import (
    BALLOT,
    BALLOT_BYTES,
    BY_CLASS,
    ENVELOPE,
    QUICK,
    batches,
    envelopes,
    section,
    u32,
    u64,
    versions,
)


def test_every_message_is_tried() -> None:
    """A new message without a strategy here would go untested: compare with the union, in wire order."""
    assert tuple(BY_CLASS) == MESSAGES == Message.__args__


@pytest.mark.parametrize("class_", MESSAGES)
def test_every_message_survives_the_way(class_: type[Message]) -> None:
    """What is sent is what arrives, to the type of each field: generate messages of each class."""

    @settings(QUICK, max_examples=30)
    @given(envelopes, BY_CLASS[class_], versions)
    def survives(envelope: Envelope, message: Message, version: int) -> None:
        data = encode([(envelope, message)], version)
        assert version_of(data) == version
        ((got_envelope, got),) = decode(data)
        assert (got_envelope, got) == (envelope, as_said(message, version))
        assert type(got) is class_
        for known in fields(class_):
            assert type(getattr(got, known.name)) is type(getattr(message, known.name))

    survives()


@settings(QUICK, max_examples=50)
@given(batches, versions)
def test_batches_survive_the_way_in_order(batch: list[tuple[Envelope, Message]], version: int) -> None:
    """Neighbours share an envelope on the wire; order and number stay: generate batches, also empty ones."""
    doubled = [pair for pair in batch for _ in range(2)]
    said = [(envelope, as_said(message, version)) for envelope, message in doubled]
    assert decode(encode(doubled, version)) == said


@settings(QUICK, max_examples=50)
@given(batches)
def test_sections_that_could_be_one_mean_the_same(batch: list[tuple[Envelope, Message]]) -> None:
    """The one freedom of the form: write each message as a section of its own, although two could share."""
    doubled = [pair for pair in batch for _ in range(2)]
    data = MAGIC + VERSION.to_bytes(2, "big") + b"".join(encode([pair])[6:] for pair in doubled)
    assert check_bytes(data) == doubled
    assert len(encode(doubled)) <= len(data)


def test_a_batch_may_have_several_envelopes_or_none() -> None:
    """Two to one receiver, then one to another, then to the first again: three sections. And no message."""
    first, second = Envelope(1, 2, 3, 4, 5), Envelope(1, 2, 9, 4, 5)
    adopted = Adopted(BALLOT)
    batch: list[tuple[Envelope, Message]] = [(each, adopted) for each in (first, first, second, first)]
    assert decode(encode(batch)) == batch
    # The second message is in the section of the first.
    assert len(encode(batch)) == 3 * len(encode(batch[:1])) - 2 * len(encode(())) + len(ADOPTED)
    assert encode(()) == MAGIC + VERSION.to_bytes(2, "big")
    assert decode(encode(())) == []


@pytest.mark.parametrize("class_", [Replicate, Replicated])
def test_what_is_coded_in_one_piece_has_the_bytes_of_the_table(class_: type[Message]) -> None:
    """The two messages of every batch of writes: the table says what is on the wire, and they are faster."""
    forms = dict(codec._MESSAGES)[class_]

    @settings(QUICK, max_examples=30)
    @given(BY_CLASS[class_])
    def same(message: Message) -> None:
        parts: list[bytes] = []
        codec._writer(class_, forms)(parts, message)
        written: list[bytes] = []
        codec._VERSIONS[VERSION].writers[class_][1](written, message)
        data = b"".join(written)
        assert data == b"".join(parts)
        assert codec._reader(class_, forms)(codec._Reader(data)) == message

    same()


def test_a_replicate_with_more_operations_than_bytes_is_refused() -> None:
    """The count is looked at before anything is allocated for it."""
    data = section(b"\x08" + BALLOT_BYTES + u64(0) + u32(2**31))
    with pytest.raises(CodecError, match="a count is larger than the message"):
        decode(data)


@pytest.mark.parametrize("version", [0, 3, 65535])
def test_another_version_is_named_and_so_are_ours(version: int) -> None:
    """People who upgrade node by node must see why: send another version, with anything behind it."""
    data = MAGIC + version.to_bytes(2, "big") + b"anything"
    assert version_of(data) == version
    with pytest.raises(VersionError, match=rf"version {version} .* versions 1 to 2$"):
        decode(data)
    with pytest.raises(VersionError, match=rf"version {version} .* version 1 only$"):
        decode(data, newest=1)
    with pytest.raises(VersionError, match=rf"version {version} .* none of \(1, 2\)$"):
        encode([(ENVELOPE, Adopted(BALLOT))], version)


def test_who_does_not_speak_a_version_refuses_it() -> None:
    """A node that is held at version 1 is an old one to its peers: hand both versions to such a reader."""
    batch: list[tuple[Envelope, Message]] = [(ENVELOPE, Adopted(BALLOT))]
    assert decode(encode(batch, 1), newest=1) == batch
    with pytest.raises(VersionError, match=r"speaks version 2 .* version 1 only$"):
        decode(encode(batch, 2), newest=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_of_each_version_are_the_same_for_ever(version: int) -> None:
    """Goal: a later release reads and writes what the one that brought the version did.

    Method: bytes of every kind of message, kept since then; and each kind is among them.
    """
    kept = golden.lines(version)
    messages = golden.OF_VERSION[version]
    assert [kind for kind, _ in kept] == [type(message).__name__ for message in messages]
    assert {type(message) for message in messages} == {*MESSAGES}
    for (_, data), message in zip(kept, messages, strict=True):
        assert decode(data) == [(golden.ENVELOPE, message)]
        assert encode([(golden.ENVELOPE, message)], version) == data


def test_version_1_says_not_applied_for_a_full_store() -> None:
    """Goal: an old release reads no verdict that it does not know, and hears what is certain all the same.

    Method: say it in both versions; then a batch of version 1 with the later verdict in it, which is none.
    """
    verdicts = (Verdict(9, VerdictCode.STORE_FULL, 2**31), Verdict(10, VerdictCode.CREATED, 3))
    said: list[tuple[Envelope, Message]] = [(ENVELOPE, Forwarded(BALLOT, verdicts))]
    assert decode(encode(said, 2)) == said
    heard = (Verdict(9, VerdictCode.NOT_APPLIED, 0), verdicts[1])
    assert decode(encode(said, 1)) == [(ENVELOPE, Forwarded(BALLOT, heard))]
    with pytest.raises(CodecError, match="later version"):
        decode(MAGIC + b"\0\1" + encode(said, 2)[6:])


def test_version_2_adds_the_trace_context_and_nothing_else_to_what_there_was() -> None:
    """What two versions have in common needs no second look: write the second by hand from the first."""
    for kind, data in golden.lines(1):
        added = u32(0) if kind == "Forward" else b""
        ((_, message),) = decode(data)
        assert encode([(golden.ENVELOPE, message)], 2) == MAGIC + b"\0\2" + data[6:] + added


ADOPTED = b"\x04" + BALLOT_BYTES


def forward(key: bytes = b"k", name: int = 0, settled: int = 0, trace: bytes = b"") -> bytes:
    """A Forward of a DELETE with counter 5, in version 2."""
    head = u64(1) + u64(2) + u64(5) + u64(settled) + bytes([name]) + len(key).to_bytes(2, "big")
    said = head + u32(2**32 - 1) + b"n" * name + key
    return b"\x0a" + BALLOT_BYTES + u64(0) + u64(0) + said + u32(len(trace)) + trace


def told(*members: bytes) -> bytes:
    return b"\x00" + u32(len(members)) + b"".join(members) + u64(0)


def adopt(*lineage: tuple[int, int]) -> bytes:
    """An Adopt with a lineage of these epochs and starts."""
    stretches = b"".join(u64(epoch) + u64(0) * 3 + u64(start) for epoch, start in lineage)
    return b"\x03" + BALLOT_BYTES + u64(1) + u64(9) + u32(len(lineage)) + stretches + u32(0)


def promise(base: int, commit: int) -> bytes:
    """A Promise of a log that ends at 9."""
    return b"\x02" + BALLOT_BYTES + b"\x00" + u64(1) + u64(base) + u64(9) + u64(commit) + u32(0)


def offer(start: int = 0, kept: int = 0, near: int = 0) -> bytes:
    """An Offer of a log that ends at 9, in a lineage of one ballot that starts there."""
    stretch = u32(1) + u64(1) + u64(0) * 3 + u64(start)
    return b"\x10" + BALLOT_BYTES + u64(1) + u64(9) + u64(kept) + u64(near) + stretch


def member(id_: int, address: bytes = b"h:1") -> bytes:
    return u64(id_) + u32(len(address)) + address


def test_the_layout_is_what_the_documentation_says() -> None:
    """Other versions must be able to tell: decode handwritten messages, and write one of them again."""
    assert decode(section(ADOPTED)) == [(ENVELOPE, Adopted(BALLOT))]
    assert encode([(ENVELOPE, Adopted(BALLOT))]) == section(ADOPTED)
    operation = Operation(1, 2, 5, 0, b"k", None, b"")
    assert decode(section(forward())) == [(ENVELOPE, Forward(BALLOT, 0, 0, operation))]
    assert decode(section(forward()[:-4], version=1)) == [(ENVELOPE, Forward(BALLOT, 0, 0, operation))]
    traced = Forward(BALLOT, 0, 0, operation, b"00-t")
    assert decode(section(forward(trace=b"00-t"))) == [(ENVELOPE, traced)]
    assert encode([(ENVELOPE, traced)], 1) == section(forward()[:-4], version=1)
    assert decode(section(told(member(1), member(2, b"x")))) == [
        (ENVELOPE, Told((Member(1, "h:1"), Member(2, "x")), 0))
    ]


SENTENCES = (
    "these are not peer messages",
    "the message ends too early",
    "a section has no messages, or more than it has bytes",
    "message kind 18 is not known",
    "message kind 255 is not known",
    "a count is larger than the message",
    "a presence mark is neither 0 nor 1",
    "a flag is neither 0 nor 1",
    "an operation has a key of a bad length",
    "an operation is settled before it begins",
    "a trace context is too long",
    "a verdict is of a later version",
    "the members of a view are not in order",
    "a number is larger than anybody counts",
    "a lineage is not in order",
    "a log is said to hold what lies beyond its end",
)
"""All that the codec has to say about bytes, word for word."""


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not peer messages"),
        (b"GET / HTTP/1.1", "not peer messages"),
        (MAGIC, "ends too early"),
        (section(ADOPTED)[:-1], "ends too early"),
        (section(ADOPTED, count=0), "no messages"),
        (section(ADOPTED, count=100), "no messages, or more"),
        (section(ADOPTED, count=2), "ends too early"),
        (section(b"\x12"), "kind 18 is not known"),
        (section(b"\xff" + BALLOT_BYTES), "kind 255 is not known"),
        (section(b"\x06" + BALLOT_BYTES + u64(0) + u32(2**32 - 1)), "count is larger"),
        (section(forward())[:-1], "ends too early"),
        (section(forward()[:-8]), "ends too early"),
        (section(forward()[:-4]), "ends too early"),
        (section(forward(), version=1), "ends too early"),
        (section(forward(trace=b"t" * (MAX_TRACE_BYTES + 1))), "trace context is too long"),
        (section(told(u64(1) + u32(90) + b"h:1")), "ends too early"),
        (section(b"\x00" + u32(2**32 - 1)), "count is larger"),
        (section(forward(key=b"")), "key of a bad length"),
        (section(forward(key=b"k" * 4097)), "key of a bad length"),
        (section(forward(settled=6)), "settled before it begins"),
        (section(told(member(2), member(1, b"x"))), "not in order"),
        (section(told(member(1), member(1, b"x"))), "in the view twice"),
        (section(told(member(1), member(2))), "in the view twice"),
        (section(told(member(2**63))), "cannot have"),
        (section(told(member(1, b""))), "bad length"),
        (section(told(member(1, b"\xff"))), "cannot have"),
        (section(b"\x01" + BALLOT_BYTES + u32(0) + b"\x02"), "flag is neither"),
        (section(b"\x04" + u64(2**63) + u64(0) * 3), "larger than anybody counts"),
        (section(b"\x04" + u64(0) + u64(2**63) + u64(0) * 2), "larger than anybody counts"),
        (section(b"\x04" + u64(0) * 2 + u64(2**63) + u64(0)), "larger than anybody counts"),
        (section(adopt((1, 10))), "beyond its end"),
        (section(promise(base=9, commit=10)), "beyond its end"),
        (section(promise(base=10, commit=9)), "beyond its end"),
        (section(offer(kept=10)), "beyond its end"),
        (section(offer(near=10)), "beyond its end"),
        (section(offer(start=10)), "beyond its end"),
        (section(adopt((2, 0), (1, 0))), "lineage is not in order"),
        (section(adopt((1, 0), (1, 0))), "lineage is not in order"),
        (section(adopt((1, 3), (2, 2))), "lineage is not in order"),
        (section(b"\x02" + BALLOT_BYTES + b"\x02"), "presence mark is neither"),
        (section(b"\x0e" + BALLOT_BYTES + b"\x09" + u64(0) + BALLOT_BYTES), "cannot have"),
        (section(b"\x0b" + BALLOT_BYTES + u32(1) + u64(0) + b"\x09" + u64(0)), "cannot have"),
    ],
)
def test_what_a_field_cannot_be_is_named(data: bytes, what: str) -> None:
    """Each rule of the wire form refuses what breaks it, in words: send one breach of each."""
    with pytest.raises(CodecError, match=what) as caught:
        decode(data)
    sentence = str(caught.value)
    assert sentence in SENTENCES or sentence.startswith("a field has a value that it cannot have: ")


ORIGIN = OriginRecord(0, 0, 0, 0, 0, ((0, Result(Kind.CREATED, 0)),))
KEY_RECORD = KeyRecord(b"n", b"f", Result(Kind.CREATED, 0))
ZERO = Ballot(0, 0, 0, 0)
WITH_NUMBERS: tuple[Message, ...] = (
    Told((Member(0, "h:1"),), 0),
    Promise(ZERO, None, 0, 0, MAX_ID, 0, ((ZERO, 0),)),
    Adopt(ZERO, 0, MAX_ID, ((ZERO, 0),), (Dropped(0, 0, 0),)),
    Fetch(ZERO, False, 0, 0),
    LogChunk(ZERO, 0, (Operation(0, 0, MAX_ID, 0, b"k", None, b""),)),
    SnapshotChunk(ZERO, 0, 0, 0, 0, (), (ORIGIN,), (KEY_RECORD,)),
    Replicate(ZERO, 0, (), 0, 0, 0),
    Replicated(ZERO, 0, 0, 0),
    Forward(ZERO, 0, 0, Operation(0, 0, MAX_ID, 0, b"k", None, b"")),
    Forwarded(ZERO, (Verdict(0, VerdictCode.UNKNOWN, 0),)),
    Confirm(ZERO, 0),
    Confirmed(ZERO, 0, 0),
    Refuse(ZERO, Refusal.NOT_TOLD, 0, ZERO),
    Seek((Member(0, "h:1"),)),
    Offer(ZERO, 0, MAX_ID, 0, 0, ((ZERO, 0),)),
    Learned(ZERO, 0, False),
)
"""Every number that a message can have, once at least."""


def with_number(value: Any, number: int) -> Iterator[tuple[str, Any]]:
    """The value with ``number`` in place of one of its plain integers, for each of them; and its name."""
    if is_dataclass(value) and not isinstance(value, type):
        for known in fields(value):
            old = getattr(value, known.name)
            for name, new in with_number(old, number):
                yield name or known.name, replace(value, **{known.name: new})
    elif isinstance(value, tuple):
        names = getattr(value, "_fields", ("",) * len(value))
        for at, old in enumerate(value):
            for name, new in with_number(old, number):
                items = (*value[:at], new, *value[at + 1 :])
                yield name or names[at], type(value)(*items) if names[at] else items
    elif type(value) is int:
        yield "", number


@pytest.mark.parametrize("message", WITH_NUMBERS, ids=lambda message: type(message).__name__)
def test_what_is_counted_ends_where_one_more_still_fits(message: Message) -> None:
    """Random bits use the whole of 64, counts half: put the largest of both into each number in turn."""
    for _, largest in with_number(message, MAX_ID):
        if not isinstance(
            message, Promise | Adopt | Offer
        ):  # there a position must not lie beyond the log's end
            assert decode(encode([(ENVELOPE, largest)])) == [(ENVELOPE, largest)]
    for name, beyond in with_number(message, MAX_ID + 1):
        if name in ("incarnation", "history"):
            assert decode(encode([(ENVELOPE, beyond)])) == [(ENVELOPE, beyond)]
        else:
            with pytest.raises(CodecError, match=r"larger than anybody counts|cannot have|before it begins"):
                decode(encode([(ENVELOPE, beyond)]))


def test_an_idempotency_key_has_the_length_that_the_edge_allows() -> None:
    """255 bytes fit, and that is all that one byte of length can say: send the longest."""
    ((_, message),) = decode(section(forward(name=255)))
    assert isinstance(message, Forward)
    assert message.operation.idempotency_key == b"n" * 255
