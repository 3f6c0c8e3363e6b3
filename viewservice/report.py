"""What a node said of itself, or why it said nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pbproto import Member

MAX_WORDS = 500
"""Characters of what a node says of itself in words."""


class Trouble(Enum):
    """Why there is no report."""

    REFUSED = "refused"
    """Nobody listens at its address: its machine says that the process is not there."""
    SILENT = "silent"
    """Nothing came back in time, or not all of it: dead, cut off, paused or slow."""
    STRANGER = "stranger"
    """Another node answers at its address, or something that is no node."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Whom a node waits for, and why."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """The parts of ``GET /view`` that decisions rest on, and those that people want to see."""

    id: int
    incarnation: int
    epoch: int | None
    """Of the view that it was told, as told or as installed; ``None`` while it has none."""
    members: tuple[Member, ...]
    status: str
    """``none``, ``installing``, ``active`` or ``outside``."""
    waiting_for: tuple[Waits, ...] = ()
    blocked: str = ""
    holds: bool = False
    """It has been synced in some ballot: what it holds may be needed."""
    commit: int = 0
    log_end: int = 0

    @property
    def fresh(self) -> bool:
        """It knows of no view and holds nothing."""
        return self.status == "none" and not self.holds and self.log_end == 0


def parse(document: Mapping[str, Any]) -> Report:
    """Read what ``GET /view`` says; ``ValueError``, ``KeyError`` or ``TypeError`` if it is not that.

    Whatever may listen at the address: what it says goes to the record, to logs and to terminals.
    """
    return Report(
        id=_whole(document["id"]),
        incarnation=_whole(int(document["incarnation"], 16)),
        epoch=None if document["epoch"] is None else _whole(document["epoch"]),
        members=tuple(Member(_whole(member["id"]), str(member["address"])) for member in document["view"]),
        status=_words(document["status"]),
        waiting_for=tuple(
            Waits(_whole(wait["id"]), _words(wait["reason"])) for wait in document["waiting_for"]
        ),
        blocked=_words(document["blocked"] or ""),
        holds=document["synced"] is not None,
        commit=_whole(document["commit"]),
        log_end=_whole(document["log_end"]),
    )


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not an integer")
    if not 0 <= value < 2**64:
        raise ValueError("no number of a node")
    return value


def _words(value: object) -> str:
    return one_line(str(value)[:MAX_WORDS])


def one_line(text: str) -> str:
    """Text as a part of a line, with nothing in it that a terminal obeys or that UTF-8 has not."""
    return "".join([each if each.isprintable() else " " for each in text])
