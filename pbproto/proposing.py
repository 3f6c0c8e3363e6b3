"""Where views are installed: the primary proposes, every member promises, a base is chosen.

Safety never rests on the order in which views are told. It rests on the promise: whoever promises a ballot
acknowledges nothing lower from then on, and only after *all* members have promised is a base chosen. What
the told view adds is obedience: a member promises only a view that the outside wants of it.
"""

from __future__ import annotations

from . import leases, transfer
from .activation import is_former
from .base import choose
from .effects import Code
from .errors import ensure, present
from .gate import from_primary, ignore, refuse
from .messages import Envelope, Promise, Propose, Refusal, Refuse
from .out import Out
from .replication import suspect
from .state import FOREVER, Follow, Proposal, State
from .values import MAX_EPOCH, NO_BALLOT, Ballot, View

MAX_DOUBLINGS = 3
"""Proposals and nudges are repeated after ``resend_after``, doubled at most this often."""


def propose(state: State, out: Out, above: Ballot = NO_BALLOT) -> None:
    """Start to install the told view in a new ballot, higher than ``above`` and all this node promised."""
    told = present(state.told, "only a told view is proposed")
    ensure(told.primary.id == state.id, "only the told view's primary proposes it")
    ensure(not leases.bind(state), "who proposes stands by nobody else")
    if told.epoch is None:
        state.seen_epoch = max(state.seen_epoch, above.epoch)
        epoch, attempt = state.seen_epoch + 1, 0
    else:
        epoch = told.epoch
        tries = [known.attempt + 1 for known in (state.promised, above) if known.epoch == epoch]
        attempt = max(tries, default=0)
    ballot = Ballot(epoch, attempt, state.id, state.incarnation)
    _seal(state, ballot, told)
    proposal = Proposal(ballot, told)
    state.proposal = proposal
    out.note(Code.PROPOSED, ballot=str(ballot), members=",".join(str(member.id) for member in told.members))
    proposal.promises[state.id] = (state.incarnation, _promise(state))
    for member in told.others(state.id):
        send_proposal(state, proposal, member.id, out)
    proposal.resend_at = state.now + state.config.resend_after
    _choose_base(state, proposal, out)


def _seal(state: State, ballot: Ballot, view: View) -> None:
    """Promise: nothing below ``ballot`` is acknowledged from here on; no role of an earlier one lives."""
    ensure(ballot > state.promised, "promises only go up")
    state.promised = ballot
    state.promised_view = View(view.members)
    state.seen_epoch = max(state.seen_epoch, ballot.epoch)
    state.told_rank = max(state.told_rank, ballot.epoch)
    state.lease_until = 0
    state.postponed = False
    state.active = False
    state.lead = None
    state.follow = None
    state.proposal = None
    state.seeking = None
    state.staging = None
    state.frozen = None


def _promise(state: State) -> Promise:
    return Promise(
        state.promised, state.synced, state.history, state.base, state.log.end, state.commit, state.lineage
    )


def send_proposal(state: State, proposal: Proposal, to: int, out: Out) -> None:
    """Tell one member what is next for it: the proposal, or the base that it is to adopt."""
    member = proposal.view.member(to)
    if member is None or to in proposal.adopted:
        return
    if to not in proposal.promises:
        numbered = state.told is not None and state.told.epoch is not None
        released = _released(proposal, to)
        out.send(state, member, 0, Propose(proposal.ballot, proposal.view.members, numbered, released))
    elif proposal.base is not None and state.synced == proposal.ballot:
        transfer.send_adopt(state, proposal, member, out)


def _released(proposal: Proposal, member: int) -> Ballot:
    """The ballot by whose primary the member stands, if that one leads it no more: it has promised ours."""
    ballot = proposal.leased.get(member, NO_BALLOT)
    promised = proposal.promises.get(ballot.primary)
    return ballot if promised is not None and promised[0] == ballot.incarnation else NO_BALLOT


def hasten(state: State, out: Out) -> None:
    """Tell every member again what is next for it."""
    proposal = state.proposal
    if proposal is not None and not proposal.blocked:
        for member in proposal.view.others(state.id):
            send_proposal(state, proposal, member.id, out)


def abandon(state: State) -> None:
    """Stop preparing a view that the outside does not want any more. The promise stands."""
    state.seeking = None
    if state.lead is not None and state.lead.filling is not None and state.lead.filling.proposes:
        state.lead.filling = None
    if state.proposal is not None:
        state.proposal = None
        state.staging = None


