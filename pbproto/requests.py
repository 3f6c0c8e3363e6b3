"""Where a request enters: a client of this node reads or writes.

The walk of a write: here → ``ordering`` (its place) → ``replication`` (every backup) → ``commit`` (applied,
answered). At a backup: here → ``forwarding`` → the primary's ``ordering``. Reads: ``reads`` and, at a
backup, ``forwarding``.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import forwarding, ordering, reads, waiting
from .effects import Code, Reason, Reject
from .events import Delete, Get, GetAll, Put, Request
from .out import Out
from .state import State, Waiter
from .status import explain
from .values import Operation


def on_batch(state: State, events: Sequence[Request], out: Out) -> None:
    """Several clients arrive, in this order."""
    closed = _turns_all_away(state)  # nobody who arrives changes that
    for event in events:
        _arrive(state, event, closed, out)


def on_request(state: State, event: Request, out: Out) -> None:
    """A client arrives. It is turned away at once, or waits until it is answered or its time is up."""
    _arrive(state, event, _turns_all_away(state), out)


def _arrive(state: State, event: Request, closed: Reason | None, out: Out) -> None:
    refusal = closed or _turn_away(state, event)
    if refusal is not None:
        detail = explain(state, state.now) if refusal is not Reason.OVERLOADED else "too many requests wait"
        out.add(Reject(event.token, refusal, True, detail))
        out.note(Code.REJECTED, reason=refusal.value, certain=1, waited_for="")
        return
    if isinstance(event, _WRITES):
        waiter = waiting.enter(state, event.token, _operation(state, event), None)
        waiter.trace = event.trace
    else:
        waiter = waiting.enter(state, event.token, None, event.key if isinstance(event, Get) else None)
    # Of ``state.serving`` what remains to be asked.
    if state.active:
        drive(state, waiter, out)


_WRITES = (Put, Delete)  # isinstance takes a tuple in half the time that it takes for a union


def _turns_all_away(state: State) -> Reason | None:
    if state.closing:
        return Reason.CLOSING
    if state.told is None:
        return Reason.NO_VIEW
    return None if state.inside else Reason.OUTSIDE


def _turn_away(state: State, event: Request) -> Reason | None:
    size = 0 if isinstance(event, GetAll) else len(event.key)
    if isinstance(event, Put):
        size += len(event.value)
    return Reason.OVERLOADED if waiting.full(state, size) else None


def _operation(state: State, event: Put | Delete) -> Operation:
    value = event.value if isinstance(event, Put) else None
    clients = state.waiting
    # The low-water mark is at most the request's own number: it is not settled itself.
    return Operation(
        state.id,
        state.incarnation,
        clients.next_counter,
        clients.settled,
        event.key,
        value,
        event.idempotency_key,
    )


def drive(state: State, waiter: Waiter, out: Out) -> None:
    """Bring a request on its way in the view that is being served."""
    lead = state.lead
    if lead is None:
        forwarding.forward(state, waiter, out)
    elif waiter.operation is None:
        reads.enqueue(state, lead, waiter.counter, out)
    else:
        ordering.place_local(state, lead, waiter, out)


def drive_all(state: State, out: Out) -> None:
    """A view begins to be served: every request that waits is brought on its way, again or at last.

    Exactly once all the same: the base of the view holds the results of those that took effect.
    """
    if not state.serving:
        return
    for waiter in list(state.waiting.clients.values()):
        drive(state, waiter, out)
