"""Frames: what is whole is found, and damage is told from an end that was cut off."""

from __future__ import annotations

from binascii import crc32
from struct import pack

import pytest

from pbproto import frames
from pbproto.frames import START, begin, body_at, find, frame, kind_at, last_frame, whole_at

ONE, TWO = frame(b"S", b"one"), frame(b"S", b"two and more")
DATA = begin() + ONE + TWO


def test_the_layout_is_the_one_that_is_documented() -> None:
    """Length, check sum of the length and the rest, kind, body: compare with bytes by hand."""
    assert pack(">II", 4, crc32(pack(">I", 4) + b"Sone")) + b"Sone" == ONE
    assert DATA[:START] == b"pbprec" + pack(">H", frames.VERSION)
    found = find(DATA)
    assert found == ([START, START + len(ONE)], len(DATA), False)
    assert [(kind_at(DATA, at), body_at(DATA, at)) for at in found.starts] == [
        (b"S", b"one"),
        (b"S", b"two and more"),
    ]
    assert [whole_at(DATA, at) for at in (START, START + 1, len(DATA))] == [len(ONE), 0, 0]


@pytest.mark.parametrize("rest", [b"", TWO[:1], TWO[:8], TWO[:-1], bytes(3), bytes(300), TWO[:-1] + b"x"])
def test_an_end_that_was_cut_off_is_no_damage(rest: bytes) -> None:
    """What a killed node or a machine without power leaves is left out: try such ends."""
    assert find(DATA + rest) == (find(DATA).starts, len(DATA), False)


@pytest.mark.parametrize(
    "rest",
    [
        TWO[:-1] + TWO,
        bytes(100) + TWO,
        bytes(100) + b"x",
        b"\xff" + TWO[1:] + ONE,
        TWO[:-1] + b"x" + ONE[:5],
        b"x" + ONE,
    ],
)
def test_everything_else_is(rest: bytes) -> None:
    """What stands behind a broken frame is not lost without a word: break one and go on, in several ways."""
    assert find(DATA + rest) == (find(DATA).starts, len(DATA), True)


def test_the_search_for_what_follows_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file holds its reader for ever: let frames seem to begin everywhere, and the search be short."""
    rest = b"\xff\xff\xff\xff" + 50 * (pack(">II", 40, 0) + b"S")
    assert not find(DATA + rest).damaged
    monkeypatch.setattr(frames, "SEARCH_BYTES", 200)
    assert find(DATA + rest).damaged


def test_the_last_frame_is_known_from_the_end() -> None:
    """Of a large file the end is enough: give ends of several lengths."""
    assert last_frame(DATA) == last_frame(DATA[-len(TWO) :]) == (b"S", b"two and more")
    assert last_frame(TWO[1:]) is last_frame(DATA[:-1]) is last_frame(b"") is None
