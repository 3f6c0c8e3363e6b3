"""What a proxy has to know of the peers' mail: who sent it, and where one ends.

A mail is the body of a ``POST /peer`` and begins with ``pbkv``, a version of two bytes, and the first
envelope, whose first field is the sender's id (eight bytes, big-endian): see ``pbproto/codec.py``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from pbproto.codec import MAGIC

NOBODY = -1
"""Whoever is no node: a client, or a connection that never said a word."""
MAX_HEAD = 65_536
_LINE = b"POST /peer "
_SENDER = len(MAGIC) + 2


def sender_of(first: bytes) -> int | None:
    """Who speaks on a connection that begins with these bytes; ``None`` while that cannot be seen yet."""
    if not first.startswith(_LINE[: len(first)]):
        return NOBODY
    head, end, body = first.partition(b"\r\n\r\n")
    if not end or len(body) < _SENDER + 8:
        return None
    if not head.startswith(_LINE) or not body.startswith(MAGIC):
        return NOBODY
    return int.from_bytes(body[_SENDER : _SENDER + 8], "big")


@dataclass(slots=True)
class Splitter:
    """Finds the mails in what one node says on one connection, whatever pieces it comes in."""

    _rest: bytes = b""
    _lost: bool = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The mails that are complete by now, head and body. What is no mail ends this for good."""
        self._rest += piece
        while not self._lost:
            head, end, body = self._rest.partition(b"\r\n\r\n")
            if not end:
                self._lost = len(self._rest) > MAX_HEAD or not self._rest.startswith(_LINE[: len(self._rest)])
                break
            size = _length(head)
            if size is None or size > MAX_KEPT:
                self._lost = True
            elif len(body) < size:
                break
            else:
                self._rest = body[size:]
                yield head + end + body[:size]
        if self._lost:
            self._rest = b""


def _length(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


MAX_KEPT = 65_536
"""The largest mail, in bytes, that is kept for later."""


@dataclass(slots=True)
class Archive:
    """Some of the mails that went one way: the latest, and a fair sample of all."""

    latest: deque[bytes] = field(default_factory=lambda: deque(maxlen=32))
    sample: list[bytes] = field(default_factory=list)
    _seen: int = 0
    _random: Random = field(default_factory=lambda: Random(0))

    def add(self, mail: bytes) -> None:
        """Keep a mail, at the cost of another (reservoir sampling: Vitter's algorithm R)."""
        self.latest.append(mail)
        self._seen += 1
        if len(self.sample) < 64:
            self.sample.append(mail)
        elif (place := self._random.randrange(self._seen)) < 64:
            self.sample[place] = mail
