"""How far the members are, as the node that is asked knows it; reads the state, changes nothing.

``status`` says what a node is. This says what goes on in it: which backup lags, which leases run, how far a
copy of the state has come, and how much is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .advice import Advice, advise
from .state import FOREVER, Backup, Lead, Learner, Learning, Staging, State
from .values import Member


@dataclass(frozen=True, slots=True)
class BackupSeen:
    """What an active primary knows of one backup. Times are ns; ``None``: does not apply now."""

    id: int
    address: str
    incarnation: int
    acked: int
    """It holds all below this position."""
    lag: int
    """How many operations of the log it has not acknowledged."""
    owes: int | None
    """For how long it has owed an answer without a sign of life."""
    suspected: str
    """Why new writes wait for it; empty while they do not."""
    suspected_for: int | None
    lease: int | None
    """For how long it promises no other primary; ``None`` where leases are not used."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """State on its way between this node and another."""

    id: int
    address: str
    direction: str
    """``to`` the other node or ``from`` it."""
    what: str
    """``copy`` (before a view has its newcomer), ``state`` (a snapshot, under the seal) or ``log``."""
    unit: str
    """``operations`` or ``items``."""
    done: int
    total: int
    refusal: str = ""
    """Why the other does not take it."""


@dataclass(frozen=True, slots=True)
class Inside:
    """A snapshot of what goes on in one replica. Times are ns."""

    backups: tuple[BackupSeen, ...]
    """At an active primary, in order of id."""
    heard: int | None
    """At a backup: how long ago its primary was last heard of."""
    lease: int | None
    """At a primary with leases: for how long it may read alone."""
    stands_by: int | None
    """With leases: for how long this node promises no other primary."""
    transfers: tuple[Transfer, ...]
    log_start: int
    log_bytes: int
    waiting_bytes: int
    uncommitted: int
    """Operations in the log that not all members hold."""
    parked: int
    """Writes that wait in no log."""
    ignored: tuple[tuple[str, int], ...]
    """How many messages of peers changed nothing, by reason."""
    told: int | None
    """For how long the told view has been that one; ``None`` while there is none."""
    advice: Advice | None
    """What is wrong and what ends it, where the node does not go on by itself."""


def look(state: State, now: int) -> Inside:
    """What goes on in this replica at ``now``."""
    lead, follow, leased = state.lead, state.follow, state.config.lease > 0
    return Inside(
        backups=_backups(state, lead, now) if lead is not None else (),
        heard=max(0, now - follow.heard_at) if follow is not None else None,
        lease=max(0, lead.leased_until - now) if lead is not None and leased else None,
        stands_by=max(0, state.lease_until - now) if leased else None,
        transfers=tuple(_transfers(state)),
        log_start=state.log.start,
        log_bytes=state.log.bytes,
        waiting_bytes=state.waiting.bytes,
        uncommitted=state.log.end - state.commit,
        parked=len(lead.parked) if lead is not None else 0,
        ignored=tuple(sorted(state.ignored.items())),
        told=max(0, now - state.told_since) if state.told is not None else None,
        advice=advise(state, now),
    )


def _backups(state: State, lead: Lead, now: int) -> tuple[BackupSeen, ...]:
    return tuple(_backup(state, backup, now) for _, backup in sorted(lead.backups.items()))


def _backup(state: State, backup: Backup, now: int) -> BackupSeen:
    return BackupSeen(
        id=backup.member.id,
        address=backup.member.address,
        incarnation=backup.incarnation,
        acked=backup.acked,
        lag=state.log.end - backup.acked,
        owes=None if backup.owed_since == FOREVER else max(0, now - backup.owed_since),
        suspected=backup.suspected,
        suspected_for=max(0, now - backup.suspected_since) if backup.suspected else None,
        lease=max(0, backup.leased_until - now) if state.config.lease else None,
    )


def _transfers(state: State) -> Iterator[Transfer]:
    filling = state.lead.filling if state.lead is not None else None
    if filling is not None:
        for _, learner in sorted(filling.learners.items()):
            yield _to(state, learner)
    if state.staging is not None:
        yield _staged(state.staging)
    elif state.learning is not None:
        yield _learned(state, state.learning)


def _to(state: State, learner: Learner) -> Transfer:
    member = learner.member
    return Transfer(
        member.id,
        member.address,
        "to",
        "copy",
        "operations",
        learner.held,
        state.commit,
        learner.refusal,
    )


def _staged(staging: Staging) -> Transfer:
    source, thaw = staging.source, staging.thaw
    if thaw is not None and not thaw.complete:
        return Transfer(source.id, source.address, "from", "state", "items", thaw.next, thaw.total)
    return Transfer(
        source.id, source.address, "from", "log", "operations", staging.tail_end, staging.base.end
    )


def _learned(state: State, learning: Learning) -> Transfer:
    told = state.told
    source = told.member(learning.ballot.primary) if told is not None else None
    source = source or state.promised_view.member(learning.ballot.primary)
    source = source or Member(learning.ballot.primary, "")
    if learning.thaw is not None:
        thaw = learning.thaw
        return Transfer(source.id, source.address, "from", "copy", "items", thaw.next, thaw.total)
    held = learning.copy.applied if learning.copy is not None else 0
    return Transfer(source.id, source.address, "from", "copy", "operations", held, learning.end)
