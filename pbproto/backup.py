"""A backup takes the primary's operations in, in order, each once, and acknowledges them."""

from __future__ import annotations

from . import commit, leases, requests
from .effects import Code
from .gate import from_primary, ignore, refuse_ballot
from .messages import Envelope, Replicate, Replicated
from .out import Out
from .state import FOREVER, State


def on_replicate(state: State, envelope: Envelope, message: Replicate, out: Out) -> None:
    """Append what is new; acknowledge only in the promised ballot, and only with the complete state."""
    follow = state.follow
    if follow is None or message.ballot != state.promised:
        # The seal (invariant 4): after promising b, nothing lower is acknowledged. V2's primary copies
        # the state of B; were B to acknowledge V1's next write after that, it would be lost.
        return refuse_ballot(state, out, envelope, message, message.ballot)
    if not from_primary(state, envelope):
        return ignore(state, out, "not_the_primary", envelope, message)
    if state.synced != state.promised:
        return ignore(state, out, "not_synced", envelope, message)
    follow.heard_at = state.now
    if message.first <= state.log.end:
        # One ballot has one log (invariant 1): what is already here at these positions is the same.
        for operation in message.operations[state.log.end - message.first :]:
            state.log.append(operation)
    commit.apply_up_to(state, min(message.commit, state.log.end), out)
    lease = leases.give(state, message) if message.lease else 0
    out.answer(state, envelope, Replicated(state.promised, state.log.end, message.round, lease))
    if not state.active:
        # The primary sends these only once all members hold the base: the view is active.
        state.active = True
        state.frozen = None  # a late Fetch may have made it once more; nobody needs a source now
        state.nudge_at = FOREVER
        out.note(Code.INSTALLED, ballot=str(state.promised), role="backup", commit=state.commit)
        requests.drive_all(state, out)
    return None
