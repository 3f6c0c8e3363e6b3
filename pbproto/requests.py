"""Where a request enters: a client of this node reads or writes.

The walk of a write: here → ``ordering`` (its place) → ``replication`` (every backup) → ``commit`` (applied,
answered). At a backup: here → ``forwarding`` → the primary's ``ordering``. Reads: ``reads`` and, at a
backup, ``forwarding``.
"""

from __future__ import annotations

from . import forwarding, ordering, reads, waiting
from .effects import Code, Reason, Reject
from .events import Delete, Get, GetAll, Put, Request
from .out import Out
from .state import State, Waiter
from .status import explain
from .values import Operation


def on_request(state: State, event: Request, out: Out) -> None:
    """A client arrives. It is turned away at once, or waits until it is answered or its time is up."""
    refusal = _turn_away(state, event)
    if refusal is not None:
        detail = explain(state, state.now) if refusal is not Reason.OVERLOADED else "too many requests wait"
        out.add(Reject(event.token, refusal, True, detail))
        out.note(Code.REJECTED, reason=refusal.value, certain=1, waited_for="")
        return
    operation = _operation(state, event)
    waiter = waiting.enter(state, event.token, operation, event.key if isinstance(event, Get) else None)
    if isinstance(event, Put | Delete):
        waiter.trace = event.trace
    if state.serving:
        drive(state, waiter, out)


def _turn_away(state: State, event: Request) -> Reason | None:
    if state.closing:
        return Reason.CLOSING
    if state.told is None:
        return Reason.NO_VIEW
    if not state.inside:
        return Reason.OUTSIDE
    size = 0 if isinstance(event, GetAll) else len(event.key)
    if isinstance(event, Put):
        size += len(event.value)
    return Reason.OVERLOADED if waiting.full(state, size) else None


def _operation(state: State, event: Request) -> Operation | None:
    if isinstance(event, Get | GetAll):
        return None
    value = None if isinstance(event, Delete) else event.value
    request = waiting.next_request(state)
    # The low-water mark is at most the request's own number: it is not settled itself.
    return Operation(*request, state.waiting.settled, event.key, value, event.idempotency_key)


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
