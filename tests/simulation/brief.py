"""Records in very few words, for a diagram that has little room."""

from __future__ import annotations

import re

from pbproto import Message
from pbproto.effects import Code, Listing, Note, Reject, Reply, Value, ViewRefused, Written
from pbproto.events import Receive, Tick
from pbproto.messages import (
    Adopt,
    Confirm,
    Confirmed,
    Fetch,
    Forward,
    Forwarded,
    LogChunk,
    Promise,
    Propose,
    Refuse,
    Replicate,
    Replicated,
    SnapshotChunk,
    Told,
)

from .trace import Happening, Record, Step
from .words import event_text, members_text, quoted

SHORT = 14
"""Characters of a value that are shown."""
WIDE = 40
"""Characters of a line."""
_NAME = re.compile(r"[A-Z][A-Za-z]+ \d+>\d+ #\d+")
DRAWN = ("lost", "cut", "nobody", "late", "copied", "stale")
"""Happenings that are shown at their message."""
TELLING = (
    Code.BLOCKED,
    Code.STARTED_EMPTY,
    Code.BECAME_PRIMARY,
    Code.INSTALLED,
    Code.SUSPECTED,
    Code.RECOVERED,
    Code.DROPPED,
    Code.STOPPED_SERVING,
)
"""Notes that are shown as words; the others are in the tooltip."""


def lines_of(record: Record) -> list[str]:
    """What is written beside a record, line by line; nothing for what is drawn only."""
    if isinstance(record, Happening):
        return [] if message_of(record) else [_cut(record.text)]
    return [_cut(line) for line in (_event(record), *_effects(record)) if line]


def message_of(happening: Happening) -> str:
    """The name of the message that something has happened to; empty if it was nothing of the kind."""
    found = _NAME.match(happening.text) if happening.what in DRAWN else None
    return "" if found is None else found[0]


def _cut(line: str) -> str:
    return line if len(line) <= WIDE else line[: WIDE - 1] + "…"


def _event(step: Step) -> str:
    event = step.event
    if isinstance(event, Receive):
        return f"{type(event.message).__name__} {brief(event.message)}"
    return "" if isinstance(event, Tick) else event_text(event, {})


def _effects(step: Step) -> list[str]:
    lines = []
    for effect in step.effects:
        match effect:
            case Reply(token=token, outcome=Written(result=result)):
                lines.append(f"← ({token}) {result.kind.name.lower()} at {result.position}")
            case Reply(token=token, outcome=Value(value=value, position=position)):
                read = "nothing" if value is None else quoted(value, SHORT)
                lines.append(f"← ({token}) {read} after {position}")
            case Reply(token=token, outcome=Listing(items=items, position=position)):
                lines.append(f"← ({token}) {len(items)} keys after {position}")
            case Reject(token=token, reason=reason, certain=certain):
                lines.append(f"← ({token}) {reason.value}, {'not applied' if certain else 'unknown'}")
            case ViewRefused(reason=reason):
                lines.append(f"← {reason.value}")
            case Note(code=code, fields=pairs) if code in TELLING:
                fields = dict(pairs)
                more = fields.get("reason", fields.get("ballot", fields.get("backup", "")))
                lines.append(f"• {code.value.replace('_', ' ')} {more}".rstrip())
    return lines


def brief(message: Message) -> str:
    """What a reader needs of a message."""
    match message:
        case Told(members=members, epoch=epoch):
            return members_text(members) + (f" epoch {epoch}" if epoch else "")
        case Propose(ballot=ballot, members=members):
            return f"{ballot} {members_text(members)}"
        case Promise(synced=synced, log_end=end, commit=commit):
            return f"synced {synced or 'never'} log {end}/{commit}"
        case Adopt(end=end):
            return f"log {end}"
        case Fetch(snapshot=snapshot, position=position, end=end):
            return f"{'items' if snapshot else 'log'} {position}…{end}"
        case LogChunk(first=first, operations=operations):
            return f"{first}+{len(operations)}"
        case SnapshotChunk(offset=offset, total=total, applied=applied):
            return f"items {offset}…{total} of {applied}"
        case Replicate(first=first, operations=operations, commit=commit, round=round_):
            return f"{first}+{len(operations)} commit {commit} round {round_}"
        case Replicated(log_end=end, round=round_):
            return f"log {end} round {round_}"
        case Forward(operation=operation):
            what = "delete" if operation.value is None else "put"
            return f"#{operation.counter} {what} {quoted(operation.key, SHORT)}"
        case Forwarded(verdicts=verdicts):
            return ", ".join(f"#{each.counter} {each.code.name.lower()}" for each in verdicts[:2])
        case Confirm(ask=ask):
            return f"ask {ask}"
        case Confirmed(ask=ask, position=position):
            return f"ask {ask} at {position}"
        case Refuse(reason=reason, promised=promised):
            return f"{reason.name.lower()} {promised}"
    return ""
