"""What calls return. ``number`` is ``Msg-Num``: a position in the one order of all writes, from 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .errors import Attempt

T_co = TypeVar("T_co", covariant=True)

MAX_MEMBERS = 256
"""Of a view."""


@dataclass(frozen=True, slots=True)
class Written:
    """A put that took effect."""

    number: int
    """The write's own number."""
    created: bool
    """Whether the key was missing before."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A delete that took effect."""

    number: int
    """The write's own number; a delete of a missing key has one, too."""
    existed: bool
    """Whether the key was there before."""


@dataclass(frozen=True, slots=True)
class Read:
    """The value of a key at one point of the order."""

    value: str | None
    """``None`` where the key is missing."""
    number: int
    """How many writes the read has seen."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The whole store at one point of the order."""

    items: dict[str, str]
    number: int
    """How many writes the listing has seen."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a view. ``address`` is where its peers reach it: clients may have to go elsewhere."""

    id: int
    address: str


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """A member that a node waits for, and why."""

    id: int
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Writes that a node held and that were given up when two halves were joined."""

    id: int
    first: int
    end: int
    """The first number that was not dropped any more."""


@dataclass(frozen=True, slots=True)
class Status:
    """How a node sees itself (``GET /view``)."""

    id: int
    incarnation: str
    """Which life of the node this is: 16 hexadecimal digits."""
    view: tuple[Member, ...]
    epoch: int | None
    primary: int | None
    status: str
    """``none``, ``installing``, ``active`` or ``outside``."""
    role: str
    """``primary``, ``backup`` or ``none``."""
    reads: str
    waiting_for: tuple[WaitingFor, ...]
    blocked: str | None
    dropped: tuple[Dropped, ...]
    commit: int
    """How many writes are committed."""
    log_end: int
    document: Mapping[str, Any] = field(repr=False, compare=False)
    """The answer as it came, with what newer nodes may add."""

    @classmethod
    def parse(cls, document: Any) -> Status:
        """The status in a JSON document. Raises ``ValueError``, ``KeyError``, ``TypeError``."""
        if not isinstance(document, dict):
            raise TypeError("not an object")
        return cls(
            id=_whole(document["id"]),
            incarnation=_text(document["incarnation"]),
            view=_members(document["view"]),
            epoch=_whole_or_none(document["epoch"]),
            primary=_whole_or_none(document["primary"]),
            status=_text(document["status"]),
            role=_text(document["role"]),
            reads=_text(document.get("reads", "confirm")),
            waiting_for=tuple(
                WaitingFor(_whole(each["id"]), _text(each["address"]), _text(each["reason"]))
                for each in document["waiting_for"]
            ),
            blocked=None if document["blocked"] is None else _text(document["blocked"]),
            dropped=tuple(
                Dropped(_whole(each["id"]), _whole(each["from"]), _whole(each["to"]))
                for each in document["dropped"]
            ),
            commit=_whole(document["commit"]),
            log_end=_whole(document["log_end"]),
            document=document,
        )


def _members(listed: Any) -> tuple[Member, ...]:
    # Each of them may be asked, and be sent the token.
    if len(listed) > MAX_MEMBERS:
        raise ValueError("no view has so many members")
    return tuple(Member(_whole(each["id"]), _text(each["address"])) for each in listed)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not an integer")
    return value


def _whole_or_none(value: Any) -> int | None:
    return None if value is None else _whole(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


@dataclass(frozen=True, slots=True)
class NodeAnswer(Generic[T_co]):
    """What one node answered. A node that does not answer is an answer, too: then there is a ``problem``."""

    node: str
    """Its URL."""
    answer: T_co | None
    problem: Attempt | None = None

    @property
    def ok(self) -> bool:
        """Whether it answered as it was meant to."""
        return self.problem is None
