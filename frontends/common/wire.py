"""Which version of the peer protocol is spoken to whom: the rule alone, without I/O and without a log.

Every ``POST /peer`` and every answer to one carries ``pbproto-wire: 1-2``, the versions that its sender
speaks. A release that knows nothing of this sends no such header and speaks version 1. What a POST is written
in follows from how the last one to that address ended; what an answer is written in, from the request alone:
``docs/protocol.md`` has the counterexamples.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from logging import ERROR, INFO, WARNING
from typing import NamedTuple

HEADER = "pbproto-wire"
MAX_PEERS = 1024
"""Addresses and senders that are remembered: several times what a view may have. Who is forgotten is a
stranger."""
HOLD = 100
MAX_DOUBLINGS = 6
"""A version that a peer refused is not tried again for so many answers, whatever its header says, and each
time for twice as many: a header that lies costs a hundredth of the mail or less, and a peer that was replaced
by a newer one is found out."""
_LONGEST = len("65535-65535")
_FORM = re.compile(r"([1-9][0-9]{0,4})-([1-9][0-9]{0,4})", re.ASCII)


class Range(NamedTuple):
    """The versions from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}-{self.high}"

    def common(self, other: Range) -> int:
        """The highest version that is in both; 0 if there is none."""
        high = min(self.high, other.high)
        return high if high >= max(self.low, other.low) else 0


def parse(text: str | None) -> Range | None:
    """The range in a header; ``None`` if there is no header, or if it is not exactly of the form."""
    # The length first: a cache must not keep what strangers make long.
    return _parse(text) if text is not None and len(text) <= _LONGEST else None


@lru_cache(maxsize=256)
def _parse(text: str) -> Range | None:
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    found = Range(int(match[1]), int(match[2]))
    return found if found.low <= found.high else None


class Posted(NamedTuple):
    """How a POST to a peer ended."""

    status: int = 0
    """0: no usable answer came."""
    header: str | None = None
    """The ``pbproto-wire`` of the answer."""
    body: bytes = b""

    @property
    def usable(self) -> bool:
        """Whether it was answered with mail."""
        return self.status == HTTPStatus.OK and bool(self.body)


LOST = Posted()


class Word(NamedTuple):
    """Something that is worth a line in the log, once."""

    event: str
    level: int
    """As in ``logging``."""
    fields: dict[str, object]


@dataclass(slots=True)
class _Peer:
    """What is known of the peer at an address."""

    version: int
    """What the next POST is written in."""
    heard: str | None = ""
    """The header of the last answer; empty before the first one, and after a POST that got none."""
    held: int = 0
    """For so many answers its header is not believed."""
    refusals: int = 0
    """How often it refused what it had said that it speaks."""
    trouble: str = ""
    said: tuple[object, ...] = ()
    """What was last told about it."""


class Peers:
    """What is spoken to the peers, by address. Safe for threads, if one at a time posts to an address."""

    def __init__(self, ours: Range) -> None:
        self.ours = ours
        self.header = str(ours)
        self._peers: dict[str, _Peer] = {}
        self._named: dict[int, None] = {}
        """Senders whose header was found to be malformed."""
        self._lock = threading.Lock()

    def version(self, address: str) -> int:
        """What the next POST to this address is written in."""
        peer = self._peers.get(address)
        return self.ours.low if peer is None else peer.version

    def trouble(self, address: str) -> str:
        """Why nothing can be said to this peer, if that is so."""
        peer = self._peers.get(address)
        return "" if peer is None else peer.trouble

    # How a POST ended.

    def answered(self, address: str, text: str | None) -> Word | None:
        """The peer took the mail in, and its answer had this header, or none."""
        peer = self._peers.get(address)
        if peer is None:
            peer = self._met(address)
        elif peer.heard == text:
            return None
        peer.heard, peer.trouble = text, ""
        theirs = parse(text)
        common = self.ours.common(theirs) if theirs is not None else 0
        if peer.held:
            peer.held -= 1
            peer.heard = ""  # to be looked at again
            common = min(common, self.ours.low)
        peer.version = common or self.ours.low
        if text is not None and not common:
            # Whatever it says, it has just read what we wrote.
            return self._say(peer, "bad_wire_header", WARNING, address=address, header=text[:40])
        return self._say(peer, "peer_wire", INFO, address=address, version=peer.version)

    def refused(self, address: str, text: str | None) -> Word | None:
        """The peer answered 400, with this header or none."""
        peer = self._peers.get(address) or self._met(address)
        tried, theirs = peer.version, parse(text)
        peer.version, peer.heard, peer.trouble = self.ours.low, "", ""
        if theirs is not None and not theirs.low <= tried <= theirs.high:
            common = self.ours.common(theirs)
            if not common:
                peer.trouble = f"it speaks versions {theirs} of the peer protocol, this node {self.ours}"
                return self._say(
                    peer, "no_common_wire", ERROR, address=address, ours=self.header, theirs=text
                )
            peer.version = common
        elif tried > self.ours.low:
            peer.held = HOLD << min(peer.refusals, MAX_DOUBLINGS)
            peer.refusals += 1
            return self._say(peer, "wire_refused", WARNING, address=address, version=tried)
        return None

    def lost(self, address: str) -> None:
        """There was no answer of use: whoever answers next may be another, of an older release."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.version, peer.heard, peer.trouble = self.ours.low, "", ""

    # What a peer posts.

    def for_answer(self, sender: int, text: str | None, spoken: int) -> tuple[int, Word | None]:
        """What the answer to mail with this header, or none, is written in, if the mail was in ``spoken``.

        Nothing is remembered: the request alone shows what whoever waits for its answer can read.
        """
        theirs = parse(text)
        if theirs is not None:
            return self.ours.common(theirs) or spoken, None
        if text is None or sender in self._named or len(self._named) >= MAX_PEERS:
            return spoken, None
        self._named[sender] = None
        return spoken, Word("bad_wire_header", WARNING, {"peer": sender, "header": text[:40]})

    def _met(self, address: str) -> _Peer:
        with self._lock:
            if len(self._peers) >= MAX_PEERS:
                del self._peers[next(iter(self._peers))]
            peer = self._peers[address] = _Peer(self.ours.low)
        return peer

    def _say(self, peer: _Peer, event: str, level: int, **fields: object) -> Word | None:
        """Once, until there is something else to say of this peer."""
        said = (event, *fields.values())
        if peer.said == said:
            return None
        peer.said = said
        return Word(event, level, fields)
