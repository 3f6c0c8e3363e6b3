"""Everything a replica remembers. The comment at each field is its specification.

Rooms (``requests``, ``ordering``, ``replication``, ``views``, …) are functions over ``State``: their
signatures say what they may touch. ``check`` is the executable form of the invariants below; it runs
after every step.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum

from .config import Config
from .errors import ensure
from .log import Log
from .messages import Fetch, Lineage, Promise
from .store import Frozen, Store, Thaw
from .values import NO_BALLOT, Ballot, Dropped, Member, Operation, RequestId, View

FOREVER = 2**63
"""Later than every clock reading in nanoseconds."""

SILENT = "it does not answer"
"""Why a backup is suspected that says nothing; other reasons are those by which it refused."""

MAX_DROPPED = 32
"""Joins that lost operations are remembered up to this number; each was a log line and a note as well."""


class Room(IntEnum):
    """What a primary has last said of its bound to the data."""

    AMPLE = 0
    LITTLE = 1
    NONE = 2


@dataclass(slots=True)
class Waiter:
    """A client of this node that waits for its answer."""

    counter: int
    """Its number among this life's requests; the request id of a write."""
    token: int
    deadline: int
    operation: Operation | None
    """The write, or ``None`` for a read."""
    key: bytes | None
    """The key to read, or ``None`` for a read of all keys (and for a write)."""
    since: int
    """A position that the write cannot stand below: what was committed when it arrived."""
    exposed: bool = False
    """The write may stand in some log, here or elsewhere, so that it may take effect without us."""
    size: int = 0
    trace: bytes = b""
    """The trace context of a write: for those who look on at the primary, not part of the operation."""


@dataclass(slots=True)
class Waiting:
    """The clients that wait here, in order of arrival, which is also the order of their deadlines."""

    clients: dict[int, Waiter] = field(default_factory=dict)
    arrivals: deque[tuple[int, int]] = field(default_factory=deque)
    """``(counter, deadline)`` in order; the first is always of a client that still waits."""
    next_counter: int = 0
    bytes: int = 0

    @property
    def settled(self) -> int:
        """The low-water mark: every request below it has been answered."""
        return self.arrivals[0][0] if self.arrivals else self.next_counter


@dataclass(slots=True)
class Backup:
    """What an active primary knows of one backup."""

    member: Member
    incarnation: int
    """Acknowledgements count only from this life of the node."""
    acked: int
    """Its log end as acknowledged in this ballot, which is also the next position to send."""
    round: int = 0
    """The highest round it acknowledged."""
    sent_end: int = 0
    sent_round: int = 0
    owed_since: int = FOREVER
    """Since when it has owed an answer without a sign of life; ``FOREVER`` while nothing is owed."""
    resend_at: int = FOREVER
    resends: int = 0
    beat_at: int = 0
    """When to ask for a sign of life if nothing else is sent before."""
    suspected: str = ""
    """Why new writes wait for it; empty while they do not."""
    suspected_since: int = 0
    leased_until: int = 0
    """Until then it promises no other primary, as this node counts it."""
    offered_at: int = FOREVER
    """When the round began whose acknowledgement gives a lease; ``FOREVER`` while none is asked for."""
    offered_round: int = 0


@dataclass(slots=True)
class Parked:
    """A write that waits outside the log because a backup is suspected."""

    operation: Operation
    since: int
    deadline: int
    """When a forwarded write is rejected. Local ones have their waiter's deadline."""


@dataclass(slots=True)
class Learner:
    """What a primary knows of a newcomer that it fills."""

    member: Member
    incarnation: int = 0
    """Its life; 0 until it is known."""
    held: int = 0
    """It holds all below, as it last said."""
    needs: int | None = None
    """It is going to ask for the log from here on: it is not forgotten meanwhile."""
    rounds: int = 0
    """How often it was done with what it was offered."""
    ready: bool = False
    """It was close enough once."""
    owed_since: int = FOREVER
    """Since when it has owed an answer without a sign of life; ``FOREVER`` while nothing is owed."""
    offer_at: int = FOREVER
    """When it is offered the copy again, if nothing is heard of it before."""
    offers: int = 0
    """How often in vain."""
    refusal: str = ""
    """Why it does not take the copy."""
    frozen: Frozen | None = None
    """The snapshot that it is fetching."""
    question: Fetch | None = None
    """What it asked for before its time had come."""
    next_at: int = 0
    """When it gets the next chunk, at the earliest."""


