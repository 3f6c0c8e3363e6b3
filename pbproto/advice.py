"""What somebody on call has to know and to do when a node cannot go on by itself; reads the state only.

A node that hears nothing of another does not know whether that one is dead or behind a cut, and this is what
it says. What ends it, a view without that one, is right either way: whoever is left out can acknowledge
nothing without the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .messages import Refusal
from .proposing import REFUSALS
from .state import SILENT, Backup, Follow, Lead, State
from .status import lasting, silence, standing
from .values import Member, View

_TOLD_ANEW = tuple(
    REFUSALS[reason]
    for reason in (
        Refusal.WRONG_INCARNATION,
        Refusal.NOT_TOLD,
        Refusal.TOLD_OTHER_VIEW,
        Refusal.NOT_IN_BALLOT,
    )
)
"""Who refuses in these words takes part again when it is told the view again."""
_CAUTION = (
    "ask the others first: another view may have been told meanwhile, and two at a time lose writes; what "
    "the present view has acknowledged is kept, unless this node is restarted before"
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong, what it costs, and what ends it: three parts of sentences."""

    what: str
    costs: str
    remedy: str
    view: View | None
    """The view to tell; ``None`` where this node cannot say which."""
    caution: str = ""
    """What to look at before it is told; empty where nothing can go wrong."""


def advise(state: State, now: int) -> Advice | None:
    """What this node has to say at ``now`` (ns); ``None`` where it goes on or waits for what will come."""
    word = standing(state)
    if word == "none":
        return _out_of_it(state, "this node belongs to no view: it has been told none since it started")
    if word == "outside":
        return _out_of_it(state, f"this node belongs to no view: {_sent_home(state, now)}")
    if not state.told_is_promised:
        return None
    if state.lead is not None:
        if state.lead.superseded >= state.lead.ballot:
            return _replaced(state, state.lead)
        suspected = [backup for backup in state.lead.backups.values() if backup.suspected]
        return _without_backups(state, state.lead, suspected, now) if suspected else None
    if state.follow is not None and state.active:
        silent = silence(state, state.follow, now)
        return None if silent is None else _without_primary(state, state.follow, silent)
    return None


def _out_of_it(state: State, what: str) -> Advice:
    costs = "it serves no reads and no writes"
    if state.store.data or state.has_operations:
        costs += "; it keeps the data that it has, in memory"
    remedy = (
        "it gets in when a view with it among the members is PUT to each of them and to this node; a view "
        "service that has it as a spare does that by itself"
    )
    return Advice(what, costs, remedy, None)


def _sent_home(state: State, now: int) -> str:
    told = state.told
    members = told.members if told is not None else ()
    epoch = f" of epoch {told.epoch}" if told is not None and told.epoch is not None else ""
    since = f"{lasting(max(0, now - state.told_since))} ago"
    if not members:
        return f"it was told the empty view{epoch}, {since}"
    return f"it was told a view{epoch} without it, of {_named(members)}, {since}"


def _without_primary(state: State, follow: Follow, silent: int) -> Advice:
    gone = follow.primary
    what = (
        f"{_named((gone,))}, the primary, has not been heard by this node for {lasting(silent)}: it may be "
        "down, paused, cut off from this node, or have been told another view"
    )
    costs = f"writes and reads at this node wait for it, and {_end(state)}"
    back = f"node {gone.id} is heard again, which after a restart takes a PUT of the present view to it"
    return _going_on_without(state, what, costs, (gone,), back)


def _replaced(state: State, lead: Lead) -> Advice:
    what = (
        f"this node leads no more: a view that node {lead.superseded.primary} leads (ballot "
        f"{lead.superseded}) has replaced its own, and nobody told it to this node"
    )
    costs = f"writes and reads at this node wait in vain, and {_end(state)}"
    return Advice(what, costs, "PUT the view that was told last to this node as well", None)


def _without_backups(state: State, lead: Lead, suspected: list[Backup], now: int) -> Advice:
    what = "; ".join(
        f"{_named((backup.member,))} keeps the view waiting: {backup.suspected}, for "
        f"{lasting(max(0, now - backup.suspected_since))}"
        for backup in suspected
    )
    if len(suspected) == len(lead.backups) and all(backup.suspected == SILENT for backup in suspected):
        what += "; this node, the primary, hears no other member, so it may be the one that is cut off"
    reads = "reads, once the leases have run out," if state.config.lease else "reads"
    costs = f"writes and {reads} wait at every member, and {_end(state)}"
    lost = [backup.member for backup in suspected if backup.suspected in _TOLD_ANEW]
    others = [backup.member for backup in suspected if backup.suspected not in _TOLD_ANEW]
    back = []
    if others:
        back.append(f"{_numbered(others)} {'answers' if len(others) == 1 else 'answer'} again")
    if lost:
        back.append(f"the present view is PUT to {_numbered(lost)} again")
    gone = [backup.member for backup in suspected]
    advice = _going_on_without(state, what, costs, gone, " and ".join(back))
    return advice if others else replace(advice, view=state.told)


def _going_on_without(state: State, what: str, costs: str, gone: Sequence[Member], back: str) -> Advice:
    told = state.told
    members = told.members if told is not None else ()
    view = View(
        tuple(member for member in members if member not in gone),
        None if told is None or told.epoch is None else max(state.seen_epoch, state.told_rank) + 1,
    )
    epoch = "" if view.epoch is None else f", with epoch {view.epoch} or higher,"
    remedy = (
        f"it goes on when {back}; if that does not come, PUT /view without {_numbered(gone)}{epoch} to each "
        f"of those who are left, {_named(view.members)}; a view service does it by itself"
    )
    return Advice(what, costs, remedy, view, _CAUTION)


def _end(state: State) -> str:
    return f"end after {lasting(state.config.request_timeout)} with 503 or 504"


def _numbered(members: Sequence[Member]) -> str:
    return _listed([f"node {member.id}" for member in members])


def _named(members: Sequence[Member]) -> str:
    """Members with their addresses, as one says them."""
    return _listed([f"node {member.id} ({member.address})" for member in members])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
