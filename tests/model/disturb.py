"""Makes of a replica another one with the same canonical state: whatever ``freeze`` leaves out is changed."""

from __future__ import annotations

from collections import deque

from pbproto import Replica
from pbproto.state import FOREVER, Backup, Follow, Lead, Learner, Proposal, Staging, State, Waiting

from .freeze import ENOUGH

LATER = 987_654_321


def disturb(replica: Replica) -> Replica:
    """The same replica some time later, with other words and counts in what is left out."""
    state = replica.state
    state.now += LATER
    state.nudge_at = _later(state.nudge_at)
    state.nudges = _more(state.nudges)
    state.nudge_refusal = "other words"
    state.ignored = {"for another reason": 7}
    state.lease_until = _left(state.lease_until, state)
    _waiting(state.waiting)
    if state.lead is not None:
        _lead(state.lead, state)
    if state.follow is not None:
        _follow(state.follow)
    if state.proposal is not None:
        _proposal(state.proposal, state)
    if state.staging is not None:
        _staging(state.staging)
    if state.seeking is not None:
        state.seeking.until = _later(state.seeking.until)
    replica._deadline = _later(replica._deadline)
    return replica


def _later(time: int) -> int:
    return time if time >= FOREVER else time + LATER


def _more(count: int) -> int:
    return count + 3 if count >= ENOUGH else count


def _waiting(waiting: Waiting) -> None:
    waiting.arrivals = deque((counter, _later(deadline)) for counter, deadline in waiting.arrivals)
    for waiter in waiting.clients.values():
        waiter.deadline = _later(waiter.deadline)


def _left(until: int, state: State) -> int:
    """A lease that has run out may have done so at any time."""
    return _later(until) if until > state.now - LATER else until


def _lead(lead: Lead, state: State) -> None:
    lead.leased_until = _left(lead.leased_until, state)
    lead.round_at = _later(lead.round_at) if lead.round_at == state.now - LATER else lead.round_at - 1
    for backup in lead.backups.values():
        _backup(backup)
        backup.leased_until = _left(backup.leased_until, state)
    lead.expiries = [(_later(time), request) for time, request in lead.expiries]
    for parked in lead.parked.values():
        parked.deadline = _later(parked.deadline)
    if lead.filling is not None:
        for learner in lead.filling.learners.values():
            _learner(learner, state)


def _backup(backup: Backup) -> None:
    backup.owed_since = _later(backup.owed_since)
    backup.resend_at = _later(backup.resend_at)
    backup.beat_at = _later(backup.beat_at)
    backup.offered_at = _later(backup.offered_at)
    backup.resends = _more(backup.resends)
    backup.suspected = backup.suspected and "for other reasons"
    backup.suspected_since += 5


def _learner(learner: Learner, state: State) -> None:
    learner.owed_since = _later(learner.owed_since)
    learner.offer_at = _later(learner.offer_at)
    learner.offers = _more(learner.offers)
    learner.refusal = learner.refusal and "for other reasons"
    learner.next_at = _left(learner.next_at, state)


def _follow(follow: Follow) -> None:
    follow.heard_at += 17
    follow.ask_resend_at = _later(follow.ask_resend_at)
    follow.forwarded = deque((_later(time), counter) for time, counter in follow.forwarded)


def _proposal(proposal: Proposal, state: State) -> None:
    proposal.resend_at = _later(proposal.resend_at)
    proposal.resends = _more(proposal.resends)
    proposal.refusals = {member.id: "other words" for member in proposal.view.others(state.id)}


def _staging(staging: Staging) -> None:
    staging.refetch_at = _later(staging.refetch_at)
    staging.refetches = _more(staging.refetches)
