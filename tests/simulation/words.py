"""Events, effects and messages in one line each: whole enough to compare, short enough to read.

*Lives* are incarnations as people can tell them apart: a mapping from the 64 bits to a small number. Where it
does not know one, the bits themselves are shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, assert_never

from pbproto import Effect, Event, Message
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
from pbproto.events import Batch, Close, Delete, Get, GetAll, Put, Receive, TellView, Tick
from pbproto.messages import KeyRecord, OriginRecord, Verdict
from pbproto.values import Ballot, Dropped, Member, Operation, Result, View

Lives = Mapping[int, int]
MOST = 6
"""Items of a collection that are shown."""
LONGEST = 32
"""Characters of a value that are shown in an effect."""
_PLAIN = re.compile(r"[A-Za-z0-9_.:+-]+")


def default_address(id_: int) -> str:
    """Where a node is, if nobody says otherwise."""
    return f"host{id_}:80"


def quoted(data: bytes, longest: int = 0) -> str:
    """Bytes as a word, or in quotes where they are none; longer than ``longest`` (if not 0) are cut short."""
    text = data.decode(errors="backslashreplace")
    cut = f"…{len(text)}" if longest and len(text) > longest else ""
    text = text[: longest - 8] if cut else text
    return (text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)) + cut


def view_text(view: View) -> str:
    """``{1 2=host2:81} epoch 4``; addresses only where they are not the usual ones."""
    return members_text(view.members) + (f" epoch {view.epoch}" if view.epoch is not None else "")


def members_text(members: Iterable[Member]) -> str:
    """The members of a view."""
    words = [
        f"{member.id}" if member.address == default_address(member.id) else f"{member.id}={member.address}"
        for member in members
    ]
    return "{" + " ".join(words) + "}"


def ballot_text(ballot: Ballot, lives: Lives) -> str:
    """``2.0@1/3``: epoch, attempt, primary, and its life."""
    if ballot.epoch == 0:
        return "none"
    return f"{ballot}/{life_text(ballot.incarnation, lives)}"


def life_text(incarnation: int, lives: Lives) -> str:
    known = lives.get(incarnation)
    return f"{incarnation:016x}" if known is None else str(known)


def event_text(event: Event, lives: Lives) -> str:
    """The event in one line, as a story writes its commands (values whole)."""
    match event:
        case Put(token=token, key=key, value=value, idempotency_key=name):
            return f"put {quoted(key)} = {quoted(value)} {_request(token, name)}"
        case Delete(token=token, key=key, idempotency_key=name):
            return f"delete {quoted(key)} {_request(token, name)}"
        case Get(token=token, key=key):
            return f"get {quoted(key)} {_request(token, b'')}"
        case GetAll(token=token):
            return f"list {_request(token, b'')}"
        case Batch(requests=requests):
            return "at once: " + "; ".join(event_text(request, lives) for request in requests)
        case TellView(view=view, incarnation=life):
            return f"told {view_text(view)}{f' for life {life_text(life, lives)}' if life else ''}"
        case Receive(envelope=envelope, message=message):
            return f"receives from {envelope.sender} {message_text(message, lives)}"
        case Tick():
            return "tick"
        case Close():
            return "close"


def _request(token: int, name: bytes) -> str:
    return f"({token}, once {quoted(name)})" if name else f"({token})"


def effect_text(effect: Effect, lives: Lives, name: str = "") -> str:
    """The effect in one line; ``name`` is that of the message, if it is a ``Send``."""
    match effect:
        case Send(address=address, envelope=envelope, message=message):
            life = envelope.receiver_incarnation
            to = address or "whoever asked"
            known = f" life {life_text(life, lives)}" if life else ""
            called = name or f"{type(message).__name__} {envelope.sender}>{envelope.receiver}"
            return f"sends {called} to {to}{known}: {body_text(message, lives)}"
        case Reply(token=token, outcome=outcome):
            return f"answers ({token}): {_outcome(outcome)}"
        case Reject(token=token, reason=reason, certain=certain, detail=detail):
            word = "certainly not applied" if certain else "unknown"
            return f"rejects ({token}): {reason.value}, {word}: {detail}"
        case Note(code=code, fields=pairs):
            return " ".join(["notes", code.value, *(f"{name}={_plain(value)}" for name, value in pairs)])
        case ViewAccepted():
            return "accepts the view"
        case ViewRefused(reason=reason, detail=detail):
            return f"refuses the view: {reason.value}: {detail}"
    assert_never(effect)


def _outcome(outcome: Written | Value | Listing) -> str:
    match outcome:
        case Written(result=result):
            return f"{result.kind.name.lower()} at {result.position}"
        case Value(value=value, position=position):
            return f"{'nothing' if value is None else quoted(value, LONGEST)} after {position}"
        case Listing(items=items, position=position):
            pairs = [f"{quoted(key, LONGEST)} = {quoted(items[key], LONGEST)}" for key in sorted(items)]
            return f"{_several(pairs)} after {position}"


def _plain(value: str | int) -> str:
    return str(value) if isinstance(value, int) else (value if " " not in value else json.dumps(value))


def message_text(message: Message, lives: Lives) -> str:
    """``Replicated(ballot 1.0@1/3, log end 5, round 2)``."""
    return f"{type(message).__name__}({body_text(message, lives)})"


def body_text(message: Message, lives: Lives) -> str:
    """The fields of a message with their names; of what has to do with leases, only what is there."""
    parts = []
    for field in fields(message):
        name, value = field.name.replace("_", " "), getattr(message, field.name)
        if value == field.default:
            continue
        if field.name == "history":
            parts.append(f"history {life_text(value, lives) if value else 'none'}")
        elif field.name in ("patience", "lease"):
            parts.append(f"{name} {milliseconds(value)} ms")
        else:
            parts.append(f"{name} {value_text(value, lives)}")
    return ", ".join(parts)


def milliseconds(nanoseconds: int) -> str:
    """Nanoseconds as milliseconds, exactly: ``12.000001``."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    whole, part = divmod(rest, 10**6)
    return f"{sign}{whole}" + (f".{part:06d}".rstrip("0") if part else "")


