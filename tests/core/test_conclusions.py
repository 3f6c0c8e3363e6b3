"""What we conclude ourselves is stated where it is used: each statement stops the node, in its own words.

No message and no caller can make one false, so each is made false by hand: damage a healthy state in one way,
and let the room that relies on it run. The words are what an operator reads of a node that stopped.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbproto import Ballot, InvariantError, Operation, View
from pbproto.activation import activate
from pbproto.base import _loss
from pbproto.commit import advance, apply_next
from pbproto.forwarding import _send
from pbproto.log import Log
from pbproto.messages import Promise
from pbproto.out import Out
from pbproto.proposing import _seal, propose
from pbproto.state import Base, Follow, Proposal, Staging, State, Waiter, check
from pbproto.store import Store
from pbproto.transfer import _swap, gather, send_adopt
from pbproto.values import NO_BALLOT

from .cluster import active, view

ABOVE = Ballot(9, 0, 0, 1)


def write(counter: int, settled: int = 0, name: bytes = b"") -> Operation:
    return Operation(5, 5, counter, settled, b"k", b"v", name)


def leading() -> State:
    """A primary with a backup and one committed operation."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    return cluster.state(0)


def proposing(state: State) -> Proposal:
    """A proposal of this node for the view that it leads, in a higher ballot, with every answer in."""
    ballot = ABOVE._replace(incarnation=state.incarnation)
    proposal = Proposal(ballot, state.promised_view)
    for id_ in (0, 1):
        proposal.promises[id_] = (1, Promise(ballot, None, 0, 0, 0, 0, ()))
        proposal.adopted[id_] = 1
    return proposal


def staged(state: State, agreed: int, end: int) -> Staging:
    base = Base(0, end, state.history, state.lineage, ())
    return Staging(ABOVE, state.promised_view.members[1], 1, base, agreed)


def _read_what_was_trimmed(_: State) -> None:
    Log(5)[4]


def _send_what_was_trimmed(_: State) -> None:
    Log(5).since(4, 6, 100)


def _cut_below_what_was_trimmed(_: State) -> None:
    Log(5).truncate(4)


def _apply_too_much(state: State) -> None:
    state.store.applied += 1
    check(state)


def _apply_out_of_order(state: State) -> None:
    state.log.append(write(1))
    state.store.applied += 1
    apply_next(state, state.log[state.commit])


def _trim_too_much(state: State) -> None:
    state.log.start += 5
    check(state)


def _sync_too_high(state: State) -> None:
    state.synced = ABOVE
    check(state)


def _be_active_and_not_synced(state: State) -> None:
    state.lead = None
    state.synced = None
    check(state)


def _have_two_roles(state: State) -> None:
    state.follow = Follow(state.promised_view.primary)
    check(state)


def _lead_and_propose(state: State) -> None:
    state.proposal = proposing(state)
    check(state)


def _follow_and_propose(state: State) -> None:
    state.lead, state.active = None, False
    state.follow = Follow(state.promised_view.primary)
    state.proposal = proposing(state)
    check(state)


def _lead_an_old_ballot(state: State) -> None:
    assert state.lead is not None
    state.lead.ballot = NO_BALLOT
    check(state)


def _count_what_is_not_there(state: State) -> None:
    assert state.lead is not None
    state.lead.backups[1].acked = 0
    check(state)


def _commit_what_is_not_there(state: State) -> None:
    assert state.lead is not None
    state.lead.backups[1].acked = 0
    advance(state, state.lead, Out())


def _agree_beyond_the_log(_: State) -> None:
    one, other = Ballot(1, 0, 1, 1), Ballot(2, 0, 1, 1)
    promise = Promise(ABOVE, one, 7, 0, 5, 5, ((one, 0), (other, 10)))
    _loss(1, 1, promise, ((one, 0),), 20)


def _lead_without_the_base(state: State) -> None:
    activate(state, proposing(state), Out())


def _lead_what_was_not_told(state: State) -> None:
    proposal = proposing(state)
    state.synced = state.promised = proposal.ballot
    state.told = view((0, 2))
    activate(state, proposal, Out())


