"""What a node can say about itself; reads the state, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from .config import MILLISECOND, SECOND
from .state import Follow, Learning, State
from .values import Ballot, Dropped, View


@dataclass(frozen=True, slots=True)
class WaitingFor:
    """A member that this node waits for, and why. ``address`` as in the told view."""

    id: int
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """A snapshot of one replica, for ``GET /view`` and for whoever watches."""

    id: int
    incarnation: int
    view: View | None
    """The told view."""
    epoch: int | None
    """The epoch of the told view: as told, or as installed; ``None`` while it has none."""
    primary: int | None
    status: str
    """``none`` (never told a view), ``installing``, ``active``, or ``outside`` (told a view without it)."""
    role: str
    """``primary`` or ``backup`` of the told view, or ``none``."""
    reads: str
    """``lease``, or ``confirm`` where every read takes a round."""
    ready: bool
    """Whether a request that arrives now can be answered without waiting for anything unusual."""
    waiting_for: tuple[WaitingFor, ...]
    blocked: str
    """Why the view cannot become active without a new word from outside; empty if it can."""
    dropped: tuple[Dropped, ...]
    synced: Ballot | None
    promised: Ballot
    commit: int
    log_end: int
    keys: int
    data_bytes: int
    """The size of the data here, as counted against the bound."""
    max_data_bytes: int
    """This node's bound, which counts while it is the primary; 0 if there is none."""
    waiting: int
    """Clients that wait at this node."""


def lasting(nanoseconds: int) -> str:
    """A length of time as people say it, never longer than it was. The page at ``/ui`` says it alike."""
    milliseconds, seconds = nanoseconds // MILLISECOND, nanoseconds // SECOND
    if seconds < 1:
        return f"{milliseconds} ms"
    if seconds < 10:
        return f"{seconds}.{milliseconds // 100 % 10} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 1:
        return f"{seconds} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 1:
        return f"{minutes} min {seconds} s"
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} days"


def standing(state: State) -> str:
    """The status word."""
    if state.told is None:
        return "none"
    if state.told.member(state.id) is None:
        return "outside"
    return "active" if state.active and state.told_is_promised and state.proven else "installing"


def describe(state: State, now: int) -> Status:
    """The status of this replica at ``now``."""
    told = state.told
    word = standing(state)
    inside = told is not None and word != "outside"
    primary = told.primary.id if told is not None and told.members else None
    epoch = told.epoch if told is not None else None
    if epoch is None and state.told_is_promised:
        epoch = state.promised.epoch
    waits = waiting_for(state, now)
    role = "none"
    if inside:
        role = "primary" if primary == state.id else "backup"
    return Status(
        id=state.id,
        incarnation=state.incarnation,
        view=told,
        epoch=epoch,
        primary=primary,
        status=word,
        role=role,
        reads="lease" if state.config.lease else "confirm",
        ready=_ready(state, now),
        waiting_for=waits,
        blocked=state.proposal.blocked if state.proposal is not None else "",
        dropped=tuple(state.dropped),
        synced=state.synced,
        promised=state.promised,
        commit=state.commit,
        log_end=state.log.end,
        keys=len(state.store.data),
        data_bytes=state.store.data_bytes,
        max_data_bytes=state.config.max_data_bytes,
        waiting=len(state.waiting.clients),
    )


def _ready(state: State, now: int) -> bool:
    # A view that was replaced, but not by an active one yet, is served as before.
    sure = state.proven or not state.told_is_promised
    return state.serving and sure and not _waits_while_active(state, now) and not state.closing


def waiting_for(state: State, now: int) -> tuple[WaitingFor, ...]:
    """The members this node waits for before it can serve, in order of id."""
    word = standing(state)
    if word == "active":
        return _waits_while_active(state, now)
    if word == "installing":
        return _waits_while_installing(state, now)
    return ()


def _waits_while_active(state: State, now: int) -> tuple[WaitingFor, ...]:
    lead = state.lead
    if lead is not None:
        return tuple(
            WaitingFor(
                backup.member.id,
                backup.member.address,
                f"{backup.suspected}, for {lasting(now - backup.suspected_since)}",
            )
            for backup in lead.backups.values()
            if backup.suspected
        )
    follow = state.follow
    if follow is not None:
        silent = silence(state, follow, now)
        if silent is not None:
            reason = f"the primary has been silent for {lasting(silent)}"
            return (WaitingFor(follow.primary.id, follow.primary.address, reason),)
    return ()


