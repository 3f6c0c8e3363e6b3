"""A primary fills the newcomers of the next view while it goes on serving the present one.

Told a view with members that the present one lacks, a healthy primary offers them a copy of what is
committed. They fetch it beside their other work (``learning``), and only when all of them hold it but for a
short tail does the primary propose the new view, so that its clients wait for the tail and not for the whole
state: the learners of Raft (Ongaro's thesis, section 4.2.1), which catch up in rounds before they count.

A copy is no promise: who learns acknowledges nothing, and is not synced. What the new view begins with is
decided by the promises of its members as ever; a copy that is a prefix of it spares the fetching of it.
"""

from __future__ import annotations

from . import transfer
from .config import SECOND
from .effects import Code
from .errors import present
from .gate import ignore, refuse
from .messages import Envelope, Fetch, Learned, LogChunk, Offer, Refusal, Refuse, Seek, SnapshotChunk
from .out import Out
from .proposing import propose
from .state import FOREVER, Filling, Lead, Learner, State
from .store import Frozen
from .values import NO_BALLOT, View

SHORT_TAIL = 65_536
"""Bytes of operations that a learner may lack when the new view is proposed: a few milliseconds' worth."""
CHUNK_BYTES = 16_384
"""A chunk of a copy has so many bytes at most: to make one is what clients notice of a filling."""
MAX_DOUBLINGS = 3
"""An offer is made again after ``resend_after``, doubled at most this often."""
MAX_ROUNDS = 10
"""A learner that is still behind after so many offers gets the rest while the clients wait: it copies slower
than they write, and would never be done."""


def begin(state: State, out: Out) -> bool:
    """Fill those members of the told view that the promised one lacks; whether that is worth waiting for."""
    lead = state.lead
    if lead is None:
        return False
    before = lead.filling
    _let_go(state, lead, out)
    told = present(state.told, "a told view is pursued")
    newcomers = [member for member in told.others(state.id) if member not in state.promised_view.members]
    if not newcomers or not _healthy(lead):
        return False
    known = before.learners if before is not None else {}
    learners = {member.id: Learner(member) for member in newcomers}
    for id_, learner in known.items():
        if id_ in learners and learners[id_].member == learner.member:
            learners[id_] = learner  # the outside has changed its mind, but not about this one
    _fill(state, lead, Filling(learners, proposes=True), out)
    return True


def _fill(state: State, lead: Lead, filling: Filling, out: Out) -> None:
    lead.filling = filling
    out.note(Code.FILLING, learners=",".join(str(id_) for id_ in filling.learners))
    for learner in filling.learners.values():
        _offer(state, lead, learner, out)


def on_seek(state: State, envelope: Envelope, message: Seek, out: Out) -> None:
    """A newcomer is going to propose a view of its own, and would rather be filled before."""
    lead = state.lead
    newcomer = View(message.members).member(envelope.sender)
    is_member = state.promised_view.member(envelope.sender) is not None
    if newcomer is None or is_member or lead is None or not _healthy(lead):
        return refuse(state, out, envelope, message, Refusal.NOTHING_TO_OFFER)
    learner = Learner(newcomer, envelope.sender_incarnation)
    if lead.filling is not None:
        if lead.filling.proposes:
            return refuse(state, out, envelope, message, Refusal.NOTHING_TO_OFFER)
        known = lead.filling.learners.get(newcomer.id)
        if known is not None and (known.member, known.incarnation) == (learner.member, learner.incarnation):
            # A late copy, or it has changed its mind twice: it goes on from where it was.
            return _offer(state, lead, known, out)
        _let_go(state, lead, out)
    return _fill(state, lead, Filling({newcomer.id: learner}, proposes=False), out)


def _let_go(state: State, lead: Lead, out: Out) -> None:
    """Fill no more. Who asked for it hears of it, and proposes instead of waiting for the rest."""
    filling, lead.filling = lead.filling, None
    if filling is not None and not filling.proposes:
        refusal = Refuse(NO_BALLOT, Refusal.NOTHING_TO_OFFER, state.id, state.promised)
        for learner in filling.learners.values():
            out.send(state, learner.member, learner.incarnation, refusal)


def _healthy(lead: Lead) -> bool:
    """Whether the present view is worth going on with: it can commit, and no member has turned away."""
    return lead.superseded < lead.ballot and not any(backup.suspected for backup in lead.backups.values())


def _offer(state: State, lead: Lead, learner: Learner, out: Out) -> None:
    learner.owed_since = min(learner.owed_since, state.now)
    learner.offer_at = state.now + (state.config.resend_after << min(learner.offers, MAX_DOUBLINGS))
    learner.offers += 1
    near = _near(state, learner)
    message = Offer(lead.ballot, state.history, state.commit, state.log.start, near, state.lineage)
    out.send(state, learner.member, learner.incarnation, message)


def on_learned(state: State, envelope: Envelope, message: Learned, out: Out) -> None:
    """A newcomer says how much it holds."""
    lead = state.lead
    if lead is None or lead.filling is None or message.ballot != lead.ballot:
        return ignore(state, out, "other_ballot", envelope, message)
    if message.end > state.commit:
        return ignore(state, out, "beyond_the_log", envelope, message)
    learner = _heard(state, lead.filling, envelope)
    if learner is None:
        return ignore(state, out, "not_a_learner", envelope, message)
    if learner.rounds == 0 or message.end > learner.held:
        learner.frozen = None
        learner.rounds = MAX_ROUNDS if message.final else learner.rounds + 1
        learner.held = learner.needs = message.end
    elif not learner.ready:
        # A late copy. It ends no round, and what was offered since is still to be answered.
        return ignore(state, out, "repeated", envelope, message)
    learner.owed_since = FOREVER
    learner.offer_at = FOREVER
    return _consider(state, lead, lead.filling, learner, out)