def on_propose(state: State, envelope: Envelope, message: Propose, out: Out) -> None:
    """A primary wants this node's promise."""
    ballot = message.ballot
    if ballot.epoch < 1 or (message.numbered and ballot.epoch > MAX_EPOCH):
        return ignore(state, out, "not_an_epoch", envelope, message)
    view = View(message.members, ballot.epoch if message.numbered else None)
    if (envelope.sender, envelope.sender_incarnation) != (ballot.primary, ballot.incarnation):
        return ignore(state, out, "not_its_own_ballot", envelope, message)
    if view.member(state.id) is None or view.primary.id != ballot.primary:
        return ignore(state, out, "not_a_view_of_ours", envelope, message)
    refusal = _obey(state, view, ballot.epoch, out)
    if refusal is None and ballot < state.promised:
        refusal = Refusal.PROMISED_HIGHER
    if refusal is not None:
        return refuse(state, out, envelope, message, refusal)
    if ballot == state.promised:
        if state.synced != ballot:
            out.answer(state, envelope, _promise(state))
        return None
    if leases.bind(state) and not (from_primary(state, envelope) or message.released == state.promised):
        # Who proposes anew, or has promised another's proposal, reads alone no more: that lease is over.
        leases.postpone(state, out)
        return refuse(state, out, envelope, message, Refusal.LEASED)
    if state.lead is not None:
        out.note(Code.STOPPED_SERVING, reason=f"promised {ballot}")
    _seal(state, ballot, view)
    state.follow = Follow(view.primary, heard_at=state.now)
    # The nudging goes on until the view is active: this may have been a late copy of a proposal made to
    # this node's former life, and then nobody waits for the promise.
    state.nudges = MAX_DOUBLINGS
    state.nudge_at = state.now + (state.config.resend_after << MAX_DOUBLINGS)
    out.note(Code.PROMISED, ballot=str(ballot), synced=str(state.synced), log_end=state.log.end)
    out.answer(state, envelope, _promise(state))
    return None


def _obey(state: State, view: View, epoch: int, out: Out) -> Refusal | None:
    """Whether the outside wants this view of this node; a newer numbered one is learned here."""
    told = state.told
    if told is None:
        # A restarted node may have forgotten a promise: only a new word from outside lets it in again.
        return Refusal.NOT_TOLD
    if view.epoch is None:
        # No delayed message can revive an old view: each node follows the last word said to it.
        if told.members != view.members or epoch < (told.epoch or 0):
            return Refusal.TOLD_OTHER_VIEW
        state.told = view  # it takes the epoch after the numbered one
        return None
    if view.epoch < state.told_rank:
        return Refusal.PROMISED_HIGHER if view.epoch < state.promised.epoch else Refusal.TOLD_OTHER_VIEW
    if view.epoch == state.told_rank:
        return None if told.members == view.members else Refusal.TOLD_OTHER_VIEW
    abandon(state)
    state.told = view
    state.told_rank = view.epoch
    state.told_since = state.now
    out.note(Code.VIEW_LEARNED, epoch=view.epoch, members=",".join(str(member.id) for member in view.members))
    return None


def on_promise(state: State, envelope: Envelope, message: Promise, out: Out) -> None:
    """A member promises, and says what it holds."""
    proposal = state.proposal
    if proposal is None or message.ballot != proposal.ballot:
        return ignore(state, out, "other_ballot", envelope, message)
    if proposal.view.member(envelope.sender) is None:
        return ignore(state, out, "not_a_member", envelope, message)
    if is_former(state, envelope.sender, envelope.sender_incarnation):
        return ignore(state, out, "former_life", envelope, message)
    known = proposal.promises.get(envelope.sender)
    if known is not None and known[0] != envelope.sender_incarnation:
        # It was restarted after its first promise, which it does not remember: that one is void.
        return propose(state, out)
    if known is not None:
        return ignore(state, out, "repeated", envelope, message)
    proposal.promises[envelope.sender] = (envelope.sender_incarnation, message)
    proposal.refusals.pop(envelope.sender, None)
    proposal.resends = 0
    for member in proposal.leased:
        if _released(proposal, member).primary == envelope.sender:
            send_proposal(state, proposal, member, out)
    return _choose_base(state, proposal, out)


