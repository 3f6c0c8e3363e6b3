"""Confirmed reads on the primary.

A read may be answered once (a) everything that was in the log when it arrived is committed and (b) every
backup acknowledged a *round* that began after it arrived. Without (b), a primary that was replaced and not
told would answer from the past: V1 = {1, 2, 3} is cut off from 2 and 3, V2 = {2, 3} writes k, and a client
that still reaches 1 would read the old k. The same idea as ReadIndex in Raft (Ongaro's thesis, section 6.4),
with all members in place of a majority.
"""

from __future__ import annotations

from . import leases, waiting
from .gate import ignore, lead_of
from .messages import Confirm, Confirmed, Envelope
from .out import Out
from .state import Lead, State


def _join_round(lead: Lead) -> int:
    """The first round that has not begun yet: one that was already sent began before this read."""
    if lead.round_sent:
        lead.round += 1
        lead.round_sent = False
    return lead.round


def enqueue(state: State, lead: Lead, counter: int, out: Out) -> None:
    """A client of the primary wants to read."""
    if leases.hold(state, lead):
        return waiting.read(state, out, counter)
    lead.reads.append((_join_round(lead), state.log.end, counter))
    return None


def on_confirm(state: State, envelope: Envelope, message: Confirm, out: Out) -> None:
    """A backup wants to know what its readers must see."""
    lead = lead_of(state, out, envelope, message, message.ballot)
    if lead is None:
        return None
    known = lead.asks.get(envelope.sender)
    if known is not None and known[2] >= message.ask:
        return ignore(state, out, "repeated", envelope, message)
    if message.leased and leases.hold(state, lead):
        return _confirm(state, lead, envelope.sender, message.ask, out)
    lead.asks[envelope.sender] = (_join_round(lead), state.log.end, message.ask, message.leased)
    return None


def _confirm(state: State, lead: Lead, asker: int, ask: int, out: Out) -> None:
    backup = lead.backups[asker]
    out.send(state, backup.member, backup.incarnation, Confirmed(lead.ballot, ask, state.commit))


def serve(state: State, lead: Lead, out: Out) -> None:
    """Answer the reads that are confirmed by now."""
    if not (lead.reads or lead.asks or lead.verify):
        return
    confirmed = min((backup.round for backup in lead.backups.values()), default=lead.round)
    if confirmed >= lead.verify:
        lead.verify = 0
    alone = leases.hold(state, lead)
    while lead.reads:
        round_, position, counter = lead.reads[0]
        ready = alone or (round_ <= confirmed and position <= state.commit)
        if not ready and counter in state.waiting.clients:
            break
        lead.reads.popleft()
        waiting.read(state, out, counter)
    for asker in [
        asker
        for asker, (round_, position, _, leased) in lead.asks.items()
        if (alone and leased) or (round_ <= confirmed and position <= state.commit)
    ]:
        _confirm(state, lead, asker, lead.asks.pop(asker)[2], out)


def wanted_round(lead: Lead) -> int:
    """The round that every backup should acknowledge; 0 while nobody reads."""
    return lead.round if lead.reads or lead.asks or lead.verify else 0


def verify(lead: Lead) -> None:
    """The view was told again: prove by a new round that it is still the active one."""
    lead.verify = max(1, _join_round(lead)) if lead.backups else 0