def _heard(state: State, filling: Filling, envelope: Envelope) -> Learner | None:
    """The learner that speaks; if it was restarted it begins anew."""
    learner = filling.learners.get(envelope.sender)
    if learner is None:
        return None
    if learner.incarnation != envelope.sender_incarnation:
        learner = filling.learners[envelope.sender] = Learner(learner.member, envelope.sender_incarnation)
    _owes(state, learner)
    learner.offers = 0
    return learner


def _owes(state: State, learner: Learner) -> None:
    """The learner is to speak next, from now on."""
    learner.owed_since = state.now
    learner.offer_at = state.now + state.config.resend_after


def _near(state: State, learner: Learner) -> int:
    """How much a learner has to hold to be close enough."""
    near = state.log.tail(state.commit, SHORT_TAIL)
    return near if learner.rounds < MAX_ROUNDS else min(near, learner.held)


def _consider(state: State, lead: Lead, filling: Filling, learner: Learner, out: Out) -> None:
    """Propose if everybody is close enough, else go on with those who are not."""
    knows = learner.ready
    learner.ready = learner.ready or learner.held >= _near(state, learner)
    if not filling.proposes and knows:
        end(state, lead, "all learners are close", out)
        return
    if not filling.proposes or not learner.ready:
        # To one who is going to propose itself the offer says that it is close.
        _offer(state, lead, learner, out)
        return
    if not all(each.ready for each in filling.learners.values()):
        return
    # Whoever was ready early has fallen behind while it waited for the others.
    behind = [each for each in filling.learners.values() if each.held < _near(state, each)]
    for each in behind:
        if each.owed_since == FOREVER:
            _offer(state, lead, each, out)
    if not behind:
        end(state, lead, "all learners are close", out)


def end(state: State, lead: Lead, reason: str, out: Out) -> None:
    """Fill no more: the view is proposed, and who lacks much of the state gets it while the clients wait."""
    proposes = lead.filling is not None and lead.filling.proposes
    _let_go(state, lead, out)
    out.note(Code.FILLED, reason=reason)
    if proposes:
        propose(state, out)


def on_fetch(state: State, envelope: Envelope, message: Fetch, out: Out) -> None:
    """A learner takes what it was offered: only what is committed, and so in every view after this one."""
    lead = state.lead
    if lead is None or lead.filling is None or message.ballot != lead.ballot:
        return transfer.on_fetch(state, envelope, message, out)
    learner = _heard(state, lead.filling, envelope)
    if learner is None:
        return ignore(state, out, "not_a_learner", envelope, message)
    if state.now < learner.next_at:
        # It owes nothing while it waits for us. Of several questions the last is the one that it waits for.
        learner.question = message
        learner.owed_since = learner.offer_at = FOREVER
        return None
    return _give(state, lead, learner, message, out)


def _give(state: State, lead: Lead, learner: Learner, message: Fetch, out: Out) -> None:
    learner.question = None
    end_ = min(message.end, state.commit)
    limit = min(state.config.chunk_bytes, CHUNK_BYTES)
    chunk: LogChunk | SnapshotChunk
    if not message.snapshot and state.log.start <= message.position <= end_:
        learner.needs = message.position
        operations = state.log.since(message.position, end_, limit)
        chunk = LogChunk(lead.ballot, message.position, operations)
        size = sum(operation.size for operation in operations)
    else:
        if learner.frozen is None:
            learner.frozen = Frozen(state.store)
            # Not above what it may hold already: this may be a late copy of a question.
            learner.needs = min(learner.frozen.applied, FOREVER if learner.needs is None else learner.needs)
        # Beyond the end is who has begun with another snapshot: it sees by the answer that this one is newer.
        offset = message.position if message.snapshot else 0
        chunk = learner.frozen.chunk(lead.ballot, offset, limit)
        size = sum(len(key) + len(value) for key, value in chunk.pairs)
        if offset + len(chunk.pairs) + len(chunk.origins) + len(chunk.keys) == chunk.total:
            out.note(Code.STATE_SENT, to=learner.member.id, what="copy", end=chunk.applied)
    if state.config.fill_rate:
        # No pause as long as a silence that means something.
        pause = min(size * SECOND // state.config.fill_rate, state.config.resend_after)
        learner.next_at = state.now + pause
    out.send(state, learner.member, learner.incarnation, chunk)


def on_time(state: State, lead: Lead, out: Out) -> None:
    """Offer again what was not answered; end when it goes wrong."""
    filling = lead.filling
    if filling is None:
        return
    if not _healthy(lead):
        return end(state, lead, "the present view can commit nothing", out)
    if state.log.bytes > state.config.log_keep_bytes + state.config.max_waiting_bytes:
        return end(state, lead, "the log grew too long meanwhile", out)
    for id_, learner in filling.learners.items():
        if learner.refusal:
            # The proposal will show why nothing comes of it, as it would have without the copy.
            return end(state, lead, f"node {id_}: {learner.refusal}", out)
        if learner.owed_since + state.config.suspect_after <= state.now:
            return end(state, lead, f"node {id_} does not answer", out)
        if learner.question is not None and learner.next_at <= state.now:
            _owes(state, learner)
            _give(state, lead, learner, learner.question, out)
        if learner.offer_at <= state.now:
            _offer(state, lead, learner, out)
    return None


def deadline(state: State, lead: Lead) -> int:
    """When ``on_time`` has something to do."""
    if lead.filling is None:
        return FOREVER
    suspect_after = state.config.suspect_after
    first = FOREVER
    for learner in lead.filling.learners.values():
        first = min(first, learner.offer_at, learner.owed_since + suspect_after)
        if learner.question is not None:
            first = min(first, learner.next_at)
    return first