def _choose_base(state: State, proposal: Proposal, out: Out) -> None:
    """Once all members have promised: decide what the view begins with, and get it."""
    if len(proposal.promises) < len(proposal.view.members) or proposal.base is not None or proposal.blocked:
        return
    numbered = state.told is not None and state.told.epoch is not None
    base = choose(proposal, numbered)
    if isinstance(base, str):
        proposal.blocked = base
        out.note(Code.BLOCKED, ballot=str(proposal.ballot), reason=base)
        return
    proposal.base = base
    if base.history == 0:
        base.history = state.incarnation
        out.note(Code.STARTED_EMPTY, ballot=str(proposal.ballot))
    out.note(Code.BASE_CHOSEN, ballot=str(proposal.ballot), source=base.source, end=base.end)
    transfer.gather(state, proposal, base, out)


def on_refuse(state: State, envelope: Envelope, message: Refuse, out: Out) -> None:
    """A node does not take what it was sent. Only what this node still does can be meant."""
    text = REFUSALS[message.reason]
    if message.reason is Refusal.WRONG_NODE:
        text = f"node {envelope.sender} answers at its address"
    elif message.reason is Refusal.PROMISED_HIGHER:
        text = f"it has promised ballot {message.promised}"
    proposal, lead = state.proposal, state.lead
    if proposal is not None and message.ballot == proposal.ballot:
        if message.reason is Refusal.PROMISED_HIGHER:
            _outbid(state, proposal, message.promised, out)
        elif (
            proposal.view.member(message.addressee) is not None
            and proposal.refusals.get(message.addressee) != text
        ):
            proposal.refusals[message.addressee] = text
            out.note(Code.REFUSED_BY, member=message.addressee, reason=text)
        if message.reason is Refusal.LEASED:
            proposal.leased[envelope.sender] = message.promised
            if _released(proposal, envelope.sender) != NO_BALLOT:
                send_proposal(state, proposal, envelope.sender, out)
    elif lead is not None and message.ballot == lead.ballot:
        backup = lead.backups.get(message.addressee)
        if backup is None:
            learner = lead.filling.learners.get(message.addressee) if lead.filling is not None else None
            if learner is not None:
                learner.refusal = text
            return
        if (envelope.sender, envelope.sender_incarnation) == (backup.member.id, backup.incarnation):
            # Only the member itself can say what it has promised.
            lead.superseded = max(lead.superseded, message.promised)
            state.seen_epoch = max(state.seen_epoch, message.promised.epoch)
        suspect(state, backup, text, out)
    elif message.ballot == NO_BALLOT:
        if state.seeking is not None:
            state.seeking.asked.pop(message.addressee, None)
            if not state.seeking.asked:
                propose(state, out)
        elif message.reason is not Refusal.NOTHING_TO_OFFER:
            state.nudge_refusal = text
    else:
        ignore(state, out, "other_ballot", envelope, message)


def _outbid(state: State, proposal: Proposal, promised: Ballot, out: Out) -> None:
    """A member has promised a higher ballot: go above it, but a numbered view ends with its number."""
    if promised <= proposal.ballot or proposal.blocked:
        return
    told = state.told
    if told is not None and told.epoch is not None and promised.epoch > told.epoch:
        state.seen_epoch = max(state.seen_epoch, promised.epoch)
        proposal.blocked = f"a member has promised the later epoch {promised.epoch}"
        out.note(Code.BLOCKED, ballot=str(proposal.ballot), reason=proposal.blocked)
        return
    propose(state, out, above=promised)


def on_time(state: State, out: Out) -> None:
    """Propose again where nothing came back."""
    proposal = state.proposal
    if proposal is not None and not proposal.blocked and proposal.resend_at <= state.now:
        proposal.resends += 1
        proposal.resend_at = state.now + (state.config.resend_after << min(proposal.resends, MAX_DOUBLINGS))
        hasten(state, out)


def deadline(state: State) -> int:
    """When ``on_time`` has something to do."""
    proposal = state.proposal
    return FOREVER if proposal is None or proposal.blocked else proposal.resend_at


REFUSALS = {
    Refusal.WRONG_NODE: "another node answers at its address",
    Refusal.WRONG_INCARNATION: "it was restarted and has not been told this view since",
    Refusal.OTHER_HISTORY: "it holds operations of another history",
    Refusal.NOT_TOLD: "it has not been told a view since it started",
    Refusal.TOLD_OTHER_VIEW: "it was told another view",
    Refusal.PROMISED_HIGHER: "it has promised a higher ballot",
    Refusal.NOT_IN_BALLOT: "it is not in this ballot",
    Refusal.LEASED: "it stands by its former primary until that one's lease has run out",
    Refusal.NOTHING_TO_OFFER: "it serves no view that it could fill others from",
}
"""The reasons in words, as ``GET /view`` shows them."""
