"""What happened in a run, for those who have to understand it: the diagram, the transcript and the digest.

A run that is not explained keeps no records, only the digest over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from pbproto import Effect, Envelope, Event, Message, encode
from pbproto.effects import (
    Listing,
    Note,
    Reject,
    Reply,
    Send,
    Value,
    ViewAccepted,
    ViewRefused,
    Written,
)
from pbproto.events import Close, Delete, Get, GetAll, Put, Receive, TellView, Tick
from pbproto.values import View


@dataclass(frozen=True, slots=True)
class Mail:
    """One copy of a message on its way."""

    number: int
    """In the order of sending; copies of one message share it."""
    name: str
    """``Replicate 1>2 #3``: the third of its kind on that way. Independent of everything else that is sent."""
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
        """Every event and effect goes into the digest: two runs that differ anywhere differ in it."""
        parts = [f"{time} {node} {describe_event(event)}"]
        parts += [describe_effect(effect) for effect in effects]
        self._digest.update("\n".join(parts).encode())  # type: ignore[attr-defined]
        for effect in effects:
            if isinstance(effect, Send):
                self._digest.update(encode([(effect.envelope, effect.message)]))  # type: ignore[attr-defined]

    @property
    def digest(self) -> str:
        """Of the whole run, in hexadecimal."""
        return self._digest.hexdigest()  # type: ignore[attr-defined, no-any-return]


def describe_view(view: View) -> str:
    members = " ".join(f"{member.id}" for member in view.members) or "nobody"
    return f"{{{members}}}" + (f" epoch {view.epoch}" if view.epoch is not None else "")


def describe_event(event: Event) -> str:
    """The event in one line."""
    match event:
        case Put():
            name = f" once {event.idempotency_key.decode()}" if event.idempotency_key else ""
            return f"put {event.key.decode()} = {short(event.value)} ({event.token}{name})"
        case Delete():
            name = f" once {event.idempotency_key.decode()}" if event.idempotency_key else ""
            return f"delete {event.key.decode()} ({event.token}{name})"
        case Get():
            return f"get {event.key.decode()} ({event.token})"
        case GetAll():
            return f"list ({event.token})"
        case TellView():
            return f"told {describe_view(event.view)}"
        case Receive():
            return f"receives {describe_message(event.message)} from {event.envelope.sender}"
        case Tick():
            return "tick"
        case Close():
            return "close"


def describe_effect(effect: Effect) -> str:
    """The effect in one line."""
    match effect:
        case Send():
            return f"sends {describe_message(effect.message)} to {effect.envelope.receiver}"
        case Reply(token=token, outcome=Written(result=result)):
            return f"answers ({token}): {result.kind.name.lower()} at {result.position}"
        case Reply(token=token, outcome=Value(value=value, position=position)):
            read = "nothing" if value is None else short(value)
            return f"answers ({token}): {read} after {position}"
        case Reply(token=token, outcome=Listing(items=items, position=position)):
            return f"answers ({token}): {len(items)} keys after {position}"
        case Reject():
            word = "not applied" if effect.certain else "unknown"
            return f"rejects ({effect.token}): {effect.reason.value}, {word}"
        case Note():
            return f"notes {effect.code.value} " + " ".join(f"{name}={value}" for name, value in effect.fields)
        case ViewAccepted():
            return "accepts the view"
        case ViewRefused():
            return f"refuses the view: {effect.reason.value}"
    raise AssertionError(effect)


def describe_message(message: Message) -> str:
    """Kind and ballot, and what a reader needs of the rest."""
    kind = type(message).__name__
    parts = []
    for name in ("ballot", "synced", "first", "position", "log_end", "end", "commit", "round", "ask", "offset"):
        value = getattr(message, name, None)
        if value is not None:
            parts.append(f"{name}={value}")
    operations = getattr(message, "operations", None)
    if operations is not None:
        parts.append(f"operations={len(operations)}")
    reason = getattr(message, "reason", None)
    if reason is not None:
        parts.append(f"reason={reason.name.lower()}")
    return f"{kind}({', '.join(parts)})"


def short(value: bytes) -> str:
    text = value.decode()
    return text if len(text) <= 24 else f"{text[:16]}…{len(text)}"
