"""Where a write gets its place: the primary admits it to the log, parks it, or turns it away.

Admission is the one point at which "was this request here before?" is decided, so that the log never holds
a request twice and a position is the number of exactly one effective operation.
"""

from __future__ import annotations

from heapq import heappop, heappush

from . import quota, waiting
from .config import SECOND
from .effects import Reason
from .gate import ignore, lead_of
from .messages import Envelope, Forward, Forwarded, Verdict, VerdictCode
from .out import Out
from .state import FOREVER, Lead, Parked, State, Waiter
from .store import Known, fingerprint, forget_below
from .values import Operation, RequestId, Result

_NEW = Known.NEW
MARGIN = SECOND // 2
"""A forwarded write is turned away this much before its client's time is up (or a quarter of its patience,
if that is less), so that the certain "not applied" still arrives in time to be told."""


def place_local(state: State, lead: Lead, waiter: Waiter, out: Out) -> None:
    """A client of the primary wants to write."""
    if waiter.operation is not None:
        _admit(state, lead, Parked(waiter.operation, waiter.since, FOREVER), out)


def on_forward(state: State, envelope: Envelope, message: Forward, out: Out) -> None:
    """A backup brings its client's write."""
    lead = lead_of(state, out, envelope, message, message.ballot)
    if lead is None:
        return None
    operation = message.operation
    origin = (operation.origin, operation.incarnation)
    if origin != (envelope.sender, envelope.sender_incarnation):
        return ignore(state, out, "not_its_own_request", envelope, message)
    mark = lead.marks.get(origin, 0)
    if operation.settled > mark:
        lead.marks[origin] = operation.settled
        forget_below(lead.refused.get(origin, {}), mark, operation.settled)
    if operation.counter < lead.marks.get(origin, 0):
        return ignore(state, out, "settled", envelope, message)
    verdict = lead.refused.get(origin, {}).get(operation.counter)
    if verdict is not None:
        # A copy of a message that was answered "certainly not": the answer stands in this ballot, and
        # messages of another ballot are refused above.
        return _tell(state, lead, operation.request, VerdictCode(verdict), 0, out)
    patience = max(0, message.patience)
    deadline = state.now + patience - min(MARGIN, patience // 4)
    return _admit(state, lead, Parked(operation, message.since, deadline), out)


def _admit(state: State, lead: Lead, write: Parked, out: Out) -> None:
    operation = write.operation
    request = operation.request
    if request in lead.uncommitted or request in lead.parked or request in lead.echoing:
        return
    known = state.store.look_up(operation, write.since)
    if isinstance(known, Result):
        conclude(state, lead, request, known, out)
    elif known is _NEW or (known is Known.MAYBE_FORGOTTEN and _never_left(state, request)):
        waiter = _local_waiter(state, request)
        if waiter is not None:
            # What the base holds was answered, from the log or from the results. This stands in no log that
            # the view, or one after it, can begin with: it is as if it had only arrived.
            waiter.exposed = False
        _order(state, lead, write, out)
    elif known is Known.MAYBE_FORGOTTEN and not (
        operation.idempotency_key and _repeats(state, lead, operation, out)
    ):
        _turn_away(state, lead, request, VerdictCode.UNKNOWN, out)


def _order(state: State, lead: Lead, write: Parked, out: Out) -> None:
    """Give a new request its place, unless its idempotency key was used before, it would make the data too
    large, or a backup is suspected.
    """
    operation = write.operation
    if operation.idempotency_key and _repeats(state, lead, operation, out):
        return
    room = operation.size + quota.EXTRA
    if room > lead.room_left and quota.refuses(state, lead, operation):
        _turn_away(state, lead, operation.request, VerdictCode.STORE_FULL, out)
        quota.refused(state, lead, out)
        return
    if _closed(state, lead):
        _park(state, lead, write, out)
        return
    position = state.log.append(operation)
    lead.uncommitted[operation.request] = position
    lead.uncommitted_bytes += operation.size
    lead.room_left -= room
    if operation.idempotency_key:
        lead.claimed[operation.idempotency_key] = (fingerprint(operation), position)
    waiter = _local_waiter(state, operation.request)
    if waiter is not None:
        waiter.exposed = True


def _repeats(state: State, lead: Lead, operation: Operation, out: Out) -> bool:
    """Whether the idempotency key was used before; then the request is answered, or will be."""
    digest = fingerprint(operation)
    known = state.store.keys.get(operation.idempotency_key)
    if known is not None:
        if known[0] == digest:
            conclude(state, lead, operation.request, known[1], out)
        else:
            _turn_away(state, lead, operation.request, VerdictCode.KEY_REUSED, out)
        return True
    claimed = lead.claimed.get(operation.idempotency_key)
    if claimed is None:
        return False
    if claimed[0] == digest:
        # The first one has a place but is not committed: both get its answer then.
        waiter = _local_waiter(state, operation.request)
        if waiter is not None:
            waiter.exposed = True
        elif len(lead.echoing) >= state.config.max_waiting:
            _turn_away(state, lead, operation.request, VerdictCode.OVERLOADED, out)
            return True
        lead.echoes.setdefault(claimed[1], {})[operation.request] = None
        lead.echoing[operation.request] = claimed[1]
    else:
        _turn_away(state, lead, operation.request, VerdictCode.KEY_REUSED, out)
    return True


def _closed(state: State, lead: Lead) -> bool:
    """Whether new writes stay outside the log: a backup is suspected, or what is in it commits too slowly.

    Without the second a backup that always answers, but late, would let the log grow for ever.
    """
    if (
        len(lead.uncommitted) >= state.config.max_waiting
        or lead.uncommitted_bytes >= state.config.max_waiting_bytes
    ):
        return True
    for backup in lead.backups.values():  # noqa: SIM110 - asked for each write, and any() takes twice as long
        if backup.suspected:
            return True
    return False


def _park(state: State, lead: Lead, write: Parked, out: Out) -> None:
    request = write.operation.request
    size = write.operation.size
    if _local_waiter(state, request) is None:
        # Local ones are bounded where they entered.
        config = state.config
        if len(lead.parked) >= config.max_waiting or lead.parked_bytes + size > config.max_waiting_bytes:
            _turn_away(state, lead, request, VerdictCode.OVERLOADED, out)
            return
        heappush(lead.expiries, (write.deadline, request))
    lead.parked[request] = write
    lead.parked_bytes += size


def release(state: State, lead: Lead, out: Out) -> None:
    """Every backup answers again: what waited outside the log gets its place."""
    if not lead.parked or _closed(state, lead):
        return
    parked = lead.parked
    lead.parked = {}
    lead.parked_bytes = 0
    lead.expiries.clear()
    for write in parked.values():
        _order(state, lead, write, out)  # parks it again where the log fills up on the way


def expire(state: State, lead: Lead, out: Out) -> None:
    """Turn forwarded writes away whose clients will not wait much longer."""
    while lead.expiries and lead.expiries[0][0] <= state.now:
        _, request = heappop(lead.expiries)
        write = lead.parked.pop(request, None)
        if write is not None:
            lead.parked_bytes -= write.operation.size
            _turn_away(state, lead, request, VerdictCode.NOT_APPLIED, out)


def conclude(state: State, lead: Lead, request: RequestId, result: Result, out: Out) -> None:
    """A request has its result: tell whoever brought it."""
    if _is_local(state, request):
        waiting.written(state, out, request.counter, result)
    else:
        _tell(state, lead, request, VerdictCode(result.kind), result.position, out)


def _turn_away(state: State, lead: Lead, request: RequestId, code: VerdictCode, out: Out) -> None:
    if _is_local(state, request):
        reject(state, request.counter, code, state.config.max_data_bytes, out)
        return
    lead.refused.setdefault((request.origin, request.incarnation), {})[request.counter] = code
    _tell(state, lead, request, code, 0, out)


def reject(state: State, counter: int, code: VerdictCode, bound: int, out: Out) -> None:
    """Turn a client of this node away by a verdict of the primary, whose bound to the data is ``bound``."""
    reason, certain, detail = MEANING[code]
    if code is VerdictCode.STORE_FULL:
        detail = quota.words(state, bound)
    waiting.reject(state, out, counter, reason, certain, detail)


def _tell(state: State, lead: Lead, request: RequestId, code: VerdictCode, position: int, out: Out) -> None:
    if code is VerdictCode.STORE_FULL:
        position = state.config.max_data_bytes
    backup = lead.backups.get(request.origin)
    if backup is not None and backup.incarnation == request.incarnation:
        message = Forwarded(lead.ballot, (Verdict(request.counter, code, position),))
        out.send(state, backup.member, backup.incarnation, message)


def _is_local(state: State, request: RequestId) -> bool:
    return request.origin == state.id and request.incarnation == state.incarnation


def _never_left(state: State, request: RequestId) -> bool:
    """Whether a client of this node brought the request and nobody else has ever seen it."""
    waiter = _local_waiter(state, request)
    return waiter is not None and not waiter.exposed


def _local_waiter(state: State, request: RequestId) -> Waiter | None:
    return state.waiting.clients.get(request.counter) if _is_local(state, request) else None


MEANING: dict[VerdictCode, tuple[Reason, bool, str]] = {
    VerdictCode.NOT_APPLIED: (Reason.TIMEOUT, True, "the primary could not reach every backup in time"),
    VerdictCode.OVERLOADED: (Reason.OVERLOADED, True, "too many requests wait at the primary"),
    VerdictCode.KEY_REUSED: (
        Reason.KEY_REUSED,
        True,
        "this Idempotency-Key was used for a request with another method, key or value",
    ),
    VerdictCode.UNKNOWN: (
        Reason.TIMEOUT,
        False,
        "the request came back after so long that its answer may have been forgotten",
    ),
    VerdictCode.STORE_FULL: (Reason.STORE_FULL, True, "the data may not become larger"),
}
"""What a rejecting verdict means to the client: reason, whether it is certain, and the words."""
