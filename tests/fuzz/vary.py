"""Changes one thing in a message: well formed it stays, true it does not."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from enum import IntEnum
from typing import Any

from pbproto import Operation

from .choices import Choices

NUMBERS = (0, 1, 2, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
"""Where ranges begin and end."""


def vary(value: Any, choices: Choices, donors: list[Any]) -> Any:
    """The value with one part of it changed. ``donors``: ballots and lists that may be taken instead."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, IntEnum):
        return choices.one_of(list(type(value)))
    if isinstance(value, int):
        number: int = choices.one_of((value + 1, value - 1, value + 2, choices.number(), *NUMBERS))
        return min(max(number, 0), 2**64 - 1)
    if isinstance(value, bytes):
        return choices.one_of((b"", value + b"x", value[:-1], value * 2, b"other"))
    if isinstance(value, str):
        return choices.one_of((value + "x", "é", "node1:80"))
    likes = [donor for donor in donors if _alike(donor, value)]
    if likes and choices.number() % 2:
        return choices.one_of(likes)
    if is_dataclass(value):
        name = choices.one_of([field.name for field in fields(value)])
        part = _vary_part(value, getattr(value, name), choices, donors)
        return replace(value, **{name: part})  # type: ignore[type-var]
    if hasattr(value, "_fields"):
        at = choices.number() % len(value)
        return value._replace(**{value._fields[at]: _vary_part(value, value[at], choices, donors)})
    return _vary_list(value, choices, donors)


def _alike(one: Any, other: Any) -> bool:
    """Whether one may stand where the other stands: lists by what is in them, an empty one says nothing."""
    if type(one) is not type(other):
        return False
    return type(one) is not tuple or bool(one and other and _alike(one[0], other[0]))


def _vary_part(whole: Any, part: Any, choices: Choices, donors: list[Any]) -> Any:
    """One part of a record. What may be absent appears, and goes."""
    if part is None:
        return b"new" if isinstance(whole, Operation) else donors[0]
    if isinstance(whole, Operation) and part is whole.value and choices.number() % 4 == 0:
        return None
    return vary(part, choices, donors)


def _vary_list(items: tuple[Any, ...], choices: Choices, donors: list[Any]) -> tuple[Any, ...]:
    if not items:
        return items
    at = choices.number() % len(items)
    before, item, after = items[:at], items[at], items[at + 1 :]
    if len(items) == 2 and (type(items[0]) is bytes or type(items[0]) is not type(items[1])):
        return (*before, vary(item, choices, donors), *after)  # a pair and not a list
    return choices.one_of(
        (
            (*before, vary(item, choices, donors), *after),
            (*before, *after),
            (*items, item),
            (*after, item, *before),
            (*before, item),
            (),
        )
    )
