"""A view becomes active: all members hold its base, so the primary may commit and answer."""

from __future__ import annotations

from . import commit, replication
from .effects import Code
from .errors import ensure
from .out import Out
from .requests import drive_all
from .state import Backup, Lead, Proposal, State


def activate(state: State, proposal: Proposal, out: Out) -> None:
    """Start to lead. Everything in the base is on every member, and therefore committed."""
    base = proposal.base
    ensure(base is not None and state.synced == proposal.ballot, "a primary leads with the whole base")
    lead = Lead(
        proposal.ballot,
        proposal.view,
        {
            member.id: Backup(member, proposal.adopted[member.id], state.log.end)
            for member in proposal.view.others(state.id)
        },
    )
    state.proposal = None
    state.frozen = None
    state.lead = lead
    state.active = True
    commit.apply_up_to(state, state.log.end, out)
    out.note(Code.BECAME_PRIMARY, ballot=str(lead.ballot), commit=state.commit, backups=len(lead.backups))
    for backup in lead.backups.values():
        # The first Replicate, empty, tells the members that the view is active.
        replication.send(state, lead, backup, out)
    for waiter in state.waiting.clients.values():
        # What is in the base has just been answered. The rest stands in no log that this view, or one
        # after it, can begin with: it is as if it had only arrived.
        waiter.exposed = False
    drive_all(state, out)
