"""Everything that can happen to the service: the inputs of ``Service.step``."""

from __future__ import annotations

from dataclasses import dataclass, field

from .record import Record
from .report import Report, Trouble


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Lead:
    """This instance is the one that acts, and this is what is written down; or (``None``) it is not any more.

    Safety does not rest on it: two instances that both think so spoil each other's writes, and nothing else.
    """

    record: Record | None


@dataclass(frozen=True, slots=True)
class Saw:
    """The answer to an ``Ask``, or why there is none."""

    id: int
    address: str
    sent_at: int
    """``Ask.at``: what it says may have been true only then."""
    found: Report | Trouble


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer to a ``Write``: what is written down now; another record if the write came too late.

    ``None``: the store cannot be reached, and nobody knows whether it was written.
    """

    record: Record | None


@dataclass(frozen=True, slots=True)
class Said:
    """The answer to a ``Say``: empty if the node obeys, else why not."""

    id: int
    epoch: int
    refusal: str


@dataclass(frozen=True, slots=True)
class Order:
    """A person wants something; ``token`` comes back with the answer.

    ``word`` is one of ``orders.WORDS``.
    """

    token: int
    word: str
    ids: tuple[int, ...] = ()
    address: str = ""
    size: int = 0
    nodes: tuple[tuple[int, str], ...] = field(default=())
    by: str = ""
    """Who wants it, in words, as far as that is known."""
    at: str = ""
    """When they said so, by the caller's clock, in words."""


Event = Tick | Lead | Saw | Stored | Said | Order
