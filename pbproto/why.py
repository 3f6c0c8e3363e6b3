"""What each client that waits at this node waits for, in words; reads the state, changes nothing.

Whoever is on call asks this when writes hang. So each way in which a request can wait has a stage of its own,
names the members that keep it waiting, and says since when they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, takewhile

from .advice import Advice, advise
from .state import FOREVER, Backup, Follow, Lead, State, Waiter
from .status import explain, lasting, silence, standing, waiting_for
from .values import RequestId, View

MOST = 200
"""So many requests are shown, the oldest; the others are counted."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """A member that keeps a request waiting.

    ``silent``: for how long it has owed an answer without a sign of life (ns); ``None`` where it owes none.
    """

    id: int
    address: str
    reason: str
    silent: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A request of a client of this node, and what it waits for."""

    operation: str
    """``put``, ``delete``, ``get`` or ``list``."""
    key: bytes
    """Empty where all keys are read."""
    age: int
    """For how long it has waited (ns)."""
    left: int
    """How long it goes on to wait at most (ns)."""
    exposed: bool
    """Were it turned away now, its client could not be told whether it takes effect."""
    stage: str
    """``installing``, ``entering``, ``parked``, ``replicating``, ``echoing``, ``forwarded`` or
    ``confirming``."""
    awaited: tuple[Awaited, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Others:
    """What waits at a primary, its own clients' requests and those of its backups together."""

    parked: int
    uncommitted: int
    echoing: int
    reads: int
    asks: int
    """Backups that want to know what their readers must see."""


@dataclass(frozen=True, slots=True)
class Why:
    """All that waits at this node, and for what."""

    id: int
    view: View | None
    epoch: int | None
    primary: int | None
    status: str
    summary: str
    waits: tuple[Wait, ...]
    """The oldest first, ``MOST`` at most."""
    left_out: int
    """How many more there are."""
    at_primary: Others | None
    advice: Advice | None
    """What is wrong and what ends it, where the node does not go on by itself."""


def why(state: State, now: int) -> Why:
    """What waits at this node at ``now``, and for what."""
    clients = state.waiting.clients
    shown = tuple(_explain(state, found, now) for found in _oldest(state))
    advice = advise(state, now)
    told, lead = state.told, state.lead
    epoch = told.epoch if told is not None else None
    if epoch is None and state.told_is_promised:
        epoch = state.promised.epoch
    return Why(
        id=state.id,
        view=told,
        epoch=epoch,
        primary=told.primary.id if told is not None and told.members else None,
        status=standing(state),
        summary=_summary(state, shown, advice, now),
        waits=shown,
        left_out=len(clients) - len(shown),
        at_primary=None
        if lead is None
        else Others(
            len(lead.parked), len(lead.uncommitted), len(lead.echoing), len(lead.reads), len(lead.asks)
        ),
        advice=advice,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """A waiter, and where its read stands in the queue of reads: ``(round or ask, position)``."""

    waiter: Waiter
    place: tuple[int, int] | None


def _oldest(state: State) -> list[_Found]:
    waiters = list(islice(state.waiting.clients.values(), MOST))
    if not waiters:
        return []
    last = waiters[-1].counter
    places: dict[int, tuple[int, int]] = {}
    # The queues are in order of arrival as well: nobody behind the last one that is shown is looked at.
    if state.lead is not None:
        queue = takewhile(lambda read: read[2] <= last, state.lead.reads)
        places = {counter: (round_, position) for round_, position, counter in queue}
    elif state.follow is not None:
        asked = takewhile(lambda read: read[1] <= last, state.follow.reads)
        places = {counter: (ask, 0) for ask, counter in asked}
    return [_Found(waiter, places.get(waiter.counter)) for waiter in waiters]


def _explain(state: State, found: _Found, now: int) -> Wait:
    waiter = found.waiter
    stage, awaited, words = _reason(state, found, now)
    arrived = waiter.deadline - state.config.request_timeout
    operation, key = _asked(waiter)
    return Wait(
        operation=operation,
        key=key,
        age=max(0, now - arrived),
        left=max(0, waiter.deadline - now),
        exposed=waiter.exposed,
        stage=stage,
        awaited=awaited,
        words=words,
    )


def _asked(waiter: Waiter) -> tuple[str, bytes]:
    operation = waiter.operation
    if operation is not None:
        return ("delete" if operation.value is None else "put"), operation.key
    return ("list", b"") if waiter.key is None else ("get", waiter.key)


Reason = tuple[str, tuple[Awaited, ...], str]


def _reason(state: State, found: _Found, now: int) -> Reason:
    """The stage of a request, who keeps it there, and both in one sentence."""
    waiter, lead, follow = found.waiter, state.lead, state.follow
    if not state.serving:
        awaited = tuple(Awaited(wait.id, wait.address, wait.reason) for wait in waiting_for(state, now))
        return "installing", awaited, explain(state, now)
    if lead is not None and waiter.operation is not None:
        return _write_at_primary(state, lead, waiter.operation.request, now)
    if lead is not None and found.place is not None:
        return _read_at_primary(state, lead, *found.place, now)
    if follow is not None and waiter.operation is not None:
        return _write_at_backup(state, follow, now)
    if follow is not None and found.place is not None:
        return _read_at_backup(state, follow, found.place[0], now)
    return _ENTERING


_ENTERING: Reason = ("entering", (), "it has just arrived")


def _write_at_primary(state: State, lead: Lead, request: RequestId, now: int) -> Reason:
    if request in lead.parked:
        return "parked", *_parked(state, lead, now)
    if request in lead.echoing:
        first = lead.echoing[request]
        awaited, words = _unacknowledged(lead, first, now)
        return (
            "echoing",
            awaited,
            f"it repeats the write at position {first}, of which the same is true: {words}",
        )
    if request in lead.uncommitted:
        return "replicating", *_unacknowledged(lead, lead.uncommitted[request], now)
    return _ENTERING


def _unacknowledged(lead: Lead, position: int, now: int) -> tuple[tuple[Awaited, ...], str]:
    awaited = tuple(
        _lagging(backup, f"it has acknowledged what stands below {backup.acked}, not {position}", now)
        for backup in lead.backups.values()
        if backup.acked <= position
    )
    return awaited, _sentence(awaited, f"not acknowledged position {position}")


def _parked(state: State, lead: Lead, now: int) -> tuple[tuple[Awaited, ...], str]:
    suspected = [backup for backup in lead.backups.values() if backup.suspected]
    if suspected:
        whom = " and ".join(
            f"node {backup.member.id} is suspected ({backup.suspected}, for "
            f"{lasting(now - backup.suspected_since)})"
            for backup in suspected
        )
        awaited = tuple(_lagging(backup, "new writes wait for it", now) for backup in suspected)
        return awaited, f"it waits in no log yet, because {whom}"
    behind = tuple(
        _lagging(backup, f"it has acknowledged what stands below {backup.acked} of {state.log.end}", now)
        for backup in lead.backups.values()
        if backup.acked < state.log.end
    )
    words = f"it waits in no log yet, because {len(lead.uncommitted)} writes in the log are too many already"
    return behind, f"{words}: {_sentence(behind, 'not acknowledged all of them')}"


def _read_at_primary(state: State, lead: Lead, round_: int, position: int, now: int) -> Reason:
    awaited = tuple(
        _lagging(
            backup,
            f"it has not answered round {round_}"
            if backup.round < round_
            else f"it has acknowledged what stands below {backup.acked}, not yet below {position}",
            now,
        )
        for backup in lead.backups.values()
        if backup.round < round_ or backup.acked < position
    )
    words = _sentence(awaited, "not confirmed the read")
    if state.config.lease:
        words += "; it takes a round, since not all leases of the backups run"
    return "confirming", awaited, words


def _lagging(backup: Backup, reason: str, now: int) -> Awaited:
    silent = None if backup.owed_since == FOREVER else max(0, now - backup.owed_since)
    if backup.suspected:
        reason += f"; it is suspected: {backup.suspected}"
    return Awaited(backup.member.id, backup.member.address, reason, silent)


def _write_at_backup(state: State, follow: Follow, now: int) -> Reason:
    primary, silent = follow.primary, max(0, now - follow.heard_at)
    reason = "it has not said what became of the write"
    words = (
        f"it was forwarded to the primary, node {primary.id}, which has not said what became of it and was "
        f"last heard of {lasting(silent)} ago"
    )
    if silence(state, follow, now) is None:
        words += f"; GET /why at node {primary.id} says more"
    return "forwarded", (Awaited(primary.id, primary.address, reason, silent),), words


def _read_at_backup(state: State, follow: Follow, ask: int, now: int) -> Reason:
    primary, silent = follow.primary, max(0, now - follow.heard_at)
    if ask > follow.ask:
        reason = "it has not answered the question before the one for this read"
        words = f"the primary, node {primary.id}, has not answered the question before the one for this read"
    else:
        asked = max(0, now - (follow.ask_resend_at - state.config.resend_after))
        reason = "it has not said which position the read has to see"
        words = (
            f"the primary, node {primary.id}, has not said which position the read has to see; it was last "
            f"asked {lasting(asked)} ago"
        )
    words += f", and last heard of {lasting(silent)} ago"
    return "confirming", (Awaited(primary.id, primary.address, reason, silent),), words


def _summary(state: State, shown: tuple[Wait, ...], advice: Advice | None, now: int) -> str:
    """One sentence that says how many wait, for how long, and what the oldest waits for."""
    number = len(state.waiting.clients)
    if shown:
        noun = "1 request waits, for" if number == 1 else f"{number} requests wait, the oldest for"
        return f"{noun} {lasting(shown[0].age)}: {shown[0].words}"
    lead = state.lead
    number = len(lead.parked) + len(lead.uncommitted) if lead is not None else 0
    if lead is not None and number:
        first = next(iter(lead.uncommitted.values()), None)
        words = _parked(state, lead, now)[1] if first is None else _unacknowledged(lead, first, now)[1]
        noun = "1 write that a backup brought waits" if number == 1 else f"{number} writes of backups wait"
        return f"no client waits here, but {noun}: {words}"
    if advice is not None:
        return f"nothing waits; {advice.what}"
    if standing(state) == "active" and not waiting_for(state, now):
        return "nothing waits"
    return f"nothing waits; {explain(state, now)}"


def _sentence(awaited: tuple[Awaited, ...], lack: str) -> str:
    if not awaited:
        return "it is about to be answered"
    return f"{_names(awaited)} {'has' if len(awaited) == 1 else 'have'} {lack}"


def _names(awaited: tuple[Awaited, ...]) -> str:
    names = [
        f"node {each.id}" if each.silent is None else f"node {each.id} (silent for {lasting(each.silent)})"
        for each in awaited
    ]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
