"""What happened in a run: records for the diagram, the transcript and stories, and a digest of everything.

A run that is not explained keeps no records, only the digest over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from pbproto import Effect, Envelope, Event, Message, Receive, Send, encode


@dataclass(frozen=True, slots=True)
class Mail:
    """One copy of a message on its way."""

    number: int
    """In the order of sending; copies of one message share it."""
    name: str
    """``Replicate 1>2 #3``: the third of its kind on that way, whatever else is sent."""
    address: str
    envelope: Envelope
    message: Message
    sent_at: int
    sent_step: int

    @property
    def kind(self) -> str:
        return type(self.message).__name__


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one replica."""

    number: int
    time: int
    """True time, nanoseconds since the run began."""
    local: int
    """The node's own clock."""
    node: int
    life: int
    event: Event
    mail: Mail | None
    """The message, if the event is one."""
    effects: tuple[Effect, ...]
    sent: tuple[Mail, ...]
    status: str
    """Role, ballot, log end and commit afterwards."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something outside the replicas: a fault begins or ends, a message is lost, a client is answered."""

    time: int
    what: str
    text: str
    nodes: tuple[int, ...] = ()


Record = Step | Happening


@dataclass(slots=True)
class Trace:
    """Takes the records in; keeps them if ``keep``."""

    keep: bool = False
    records: list[Record] = field(default_factory=list)
    _digest: object = field(default_factory=lambda: blake2b(digest_size=16))

    def add(self, record: Record) -> None:
        if self.keep:
            self.records.append(record)

    def digest_step(self, time: int, node: int, event: Event, effects: tuple[Effect, ...]) -> None:
        """Every event and effect goes in, whole: two runs that differ anywhere differ in the digest."""
        parts = [f"{time} {node}".encode(), _exactly(event)]
        parts += [_exactly(effect) for effect in effects]
        self._digest.update(b"\n".join(parts) + b"\n")  # type: ignore[attr-defined]

    @property
    def digest(self) -> str:
        """Of the whole run, in hexadecimal."""
        return self._digest.hexdigest()  # type: ignore[attr-defined, no-any-return]


def _exactly(value: Event | Effect) -> bytes:
    """The value as bytes, nothing left out."""
    match value:
        case Send(address=address, envelope=envelope, message=message):
            return b"Send %b " % address.encode() + encode([(envelope, message)])
        case Receive(envelope=envelope, message=message):
            return b"Receive " + encode([(envelope, message)])
    return repr(value).encode()
