"""The two exceptions that the core raises; refusals of clients and peers are effects, not exceptions."""

from __future__ import annotations

from typing import TypeVar


class UsageError(Exception):
    """The caller misused the core; nothing was changed."""


class InvariantError(Exception):
    """The replica concluded something that must not be true. The node has to stop rather than lie."""


T = TypeVar("T")


def present(value: T | None, rule: str) -> T:
    """``value``, which we concluded is there."""
    if value is None:
        raise InvariantError(rule)
    return value


def ensure(condition: bool, rule: str) -> None:
    """Stop if a conclusion of ours is false. A function, since ``python -O`` strips ``assert``."""
    if not condition:
        raise InvariantError(rule)
