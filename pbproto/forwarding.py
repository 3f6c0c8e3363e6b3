"""A backup's clients: their writes go to the primary, their reads ask the primary what they must see.

A write is sent on with its request id and sent again until it is answered, also to the next primary: the
results table makes that harmless. A read is not sent on: the backup asks up to which position its copy has
to be applied (ReadIndex), and answers from its own copy. So no answer is ever too large for a message, and
the primary is spared the values.
"""

from __future__ import annotations

from . import commit, waiting
from .config import MILLISECOND
from .errors import present
from .gate import from_primary, ignore
from .messages import Confirm, Confirmed, Envelope, Forward, Forwarded, VerdictCode
from .ordering import reject
from .out import Out
from .state import FOREVER, Follow, State, Waiter
from .values import Kind, Result

FORWARD_RESENDS = 4
"""A forwarded write is sent again after this many times ``resend_after``."""


def forward(state: State, waiter: Waiter, out: Out) -> None:
    """Bring a client's request to the primary of the active view."""
    follow = state.follow
    if follow is None:
        return
    if waiter.operation is None:
        # An ask that is already on its way began before this read: the next one is for it.
        follow.reads.append((follow.ask + 1, waiter.counter))
    else:
        _send(state, follow, waiter, out)


def _send(state: State, follow: Follow, waiter: Waiter, out: Out) -> None:
    operation = present(waiter.operation, "only writes are forwarded")
    waiter.exposed = True
    patience = max(MILLISECOND, waiter.deadline - state.now)
    message = Forward(state.promised, waiter.since, patience, operation, waiter.trace)
    out.send(state, follow.primary, state.promised.incarnation, message)
    again = state.now + FORWARD_RESENDS * state.config.resend_after
    follow.forwarded.append((again, waiter.counter))


def progress(state: State, follow: Follow, out: Out) -> None:
    """Ask on behalf of all reads that wait, one question at a time. Runs at the end of every step."""
    if not state.serving:
        return
    while follow.reads and follow.reads[0][1] not in state.waiting.clients:
        follow.reads.popleft()
    if (follow.reads or follow.verify) and follow.ask_resend_at == FOREVER:
        follow.ask += 1
        _ask(state, follow, out)


def verify(follow: Follow) -> None:
    """The view was told again: prove by a new question to the primary that it is still the active one."""
    follow.verify = follow.ask + 1


def _ask(state: State, follow: Follow, out: Out) -> None:
    follow.ask_resend_at = state.now + state.config.resend_after
    # Leases outlive their givers: that no other view is active is no proof that all of this one are there.
    leased = state.config.lease > 0 and follow.verify == 0
    out.send(state, follow.primary, state.promised.incarnation, Confirm(state.promised, follow.ask, leased))


def on_confirmed(state: State, envelope: Envelope, message: Confirmed, out: Out) -> None:
    """The primary says what the readers must see: it is committed, so this node may apply it and answer."""
    follow = state.follow
    if follow is None or message.ballot != state.promised or not state.active:
        return ignore(state, out, "other_ballot", envelope, message)
    if not from_primary(state, envelope):
        return ignore(state, out, "not_the_primary", envelope, message)
    if message.ask != follow.ask or follow.ask_resend_at == FOREVER:
        return ignore(state, out, "repeated", envelope, message)
    if message.position > state.log.end:
        return ignore(state, out, "beyond_the_log", envelope, message)
    follow.ask_resend_at = FOREVER
    follow.heard_at = state.now
    if message.ask >= follow.verify:
        follow.verify = 0
    commit.apply_up_to(state, message.position, out)
    while follow.reads and follow.reads[0][0] <= message.ask:
        waiting.read(state, out, follow.reads.popleft()[1])
    return None


def on_forwarded(state: State, envelope: Envelope, message: Forwarded, out: Out) -> None:
    """The primary says what became of writes."""
    follow = state.follow
    if follow is None or message.ballot != state.promised:
        # A verdict of an earlier ballot: "not applied" was certain only there, as long as no other view
        # could still be built on a log that holds the write.
        return ignore(state, out, "other_ballot", envelope, message)
    if not from_primary(state, envelope):
        return ignore(state, out, "not_the_primary", envelope, message)
    for counter, code, position in message.verdicts:
        waiter = state.waiting.clients.get(counter)
        if waiter is None or waiter.operation is None:
            continue
        if code <= VerdictCode.MISSING:
            waiting.written(state, out, counter, Result(Kind(code), position))
        else:
            reject(state, counter, code, position, out)
    return None


def on_time(state: State, follow: Follow, out: Out) -> None:
    """Send again what was not answered."""
    if not state.serving:
        return
    if follow.ask_resend_at <= state.now:
        _ask(state, follow, out)
    while follow.forwarded and follow.forwarded[0][0] <= state.now:
        _, counter = follow.forwarded.popleft()
        waiter = state.waiting.clients.get(counter)
        if waiter is not None:
            _send(state, follow, waiter, out)


def deadline(state: State, follow: Follow) -> int:
    """When ``on_time`` has something to do."""
    if not state.serving:
        return FOREVER
    clients = state.waiting.clients
    while follow.forwarded and follow.forwarded[0][1] not in clients:
        follow.forwarded.popleft()
    first = follow.forwarded[0][0] if follow.forwarded else FOREVER
    return min(first, follow.ask_resend_at)