def value_text(value: Any, lives: Lives) -> str:
    """A part of a message."""
    match value:
        case None:
            return "none"
        case Enum():
            return value.name.lower()
        case bool():
            return "yes" if value else "no"
        case Ballot():
            return ballot_text(value, lives)
        case bytes():
            return quoted(value, LONGEST)
        case Operation():
            return _operation(value, lives)
        case Result():
            return f"{value.kind.name.lower()} at {value.position}"
        case Verdict():
            return f"#{value.counter} {value.code.name.lower()} {value.position}"
        case OriginRecord():
            kept = f"{len(value.results)} results, settled {value.settled}, from {value.first_position}"
            return f"{value.origin}/{life_text(value.incarnation, lives)}: {kept} to {value.last_position}"
        case KeyRecord():
            return f"{quoted(value.idempotency_key, LONGEST)}: {value_text(value.result, lives)}"
        case Dropped(id=id_, first=first, end=end):
            return f"{first} to {end - 1} of {id_}"
        case tuple() if value and all(isinstance(item, Member) for item in value):
            return members_text(value)
        case tuple() if len(value) == 2 and isinstance(value[0], Ballot):
            return f"{ballot_text(value[0], lives)} from {value[1]}"
        case tuple() if len(value) == 2 and isinstance(value[0], bytes):
            return f"{quoted(value[0], LONGEST)} = {quoted(value[1], LONGEST)}"
        case tuple():
            return _several([value_text(item, lives) for item in value])
    return str(value)


def _several(words: list[str]) -> str:
    more = [f"… {len(words)} in all"] if len(words) > MOST else []
    return "[" + ", ".join(words[:MOST] + more) + "]"


def _operation(operation: Operation, lives: Lives) -> str:
    what = "delete " + quoted(operation.key, LONGEST)
    if operation.value is not None:
        what = f"put {quoted(operation.key, LONGEST)} = {quoted(operation.value, LONGEST)}"
    name = f" once {quoted(operation.idempotency_key)}" if operation.idempotency_key else ""
    settled = f" settled {operation.settled}" if operation.settled else ""
    life = life_text(operation.incarnation, lives)
    return f"<{what}{name} of {operation.origin}/{life}#{operation.counter}{settled}>"
