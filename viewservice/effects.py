"""Everything the service can ask its caller to do: the outputs of ``Service.step``, in order."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pbproto import Member

from .record import Record


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the node how it is (``GET /view``); the answer is a ``Saw``, also if none comes."""

    id: int
    address: str
    at: int
    """When it is asked: goes back in the answer."""


@dataclass(frozen=True, slots=True)
class Write:
    """Replace the record if its version is still ``record.version - 1``; the answer is a ``Stored``."""

    record: Record


@dataclass(frozen=True, slots=True)
class Say:
    """Tell a node, in this life only, a view (``PUT /view``); the answer is a ``Said``, if one comes."""

    id: int
    address: str
    incarnation: int
    epoch: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the person whose ``Order`` has this token."""

    token: int
    ok: bool
    document: dict[str, Any]


class Level(Enum):
    """How much a note concerns a person."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"
    """Nothing will get better by itself."""


@dataclass(frozen=True, slots=True)
class Note:
    """What was decided and why, or what keeps it from being decided."""

    level: Level
    code: str
    text: str
    fields: tuple[tuple[str, str | int], ...] = ()


Effect = Ask | Write | Say | Answer | Note
