"""A node that is not in the present view copies its state, to have it when it joins (see ``filling``).

The copy is put together aside: what this node holds and has promised stays as it is, and the copy counts for
nothing until a view begins with a log of which it is a prefix. The learner has no clock of its own: the
primary offers again what was lost.
"""

from __future__ import annotations

from .effects import Code
from .gate import ignore
from .lineage import agreement
from .messages import Envelope, Fetch, Learned, Lineage, LogChunk, Offer, SnapshotChunk
from .out import Out
from .state import Base, Learning, State
from .store import Store, Thaw
from .values import Ballot


def on_offer(state: State, envelope: Envelope, message: Offer, out: Out) -> bool:
    """A primary offers a copy of its state: say what is here already, or fetch what is missing.

    Returns whether what is here is close enough to what is offered.
    """
    ballot = message.ballot
    if not _its_own(envelope, ballot):
        ignore(state, out, "not_its_own_ballot", envelope, message)
        return False
    if state.staging is not None:
        # What is on its way for a view that is being installed may be made of the copy that is here.
        ignore(state, out, "not_asked_for", envelope, message)
        return False
    own = agreement(state.lineage, state.log.end, message.lineage, message.end)
    if state.commit <= own and own >= max(message.kept, 1):
        # Only operations are missing here, and no more of them than are kept at all times.
        out.answer(state, envelope, Learned(ballot, own, True))
        return True
    before = state.learning
    if before is not None and before.ballot == ballot and message.end < before.end:
        # A late copy: the offers of one ballot only go up. Were it taken up, what is here would be too much.
        ignore(state, out, "repeated", envelope, message)
        return False
    learning = Learning(ballot, message.history, message.end, message.lineage)
    if before is not None and before.history == message.history:
        copy = before.copy if before.ballot == ballot else _prefix(before, message.lineage, message.end)
        if copy is not None and copy.applied >= message.kept:
            learning.copy = copy
        elif before.ballot == ballot:
            learning.thaw = before.thaw
    state.learning = learning
    _go_on(state, learning, envelope, out)
    return learning.copy is not None and learning.copy.applied >= message.near


def _its_own(envelope: Envelope, ballot: Ballot) -> bool:
    return (envelope.sender, envelope.sender_incarnation) == (ballot.primary, ballot.incarnation)


def _prefix(learning: Learning, lineage: Lineage, end: int) -> Store | None:
    """The copy, if it is whole and the log of ``lineage`` up to ``end`` begins with all that it holds."""
    copy = learning.copy
    if copy is None:
        return None
    known = max(learning.end, copy.applied)  # a snapshot is taken later than it is offered
    return copy if agreement(learning.lineage, known, lineage, end) >= copy.applied else None


def copied(state: State, base: Base) -> Store | None:
    """A copy to go on from, if this node has one that the base of a view begins with."""
    learning = state.learning
    if learning is None or learning.history != base.history:
        return None
    return _prefix(learning, base.lineage, base.end)


def _go_on(state: State, learning: Learning, envelope: Envelope, out: Out) -> None:
    if state.seeking is not None:
        state.seeking.until = state.now + state.config.suspect_after
    copy, thaw = learning.copy, learning.thaw
    if copy is None:
        position = 0 if thaw is None else thaw.next
        out.answer(state, envelope, Fetch(learning.ballot, True, position, learning.end))
    elif copy.applied < learning.end:
        out.answer(state, envelope, Fetch(learning.ballot, False, copy.applied, learning.end))
    else:
        out.answer(state, envelope, Learned(learning.ballot, copy.applied, False))


def _expected(state: State, envelope: Envelope, ballot: Ballot) -> Learning | None:
    learning = state.learning
    if learning is None or ballot != learning.ballot or not _its_own(envelope, ballot):
        return None
    if state.staging is not None:
        # What a view begins with may be made of the copy: late chunks must not move its end meanwhile.
        return None
    return learning


def on_snapshot_chunk(state: State, envelope: Envelope, message: SnapshotChunk, out: Out) -> None:
    """The next items of the copy."""
    learning = _expected(state, envelope, message.ballot)
    if learning is None or learning.copy is not None:
        return ignore(state, out, "not_asked_for", envelope, message)
    thaw = learning.thaw
    if thaw is not None and message.applied > thaw.applied:
        # The primary has begun another snapshot meanwhile: so does the copy.
        thaw = learning.thaw = None
        if message.offset > 0:
            return _go_on(state, learning, envelope, out)
    if thaw is None and message.offset == 0:
        thaw = learning.thaw = Thaw(message, state.store)
    if thaw is None or not thaw.add(message):
        return ignore(state, out, "repeated", envelope, message)
    if thaw.complete:
        learning.copy, learning.thaw = thaw.finish(), None
    if learning.copy is not None:
        out.note(Code.STATE_RECEIVED, source=envelope.sender, what="copy", end=message.applied)
    return _go_on(state, learning, envelope, out)


def on_log_chunk(state: State, envelope: Envelope, message: LogChunk, out: Out) -> None:
    """The next operations: they are committed, so they are applied at once."""
    learning = _expected(state, envelope, message.ballot)
    if learning is None or learning.copy is None:
        return ignore(state, out, "not_asked_for", envelope, message)
    copy = learning.copy
    if message.first != copy.applied or not message.operations:
        return ignore(state, out, "repeated", envelope, message)
    for operation in message.operations:
        copy.apply(operation)
    return _go_on(state, learning, envelope, out)
