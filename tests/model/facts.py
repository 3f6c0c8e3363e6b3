"""What the properties read of a node: taken from the real state once, when it is met first."""

from __future__ import annotations

from dataclasses import dataclass

from pbproto import Ballot, Operation, Replica, Result
from pbproto.status import standing
from pbproto.store import Store
from pbproto.values import Dropped, Member, RequestId, View


@dataclass(frozen=True, slots=True)
class Facts:
    """One state of one node."""

    id: int
    incarnation: int
    promised: Ballot
    members: tuple[Member, ...]
    """Of the promised view."""
    synced: Ballot | None
    start: int
    end: int
    commit: int
    operations: tuple[Operation, ...]
    """From ``start`` to ``end - 1``."""
    data: tuple[tuple[bytes, bytes], ...]
    """The applied store, sorted by key."""
    size: int
    """Of the data, as the node counts it."""
    bound: int
    results: dict[RequestId, Result]
    """The remembered results."""
    memory: object
    """All that the applied store remembers besides the data, to be compared with that of another node."""
    marks: dict[tuple[int, int], int]
    """Per life of a node the highest low-water mark that the store or the log has."""
    leads: tuple[tuple[int, int, int], ...] | None
    """``(id, incarnation, acked)`` of the backups of an active primary; ``None`` for everyone else."""
    round: int
    parked: int
    suspects: bool
    says_active: tuple[tuple[Member, ...], int | None] | None
    """The told view and its epoch, if ``GET /view`` would say ``active``."""
    told: View | None
    closing: bool
    next_counter: int
    sleeps: bool
    """Whether it waits for no deadline."""
    dropped: tuple[Dropped, ...]
    fills: bool
    """Whether it leads a view and fills newcomers of another one."""
    seeks: bool
    """Whether it holds back a proposal until it is known whether somebody serves."""
    copy: int
    """How much of the log the copy holds that is here whole for a view to come; 0 without one."""

    @property
    def life(self) -> tuple[int, int]:
        """The node and its incarnation, with which its request ids begin."""
        return self.id, self.incarnation

    def operation(self, position: int) -> Operation | None:
        """What stands at a position, if the log still has it."""
        return self.operations[position - self.start] if self.start <= position < self.end else None


def _memory(store: Store) -> object:
    origins = tuple(
        (name, known.first_position, known.settled, known.last_position, tuple(sorted(known.results.items())))
        for name, known in store.origins.items()
    )
    return origins, tuple(store.keys.items()), store.evicted


def _marks(store: Store, operations: tuple[Operation, ...]) -> dict[tuple[int, int], int]:
    marks = {name: known.settled for name, known in store.origins.items()}
    for operation in operations:
        life = (operation.origin, operation.incarnation)
        marks[life] = max(marks.get(life, 0), operation.settled)
    return marks


def facts_of(replica: Replica) -> Facts:
    """Read a replica."""
    state = replica.state
    operations = tuple(state.log[position] for position in range(state.log.start, state.log.end))
    lead, told = state.lead, state.told
    active = told is not None and standing(state) == "active"
    return Facts(
        id=state.id,
        incarnation=state.incarnation,
        promised=state.promised,
        members=state.promised_view.members,
        synced=state.synced,
        start=state.log.start,
        end=state.log.end,
        commit=state.commit,
        operations=operations,
        data=tuple(sorted(state.store.data.items())),
        size=state.store.data_bytes,
        bound=state.config.max_data_bytes,
        results={
            RequestId(*name, counter): result
            for name, origin in state.store.origins.items()
            for counter, result in origin.results.items()
        },
        memory=_memory(state.store),
        marks=_marks(state.store, operations),
        leads=None
        if lead is None
        else tuple((backup.member.id, backup.incarnation, backup.acked) for backup in lead.backups.values()),
        round=lead.round if lead is not None else 0,
        parked=len(lead.parked) if lead is not None else 0,
        suspects=lead is not None and any(backup.suspected for backup in lead.backups.values()),
        says_active=(told.members, told.epoch) if told is not None and active else None,
        told=told,
        closing=state.closing,
        next_counter=state.waiting.next_counter,
        sleeps=replica.deadline is None,
        dropped=tuple(state.dropped),
        fills=lead is not None and lead.filling is not None,
        seeks=state.seeking is not None,
        copy=state.learning.copy.applied if state.learning is not None and state.learning.copy else 0,
    )
