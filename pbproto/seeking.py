"""A node is told a view of which it is the primary, but it serves none: somebody else may, and fill it first.

{2, 3} is active, and 1 comes back empty: told {1, 2, 3}, it is the primary. Were it to propose at once, 2 and
3 would stop to serve until it has fetched all they hold. So it asks the members first. Whoever leads an
active view offers a copy (``filling``), and the proposal is made when only a short tail is missing. If nobody
does, or nothing more is heard, it is made as ever.
"""

from __future__ import annotations

from . import learning
from .errors import present
from .messages import Envelope, Offer, Seek
from .out import Out
from .proposing import propose
from .state import FOREVER, Seeking, State

PATIENCE = 2
"""Who asks waits this many times ``resend_after`` for the first word."""


def begin(state: State, out: Out) -> bool:
    """Ask before proposing; whether there is anybody to ask, and any sense in it."""
    told = present(state.told, "a told view is pursued")
    if state.seeking is not None and state.seeking.view.members == told.members:
        state.seeking.view = told
        return True  # told again: no reason to begin anew, or to wait any longer
    others = told.others(state.id)
    state.seeking = None
    lead = state.lead
    serves = state.active and (lead is None or lead.superseded < lead.ballot)
    if serves or state.proposal is not None or not others:
        return False
    until = state.now + PATIENCE * state.config.resend_after
    state.seeking = Seeking(told, {member.id: None for member in others}, until)
    for member in others:
        out.send(state, member, 0, Seek(told.members))
    return True


def on_offer(state: State, envelope: Envelope, message: Offer, out: Out) -> None:
    """A copy is offered. Who has been looking for one, and holds nearly all of it by now, can propose."""
    if learning.on_offer(state, envelope, message, out) and state.seeking is not None:
        propose(state, out)


def on_time(state: State, out: Out) -> None:
    """Propose when nobody offers anything, or nothing more comes."""
    if state.seeking is not None and state.seeking.until <= state.now:
        propose(state, out)


def deadline(state: State) -> int:
    """When ``on_time`` has something to do."""
    return state.seeking.until if state.seeking is not None else FOREVER
