"""The nouns of the protocol: members, views, ballots, operations and their results.

Ballots, operations and results are named tuples rather than frozen dataclasses because they are made
and compared once per request on every node: a tuple is built about three times faster and compares in C.
Everything else in the package is a frozen, slotted dataclass, or a ``record``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

MAX_ID = 2**63 - 1
MAX_EPOCH = 2**62
"""The highest epoch that a view may be given: far below what a ballot can hold, so that unnumbered views and
repeated installations can always go above it."""
MAX_MEMBERS = 256
MAX_ADDRESS_BYTES = 300
MAX_KEY_BYTES = 4096
MAX_VALUE_BYTES = 2**30
MAX_IDEMPOTENCY_KEY_BYTES = 255
MAX_TRACE_BYTES = 568
"""A trace context: a ``traceparent`` of W3C Trace Context has 55, a ``tracestate`` after a space 512."""
OPERATION_BYTES = 80
"""What an operation is counted with in batches, queues and the log, besides its key and its value."""


class Ballot(NamedTuple):
    """One attempt to run a view, ordered as a tuple (Paxos ballots; Vertical Paxos II, section 4).

    ``attempt`` counts the tries within one epoch: a numbered view keeps its epoch when it has to be
    installed again (a member restarted), and two installations must never share a name.
    """

    epoch: int
    attempt: int
    primary: int
    incarnation: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.attempt}@{self.primary}"


NO_BALLOT = Ballot(0, 0, 0, 0)
"""Lower than every ballot of a view: epochs count from 1."""


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """A member of a view: ``id`` (int, 0 to 2**63-1) and ``address`` (``host:port``)."""

    id: int
    address: str


@dataclass(frozen=True, slots=True)
class View:
    """The members that replicate, sorted by id, and the epoch if the outside numbered the view.

    Raises ``ValueError`` for ids or addresses that are not unique or not in range: a node counted twice
    would make "all members have it" a lie.
    """

    members: tuple[Member, ...]
    epoch: int | None = None

    def __post_init__(self) -> None:
        if len(self.members) > MAX_MEMBERS:
            raise ValueError(f"a view has at most {MAX_MEMBERS} members")
        ids: dict[int, None] = {}
        addresses: dict[str, None] = {}
        for member in self.members:
            if not 0 <= member.id <= MAX_ID:
                raise ValueError(f"member id {member.id} is not between 0 and {MAX_ID}")
            if not member.address or len(member.address.encode()) > MAX_ADDRESS_BYTES:
                raise ValueError(f"member {member.id} has an address of a bad length")
            if member.id in ids:
                raise ValueError(f"id {member.id} is in the view twice")
            if member.address in addresses:
                raise ValueError(f"address {member.address} is in the view twice")
            ids[member.id] = None
            addresses[member.address] = None
        if self.epoch is not None and not 1 <= self.epoch <= MAX_EPOCH:
            raise ValueError(f"epoch {self.epoch} is not between 1 and {MAX_EPOCH}")
        object.__setattr__(self, "members", tuple(sorted(self.members)))

    @classmethod
    def of(cls, members: Iterable[tuple[int, str]], epoch: int | None = None) -> View:
        """A view of ``(id, address)`` pairs in any order."""
        return cls(tuple(Member(id_, address) for id_, address in members), epoch)

    @property
    def primary(self) -> Member:
        """The member with the lowest id. Raises ``IndexError`` for the empty view, which has none."""
        return self.members[0]

    def member(self, id_: int) -> Member | None:
        for member in self.members:
            if member.id == id_:
                return member
        return None

    def others(self, id_: int) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.id != id_)


class RequestId(NamedTuple):
    """Names one client's write for ever: the node that took it, that node's life, and its count there."""

    origin: int
    incarnation: int
    counter: int


class Operation(NamedTuple):
    """A write as it stands in the log: canonical bytes only, so that no replica recomputes anything.

    ``value`` is ``None`` for a DELETE. ``settled`` is the origin's low-water mark when the request
    arrived: the origin will never again ask about a counter below it. ``idempotency_key`` is empty
    where the client sent none.
    """

    origin: int
    incarnation: int
    counter: int
    settled: int
    key: bytes
    value: bytes | None
    idempotency_key: bytes

    @property
    def request(self) -> RequestId:
        return RequestId(self.origin, self.incarnation, self.counter)

    @property
    def size(self) -> int:
        """Bytes this operation is counted with in batches, queues and the log."""
        return OPERATION_BYTES + len(self.key) + (len(self.value) if self.value is not None else 0)


class Kind(IntEnum):
    """What a write did, decided when it was applied at its place in the order."""

    CREATED = 0
    UPDATED = 1
    DELETED = 2
    MISSING = 3


class Result(NamedTuple):
    """The replicated answer to a write: what it did and its number in the total order (from 0)."""

    kind: Kind
    position: int


class Dropped(NamedTuple):
    """Operations ``first`` to ``end - 1`` of a node's log that a join of two histories left out."""

    id: int
    first: int
    end: int
