"""What does not fit is refused or ignored here, with a name, and counted; it never changes the replica.

The house rule for every handler is *gate, then ensure, then act*: what a peer sent is never asserted on,
what we concluded always is.
"""

from __future__ import annotations

from .effects import Code
from .messages import Envelope, Message, Refusal, Refuse
from .out import Out
from .state import Lead, State
from .values import NO_BALLOT, Ballot


def ignore(state: State, out: Out, reason: str, envelope: Envelope, message: Message) -> None:
    """A message that changes nothing: say why, and count it."""
    state.ignored[reason] = state.ignored.get(reason, 0) + 1
    out.note(Code.IGNORED, reason=reason, message=type(message).__name__, sender=envelope.sender)


def refuse(state: State, out: Out, envelope: Envelope, message: Message, reason: Refusal) -> None:
    """Ignore a message and tell its sender why."""
    ignore(state, out, reason.name.lower(), envelope, message)
    ballot: Ballot = getattr(message, "ballot", NO_BALLOT)
    out.answer(state, envelope, Refuse(ballot, reason, envelope.receiver, state.promised))


def refuse_ballot(state: State, out: Out, envelope: Envelope, message: Message, ballot: Ballot) -> None:
    """Refuse a message of a ballot that this node is not in."""
    reason = Refusal.PROMISED_HIGHER if ballot < state.promised else Refusal.NOT_IN_BALLOT
    refuse(state, out, envelope, message, reason)


def lead_of(state: State, out: Out, envelope: Envelope, message: Message, ballot: Ballot) -> Lead | None:
    """What this node leads, if it leads the sender of this message, in this very life, in ``ballot``."""
    lead = state.lead
    if lead is None or ballot != lead.ballot:
        refuse_ballot(state, out, envelope, message, ballot)
        return None
    backup = lead.backups.get(envelope.sender)
    if backup is None or backup.incarnation != envelope.sender_incarnation:
        ignore(state, out, "not_a_backup", envelope, message)
        return None
    return lead


def from_primary(state: State, envelope: Envelope) -> bool:
    """Whether a message comes from the primary, in its very life, of the promised ballot."""
    promised = state.promised
    return (envelope.sender, envelope.sender_incarnation) == (promised.primary, promised.incarnation)


def turn_from(state: State, out: Out, envelope: Envelope, message: Message, ballot: Ballot) -> None:
    """Turn away from a ballot that a primary still installs; it hears of it if the told view is its own.

    The outside told {1, 3}, then {2, 3}, then {1, 3} again: 1 is still installing its first ballot, 3 has
    promised 2's. Unless 1 hears of that, it offers for ever what 3 may not take.
    """
    told = state.told
    if ballot < state.promised and told is not None and told.members and told.primary.id == envelope.sender:
        refuse(state, out, envelope, message, Refusal.PROMISED_HIGHER)
    else:
        ignore(state, out, "other_ballot", envelope, message)


def admit(state: State, envelope: Envelope, message: Message, out: Out) -> bool:
    """Whether a message is for this node, this life of it, and of its history.

    A ``Refuse`` passes whatever its history: it is how other histories are found out. Incarnations make
    answers to a former life harmless: without them late copies of "I am empty" from a first installation
    could make a restarted primary start empty over its full backups.
    """
    if envelope.receiver != state.id:
        reason = Refusal.WRONG_NODE
    elif envelope.receiver_incarnation not in (0, state.incarnation):
        reason = Refusal.WRONG_INCARNATION
    elif envelope.sender == state.id:
        # Our own id at another address: the outside listed this node twice or runs it twice.
        reason = Refusal.WRONG_NODE
    elif (
        not isinstance(message, Refuse)
        and state.has_operations
        and envelope.history not in (0, state.history)
    ):
        reason = Refusal.OTHER_HISTORY
    else:
        return True
    if isinstance(message, Refuse):
        ignore(state, out, reason.name.lower(), envelope, message)
    else:
        refuse(state, out, envelope, message, reason)
    return False
