"""A view becomes active: all members hold its base, so the primary may commit and answer."""

from __future__ import annotations

from . import commit, reads, replication
from .effects import Code
from .errors import ensure
from .out import Out
from .requests import drive_all
from .state import Backup, Lead, Proposal, State

MAX_LIVES = 8
"""Lives remembered per member."""


def activate(state: State, proposal: Proposal, out: Out) -> None:
    """Start to lead. Everything in the base is on every member, and therefore committed."""
    ensure(state.synced == proposal.ballot, "a primary leads with the whole base")
    lead = Lead(
        proposal.ballot,
        {
            member.id: Backup(member, proposal.adopted[member.id], state.log.end)
            for member in proposal.view.others(state.id)
        },
    )
    _remember_lives(state, lead)
    state.proposal = None
    state.frozen = None
    state.lead = lead
    state.active = True
    commit.apply_up_to(state, state.log.end, out)
    out.note(Code.BECAME_PRIMARY, ballot=str(lead.ballot), commit=state.commit, backups=len(lead.backups))
    for backup in lead.backups.values():
        # The first Replicate, empty, tells the members that the view is active.
        replication.send(state, lead, backup, out)
    if proposal.told_again:
        # The last to adopt may have been restarted since, before the outside told the view again.
        reads.verify(lead)
    ensure(state.told_is_promised, "who leads was told this view")
    drive_all(state, out)


def _remember_lives(state: State, lead: Lead) -> None:
    """Note which life of each member is led, so that late mail of one before it starts nothing any more."""
    lives: dict[int, tuple[int, ...]] = {}
    for id_, backup in lead.backups.items():
        known = state.lives.get(id_, ())
        before = tuple(life for life in known if life != backup.incarnation)
        lives[id_] = (backup.incarnation, *before)[:MAX_LIVES]
    state.lives = lives


def is_former(state: State, id_: int, incarnation: int) -> bool:
    """Whether a member has been led in a later life than this one."""
    return incarnation in state.lives.get(id_, ())[1:]
