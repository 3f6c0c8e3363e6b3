"""Events, effects and states in words for people, and as plain values for tools."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from itertools import islice
from typing import Any

from .effects import Effect, Note, Reject, Reply, Send
from .events import Event, Receive
from .forms import FormError
from .log import Log
from .state import FOREVER, State
from .store import Frozen, Store, Thaw
from .summary import Did, kept
from .values import Ballot, Member, Operation, Result, View

LONGEST = 40
"""Bytes or characters of a value that are shown."""
MOST = 6
"""Items of a collection that are shown."""
RANDOM = 2**56
"""From here on a number is taken for random bits (an incarnation, a history) and shown as in ``GET /view``:
no count comes so far, and as nanoseconds these are more than two years."""


def parts(value: object) -> list[tuple[str, Any]] | None:
    """The fields of a value with their names; ``None`` if it has none."""
    if isinstance(value, Log):
        operations = value.since(value.start, value.end, value.bytes)
        return [("start", value.start), ("end", value.end), ("operations", operations)]
    if isinstance(value, Store | Thaw | Frozen):
        names = [name for name in sorted(type(value).__slots__) if not name.startswith("_")]
        if isinstance(value, Frozen):
            names = ["applied", "total"]  # what is in it is in the store as well
    elif is_dataclass(value):
        names = [field.name for field in fields(value)]
    else:
        names = list(getattr(value, "_fields", ()))
        if not names:
            return None
    return [(name, getattr(value, name)) for name in names]


# For people.


def text(value: object) -> str:
    """A value in words, shortened."""
    match value:
        case bytes():
            return _bytes_text(value)
        case str():
            return _shortened(repr(value), len(value), "characters")
        case Enum():
            return value.name.lower()
        case int() if value >= RANDOM and not isinstance(value, bool):
            return "never" if value == FOREVER else f"{value:016x}"
        case Ballot():
            return str(value)
        case Member():
            return f"{value.id}={value.address}"
        case View():
            return _several("{", value.members, "}") + (f" epoch {value.epoch}" if value.epoch else "")
        case Operation():
            return _operation_text(value)
        case Result():
            return f"{value.kind.name.lower()} at {value.position}"
        case Mapping():
            items = [f"{text(key)}: {text(item)}" for key, item in islice(value.items(), MOST)]
            return _listed("{", items, len(value), "}")
    named = parts(value)
    if named is not None:
        return f"{type(value).__name__}({', '.join(f'{name}={text(item)}' for name, item in named)})"
    if isinstance(value, tuple | list | deque):
        return _several("[", value, "]")
    return str(value)


def _bytes_text(value: bytes) -> str:
    try:
        shown = repr(value.decode())
    except UnicodeDecodeError:
        shown = f"x'{value.hex()}'"
    return _shortened(shown, len(value), "bytes")


def _shortened(shown: str, length: int, unit: str) -> str:
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…({length} {unit})"


def _several(left: str, values: Any, right: str) -> str:
    return _listed(left, [text(item) for item in list(values)[:MOST]], len(values), right)


def _listed(left: str, items: list[str], count: int, right: str) -> str:
    more = [f"… {count} in all"] if count > len(items) else []
    return left + ", ".join(items + more) + right


def _operation_text(operation: Operation) -> str:
    what = f"delete {text(operation.key)}"
    if operation.value is not None:
        what = f"put {text(operation.key)}={text(operation.value)}"
    once = f" once {text(operation.idempotency_key)}" if operation.idempotency_key else ""
    return f"<{what}{once} of {operation.origin}/{operation.counter}>"


def event_text(event: Event) -> str:
    """An event in one line."""
    if isinstance(event, Receive):
        return f"Receive from {event.envelope.sender}: {text(event.message)}"
    return text(event)


def effect_text(effect: Effect) -> str:
    """An effect in one line."""
    match effect:
        case Send():
            where = f" at {effect.address}" if effect.address else ", as an answer"
            return f"Send to {effect.envelope.receiver}{where}: {text(effect.message)}"
        case Reply():
            return f"Reply to client {effect.token}: {text(effect.outcome)}"
        case Reject():
            sure = "certainly not applied" if effect.certain else "unknown"
            return f"Reject client {effect.token}: {effect.reason.value}, {sure}: {effect.detail}"
        case Note():
            return " ".join(
                ["Note", effect.code.value, *(f"{name}={value}" for name, value in effect.fields)]
            )
        case _:
            return text(effect)


def did_text(did: Did) -> str:
    """What is known of a recorded effect, in one line."""
    try:
        effect = kept(did)
    except FormError as error:
        return f"{did.kind}, which cannot be read: {error}"
    return f"{did.kind} #{did.body.hex()}" if effect is None else effect_text(effect)


def state_lines(state: State) -> list[str]:
    """A state, a line for each field."""
    lines: list[str] = []
    for name, value in parts(state) or []:
        inner = parts(value)
        if inner is None or isinstance(value, View | Ballot) or name == "config":
            lines.append(f"{name}: {text(value)}")
        else:
            lines.append(f"{name}: {type(value).__name__}")
            lines += [f"  {field}: {text(item)}" for field, item in inner]
    return lines


# For tools.


def plain(value: object) -> Any:
    """A value of nothing but dicts, lists, strings, numbers, truth values and ``None``, whole.

    Byte strings become text if they are UTF-8, else ``{"hex": …}``; mappings lists of pairs, since their keys
    may be anything.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"hex": value.hex()}
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, Mapping):
        return [[plain(key), plain(item)] for key, item in value.items()]
    named = parts(value)
    if named is not None:
        return {"is": type(value).__name__, **{name: plain(item) for name, item in named}}
    if isinstance(value, int):
        return int(value)
    return [plain(item) for item in list(value)]  # type: ignore[call-overload]


def plain_did(did: Did) -> Any:
    """What is known of a recorded effect, as plain values."""
    try:
        effect = kept(did)
    except FormError as error:
        return {"kind": did.kind, "unreadable": str(error)}
    if effect is None:
        return {"kind": did.kind, "digest": did.body.hex()}
    return {"kind": did.kind, "effect": plain(effect)}