@dataclass(slots=True)
class Filling:
    """The newcomers of the next view, which are filled before it is proposed."""

    learners: dict[int, Learner]
    proposes: bool
    """Whether this node is to propose that view then, and not the newcomer itself."""

    @property
    def needs(self) -> int:
        """The log is kept from here on; ``FOREVER`` while nobody needs it."""
        return min(
            [learner.needs for learner in self.learners.values() if learner.needs is not None],
            default=FOREVER,
        )


@dataclass(slots=True)
class Learning:
    """A copy of another primary's state on its way to this node, or here. It is no part of its own state."""

    ballot: Ballot
    """Of the primary that offers it."""
    history: int
    end: int
    """Up to where the copy is offered."""
    lineage: Lineage
    thaw: Thaw | None = None
    """The snapshot that is being put together."""
    copy: Store | None = None
    """The whole copy, once there is one: every operation below ``copy.applied``."""


@dataclass(slots=True)
class Seeking:
    """The primary of a told view holds back its proposal: a member may serve, and fill it first."""

    view: View
    asked: dict[int, None]
    """The members that have not said whether they do."""
    until: int
    """When it proposes at last, if nothing is heard of the copy any more."""


@dataclass(slots=True)
class Lead:
    """What an active primary keeps. Exists only while ``promised == synced == ballot``."""

    ballot: Ballot
    backups: dict[int, Backup]
    round: int = 0
    round_sent: bool = False
    """Whether ``round`` already went out: a read that arrives later needs the next one."""
    round_at: int = -1
    """When ``round`` went out first; only kept where leases are asked for."""
    leased_until: int = 0
    """Until then no backup promises another primary: reads need no round."""
    reads: deque[tuple[int, int, int]] = field(default_factory=deque)
    """``(round, position, counter)`` of local reads in order of arrival."""
    asks: dict[int, tuple[int, int, int, bool]] = field(default_factory=dict)
    """``(round, position, ask, whether leases will do)`` per backup that wants a read confirmed: at most one
    each."""
    uncommitted: dict[RequestId, int] = field(default_factory=dict)
    """Positions of the requests in the log that are not committed yet."""
    claimed: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    """Idempotency keys of uncommitted operations: digest and position."""
    uncommitted_bytes: int = 0
    echoes: dict[int, dict[RequestId, None]] = field(default_factory=dict)
    """Requests that repeat the uncommitted operation at a position and get the same answer."""
    echoing: dict[RequestId, int] = field(default_factory=dict)
    """The same, the other way round."""
    parked: dict[RequestId, Parked] = field(default_factory=dict)
    parked_bytes: int = 0
    expiries: list[tuple[int, RequestId]] = field(default_factory=list)
    """Heap of the deadlines of forwarded parked writes; may name writes that left."""
    refused: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)
    """Per origin the forwarded writes that were certainly rejected in this ballot, and with which verdict:
    a late copy of the message must not bring one back."""
    marks: dict[tuple[int, int], int] = field(default_factory=dict)
    """Per origin the highest low-water mark seen in this ballot."""
    room: Room = Room.AMPLE
    """What was said last of how much more data there may be."""
    room_left: int = 0
    """Bytes that certainly have room, within a step; 0 where that has to be found out."""
    superseded: Ballot = NO_BALLOT
    """A higher ballot that a backup said it has promised."""
    verify: int = 0
    """The round that proves that the view is still active since it was told again; 0 if it is proven."""
    filling: Filling | None = None
    """The newcomers of the told view, while that is another one and is about to be proposed here."""


