"""What replicas say to each other. The wire form is in ``codec``; who may say what when is in the rooms.

``Replicate``/``Replicated`` order operations; ``Propose``/``Promise`` and ``Adopt``/``Adopted`` install
views; ``Fetch`` and its two kinds of chunk move state; by ``Seek``, ``Offer`` and ``Learned`` newcomers are
filled; ``Forward``/``Forwarded`` and ``Confirm``/``Confirmed`` carry the requests that clients brought to a
backup; ``Told`` is the nudge; ``Refuse`` is the answer to what did not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from .record import record
from .values import NO_BALLOT, Ballot, Dropped, Member, Operation, Result


class Envelope(NamedTuple):
    """Who speaks to whom, and about which history.

    ``receiver_incarnation`` is 0 while the sender does not know it; ``history`` is 0 while the sender
    holds no operation. An answer meant for a node's former life, or mail of another cluster's history,
    is refused by these fields and never changes state.
    """

    sender: int
    sender_incarnation: int
    receiver: int
    receiver_incarnation: int
    history: int


Lineage = tuple[tuple[Ballot, int], ...]
"""Which ballot ordered which part of a log: ``(ballot, first position)`` in order."""


class Refusal(IntEnum):
    """Why a message was refused."""

    WRONG_NODE = 0
    WRONG_INCARNATION = 1
    OTHER_HISTORY = 2
    NOT_TOLD = 3
    TOLD_OTHER_VIEW = 4
    PROMISED_HIGHER = 5
    NOT_IN_BALLOT = 6
    LEASED = 7
    NOTHING_TO_OFFER = 8


class VerdictCode(IntEnum):
    """What became of a forwarded write. The first four equal ``Kind``."""

    CREATED = 0
    UPDATED = 1
    DELETED = 2
    MISSING = 3
    NOT_APPLIED = 4
    OVERLOADED = 5
    KEY_REUSED = 6
    UNKNOWN = 7
    STORE_FULL = 8
    """In mail of version 1 it is ``NOT_APPLIED``, which is as certain."""


class Verdict(NamedTuple):
    """The primary's answer to the forwarded write ``counter``.

    ``position`` is 0 for a rejection, but for ``STORE_FULL`` the bound of the primary in bytes.
    """

    counter: int
    code: VerdictCode
    position: int


class OriginRecord(NamedTuple):
    """One origin's remembered results, as they travel in a snapshot."""

    origin: int
    incarnation: int
    first_position: int
    settled: int
    last_position: int
    results: tuple[tuple[int, Result], ...]


class KeyRecord(NamedTuple):
    """One idempotency key, what it was used for (a digest) and the answer it got."""

    idempotency_key: bytes
    fingerprint: bytes
    result: Result


@dataclass(frozen=True, slots=True)
class Told:
    """Member to primary: I was told this view (by epoch 0 if it was not numbered)."""

    members: tuple[Member, ...]
    epoch: int


@dataclass(frozen=True, slots=True)
class Propose:
    """Primary to member: promise this ballot for a view of these members (phase 1a of Paxos).

    ``released`` is the ballot that the member stands by, if that one's own primary has promised ``ballot``.
    """

    ballot: Ballot
    members: tuple[Member, ...]
    numbered: bool
    released: Ballot = NO_BALLOT


@dataclass(frozen=True, slots=True)
class Promise:
    """Member to primary: I acknowledge nothing below ``ballot`` any more, and this is what I hold.

    ``base`` is the log end that ``synced`` began with; ``commit`` the operations known to be everywhere.
    """

    ballot: Ballot
    synced: Ballot | None
    history: int
    base: int
    log_end: int
    commit: int
    lineage: Lineage


@dataclass(frozen=True, slots=True)
class Adopt:
    """Primary to member: the view begins with the log of this lineage up to ``end``."""

    ballot: Ballot
    history: int
    end: int
    lineage: Lineage
    dropped: tuple[Dropped, ...]


@dataclass(frozen=True, slots=True)
class Adopted:
    """Member to primary: I hold the whole base of ``ballot``."""

    ballot: Ballot


@dataclass(frozen=True, slots=True)
class Fetch:
    """Give me the log from ``position`` to ``end``, or, if ``snapshot``, its items from ``position`` on."""

    ballot: Ballot
    snapshot: bool
    position: int
    end: int


@dataclass(frozen=True, slots=True)
class LogChunk:
    """Operations from ``first`` on."""

    ballot: Ballot
    first: int
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class SnapshotChunk:
    """Items ``offset`` and up of the ``total`` that make the state with all operations below ``applied``.

    The items are the key-value pairs, then the origins' results, then the idempotency keys, oldest first.
    """

    ballot: Ballot
    applied: int
    evicted: int
    offset: int
    total: int
    pairs: tuple[tuple[bytes, bytes], ...]
    origins: tuple[OriginRecord, ...]
    keys: tuple[KeyRecord, ...]


@record
class Replicate:
    """Primary to backup: these operations stand from ``first`` on; all below ``commit`` are everywhere.

    ``lease``: promise no other primary for so many nanoseconds from now on; 0 if that is not asked for.
    """

    ballot: Ballot
    first: int
    operations: tuple[Operation, ...]
    commit: int
    round: int
    lease: int = 0


@record
class Replicated:
    """Backup to primary: I hold the log up to ``log_end``, and had promised nothing higher at ``round``.

    ``lease``: for so many nanoseconds after that I promise no other primary.
    """

    ballot: Ballot
    log_end: int
    round: int
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Forward:
    """Backup to primary: a client's write.

    ``since`` is a position that the write cannot stand below; ``patience`` how many nanoseconds the client
    still waits (a duration: the two clocks need not agree). ``trace`` is the trace context of the client's
    request, empty if there is none or if the mail is of version 1; it is no part of the operation.
    """

    ballot: Ballot
    since: int
    patience: int
    operation: Operation
    trace: bytes = b""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Primary to backup: what became of forwarded writes."""

    ballot: Ballot
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Confirm:
    """Backup to primary: which operations must a read that waits here see? (ReadIndex, etcd/raft)

    ``leased``: the answer may rest on leases; otherwise it takes a round. One question is asked for all reads
    that wait, so there is no one request whose trace context it could carry.
    """

    ballot: Ballot
    ask: int
    leased: bool = False


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Primary to backup: all below ``position``; they are committed."""

    ballot: Ballot
    ask: int
    position: int


@dataclass(frozen=True, slots=True)
class Seek:
    """Primary of a told view to its members: does one of you serve? Then fill me before I propose this."""

    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """Primary to a newcomer of the next view: copy my committed log of this lineage, up to ``end``.

    Of the log I still have what is at ``kept`` and above; who holds all below ``near`` is close enough.
    """

    ballot: Ballot
    history: int
    end: int
    kept: int
    near: int
    lineage: Lineage


@dataclass(frozen=True, slots=True)
class Learned:
    """Newcomer to primary: I hold your log up to ``end``, and will hold no more if that is ``final``.

    Promises nothing.
    """

    ballot: Ballot
    end: int
    final: bool


@dataclass(frozen=True, slots=True)
class Refuse:
    """What you sent to ``addressee`` in ``ballot`` does not fit; ``promised`` is my own ballot."""

    ballot: Ballot
    reason: Refusal
    addressee: int
    promised: Ballot


Message = (
    Told
    | Propose
    | Promise
    | Adopt
    | Adopted
    | Fetch
    | LogChunk
    | SnapshotChunk
    | Replicate
    | Replicated
    | Forward
    | Forwarded
    | Confirm
    | Confirmed
    | Refuse
    | Seek
    | Offer
    | Learned
)