def silence(state: State, follow: Follow, now: int) -> int | None:
    """For how long this backup has not heard its primary (ns), if that is longer than is usual."""
    silent = now - follow.heard_at
    return silent if silent > 2 * (state.config.suspect_after + state.config.heartbeat) else None


def _waits_while_installing(state: State, now: int) -> tuple[WaitingFor, ...]:
    told = state.told
    if told is None or not told.members:
        return ()
    proposal = state.proposal
    if proposal is None:
        holder = state.promised_view.member(state.promised.primary)
        if state.postponed and holder is not None:
            rest = lasting(max(0, state.lease_until - now))
            return (WaitingFor(holder.id, holder.address, f"its lease runs for another {rest}"),)
        if told.primary.id == state.id:
            # What is left of a view that this node followed is nothing that it waits for now.
            backups = _waits_while_active(state, now) if state.lead is not None else ()
            return (*_waits_while_filling(state, told), *backups)
        primary = told.primary
        if state.staging is not None:
            return (WaitingFor(primary.id, primary.address, _progress(state)),)
        if state.follow is not None and state.told_is_promised:
            what = "confirmed" if state.active else "started"
            return (WaitingFor(primary.id, primary.address, f"the primary has not {what} the view yet"),)
        reason = state.nudge_refusal or "the primary has not proposed this view yet"
        if state.learning is not None and state.learning.ballot.primary == primary.id:
            reason = _copying(state.learning)
        return (WaitingFor(primary.id, primary.address, reason),)
    if state.staging is not None:
        source = state.staging.source
        return (WaitingFor(source.id, source.address, _progress(state)),)
    found = []
    for member in proposal.view.others(state.id):
        if member.id not in proposal.promises:
            reason = proposal.refusals.get(member.id, "it has not promised yet")
            found.append(WaitingFor(member.id, member.address, reason))
        elif proposal.base is not None and member.id not in proposal.adopted:
            reason = proposal.refusals.get(member.id, "it does not hold the state yet")
            found.append(WaitingFor(member.id, member.address, reason))
    return tuple(found)


def _waits_while_filling(state: State, told: View) -> tuple[WaitingFor, ...]:
    """The newcomers that this primary fills before it proposes, or the member that fills this one."""
    filling = state.lead.filling if state.lead is not None else None
    if filling is not None:
        return tuple(
            WaitingFor(
                id_, learner.member.address, f"it is being filled: position {learner.held} of {state.commit}"
            )
            for id_, learner in sorted(filling.learners.items())
        )
    if state.seeking is None:
        return ()
    source = state.learning.ballot.primary if state.learning is not None else None
    return tuple(
        WaitingFor(
            member.id,
            member.address,
            _copying(state.learning)
            if state.learning is not None and member.id == source
            else "it has not said whether it serves",
        )
        for member in told.others(state.id)
        if member.id == source or member.id in state.seeking.asked
    )


def _copying(learning: Learning) -> str:
    """How far the copy has come that this node fetches before a view has it."""
    if learning.thaw is not None:
        return f"fetching a copy from it: item {learning.thaw.next} of {learning.thaw.total}"
    held = learning.copy.applied if learning.copy is not None else 0
    return f"fetching a copy from it: position {held} of {learning.end}"


def _progress(state: State) -> str:
    staging = state.staging
    if staging is None:
        return ""
    if staging.thaw is not None and not staging.thaw.complete:
        return f"fetching the state from it: item {staging.thaw.next} of {staging.thaw.total}"
    return f"fetching the log from it: position {staging.tail_end} of {staging.base.end}"


def explain(state: State, now: int) -> str:
    """One sentence on what clients of this node wait for."""
    word = standing(state)
    if word == "none":
        return "this node has not been told a view since it started"
    if word == "outside":
        return "this node is not a member of the view it was told"
    if state.proposal is not None and state.proposal.blocked:
        return f"the view cannot be installed: {state.proposal.blocked}"
    waits = waiting_for(state, now)
    whom = "; ".join(f"node {wait.id}: {wait.reason}" for wait in waits)
    if word == "installing":
        return f"the view is being installed ({whom})" if whom else "the view is being installed"
    if whom:
        return f"waiting for {whom}"
    return "the view is active; the answer did not come in time"