@dataclass(slots=True)
class Follow:
    """What a backup keeps about the ballot that it has promised."""

    primary: Member
    heard_at: int = 0
    ask: int = 0
    """Number of the last Confirm."""
    ask_resend_at: int = FOREVER
    """``FOREVER`` while no Confirm is unanswered."""
    reads: deque[tuple[int, int]] = field(default_factory=deque)
    """``(ask that must be answered, counter)`` of local reads in order of arrival."""
    forwarded: deque[tuple[int, int]] = field(default_factory=deque)
    """``(when to send again, counter)`` of forwarded writes, in order of time."""
    verify: int = 0
    """The ask that proves that the view is still active since it was told again; 0 if it is proven."""


@dataclass(slots=True)
class Base:
    """What a view begins with: the log of this lineage up to ``end``, held whole by the member ``source``."""

    source: int
    end: int
    history: int
    lineage: Lineage
    dropped: tuple[Dropped, ...]


@dataclass(slots=True)
class Staging:
    """State on its way to this node. The old state stays in use until this is whole."""

    ballot: Ballot
    source: Member
    source_incarnation: int
    base: Base
    agreed: int
    """The log below this position is already right."""
    thaw: Thaw | None = None
    learned: int = 0
    """What this node learned before it joined takes the place of its own state up to here; 0: it does not."""
    snapshot: bool = False
    """Whether a snapshot is being fetched (or was, when ``thaw`` is complete)."""
    tail: list[Operation] = field(default_factory=list)
    refetch_at: int = FOREVER
    refetches: int = 0

    @property
    def tail_start(self) -> int:
        return self.thaw.applied if self.thaw is not None else self.learned or self.agreed

    @property
    def tail_end(self) -> int:
        return self.tail_start + len(self.tail)


@dataclass(slots=True)
class Proposal:
    """A view that this node, its primary, is installing. Exists only while ``promised == ballot``."""

    ballot: Ballot
    view: View
    promises: dict[int, tuple[int, Promise]] = field(default_factory=dict)
    """Per member the life that promised, and what it holds. Identities, never counts."""
    base: Base | None = None
    adopted: dict[int, int] = field(default_factory=dict)
    """Per member the life that holds the base."""
    refusals: dict[int, str] = field(default_factory=dict)
    """Why a member does not promise yet."""
    leased: dict[int, Ballot] = field(default_factory=dict)
    """Per member the ballot by whose primary it stands."""
    blocked: str = ""
    """Why this view cannot be installed without a new word from outside."""
    told_again: bool = False
    """The view was told again meanwhile: what members said before may come from lives that are over."""
    resend_at: int = FOREVER
    resends: int = 0


