"""The frames that a recording is made of: each has a check sum, so that damage is told from a cut off end.

A node that is killed leaves the beginning of its last frame, a machine that loses its power perhaps zeros or
a last frame in which blocks are missing. Anything else is damage, and so is all of that with a whole frame
behind it: what follows must not be lost without a word.
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple
from zlib import crc32

MAGIC = b"pbprec"
VERSION = 2
START = len(MAGIC) + 2
"""Where the first frame begins."""
KINDS = b"HCPESFDX"
SEARCH_BYTES = 2**30
"""How many bytes are summed up at most to find a whole frame behind one that is not; beyond, there is one."""

_FRAME = Struct(">II")
_U16 = Struct(">H")
_U32 = Struct(">I")


class RecordingError(ValueError):
    """The bytes are not a recording that can be read here."""


class Found(NamedTuple):
    """The frames of a recording."""

    starts: list[int]
    end: int
    """Where the last whole one ends."""
    damaged: bool
    """Whether what follows there is more than an end that was cut off."""


def begin() -> bytes:
    """What stands before the first frame."""
    return MAGIC + _U16.pack(VERSION)


def frame(kind: bytes, body: bytes) -> bytes:
    """One frame."""
    length = _U32.pack(len(body) + 1)
    return b"".join((length, _U32.pack(crc32(body, crc32(length + kind))), kind, body))


def check_format(data: bytes) -> None:
    """Raise ``RecordingError`` if ``data`` does not begin as recordings do that can be read here."""
    if data[: len(MAGIC)] != MAGIC:
        raise RecordingError("this is not a recording of pbproto")
    version = int.from_bytes(data[len(MAGIC) : START], "big")
    if len(data) >= START and version != VERSION:
        raise RecordingError(f"it has version {version} of the format, this code reads version {VERSION}")


def kind_at(data: bytes, at: int) -> bytes:
    """The kind of the frame that begins here."""
    return data[at + _FRAME.size : at + _FRAME.size + 1]


def body_at(data: bytes, at: int) -> bytes:
    """The body of the frame that begins here."""
    start = at + _FRAME.size
    return data[start + 1 : start + _U32.unpack_from(data, at)[0]]


def find(data: bytes) -> Found:
    """All whole frames up to the first that is not."""
    starts: list[int] = []
    at = START
    while length := whole_at(data, at):
        starts.append(at)
        at += length
    return Found(starts, at, at < len(data) and not _is_cut_off(data, at))


def whole_at(data: bytes, at: int) -> int:
    """How long the frame is that begins here, or 0 if none does that is whole."""
    start = at + _FRAME.size
    if start >= len(data):
        return 0
    length, check = _FRAME.unpack_from(data, at)
    if not 0 < length <= len(data) - start:
        return 0
    body = memoryview(data)[start : start + length]
    return _FRAME.size + length if crc32(body, crc32(data[at : at + _U32.size])) == check else 0


def last_frame(tail: bytes) -> tuple[bytes, bytes] | None:
    """Kind and body of the frame with which a recording ends that has this end; ``None`` if it is longer."""
    for at in range(len(tail) - _FRAME.size):
        if whole_at(tail, at) == len(tail) - at:
            return kind_at(tail, at), body_at(tail, at)
    return None


def _is_cut_off(data: bytes, at: int) -> bool:
    """Whether somebody was interrupted who wrote the last frame, here."""
    if len(data) - at > _FRAME.size:
        (length,) = _U32.unpack_from(data, at)
        if length < len(data) - at - _FRAME.size and data[at:].strip(b"\x00"):
            return False  # more follows than this frame
    left = SEARCH_BYTES
    for start in range(at + 1, len(data) - _FRAME.size):
        if data[start + _FRAME.size] not in KINDS:
            continue
        (length,) = _U32.unpack_from(data, start)
        if 0 < length <= len(data) - start - _FRAME.size:
            left -= length
            if left < 0 or whole_at(data, start):
                return False
    return True
