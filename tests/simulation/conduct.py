"""What a node may say and do in a step, held against what is known of all nodes.

Each rule is one that a lost or doubled write shows only in the rarest of runs: whoever breaks it is caught in
the act.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pbproto import Code, Effect, Event, Note, Operation, Put, Reason, Reject, Reply, Send
from pbproto.events import Receive
from pbproto.messages import (
    Adopt,
    Confirm,
    Confirmed,
    Forward,
    Forwarded,
    Replicate,
    Replicated,
    VerdictCode,
)
from pbproto.state import FOREVER, Lead, State
from pbproto.status import describe, standing
from pbproto.values import RequestId

from .violation import demand

if TYPE_CHECKING:
    from .checks import Before, Checks
    from .host import Host

Life = tuple[int, int]
_CERTAINLY_NOT = (
    VerdictCode.NOT_APPLIED,
    VerdictCode.OVERLOADED,
    VerdictCode.KEY_REUSED,
    VerdictCode.STORE_FULL,
)
SERVING = (Replicate, Replicated, Forward, Forwarded, Confirm, Confirmed)


def held_by(lead: Lead | None) -> tuple[frozenset[int], frozenset[RequestId]]:
    """Of a primary: which backups have a question open, and which writes are parked."""
    if lead is None:
        return frozenset(), frozenset()
    return frozenset(lead.asks), frozenset(lead.parked)


def other_ballot(state: State, event: Event, effects: Iterable[Effect], before: Before) -> None:
    """What serves one ballot changes nothing in another: questions and rounds count from 1 in each."""
    if not (isinstance(event, Receive) and isinstance(event.message, SERVING)):
        return
    if event.message.ballot == before.promised:
        return
    asks, parked = held_by(state.lead)
    acts = (
        (state.log.end, state.commit) != (before.log_end, before.commit)
        or not asks <= before.held[0]
        or not parked <= before.held[1]
        or any(
            isinstance(effect, Reply) or (isinstance(effect, Reject) and effect.reason is not Reason.TIMEOUT)
            for effect in effects
        )
    )
    demand(not acts, "other ballot", f"node {state.id} in {before.promised} acts on {event.message}")


def says_active(checks: Checks, host: Host, state: State) -> None:
    """Who says "active" says it of the view it was told, and nobody had left that when it was told.

    On this word an outside restarts other nodes.
    """
    if standing(state) != "active":
        return
    told, ballot = state.told, state.promised
    demand(
        told is not None
        and told.members == state.promised_view.members
        and told.epoch in (None, ballot.epoch),
        "active",
        f"node {host.id} says active of {told}, but is in {ballot} of {state.promised_view.members}",
    )
    members = checks.lives.get(ballot)
    demand(members is not None, "active", f"node {host.id} says active, and nobody leads {ballot}")
    since = checks.told_at.get((host.id, host.life), 0)
    for id_, life in (members or {}).items():
        left = checks.left.get(((id_, life), ballot))
        demand(
            left is None or left > since,
            "active",
            f"node {host.id} says active; it was told at step {since}, and node {id_} had left {ballot} "
            f"at step {left}",
        )


def says_ready(host: Host, state: State) -> None:
    """Who turns every client away does not say that it is ready: a load balancer goes by this word."""
    told = state.told
    lets_in = told is not None and told.member(host.id) is not None and not state.closing
    demand(
        lets_in or not describe(state, state.now).ready,
        "ready",
        f"node {host.id} says that it is ready, and lets nobody in",
    )


def leads(state: State, members: Mapping[int, int]) -> None:
    """The primary is the member with the lowest id."""
    demand(state.id == min(members), "primary", f"node {state.id} leads {sorted(members)}")


def bounded(state: State, before: Before) -> None:
    """A log does not grow for ever, and whoever owes an answer for too long is suspected."""
    if state.commit > before.commit:
        end = min(state.commit, before.needed, needed(state))  # the rest is for those who are filled
        kept = sum(state.log[position].size for position in range(state.log.start, end))
        demand(
            kept <= state.config.log_keep_bytes,
            "memory",
            f"node {state.id} keeps {kept} bytes of committed operations",
        )
    waiting = sum(waiter.size for waiter in state.waiting.clients.values())
    demand(state.waiting.bytes == waiting, "memory", f"{state.waiting.bytes} bytes wait, or {waiting}")
    lead, config = state.lead, state.config
    if lead is None:
        return
    parked = sum(write.operation.size for write in lead.parked.values())
    demand(lead.parked_bytes == parked, "memory", f"{lead.parked_bytes} bytes are parked, or {parked}")
    count = len(lead.uncommitted)
    demand(count <= config.max_waiting, "memory", f"{count} operations stand uncommitted at node {state.id}")
    for backup in lead.backups.values():
        silent = backup.owed_since != FOREVER and state.now - backup.owed_since >= config.suspect_after
        demand(
            not silent or bool(backup.suspected),
            "suspicion",
            f"{backup.member.id} owes {state.id} an answer since {backup.owed_since}, and is not suspected",
        )
    if lead.filling is None:
        return
    for backup in lead.backups.values():
        demand(
            not backup.suspected,
            "filling",
            f"{state.id} fills newcomers while {backup.member.id} keeps its clients waiting",
        )
    for id_, learner in lead.filling.learners.items():
        demand(
            state.now - learner.owed_since < config.suspect_after,
            "suspicion",
            f"newcomer {id_} has owed {state.id} an answer since {learner.owed_since}",
        )


def needed(state: State) -> int:
    """From where on the log is kept for those who are filled."""
    filling = state.lead.filling if state.lead is not None else None
    return FOREVER if filling is None else filling.needs


def stands_by(state: State, before: Before) -> None:
    """A lease is given to the told view's primary only, and nobody is promised while one of another runs.

    Whoever gives one to a primary that was replaced keeps the next one waiting.
    """
    demand(
        state.lease_until <= before.lease_until or state.told_is_promised,
        "lease",
        f"node {state.id}, told {state.told}, gives a lease in {state.promised}",
    )
    demand(
        state.lease_until == 0 or state.follow is not None,
        "lease",
        f"node {state.id} follows nobody and has given a lease up to {state.lease_until}",
    )


def keeps_out(host: Host, state: State, before: Before) -> None:
    """While a backup is suspected nothing new gets into the log."""
    lead = state.lead
    if lead is None or lead.ballot != before.lead or not before.suspected:
        return
    if any(backup.suspected for backup in lead.backups.values()):
        demand(
            state.log.end == before.log_end,
            "suspicion",
            f"node {host.id} lets a write into the log while a backup is suspected",
        )


def refusals(checks: Checks, state: State, effects: Iterable[Effect]) -> None:
    """A primary calls no write "not applied" that stands in its log, and turns parked ones away in time."""
    lead = state.lead
    if lead is None:
        return
    late = [request for request, write in lead.parked.items() if write.deadline <= state.now]
    demand(not late, "answers", f"the time of {late}, parked at node {state.id}, is up")
    log = checks.watch.logs.get(lead.ballot)
    for request in _refused(checks, effects):
        demand(
            log is None or request not in log.requests,
            "not applied",
            f"node {state.id} calls {request} not applied, and has it in its log",
        )
    for effect in effects:
        if isinstance(effect, Reject) and effect.certain and effect.reason is Reason.TIMEOUT:
            name = getattr(checks.asked[effect.token].event, "idempotency_key", b"")
            demand(
                not name or name not in lead.claimed,
                "not applied",
                f"({effect.token}) repeats a write in the log of node {state.id}, and is called not applied",
            )


def full(checks: Checks, state: State, event: Event, effects: Iterable[Effect], before: Before) -> None:
    """Only what makes the data larger finds no room, and nothing of which the answer is known."""
    lead = state.lead
    decides = lead is not None and lead.ballot == before.lead  # its base may have come in this step
    for effect in effects:
        if isinstance(effect, Reject) and effect.reason is Reason.STORE_FULL:
            asked = checks.asked[effect.token].event
            demand(isinstance(asked, Put), "full", f"{asked} finds no room at node {state.id}")
            if decides and isinstance(asked, Put):
                _is_one_too_many(checks, state, asked.key, asked.value, asked.idempotency_key)
        elif decides and isinstance(effect, Send) and isinstance(effect.message, Forwarded):
            for verdict in effect.message.verdicts:
                forwarded = _forwarded(event, verdict.counter)
                if verdict.code is not VerdictCode.STORE_FULL or forwarded is None:
                    continue
                if forwarded.request not in checks.full:  # a copy gets the answer of then
                    checks.full[forwarded.request] = None
                    key, value, name = forwarded.key, forwarded.value, forwarded.idempotency_key
                    _is_one_too_many(checks, state, key, value, name)


def _forwarded(event: Event, counter: int) -> Operation | None:
    """The write that has just come from a backup, if it is this one."""
    if isinstance(event, Receive) and isinstance(event.message, Forward):
        operation = event.message.operation
        return operation if operation.counter == counter else None
    return None


def _is_one_too_many(checks: Checks, state: State, key: bytes, value: bytes | None, name: bytes) -> None:
    # What was committed in the very step may have come after it.
    held = (checks.copies[state.id][1].get(key), state.store.data.get(key))
    demand(
        value is not None and any(each is None or len(each) < len(value) for each in held),
        "full",
        f"{key!r}={value!r} finds no room at node {state.id}, in place of {held}",
    )
    demand(not name or name not in state.store.keys, "full", f"{name!r} has its answer, and finds no room")


def _refused(checks: Checks, effects: Iterable[Effect]) -> Iterable[RequestId]:
    """The requests that were called certainly not applied, to clients and to backups."""
    for effect in effects:
        if isinstance(effect, Reject) and effect.certain:
            request = checks.asked[effect.token].request
            if request is not None:
                yield request
        elif isinstance(effect, Send) and isinstance(effect.message, Forwarded):
            to = effect.envelope
            for verdict in effect.message.verdicts:
                if verdict.code in _CERTAINLY_NOT:
                    yield RequestId(to.receiver, to.receiver_incarnation, verdict.counter)


def losses(checks: Checks, state: State, effects: Iterable[Effect]) -> None:
    """What a join drops is noted, shown by ``GET /view``, and told to all members alike."""
    life = (state.id, state.incarnation)
    for effect in effects:
        if isinstance(effect, Note) and effect.code is Code.DROPPED:
            fields = dict(effect.fields)
            loss = (int(fields["member"]), int(fields["first"]), int(fields["end"]))
            checks.losses.append(loss[1:])
            checks.noted.setdefault((life, state.promised), set()).add(loss)
            shown = [tuple(each) for each in state.dropped]
            demand(loss in shown, "silent loss", f"node {state.id} notes {loss}, and shows {shown}")
        elif isinstance(effect, Send) and isinstance(effect.message, Adopt):
            said = {tuple(each) for each in effect.message.dropped}
            noted = checks.noted.get((life, effect.message.ballot), set())
            demand(said == noted, "silent loss", f"node {state.id} says {said} to others, and notes {noted}")
