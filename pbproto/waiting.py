"""The clients that wait at this node: they enter, and each leaves with exactly one answer."""

from __future__ import annotations

from .effects import Code, Listing, Reason, Reject, Reply, Value, Written
from .out import Out
from .state import State, Waiter
from .status import explain
from .values import Operation, Result


def full(state: State, size: int) -> bool:
    """Whether one more request of ``size`` bytes would be too much."""
    waiting = state.waiting
    return (
        len(waiting.clients) >= state.config.max_waiting
        or waiting.bytes + size > state.config.max_waiting_bytes
        # Answered requests behind one that still waits; bounded so that one slow client among millions
        # of fast ones cannot make the list of arrivals, and with it the results table, grow for ever.
        or len(waiting.arrivals) >= 100 * state.config.max_waiting
    )


def enter(state: State, token: int, operation: Operation | None, key: bytes | None) -> Waiter:
    """A client begins to wait."""
    waiting = state.waiting
    counter = waiting.next_counter
    waiting.next_counter += 1
    size = operation.size if operation is not None else len(key or b"")
    deadline = state.now + state.config.request_timeout
    waiter = Waiter(counter, token, deadline, operation, key, state.commit, size=size)
    waiting.clients[counter] = waiter
    waiting.arrivals.append((counter, deadline))
    waiting.bytes += size
    return waiter


def leave(state: State, counter: int) -> Waiter | None:
    """Take a client off the list, if it still waits."""
    waiting = state.waiting
    waiter = waiting.clients.pop(counter, None)
    if waiter is None:
        return None
    waiting.bytes -= waiter.size
    arrivals = waiting.arrivals
    while arrivals and arrivals[0][0] not in waiting.clients:
        arrivals.popleft()
    lead = state.lead
    if lead is not None and waiter.operation is not None and (lead.parked or lead.echoing):
        request = waiter.operation.request
        # Whoever was told "not applied" must not be found outside the log later.
        parked = lead.parked.pop(request, None)
        if parked is not None:
            lead.parked_bytes -= parked.operation.size
        position = lead.echoing.pop(request, None)
        if position is not None:
            del lead.echoes[position][request]
    return waiter


def written(state: State, out: Out, counter: int, result: Result) -> None:
    """The write took effect."""
    waiter = leave(state, counter)
    if waiter is not None:
        out.add(Reply(waiter.token, Written(result)))


def read(state: State, out: Out, counter: int) -> None:
    """The read is confirmed: every operation it must see is applied here."""
    waiter = leave(state, counter)
    if waiter is None:
        return
    if waiter.key is None:
        # One snapshot, taken in this step, is the one point in the order; it is serialised later.
        out.add(Reply(waiter.token, Listing(out.listing(state), state.commit)))
    else:
        out.add(Reply(waiter.token, Value(state.store.data.get(waiter.key), state.commit)))


def reject(state: State, out: Out, counter: int, reason: Reason, certain: bool, detail: str) -> None:
    """Turn a waiting client away."""
    waiter = leave(state, counter)
    if waiter is not None:
        out.add(Reject(waiter.token, reason, certain, detail))
        out.note(Code.REJECTED, reason=reason.value, certain=int(certain), waited_for=detail)


def reject_all(state: State, out: Out, reason: Reason, detail: str) -> None:
    """Turn everyone away; only what may stand in a log is uncertain."""
    for waiter in list(state.waiting.clients.values()):
        reject(state, out, waiter.counter, reason, not waiter.exposed, detail)


def expire(state: State, out: Out) -> None:
    """Turn away those whose time is up."""
    arrivals = state.waiting.arrivals
    if not arrivals or arrivals[0][1] > state.now:
        return
    detail = explain(state, state.now)  # the same for all whose time is up now
    while arrivals and arrivals[0][1] <= state.now:
        waiter = state.waiting.clients[arrivals[0][0]]
        reject(state, out, waiter.counter, Reason.TIMEOUT, not waiter.exposed, detail)
