"""How state gets to the members that lack it: pulled in bounded chunks, put together aside, swapped in whole.

The primary gathers the base first (from its source, if that is another member), then every other member
compares it with its own log and fetches from the primary what is missing: nothing, the tail of the log, or a
snapshot and the tail. A chunk that is lost is asked for again; the source keeps its snapshot.
"""

from __future__ import annotations

from .activation import activate
from .effects import Code
from .errors import ensure, present
from .gate import from_primary, ignore, turn_from
from .lineage import agreement, extend
from .log import Log
from .messages import Adopt, Adopted, Envelope, Fetch, LogChunk, SnapshotChunk
from .out import Out
from .state import FOREVER, Base, Proposal, Staging, State
from .store import Frozen, Thaw
from .values import Ballot, Member

MAX_DOUBLINGS = 3
"""A chunk is asked for again after ``resend_after``, doubled at most this often."""


def gather(state: State, proposal: Proposal, base: Base, out: Out) -> None:
    """The primary gets the base it has chosen."""
    member = present(proposal.view.member(base.source), "the base comes from a member")
    _begin(state, proposal.ballot, member, proposal.promises[base.source][0], base, out)


def _begin(state: State, ballot: Ballot, source: Member, life: int, base: Base, out: Out) -> None:
    """Find out what this node lacks of the base, and fetch it."""
    agreed = agreement(state.lineage, state.log.end, base.lineage, base.end)
    if source.id == state.id:
        agreed = base.end
    staging = Staging(ballot, source, life, base, agreed)
    # Operations that are applied and not in the base cannot be taken back one by one.
    staging.snapshot = state.commit > agreed
    if not staging.snapshot and agreed == base.end:
        _swap(state, staging, out)
    else:
        state.staging = staging
        _fetch(state, staging, out)


def _fetch(state: State, staging: Staging, out: Out) -> None:
    thaw = staging.thaw
    snapshot = staging.snapshot and (thaw is None or not thaw.complete)
    position = (0 if thaw is None else thaw.next) if snapshot else staging.tail_end
    staging.refetch_at = state.now + (state.config.resend_after << min(staging.refetches, MAX_DOUBLINGS))
    message = Fetch(staging.ballot, snapshot, position, staging.base.end)
    out.send(state, staging.source, staging.source_incarnation, message)


def on_fetch(state: State, envelope: Envelope, message: Fetch, out: Out) -> None:
    """A member, or the primary, lacks state that this node holds."""
    if message.ballot != state.promised or state.synced is None:
        return turn_from(state, out, envelope, message, message.ballot)
    if state.promised_view.member(envelope.sender) is None:
        return ignore(state, out, "not_a_member", envelope, message)
    if state.active or state.staging is not None:
        # Active: every member held the base, so this is a late copy, and the store moves again.
        return ignore(state, out, "not_a_source", envelope, message)
    end = min(message.end, state.log.end)
    if not message.snapshot and state.log.start <= message.position <= end:
        operations = state.log.since(message.position, end, state.config.chunk_bytes)
        if message.position + len(operations) == end:
            out.note(Code.STATE_SENT, to=envelope.sender, what="log", end=end)
        return out.answer(state, envelope, LogChunk(state.promised, message.position, operations))
    if state.frozen is None:
        state.frozen = Frozen(state.store)
    offset = message.position if message.snapshot else 0
    if offset > state.frozen.total:
        return ignore(state, out, "beyond_the_state", envelope, message)
    chunk = state.frozen.chunk(state.promised, offset, state.config.chunk_bytes)
    if offset + len(chunk.pairs) + len(chunk.origins) + len(chunk.keys) == chunk.total:
        out.note(Code.STATE_SENT, to=envelope.sender, what="snapshot", end=chunk.applied)
    return out.answer(state, envelope, chunk)


def _expected(state: State, envelope: Envelope, ballot: Ballot) -> Staging | None:
    staging = state.staging
    if staging is None or ballot != staging.ballot:
        return None
    if (envelope.sender, envelope.sender_incarnation) != (staging.source.id, staging.source_incarnation):
        return None
    return staging


def on_snapshot_chunk(state: State, envelope: Envelope, message: SnapshotChunk, out: Out) -> None:
    """The next items of the snapshot. Also the answer to a source's trimmed log: then it starts here."""
    staging = _expected(state, envelope, message.ballot)
    if staging is None or message.applied > staging.base.end:
        return ignore(state, out, "not_asked_for", envelope, message)
    if staging.thaw is None:
        if message.offset != 0:
            return ignore(state, out, "out_of_order", envelope, message)
        staging.thaw = Thaw(message, state.store)
        staging.snapshot = True
        staging.tail.clear()
    if staging.thaw.complete and staging.thaw.next > 0:
        return ignore(state, out, "repeated", envelope, message)
    if not staging.thaw.add(message):
        return ignore(state, out, "out_of_order", envelope, message)
    staging.refetches = 0
    if staging.thaw.complete and staging.thaw.applied == staging.base.end:
        return _swap(state, staging, out)
    return _fetch(state, staging, out)


