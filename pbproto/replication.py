"""Where the log goes to the backups: one Replicate under way to each, with all that queued up meanwhile."""

from __future__ import annotations

from . import commit, leases, reads
from .effects import Code
from .messages import Replicate
from .out import Out
from .state import FOREVER, SILENT, Backup, Lead, State

MAX_DOUBLINGS = 2
"""A resend waits at most ``resend_after * 2**MAX_DOUBLINGS``: a backup that returns is noticed soon."""


def progress(state: State, lead: Lead, out: Out) -> None:
    """Send what can be sent, commit what needs nobody. Runs at the end of every step of a primary."""
    wanted = reads.wanted_round(lead)
    for backup in lead.backups.values():
        if backup.owed_since == FOREVER and (backup.acked < state.log.end or backup.round < wanted):
            send(state, lead, backup, out)
    if not lead.backups:
        commit.advance(state, lead, out)


def send(state: State, lead: Lead, backup: Backup, out: Out) -> None:
    """Send the backup what it lacks; empty if it lacks nothing: a round, or a sign of life."""
    lease = state.config.lease
    if lease:
        leases.ask(state, lead, backup)
    operations = state.log.since(backup.acked, state.log.end, state.config.batch_bytes)
    backup.sent_end = backup.acked + len(operations)
    backup.sent_round = lead.round
    lead.round_sent = True
    if backup.owed_since == FOREVER:
        backup.owed_since = state.now
    backup.resend_at = state.now + (state.config.resend_after << min(backup.resends, MAX_DOUBLINGS))
    backup.beat_at = state.now + state.config.heartbeat
    message = Replicate(lead.ballot, backup.acked, operations, state.commit, lead.round, lease)
    out.send(state, backup.member, backup.incarnation, message)


def suspect(state: State, backup: Backup, reason: str, out: Out) -> None:
    """New writes wait outside the log from now on, so that they can be turned away with certainty."""
    if not backup.suspected:
        backup.suspected_since = state.now
        out.note(Code.SUSPECTED, backup=backup.member.id, reason=reason)
    backup.suspected = reason


def on_time(state: State, lead: Lead, out: Out) -> None:
    """Suspect who owes an answer for too long, send again what was not answered, ask for signs of life."""
    for backup in lead.backups.values():
        if backup.owed_since != FOREVER:
            owed = state.now - backup.owed_since
            if owed >= state.config.suspect_after and not backup.suspected:
                suspect(state, backup, SILENT, out)
            if backup.resend_at <= state.now:
                backup.resends += 1
                send(state, lead, backup, out)
        elif backup.beat_at <= state.now:
            send(state, lead, backup, out)


def deadline(state: State, lead: Lead) -> int:
    """When ``on_time`` has something to do."""
    first = FOREVER
    for backup in lead.backups.values():
        if backup.owed_since == FOREVER:
            first = min(first, backup.beat_at)
        else:
            first = min(first, backup.resend_at)
            if not backup.suspected:
                first = min(first, backup.owed_since + state.config.suspect_after)
    return first