def _propose_nothing(state: State) -> None:
    state.told = None
    propose(state, Out())


def _propose_the_view_of_another(state: State) -> None:
    state.told = view((1, 2))
    state.id = 2
    propose(state, Out())


def _promise_less(state: State) -> None:
    _seal(state, NO_BALLOT, View(()))


def _promise_the_same(state: State) -> None:
    _seal(state, state.promised, View(()))


def _gather_from_a_stranger(state: State) -> None:
    gather(state, proposing(state), Base(7, 0, 0, (), ()), Out())


def _cut_what_is_applied(state: State) -> None:
    _swap(state, staged(state, agreed=0, end=0), Out())


def _swap_in_half_a_base(state: State) -> None:
    _swap(state, staged(state, agreed=1, end=3), Out())


def _give_a_base_before_it_is_chosen(state: State) -> None:
    send_adopt(state, proposing(state), state.promised_view.members[1], Out())


def _give_a_base_that_is_not_here(state: State) -> None:
    proposal = proposing(state)
    proposal.base = Base(1, 1, 7, (), ())
    send_adopt(state, proposal, state.promised_view.members[1], Out())


def _forward_a_read(state: State) -> None:
    _send(state, Follow(state.promised_view.primary), Waiter(0, 0, 0, None, b"k", 0), Out())


def _apply_a_request_twice(_: State) -> None:
    store = Store()
    store.apply(write(3))
    store.apply(write(3))


def _apply_a_settled_request(_: State) -> None:
    store = Store()
    store.apply(write(3, settled=3))
    store.apply(write(2))


def _apply_a_key_twice(_: State) -> None:
    store = Store()
    store.apply(write(1, name=b"once"))
    store.apply(write(2, name=b"once"))


CONCLUSIONS: dict[Callable[[State], None], str] = {
    _read_what_was_trimmed: "the log is read only where it is kept",
    _send_what_was_trimmed: "what was trimmed is not sent",
    _cut_below_what_was_trimmed: "the log is not cut below what was trimmed",
    _apply_too_much: "what is committed is applied, and nothing else",
    _apply_out_of_order: "operations are applied in order",
    _trim_too_much: "only committed operations are trimmed",
    _sync_too_high: "synced never passes promised",
    _be_active_and_not_synced: "an active member is synced",
    _have_two_roles: "a node has one role",
    _lead_and_propose: "a node has one role",
    _follow_and_propose: "a node has one role",
    _lead_an_old_ballot: "only the promised ballot has a primary",
    _count_what_is_not_there: "committed is what every backup has",
    _commit_what_is_not_there: "what is committed stays committed",
    _agree_beyond_the_log: "logs agree at most as far as they go",
    _lead_without_the_base: "a primary leads with the whole base",
    _lead_what_was_not_told: "who leads was told this view",
    _propose_nothing: "only a told view is proposed",
    _propose_the_view_of_another: "only the told view's primary proposes it",
    _promise_less: "promises only go up",
    _promise_the_same: "promises only go up",
    _gather_from_a_stranger: "the base comes from a member",
    _cut_what_is_applied: "nothing that is applied is cut",
    _swap_in_half_a_base: "the base is whole",
    _give_a_base_before_it_is_chosen: "a base is chosen before it is given",
    _give_a_base_that_is_not_here: "the primary holds the base that it gives",
    _forward_a_read: "only writes are forwarded",
    _apply_a_request_twice: "no request is applied twice",
    _apply_a_settled_request: "no settled request is applied",
    _apply_a_key_twice: "no idempotency key is applied twice",
}


@pytest.mark.parametrize("damage", CONCLUSIONS, ids=lambda damage: damage.__name__.strip("_"))
def test_a_false_conclusion_stops_the_node_and_says_which(damage: Callable[[State], None]) -> None:
    """Rather stop than lie: make one conclusion false, and let the room that draws it run."""
    state = leading()
    check(state)
    with pytest.raises(InvariantError) as stopped:
        damage(state)
    assert str(stopped.value) == CONCLUSIONS[damage]