def on_log_chunk(state: State, envelope: Envelope, message: LogChunk, out: Out) -> None:
    """The next operations of the tail."""
    staging = _expected(state, envelope, message.ballot)
    if staging is None:
        return ignore(state, out, "not_asked_for", envelope, message)
    if staging.snapshot and (staging.thaw is None or not staging.thaw.complete):
        return ignore(state, out, "out_of_order", envelope, message)
    if message.first != staging.tail_end or not message.operations:
        return ignore(state, out, "repeated", envelope, message)
    room = staging.base.end - staging.tail_end
    staging.tail.extend(message.operations[:room])
    staging.refetches = 0
    if staging.tail_end == staging.base.end:
        return _swap(state, staging, out)
    return _fetch(state, staging, out)


def _swap(state: State, staging: Staging, out: Out) -> None:
    """Old and new state change places in one step; only now is this node synced in the ballot."""
    if staging.thaw is not None:
        store = staging.thaw.finish()
        if store is None:
            staging.thaw = None
            staging.tail.clear()
            _fetch(state, staging, out)
            return
        state.store = store
        state.commit = store.applied
        for waiter in state.waiting.clients.values():
            # It counted in a log of which the rest is dropped. In this one its position would say that a
            # write is new which was applied, and whose origin was forgotten.
            waiter.since = min(waiter.since, staging.agreed)
        state.log = Log(store.applied)
    else:
        ensure(state.commit <= staging.agreed, "nothing that is applied is cut")
        state.log.truncate(staging.agreed)
    for operation in staging.tail:
        state.log.append(operation)
    base = staging.base
    ensure(state.log.end == base.end, "the base is whole")
    state.synced = staging.ballot
    state.base = base.end
    state.history = base.history
    state.lineage = extend(base.lineage, staging.ballot, base.end)
    state.staging = None
    state.frozen = None
    if staging.thaw is not None or staging.tail:
        what = "snapshot" if staging.thaw is not None else "log"
        out.note(Code.STATE_RECEIVED, source=staging.source.id, what=what, end=base.end)
    for loss in base.dropped:
        state.dropped.append(loss)
        out.note(Code.DROPPED, member=loss.id, first=loss.first, end=loss.end)
    _synced(state, staging, out)


def _synced(state: State, staging: Staging, out: Out) -> None:
    proposal = state.proposal
    if proposal is None:
        out.send(state, staging.source, staging.source_incarnation, Adopted(staging.ballot))
        return
    proposal.adopted[state.id] = state.incarnation
    proposal.resends = 0
    proposal.resend_at = state.now + state.config.resend_after
    for member in proposal.view.others(state.id):
        send_adopt(state, proposal, member, out)
    _activate_if_all_adopted(state, proposal, out)


def send_adopt(state: State, proposal: Proposal, member: Member, out: Out) -> None:
    """Tell a member what the view begins with."""
    base = present(proposal.base, "a base is chosen before it is given")
    ensure(state.synced == proposal.ballot, "the primary holds the base that it gives")
    message = Adopt(proposal.ballot, base.history, base.end, base.lineage, base.dropped)
    out.send(state, member, proposal.promises[member.id][0], message)


def on_adopt(state: State, envelope: Envelope, message: Adopt, out: Out) -> None:
    """The primary says what the view begins with."""
    follow = state.follow
    if follow is None or message.ballot != state.promised:
        return turn_from(state, out, envelope, message, message.ballot)
    if not from_primary(state, envelope):
        return ignore(state, out, "not_the_primary", envelope, message)
    if state.synced == state.promised:
        return out.answer(state, envelope, Adopted(state.promised))
    if state.staging is not None:
        return ignore(state, out, "repeated", envelope, message)
    base = Base(envelope.sender, message.end, message.history, message.lineage, message.dropped)
    return _begin(state, state.promised, follow.primary, envelope.sender_incarnation, base, out)


def on_adopted(state: State, envelope: Envelope, message: Adopted, out: Out) -> None:
    """A member holds the base."""
    proposal = state.proposal
    if proposal is None or message.ballot != proposal.ballot or proposal.base is None:
        return ignore(state, out, "other_ballot", envelope, message)
    promised = proposal.promises.get(envelope.sender)
    if promised is None or promised[0] != envelope.sender_incarnation:
        return ignore(state, out, "not_a_member", envelope, message)
    proposal.adopted[envelope.sender] = envelope.sender_incarnation
    return _activate_if_all_adopted(state, proposal, out)


def _activate_if_all_adopted(state: State, proposal: Proposal, out: Out) -> None:
    if all(member.id in proposal.adopted for member in proposal.view.members):
        activate(state, proposal, out)


def on_time(state: State, out: Out) -> None:
    """Ask again for a chunk that did not come."""
    staging = state.staging
    if staging is not None and staging.refetch_at <= state.now:
        staging.refetches += 1
        _fetch(state, staging, out)


def deadline(state: State) -> int:
    """When ``on_time`` has something to do."""
    return state.staging.refetch_at if state.staging is not None else FOREVER
