"""What somebody on call has to know and to do when a node cannot go on by itself; reads the state only.

A node that hears nothing of another does not know whether that one is dead or behind a cut, and this is what
it says. What ends it, a view without that one, is right either way: whoever is left out can acknowledge
nothing without the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .state import SILENT, Backup, Follow, Lead, State
from .status import lasting, silence, standing
from .values import Member, View


@dataclass(frozen=True, slots=True)
class Advice:
    """What is wrong, what it costs, and what ends it: three parts of sentences."""

    what: str
    costs: str
    remedy: str
    view: View | None
    """The view to tell; ``None`` where this node cannot say which."""


def advise(state: State, now: int) -> Advice | None:
    """What this node has to say at ``now``; ``None`` where it goes on, or waits for what comes by itself."""
    word = standing(state)
    if word == "none":
        return _out_of_it(state, "this node belongs to no view: it has been told none since it started")
    if word == "outside":
        return _out_of_it(state, f"this node belongs to no view: {_sent_home(state, now)}")
    if not state.told_is_promised:
        return None
    if state.lead is not None:
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
    return f"it was told a view{epoch} without it, of {named(members)}, {since}"


def _without_primary(state: State, follow: Follow, silent: int) -> Advice:
    gone = follow.primary
    what = (
        f"{named((gone,))}, the primary, has not been heard by this node for {lasting(silent)}: it is down, "
        "paused, or cut off from this node"
    )
    costs = f"writes and reads at this node wait for it, and {_end(state)}"
    return _going_on_without(state, what, costs, (gone,), f"it goes on when node {gone.id} is heard again")


def _without_backups(state: State, lead: Lead, suspected: list[Backup], now: int) -> Advice:
    members = tuple(backup.member for backup in suspected)
    why = [
        f"{named((backup.member,))} keeps the view waiting: {backup.suspected}, for "
        f"{lasting(max(0, now - backup.suspected_since))}"
        for backup in suspected
    ]
    what = "; ".join(why)
    refusing = [backup.member for backup in suspected if backup.suspected != SILENT]
    if not refusing and len(suspected) == len(lead.backups):
        what += "; this node, the primary, hears no other member, so it may be the one that is cut off"
    reads = "reads, once the leases have run out," if state.config.lease else "reads"
    costs = f"writes and {reads} wait at every member, and {_end(state)}"
    back = f"it goes on when {_numbered(members)} {'answers' if len(members) == 1 else 'answer'} again"
    if refusing:
        back = f"to keep {_numbered(refusing)}, PUT the present view to it again"
    return _going_on_without(state, what, costs, members, back)


def _going_on_without(state: State, what: str, costs: str, gone: Sequence[Member], back: str) -> Advice:
    told = state.told
    members = told.members if told is not None else ()
    view = View(
        tuple(member for member in members if member not in gone),
        None if told is None or told.epoch is None else max(state.seen_epoch, state.told_rank) + 1,
    )
    epoch = "" if view.epoch is None else f", with epoch {view.epoch} or higher,"
    remedy = (
        f"{back}; if that does not come, PUT /view without {_numbered(gone)}{epoch} to each of those who are "
        f"left, {named(view.members)}; a view service does it by itself. All that was acknowledged is kept, "
        "unless this node is restarted before. Tell one such view only: ask the others what they see"
    )
    return Advice(what, costs, remedy, view)


def _end(state: State) -> str:
    return f"end after {lasting(state.config.request_timeout)} with 503 or 504"


def _numbered(members: Sequence[Member]) -> str:
    return _listed([f"node {member.id}" for member in members])


def named(members: Sequence[Member]) -> str:
    """Members with their addresses, as one says them."""
    return _listed([f"node {member.id} ({member.address})" for member in members])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
