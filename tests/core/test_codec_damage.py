"""The wire form against whatever may arrive instead: noise, damage, lengths that lie, and what they cost."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    decode,
    encode,
)
from pbproto.codec import MAGIC, VERSIONS
from pbproto.messages import (
    Adopt,
    Forwarded,
    KeyRecord,
    LogChunk,
    OriginRecord,
    SnapshotChunk,
    Told,
    Verdict,
    VerdictCode,
)
from pbproto.values import MAX_ID, MAX_MEMBERS

from ..fuzz.codec import run as check_bytes
from .wire import (
    BALLOT,
    BALLOT_BYTES,
    EDGES,
    ENVELOPE,
    QUICK,
    batches,
    envelopes,
    messages,
    section,
    u32,
    u64,
    versions,
)


@pytest.mark.parametrize(
    "message",
    [
        LogChunk(
            BALLOT,
            0,
            (Operation(1, 2, 3, 3, b"key", b"value", b"name"), Operation(1, 2, 4, 4, b"k", None, b"")),
        ),
        SnapshotChunk(BALLOT, 1, 0, 0, 1, ((b"key", b"value"),), (), ()),
    ],
    ids=["operations", "byte strings"],
)
def test_every_cut_is_named(message: Message) -> None:
    """Whatever is left of a message after a cut says that it ends too early, or counts more than there is."""
    data = encode([(ENVELOPE, message)])
    for end in range(len(section()), len(data)):
        with pytest.raises(CodecError, match=r"too early|larger than the message|more than it has bytes"):
            decode(data[:end])


@settings(QUICK, max_examples=300)
@given(st.binary(max_size=300), st.sampled_from((None, *VERSIONS)))
def test_any_bytes_give_messages_or_a_codec_error(data: bytes, version: int | None) -> None:
    """Nothing that arrives from a network raises anything else: decode noise, also behind a true head."""
    head = MAGIC + version.to_bytes(2, "big") if version else b""
    check_bytes(head + data)


@settings(QUICK, max_examples=100)
@given(st.tuples(envelopes, messages), versions, st.data())
def test_every_truncation_is_noticed(
    pair: tuple[Envelope, Message], version: int, data: st.DataObject
) -> None:
    """A message that was cut must not pass for a shorter one: cut one anywhere behind its head."""
    whole = encode([pair], version)
    cut = data.draw(st.integers(0, len(whole) - 1))
    if cut == len(MAGIC) + 2:
        assert decode(whole[:cut]) == []
    else:
        with pytest.raises(CodecError):
            decode(whole[:cut])


@settings(QUICK, max_examples=200)
@given(st.tuples(envelopes, messages), versions, st.data())
def test_flipped_bits_give_messages_or_a_codec_error(
    pair: tuple[Envelope, Message], version: int, data: st.DataObject
) -> None:
    """Flip up to three bits of a true message; what comes out is well formed or a codec error."""
    damaged = bytearray(encode([pair], version))
    for _ in range(3):
        place = data.draw(st.integers(0, 8 * len(damaged) - 1))
        damaged[place // 8] ^= 1 << place % 8
    check_bytes(bytes(damaged))


def _splice(data: bytes, at: int, length: int, new: bytes) -> bytes:
    """These bytes with others in place of ``length`` of them; places beyond the end start again."""
    at %= len(data)
    return data[:at] + new + data[at + length :]


lies = st.builds(
    lambda number, length: (number % 2 ** (8 * length)).to_bytes(length, "big"),
    st.sampled_from(EDGES) | st.integers(0, 300),
    st.sampled_from((1, 2, 4, 8)),
)
"""Numbers as they stand in lengths, counts and fields."""


@settings(QUICK, max_examples=200)
@given(
    st.tuples(envelopes, messages),
    versions,
    st.lists(st.tuples(st.integers(0, 2**16), lies), min_size=1, max_size=3),
)
def test_lengths_and_numbers_that_lie_give_messages_or_a_codec_error(
    pair: tuple[Envelope, Message], version: int, changes: list[tuple[int, bytes]]
) -> None:
    """Write boundary values of every width over a true message, anywhere: lengths, counts, kinds, fields."""
    data = encode([pair], version)
    for at, number in changes:
        data = _splice(data, at, len(number), number)
    check_bytes(data)


@settings(QUICK, max_examples=200)
@given(batches, batches, versions, st.data())
def test_cuts_and_splices_give_messages_or_a_codec_error(
    one: list[tuple[Envelope, Message]],
    other: list[tuple[Envelope, Message]],
    version: int,
    data: st.DataObject,
) -> None:
    """Take a stretch out of one batch and put it, or nothing, in place of a stretch of another."""
    donor, whole = encode(other), encode(one, version)
    begin = data.draw(st.integers(0, len(donor)))
    piece = donor[begin : begin + data.draw(st.integers(0, 100))]
    at, length = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 100))
    check_bytes(_splice(whole, at, length, piece))


MANY = 2000
LARGE = 2**40
CROWDED: dict[str, Message] = {
    "members": Told(tuple(Member(id_, str(id_)) for id_ in range(MAX_MEMBERS)), 0),
    "stretches": Adopt(
        BALLOT, 1, MAX_ID, tuple((Ballot(LARGE + at, 0, 0, 0), LARGE + at) for at in range(MANY)), ()
    ),
    "losses": Adopt(BALLOT, 1, 0, (), tuple(Dropped(LARGE + at, LARGE, LARGE) for at in range(MANY))),
    "operations": LogChunk(
        BALLOT, 0, tuple(Operation(LARGE + at, 0, at, 0, b"k", None, b"") for at in range(MANY))
    ),
    "verdicts": Forwarded(
        BALLOT, tuple(Verdict(LARGE + at, VerdictCode.UNKNOWN, LARGE + at) for at in range(MANY))
    ),
    "pairs": SnapshotChunk(BALLOT, 0, 0, 0, 0, ((b"", b""),) * MANY, (), ()),
    "origins": SnapshotChunk(
        BALLOT, 0, 0, 0, 0, (), tuple(OriginRecord(*(LARGE + at,) * 5, ()) for at in range(MANY)), ()
    ),
    "results": SnapshotChunk(
        BALLOT,
        *(0, 0, 0, 0, ()),
        (
            OriginRecord(
                0, 0, 0, 0, 0, tuple((LARGE + at, Result(Kind.CREATED, LARGE)) for at in range(MANY))
            ),
        ),
        (),
    ),
    "keys": SnapshotChunk(
        BALLOT, *(0, 0, 0, 0, (), ()), (KeyRecord(b"", b"", Result(Kind.CREATED, LARGE)),) * MANY
    ),
}
"""Of each list that a message can have, many of the smallest items."""


def peak(data: bytes) -> int:
    """How much memory decoding takes at most, in bytes, whether or not it succeeds."""
    tracemalloc.start()
    try:
        with suppress(CodecError):
            decode(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("what", CROWDED)
def test_memory_is_bounded_by_what_was_sent(what: str) -> None:
    """Objects are larger than bytes, but by a factor: measure messages of many smallest items, also cut ones.

    The largest factor is that of members and keys, about 12.
    """
    data = encode([(ENVELOPE, CROWDED[what])])
    assert decode(data) == [(ENVELOPE, CROWDED[what])]
    assert peak(data) < 20 * len(data)
    assert peak(data[: -len(data) // 3]) < 20 * len(data)


@pytest.mark.parametrize("count", [2**16, 2**31, 2**32 - 1])
def test_a_count_is_checked_before_anything_is_made_for_it(count: int) -> None:
    """Claim many items, of one byte each as far as anybody knows, and send none; measure what is made."""
    for body in (
        b"\x06" + BALLOT_BYTES + u64(0) + u32(count),
        b"\x00" + u32(count),
        b"\x0b" + BALLOT_BYTES + u32(count),
        b"\x07" + BALLOT_BYTES + u64(0) * 4 + u32(0) + u32(1) + u64(0) * 5 + u32(count),
    ):
        with pytest.raises(CodecError, match="count is larger"):
            decode(section(body))
        assert peak(section(body)) < 20_000


@settings(QUICK, max_examples=50)
@given(batches, st.binary(min_size=1, max_size=40))
def test_nothing_may_follow_a_batch(batch: list[tuple[Envelope, Message]], tail: bytes) -> None:
    """Bytes behind the last message are an error or further messages, never dropped in silence."""
    got = check_bytes(encode(batch) + tail)
    assert got is None or len(got) > len(batch)


def test_a_count_may_be_as_large_as_what_follows() -> None:
    """An item takes a byte at least: claim as many operations as there are bytes left, and one more."""
    head = b"\x06" + BALLOT_BYTES + u64(0)
    for count, words in ((5, "the message ends too early"), (6, "a count is larger than the message")):
        with pytest.raises(CodecError) as caught:
            decode(section(head + u32(count) + b"12345"))
        assert str(caught.value) == words
