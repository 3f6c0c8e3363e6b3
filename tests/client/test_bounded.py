"""What the client for threads waits for on a connection: nothing beyond the time of its call."""

from __future__ import annotations

import math
import time
from typing import Any

import httpcore
import pytest

from pbkv.bounded import Until, _Stream


class Slow(httpcore.NetworkStream):
    """A connection on which the time is up when so many pieces were written."""

    def __init__(self, until: Until, pieces: float = math.inf) -> None:
        self.until = until
        self.pieces = pieces
        self.written: list[bytes] = []
        self.timeouts: list[float | None] = []

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written.append(buffer)
        self.timeouts.append(timeout)
        if len(self.written) >= self.pieces:
            self.until.at = time.monotonic()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        return b"x" * max_bytes


def streams(pieces: float = math.inf) -> tuple[Any, Slow, Until]:
    until = Until()
    until.at = time.monotonic() + 1000
    slow = Slow(until, pieces)
    return _Stream(slow, until), slow, until


def test_a_long_write_has_one_time() -> None:
    """Goal: a node that takes a little now and then gets no new time for each little. Method: a body of many
    pieces, whose time is up after the second one."""
    body = bytes(range(256)) * 4096
    stream, slow, _ = streams()
    stream.write(body, 5.0)
    assert b"".join(slow.written) == body
    assert set(slow.timeouts) == {5.0}
    stream, slow, _ = streams(pieces=2)
    with pytest.raises(httpcore.WriteTimeout):
        stream.write(body, 5.0)
    assert len(slow.written) == 2


def test_no_wait_is_longer_than_what_is_left() -> None:
    """Goal: of the two times the shorter one counts. Method: read with more, less and no time of its own."""
    stream, slow, until = streams()
    for timeout in (5.0, 5000.0, None):
        stream.read(1, timeout)
    assert slow.timeouts[0] == 5.0
    assert all(each is not None and 5.0 < each <= 1000.0 for each in slow.timeouts[1:])
    until.at = time.monotonic()
    with pytest.raises(httpcore.ReadTimeout):
        stream.read(1, 5.0)
