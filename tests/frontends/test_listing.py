"""Long answers to ``GET /data``: their JSON, and that no client keeps a snapshot for ever."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontends.common import listing
from frontends.common.listing import GRACE, PER_PIECE, Listings, OverdueError, Stream
from pbproto.buckets import BucketMap

LONG = {b"k%d" % number: b"v" * 1000 for number in range(500)}


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def long(listings: Listings, items: Mapping[bytes, bytes] | None = None) -> Stream:
    stream = listings.answer(LONG if items is None else items)
    assert isinstance(stream, Stream)
    return stream


@given(st.dictionaries(st.text(min_size=1).map(str.encode), st.text().map(str.encode)), st.integers(1, 64))
def test_pieces_make_one_object(items: dict[bytes, bytes], size: int) -> None:
    """However it is cut, it is the JSON of the whole, byte for byte: any texts, in pieces of any size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "PIECE_BYTES", size)
        answer = Listings(1).answer(items)
    assert answer is not None
    whole = answer if isinstance(answer, bytes) else b"".join(answer)
    plain = {key.decode(): value.decode() for key, value in items.items()}
    assert whole == json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()


def test_a_piece_is_about_as_large_as_it_should_be() -> None:
    """A piece is what the others wait for: look at the sizes of all."""
    pieces = list(long(Listings(1)))
    assert all(len(piece) < listing.PIECE_BYTES + 2_000 for piece in pieces)
    assert all(len(piece) > listing.PIECE_BYTES for piece in pieces[:-1])


def test_a_short_answer_is_whole_and_takes_no_place() -> None:
    """Who lists little holds nothing: ask for short answers while the only place is taken."""
    listings = Listings(1)
    held = long(listings)
    assert listings.answer({}) == b"{}"
    assert listings.answer({b"k": b"v"}) == b'{"k":"v"}'
    assert listings.answer(LONG) is None
    held.close()


def end(stream: Stream) -> None:
    assert len(list(stream)) > 2


def close(stream: Stream) -> None:
    next(iter(stream))
    stream.close()


def drop(_: Stream) -> None:
    """The server lets go of it before it has begun."""


@pytest.mark.parametrize("way", [end, close, drop])
def test_a_place_is_free_again(way: Callable[[Stream], None]) -> None:
    """However an answer ends, the next one gets its place: end one in each way there is."""
    listings = Listings(2)
    held = long(listings)
    way(long(listings))
    other = long(listings)
    assert listings.answer(LONG) is None
    del held, other
    assert long(listings) is not None


def test_a_slow_client_loses_its_snapshot() -> None:
    """A stalled client must not hold old values: let time pass, and see that the snapshot is gone.

    Each piece that is taken gives some time; without them there is the grace and no more.
    """
    clock = Clock()
    listings = Listings(2, clock)
    held: list[ref[Pinned]] = []
    streams: list[Iterator[bytes]] = []
    for taken in (0, 4):
        items = Pinned(LONG)
        held.append(ref(items))
        streams.append(long(listings, items))
        del items
        for _ in range(taken):
            next(streams[-1])
    clock.now += GRACE
    listings.expire()
    assert all(each() is not None for each in held)
    clock.now += PER_PIECE
    listings.expire()
    assert [each() is None for each in held] == [True, False]
    with pytest.raises(OverdueError):
        next(streams[0])
    long(listings).close()
    clock.now += 3 * PER_PIECE
    listings.expire()
    assert held[1]() is not None
    clock.now += 1
    listings.expire()
    assert held[1]() is None
    with pytest.raises(OverdueError):
        next(streams[1])


class Pinned(dict[bytes, bytes]):
    """A dict of which one sees that it is gone."""


def test_what_is_listed_is_one_state() -> None:
    """Whatever is written while an answer is under way, it is the map as it was: change all keys."""
    made = BucketMap()
    for key, value in LONG.items():
        made.put(key, value)
    listings = Listings(1)
    stream = long(listings, made.snapshot())
    got = b""
    for number, piece in enumerate(stream):
        got += piece
        for key in LONG:
            if number % 2:
                made.put(key, b"new")
            else:
                made.remove(key)
    assert json.loads(got) == {key.decode(): value.decode() for key, value in LONG.items()}
