"""Where a write is acknowledged: backups answer, what all of them hold is committed, applied and answered."""

from __future__ import annotations

from . import leases, reads, waiting
from .effects import Code
from .errors import ensure
from .gate import ignore
from .messages import Envelope, Forwarded, Replicated, Verdict, VerdictCode
from .out import Out
from .state import FOREVER, Lead, State
from .values import Operation, RequestId, Result


def on_replicated(state: State, envelope: Envelope, message: Replicated, out: Out) -> None:
    """A backup says how far its log goes. Counted per member, life and ballot: identities, never numbers."""
    lead = state.lead
    if lead is None or message.ballot != lead.ballot:
        return ignore(state, out, "other_ballot", envelope, message)
    backup = lead.backups.get(envelope.sender)
    if backup is None or backup.incarnation != envelope.sender_incarnation:
        # B restarted empty inside the view and acknowledges: its former life held the log, it does not.
        return ignore(state, out, "not_a_backup", envelope, message)
    if message.log_end > state.log.end or message.round > lead.round:
        return ignore(state, out, "beyond_the_log", envelope, message)
    backup.acked = max(backup.acked, message.log_end)
    backup.round = max(backup.round, message.round)
    if backup.offered_at != FOREVER and message.round >= backup.offered_round:
        leases.take(state, lead, backup, message)
    if message.log_end >= backup.sent_end and message.round >= backup.sent_round:
        backup.owed_since = FOREVER
        backup.resends = 0
    elif backup.owed_since != FOREVER:
        # A late copy, or one of several answers: it is alive, but the last message is still unanswered.
        backup.owed_since = state.now
    if backup.suspected:
        backup.suspected = ""
        out.note(Code.RECOVERED, backup=backup.member.id)
    advance(state, lead, out)
    return None


def advance(state: State, lead: Lead, out: Out) -> None:
    """Commit what every member holds, and answer whoever waits for it."""
    everywhere = min((backup.acked for backup in lead.backups.values()), default=state.log.end)
    ensure(everywhere >= state.commit, "what is committed stays committed")
    verdicts: dict[tuple[int, int], list[Verdict]] = {}
    for operation in state.log.between(state.commit, everywhere):
        position = state.commit
        result = apply_next(state, operation)
        request = operation.request
        if lead.uncommitted.pop(request, None) is not None:
            lead.uncommitted_bytes -= operation.size
        if operation.idempotency_key:
            lead.claimed.pop(operation.idempotency_key, None)
        _tell(state, request, result, verdicts, out)
        if lead.echoes:
            for echo in lead.echoes.pop(position, {}):
                del lead.echoing[echo]
                _tell(state, echo, result, verdicts, out)
    trim(state)
    for (origin, incarnation), told in verdicts.items():
        backup = lead.backups.get(origin)
        if backup is not None and backup.incarnation == incarnation:
            out.send(state, backup.member, incarnation, Forwarded(lead.ballot, tuple(told)))
    reads.serve(state, lead, out)


def _tell(
    state: State,
    request: RequestId,
    result: Result,
    verdicts: dict[tuple[int, int], list[Verdict]],
    out: Out,
) -> None:
    if request.origin == state.id and request.incarnation == state.incarnation:
        waiting.written(state, out, request.counter, result)
    else:
        verdict = Verdict(request.counter, VerdictCode(result.kind), result.position)
        verdicts.setdefault((request.origin, request.incarnation), []).append(verdict)


def apply_next(state: State, operation: Operation) -> Result:
    """Apply the operation at ``commit``; its result."""
    result = state.store.apply(operation)
    ensure(result.position == state.commit, "operations are applied in order")
    state.commit += 1
    return result


def apply_up_to(state: State, commit: int, out: Out) -> None:
    """Apply what is known to be everywhere, and answer this node's own clients whose writes are among it."""
    # An old copy of a message knows less than this node.
    for operation in state.log.between(state.commit, max(commit, state.commit)):
        result = apply_next(state, operation)
        if operation.origin == state.id and operation.incarnation == state.incarnation:
            waiting.written(state, out, operation.counter, result)
    trim(state)


def trim(state: State) -> None:
    """Forget the oldest committed operations.

    What is not committed may be needed by a member, and what came after a snapshot by whoever is fetching it.
    """
    limit = state.commit
    if state.lead is not None and state.lead.filling is not None:
        limit = min(limit, state.lead.filling.needs)
    state.log.trim(limit, state.config.log_keep_bytes)
