"""Figures of a node that go up and down, for whoever draws curves; reads the state, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from .state import State
from .status import Status, describe


@dataclass(frozen=True, slots=True)
class BackupGauge:
    """One backup, as its primary sees it."""

    id: int
    lag: int
    """Operations of the primary's log that it has not acknowledged."""
    suspected: bool
    """New writes wait for it."""


@dataclass(frozen=True, slots=True)
class NewcomerGauge:
    """A newcomer of the next view that this primary fills."""

    id: int
    lag: int
    """Committed operations that its copy does not have."""


@dataclass(frozen=True, slots=True)
class Gauges:
    """The figures of one replica at one moment."""

    status: Status
    backups: tuple[BackupGauge, ...]
    """In order of id; none unless this node leads an active view."""
    newcomers: tuple[NewcomerGauge, ...]
    """In order of id."""
    received: int
    """Items of the state that have come of the transfer to this node under way; 0 without one."""
    expected: int
    """Of how many."""
    parked: int
    """Writes that wait outside the log because a backup is suspected."""
    waiting_bytes: int
    """Bytes of keys and values of the clients that wait here."""
    log_operations: int
    """Operations of the log that are kept."""
    log_bytes: int
    remembered: int
    """Idempotency keys whose answer is remembered."""
    lease: int
    """Nanoseconds for which this primary may still read alone; 0 without a lease."""
    ignored: tuple[tuple[str, int], ...]
    """How many messages changed nothing since the start, by reason, in order of name."""


def measure(state: State, now: int) -> Gauges:
    """The figures of this replica at ``now``."""
    lead = state.lead
    filling = lead.filling if lead is not None else None
    received, expected = _transfer(state)
    return Gauges(
        status=describe(state, now),
        backups=tuple(
            BackupGauge(id_, state.log.end - backup.acked, bool(backup.suspected))
            for id_, backup in sorted(lead.backups.items() if lead is not None else ())
        ),
        newcomers=tuple(
            NewcomerGauge(id_, max(0, state.commit - learner.held))
            for id_, learner in sorted(filling.learners.items() if filling is not None else ())
        ),
        received=received,
        expected=expected,
        parked=len(lead.parked) if lead is not None else 0,
        waiting_bytes=state.waiting.bytes,
        log_operations=state.log.end - state.log.start,
        log_bytes=state.log.bytes,
        remembered=len(state.store.keys),
        lease=max(0, lead.leased_until - now) if lead is not None else 0,
        ignored=tuple(sorted(state.ignored.items())),
    )


def _transfer(state: State) -> tuple[int, int]:
    """Items that have come and items in all, of the snapshot on its way to this node."""
    staging, learning = state.staging, state.learning
    for thaw in (
        staging.thaw if staging is not None else None,
        learning.thaw if learning is not None else None,
    ):
        if thaw is not None:
            return thaw.next, thaw.total
    return 0, 0
