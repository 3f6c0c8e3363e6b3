"""Leases: a primary reads alone as long as no backup can have promised another one.

A backup that answers a Replicate promises no other primary for ``lease`` after its receipt. The primary
counts from the beginning of the *round* that the answer acknowledges, which went out before it was received,
and counts less than the backup does: clocks drift apart. So while the leases of *all* backups run, no other
view can be active: that would take the promise of a member of this one that was not restarted since (what the
outside owes, rule 1), and that is a backup with a lease or the primary itself. The leases of Gray and
Cheriton (SOSP 1989), with one holder, and all members in place of a server.

Nobody waits after a restart: a node that has forgotten the lease it gave is not the member on which the next
view rests.
"""

from __future__ import annotations

from .effects import Code
from .messages import Replicate, Replicated
from .out import Out
from .state import FOREVER, Backup, Lead, State

MILLION = 1_000_000


def ask(state: State, lead: Lead, backup: Backup) -> None:
    """A Replicate is about to go to the backup, and to ask for a lease: it is of a round that begins now."""
    if lead.round_sent and lead.round_at != state.now:
        lead.round += 1
    lead.round_at = state.now
    if backup.offered_at == FOREVER:
        # Sent again it may be answered twice; the first sending is the one to count from.
        backup.offered_at = state.now
        backup.offered_round = lead.round


def give(state: State, message: Replicate) -> int:
    """What a backup grants of the lease that a Replicate asks for: as much as its own settings say.

    Nothing once it was told another view: a primary that was not told must not keep the next one waiting.
    """
    lease = min(message.lease, state.config.lease)
    if not lease or not state.told_is_promised:
        return 0
    state.lease_until = max(state.lease_until, state.now + lease)
    return lease


def take(state: State, lead: Lead, backup: Backup, message: Replicated) -> None:
    """The backup has answered the round in which it was asked for a lease, or a later one."""
    lease = counted(min(message.lease, state.config.lease), state.config.clock_drift)
    backup.leased_until = max(backup.leased_until, backup.offered_at + lease)
    backup.offered_at = FOREVER
    lead.leased_until = min(each.leased_until for each in lead.backups.values())


def counted(lease: int, drift: int) -> int:
    """How much of a lease its holder may rely on where each clock is off true time by ``drift`` millionths.

    The holder's clock may be slow, the giver's fast: x / (1 - d) <= lease / (1 + d) holds for every
    x <= lease * (1 - 2d).
    """
    return lease - -(-2 * drift * lease // MILLION)


def hold(state: State, lead: Lead) -> bool:
    """Whether this primary may read alone, as of the time at which this step began.

    A request of this step arrived before the clock was read for it. At that moment no other view was active,
    so what is committed here had happened last, and a value that is taken and answered later, however much,
    was the newest one while the read was under way.
    """
    return state.now < lead.leased_until


def bind(state: State) -> bool:
    """Whether the primary of the promised ballot may still read alone, so that nobody else is promised."""
    return state.now < state.lease_until


def postpone(state: State, out: Out) -> None:
    """A promise or a proposal has to wait until the lease has run out."""
    if not state.postponed:
        state.postponed = True
        out.note(Code.POSTPONED, ballot=str(state.promised), until=state.lease_until)


def due(state: State) -> bool:
    """Whether what was postponed can go on now."""
    return state.postponed and not bind(state)


def deadline(state: State) -> int:
    """When what was postponed can go on."""
    return state.lease_until if state.postponed else FOREVER
