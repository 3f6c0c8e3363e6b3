"""Answers that come in time, or not at all.

A socket's timeout is for each piece of an answer: whoever sends a byte a second, or one ``100 Continue``
after another, would keep the thread that reads it for ever.
"""

from __future__ import annotations

import io
import socket
from functools import partial
from http.client import HTTPConnection, HTTPResponse
from time import monotonic
from typing import Any


class _Pieces(io.RawIOBase):
    """What comes from a socket until ``until``, a point of ``time.monotonic``; then ``TimeoutError``."""

    def __init__(self, socket_: socket.socket, until: float) -> None:
        self._socket = socket_
        self._raw = socket_.makefile("rb", buffering=0)
        self._until = until

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, socket_: socket.socket, *, until: float, **how: Any) -> None:
        super().__init__(socket_, **how)
        self.fp.close()
        self.fp = io.BufferedReader(_Pieces(socket_, until))


def answer_within(connection: HTTPConnection, seconds: float) -> None:
    """Let the next answer on this connection be whole in so many seconds from now, or be a ``TimeoutError``.

    To send what is answered may take as long, and is part of that time.
    """
    connection.sock.settimeout(seconds)
    answer: Any = partial(_Answer, until=monotonic() + seconds)
    connection.response_class = answer