@dataclass(slots=True)
class State:
    """One replica."""

    id: int
    incarnation: int
    """64 random bits, not 0, drawn at each start of the node: a restart forgets everything."""
    config: Config
    now: int = 0

    # What the outside said.
    told: View | None = None
    """The last view told to this life, or learned from a numbered proposal."""
    told_rank: int = 0
    """The epoch that the told view has or, not being numbered, would take."""
    told_since: int = 0
    """When it became the told view; that it was told again changes nothing. For those who look in."""
    nudge_at: int = FOREVER
    nudges: int = 0
    nudge_refusal: str = ""
    """Why the told view's primary would not hear of it, as it last said."""
    seen_epoch: int = 0
    """The highest epoch met anywhere; an unnumbered view is proposed above it."""

    # What this node promised.
    promised: Ballot = NO_BALLOT
    """Never goes down. Nothing of a lower ballot is acknowledged (invariant 4)."""
    promised_view: View = field(default_factory=lambda: View(()))
    active: bool = False
    """The promised view is known to be active. Then ``synced == promised``."""
    lease_until: int = 0
    """Until then the primary of the promised ballot, in its very life, may read alone: this node promises
    nobody else, itself included. 0 again as soon as another ballot is promised."""
    postponed: bool = False
    """A promise, or a proposal of this node's own, waits for the lease to run out."""

    # The copy of the state.
    synced: Ballot | None = None
    """The last ballot in which this node held the complete state; never above ``promised``."""
    base: int = 0
    """The log end with which ``synced`` began. A primary that was never active has committed nothing in
    its ballot, and all below this must survive all the same."""
    history: int = 0
    """Names the history since the store was started empty; 0 while this node is in none."""
    lineage: Lineage = ()
    store: Store = field(default_factory=Store)
    log: Log = field(default_factory=Log)
    commit: int = 0
    """All operations below are on every member, and applied: ``commit == store.applied``."""

    lives: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Per member of the view that this node last led: its life there, and then the ones before it."""

    # What this node is doing. At most one of the first three.
    lead: Lead | None = None
    follow: Follow | None = None
    proposal: Proposal | None = None
    staging: Staging | None = None
    seeking: Seeking | None = None
    """Exists only while the told view is this node's to propose, and nothing is proposed or led."""
    learning: Learning | None = None
    """A copy for a view that this node may join; not touched while ``staging`` is made of it."""
    frozen: Frozen | None = None
    """Items of the store in transfer order, kept while this node is a source."""
    waiting: Waiting = field(default_factory=Waiting)
    closing: bool = False

    # For those who look in.
    dropped: deque[Dropped] = field(default_factory=lambda: deque(maxlen=MAX_DROPPED))
    ignored: dict[str, int] = field(default_factory=dict)
    """How many messages changed nothing, by reason."""

    @property
    def has_operations(self) -> bool:
        return self.log.end > 0

    @property
    def told_is_promised(self) -> bool:
        """Whether the promised view is what the outside last told this node."""
        told = self.told
        return (
            told is not None
            and told.members == self.promised_view.members
            and told.epoch in (None, self.promised.epoch)
        )

    @property
    def inside(self) -> bool:
        """Whether the outside wants this node in a view."""
        return self.told is not None and self.told.member(self.id) is not None

    @property
    def serving(self) -> bool:
        """Whether clients of this node are served in the promised view.

        Also after the outside has told another view with this node in it: until that one seals this one, what
        is acknowledged here is on all members of this one, and the other begins with it.
        """
        return self.active and self.inside

    @property
    def proven(self) -> bool:
        """Whether the view that is served is known to be the one that was told last.

        {1, 2} is active, then {2}, of which 1 is not told, then {1, 2} is told again: what 1 remembers as
        active is not the view that was ordered now. Were it to say so, the outside could take 2 for
        replaceable while 2 alone holds what it wrote.
        """
        if self.lead is not None:
            return self.lead.verify == 0 and self.lead.superseded < self.lead.ballot
        return self.follow is None or self.follow.verify == 0


def check(state: State) -> None:
    """The invariants that are cheap enough for every step."""
    ensure(state.commit == state.store.applied, "what is committed is applied, and nothing else")
    ensure(state.log.start <= state.commit <= state.log.end, "only committed operations are trimmed")
    ensure(state.synced is None or state.synced <= state.promised, "synced never passes promised")
    ensure(not state.active or state.synced == state.promised, "an active member is synced")
    roles = (state.lead is not None) + (state.follow is not None) + (state.proposal is not None)
    ensure(roles <= 1, "a node has one role")
    lead = state.lead
    if lead is not None:
        ensure(state.active and lead.ballot == state.promised, "only the promised ballot has a primary")
        for backup in lead.backups.values():
            ensure(state.commit <= backup.acked <= state.log.end, "committed is what every backup has")
    filling = lead.filling if lead is not None else None
    if state.seeking is not None or (filling is not None and filling.proposes):
        told = state.told
        ensure(
            told is not None and told.members != () and told.primary.id == state.id,
            "only a primary-to-be prepares a view",
        )
        replaced = lead is None or lead.superseded >= lead.ballot
        ensure(
            state.seeking is None or (replaced and state.proposal is None),
            "who serves or proposes asks no more",
        )
    staging = state.staging
    if staging is not None and staging.learned:
        copy = state.learning.copy if state.learning is not None else None
        ensure(copy is not None and copy.applied == staging.learned, "a copy in use is kept as it is")
