"""Where views change: the outside tells this node a view, and the node does what that asks of it.

``proposing`` installs what was told, ``base`` decides what it begins with, ``transfer`` brings it to the
members, ``activation`` starts it.
"""

from __future__ import annotations

from . import filling, forwarding, leases, reads, seeking, waiting
from .activation import is_former
from .effects import Code, Reason, ViewAccepted, ViewRefused
from .gate import ignore, refuse
from .messages import Envelope, Refusal, Told
from .out import Out
from .proposing import MAX_DOUBLINGS, abandon, hasten, propose, send_proposal
from .state import FOREVER, State
from .status import explain
from .values import View


def on_tell(state: State, view: View, life: int, out: Out) -> None:
    """``PUT /view``: obey, unless it is meant for another life, or numbered and older than what is known.

    A node that was restarted has forgotten how high it promised, so that to it an old view is an order (rule
    4 of what the outside owes). Who says which life it means may be as late as it likes.
    """
    if life not in (0, state.incarnation):
        detail = "the view is meant for another incarnation of this node: it was restarted, or is another one"
        out.add(ViewRefused(Reason.OTHER_LIFE, detail))
        return
    if view.epoch is not None:
        refusal = _stale(state, view, view.epoch)
        if refusal is not None:
            out.add(refusal)
            return
        state.told_rank = view.epoch
    else:
        state.told_rank = _rank(state, view)
    if state.told != view:
        state.told_since = state.now
    state.told = view
    state.seen_epoch = max(state.seen_epoch, view.epoch or 0)
    state.nudge_refusal = ""
    out.add(ViewAccepted())
    members = ",".join(f"{member.id}={member.address}" for member in view.members)
    out.note(Code.VIEW_TOLD, members=members or "nobody", epoch=view.epoch or "unnumbered")
    pursue(state, out)


def _rank(state: State, view: View) -> int:
    """The epoch that an unnumbered view has or would take, to compare numbered ones with."""
    told = state.told
    if told is not None and told == view:
        return state.told_rank
    if view.members == state.promised_view.members and state.seen_epoch == state.promised.epoch:
        return state.promised.epoch
    return state.seen_epoch + 1


def _stale(state: State, view: View, epoch: int) -> ViewRefused | None:
    known = max(state.told_rank, state.promised.epoch)
    if epoch < known:
        return ViewRefused(
            Reason.STALE_EPOCH, f"epoch {epoch} is older than epoch {known}, which this node knows"
        )
    others = []
    if state.told is not None and state.told_rank == epoch:
        others.append(state.told.members)
    if state.promised.epoch == epoch:
        others.append(state.promised_view.members)
    if any(members != view.members for members in others):
        return ViewRefused(Reason.EPOCH_TAKEN, f"epoch {epoch} names a view with other members")
    return None


def pursue(state: State, out: Out) -> None:
    """Do what the told view asks of this node."""
    told = state.told
    if told is None:
        return
    state.nudge_at = FOREVER
    state.nudges = 0
    if told.member(state.id) is None:
        _step_outside(state, out)
    elif told.primary.id == state.id:
        installing = state.proposal is not None and not state.proposal.blocked
        if state.told_is_promised and (_leads(state) or installing):
            # This very view is active, or on its way, with the lives that are known; a member that
            # was restarted makes itself known by its nudge once it was told the view.
            if state.lead is not None:
                abandon(state)
                reads.verify(state.lead)
            if state.proposal is not None:
                state.proposal.told_again = True
            hasten(state, out)
        elif leases.bind(state):
            # A view of this node alone would be active at once, and its former primary read the past.
            leases.postpone(state, out)
        else:
            _prepare(state, out)
    elif state.told_is_promised and state.follow is not None:
        # Also if it is not active yet: the first Replicate may be a late one, of a primary that was restarted
        # before the view was told again.
        abandon(state)
        forwarding.verify(state.follow)
        if not state.active:
            # The promise may have gone to a proposal that nobody stands by any more.
            nudge(state, out)
    else:
        abandon(state)
        nudge(state, out)


def _prepare(state: State, out: Out) -> None:
    """Propose the told view; first, if somebody goes on to serve meanwhile, who lacks much is filled."""
    if not (filling.begin(state, out) or seeking.begin(state, out)):
        propose(state, out)


def _leads(state: State) -> bool:
    """Whether this node is a primary that no member has turned away from, as far as it knows."""
    lead = state.lead
    return lead is not None and lead.superseded < lead.ballot


def _step_outside(state: State, out: Out) -> None:
    """Stop serving, keep the state: it may be the last copy."""
    if state.lead is not None:
        state.lead = None
        state.active = False
        out.note(Code.STOPPED_SERVING, reason="outside the told view")
    abandon(state)
    if state.staging is None:
        state.learning = None  # a copy that nobody wants; one that is in use by now goes when it was used
    waiting.reject_all(state, out, Reason.OUTSIDE, explain(state, state.now))


def nudge(state: State, out: Out) -> None:
    """Tell the told view's primary that this node was told it."""
    told = state.told
    if told is None or not told.members:
        return
    out.send(state, told.primary, 0, Told(told.members, told.epoch or 0))
    state.nudge_at = state.now + (state.config.resend_after << min(state.nudges, MAX_DOUBLINGS))
    state.nudges += 1


def on_told(state: State, envelope: Envelope, message: Told, out: Out) -> None:
    """A member was told a view of which this node may be the primary.

    It starts nothing that the outside did not order of this node too. But a member that was restarted and
    told the present view again is a life that the view was not installed with: it is installed once more.
    """
    told = state.told
    if told is None:
        return refuse(state, out, envelope, message, Refusal.NOT_TOLD)
    if told.members != message.members or (told.epoch or 0) != message.epoch:
        return refuse(state, out, envelope, message, Refusal.TOLD_OTHER_VIEW)
    if not told.members or told.primary.id != state.id or told.member(envelope.sender) is None:
        return ignore(state, out, "not_the_primary", envelope, message)
    if is_former(state, envelope.sender, envelope.sender_incarnation):
        return ignore(state, out, "former_life", envelope, message)
    proposal, lead = state.proposal, state.lead
    if lead is not None and state.told_is_promised:
        if lead.backups[envelope.sender].incarnation != envelope.sender_incarnation:
            propose(state, out)
        elif not _leads(state):
            _prepare(state, out)
    elif proposal is not None:
        promised = proposal.promises.get(envelope.sender)
        if promised is not None and promised[0] != envelope.sender_incarnation:
            propose(state, out)
        elif not proposal.blocked:
            send_proposal(state, proposal, envelope.sender, out)
    return None


def on_time(state: State, out: Out) -> None:
    """Nudge again where nothing came back; go on with what a lease has held up."""
    if leases.due(state):
        state.postponed = False
        _resume(state, out)
    if state.nudge_at <= state.now:
        nudge(state, out)


def _resume(state: State, out: Out) -> None:
    """Propose, or let the told view's primary know that its proposal is welcome now."""
    told = state.told
    if told is None or told.member(state.id) is None:
        return
    if told.primary.id == state.id:
        pursue(state, out)
    else:
        state.nudges = 0
        nudge(state, out)


def deadline(state: State) -> int:
    """When ``on_time`` has something to do."""
    return min(state.nudge_at, leases.deadline(state))
