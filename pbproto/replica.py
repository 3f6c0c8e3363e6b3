"""The one door into the core: events in, effects out."""

from __future__ import annotations

from typing import assert_never, get_args
from zlib import crc32

from . import (
    backup,
    commit,
    filling,
    forwarding,
    gate,
    ordering,
    proposing,
    quota,
    reads,
    replication,
    requests,
    seeking,
    transfer,
    views,
    waiting,
)
from .advice import Advice, advise
from .buckets import BucketMap, Place
from .config import Config
from .effects import Code, Effect, Reason
from .errors import InvariantError, UsageError
from .events import Batch, Close, Delete, Event, Get, GetAll, Put, Receive, Request, TellView, Tick
from .gauges import Gauges, measure
from .inside import Inside, look
from .messages import (
    Adopt,
    Adopted,
    Confirm,
    Confirmed,
    Envelope,
    Fetch,
    Forward,
    Forwarded,
    Learned,
    LogChunk,
    Message,
    Offer,
    Promise,
    Propose,
    Refuse,
    Replicate,
    Replicated,
    Seek,
    SnapshotChunk,
    Told,
)
from .out import Out
from .state import FOREVER, State, check
from .status import Status, describe
from .store import Store
from .values import MAX_ID, MAX_IDEMPOTENCY_KEY_BYTES, MAX_KEY_BYTES, MAX_TRACE_BYTES, MAX_VALUE_BYTES
from .why import Why, why


class Replica:
    """One node of the store, without clock, chance, threads or I/O.

    ``id`` is an int from 0 to 2**63-1 and never changes. ``incarnation`` is 64 random bits, not 0, that the
    caller draws at each start: it is how other nodes notice that this one has forgotten everything.

    The same events at the same times give the same effects, byte for byte, in every process.

    ``place`` decides in which order keys are listed, as ``BucketMap`` says; what it gives must not change.
    """

    def __init__(
        self, id_: int, incarnation: int, config: Config | None = None, place: Place = crc32
    ) -> None:
        if not 0 <= id_ <= MAX_ID:
            raise UsageError(f"a node's id is between 0 and {MAX_ID}, not {id_}")
        if not 0 < incarnation < 2**64:
            raise UsageError("an incarnation has 64 bits and is not 0")
        self._state = State(id_, incarnation, config or Config(), store=Store(BucketMap(place=place)))
        self._busy = False
        self._broken = ""
        self._deadline = FOREVER

    @property
    def deadline(self) -> int | None:
        """When to come back with a ``Tick`` if nothing else happens before; ``None`` for never."""
        return None if self._deadline >= FOREVER else self._deadline

    @property
    def state(self) -> State:
        """The whole state, for tests and tools. Whoever changes it is on their own."""
        return self._state

    def status(self, now: int) -> Status:
        """What this node can say about itself at ``now`` (nanoseconds)."""
        return describe(self._state, now)

    def look(self, now: int) -> Inside:
        """What goes on in this node at ``now`` (nanoseconds): who lags, what is on its way, what is kept."""
        return look(self._state, now)

    def why(self, now: int) -> Why:
        """What the clients of this node wait for at ``now`` (nanoseconds)."""
        return why(self._state, now)

    def advise(self, now: int) -> Advice | None:
        """What is wrong at ``now`` (nanoseconds) and what ends it; ``None`` where nothing has to be done."""
        return advise(self._state, now)

    def gauges(self, now: int) -> Gauges:
        """Its figures at ``now``, for whoever draws curves."""
        return measure(self._state, now)

    def has_room(self, size: int) -> bool:
        """Whether a client's request of ``size`` bytes would not be turned away as ``OVERLOADED`` now.

        What it says may be old before the request arrives. May be called by any thread, also during a step.
        """
        return not waiting.full(self._state, size)

    def step(self, event: Event, *, now: int) -> tuple[Effect, ...]:
        """Let ``event`` happen at ``now`` (integer nanoseconds of a monotonic clock); what has to be done.

        The effects are to be executed in order. A clock that goes back is taken to stand still. Raises
        ``UsageError`` where the caller broke the rules (nothing has changed then) and ``InvariantError``
        where the replica finds itself in a state that must not be: from then on it refuses to work.
        """
        if self._broken:
            raise InvariantError(self._broken)
        if self._busy:
            raise UsageError("step is not re-entrant")
        _check_use(event, now)
        state, out = self._state, Out()
        self._busy = True
        try:
            state.now = max(state.now, now)
            _happen(state, event, out)
            _pass_time(state, out)
            _push_on(state, out)
            state.store.data.tidy()
            check(state)
            self._deadline = _deadline(state)
        except BaseException as error:
            self._broken = str(error) or type(error).__name__
            raise
        finally:
            self._busy = False
        return tuple(out.effects)


def _check_use(event: Event, now: int) -> None:
    if type(now) is not int:
        raise UsageError("time is an integer number of nanoseconds")
    if isinstance(event, Batch):
        for request in event.requests:
            if not isinstance(request, _REQUEST):
                raise UsageError(f"{request!r} is not a request of a client")
            check_request(request)
    elif isinstance(event, _REQUEST):
        check_request(event)
    elif not isinstance(event, Event):
        raise UsageError(f"{event!r} is not an event")


_REQUEST = get_args(Request)  # isinstance takes a tuple in half the time that it takes for a union


def check_request(request: Request) -> None:
    """Raises ``UsageError`` for a request that no replica takes, whatever its state."""
    if isinstance(request, GetAll):
        return
    if not 0 < len(request.key) <= MAX_KEY_BYTES:
        raise UsageError(f"a key has 1 to {MAX_KEY_BYTES} bytes")
    if isinstance(request, Get):
        return
    if len(request.idempotency_key) > MAX_IDEMPOTENCY_KEY_BYTES:
        raise UsageError(f"an idempotency key has at most {MAX_IDEMPOTENCY_KEY_BYTES} bytes")
    if len(request.trace) > MAX_TRACE_BYTES:
        raise UsageError(f"a trace context has at most {MAX_TRACE_BYTES} bytes")
    if isinstance(request, Put) and len(request.value) > MAX_VALUE_BYTES:
        raise UsageError(f"a value has at most {MAX_VALUE_BYTES} bytes")


def _happen(state: State, event: Event, out: Out) -> None:
    match event:
        case Receive():
            if gate.admit(state, event.envelope, event.message, out):
                _receive(state, event.envelope, event.message, out)
        case Put() | Delete() | Get() | GetAll():
            requests.on_request(state, event, out)
        case Batch():
            requests.on_batch(state, event.requests, out)
        case TellView():
            views.on_tell(state, event.view, event.incarnation, out)
        case Tick():
            pass
        case Close():
            waiting.reject_all(state, out, Reason.CLOSING, "the node is stopping")
            if not state.closing:
                out.note(Code.CLOSED)
            state.closing = True
        case _:
            assert_never(event)


def _receive(state: State, envelope: Envelope, message: Message, out: Out) -> None:
    match message:
        case Replicate():
            backup.on_replicate(state, envelope, message, out)
        case Replicated():
            commit.on_replicated(state, envelope, message, out)
        case Forward():
            ordering.on_forward(state, envelope, message, out)
        case Forwarded():
            forwarding.on_forwarded(state, envelope, message, out)
        case Confirm():
            reads.on_confirm(state, envelope, message, out)
        case Confirmed():
            forwarding.on_confirmed(state, envelope, message, out)
        case Told():
            views.on_told(state, envelope, message, out)
        case Propose():
            proposing.on_propose(state, envelope, message, out)
        case Promise():
            proposing.on_promise(state, envelope, message, out)
        case Adopt():
            transfer.on_adopt(state, envelope, message, out)
        case Adopted():
            transfer.on_adopted(state, envelope, message, out)
        case Fetch():
            filling.on_fetch(state, envelope, message, out)
        case LogChunk():
            transfer.on_log_chunk(state, envelope, message, out)
        case SnapshotChunk():
            transfer.on_snapshot_chunk(state, envelope, message, out)
        case Seek():
            filling.on_seek(state, envelope, message, out)
        case Offer():
            seeking.on_offer(state, envelope, message, out)
        case Learned():
            filling.on_learned(state, envelope, message, out)
        case Refuse():
            proposing.on_refuse(state, envelope, message, out)
        case _:
            assert_never(message)


def _pass_time(state: State, out: Out) -> None:
    """Whatever is due by now, whichever event came."""
    waiting.expire(state, out)
    views.on_time(state, out)
    proposing.on_time(state, out)
    seeking.on_time(state, out)
    transfer.on_time(state, out)
    if state.lead is not None:
        ordering.expire(state, state.lead, out)
        replication.on_time(state, state.lead, out)
        filling.on_time(state, state.lead, out)
    if state.follow is not None:
        forwarding.on_time(state, state.follow, out)


def _push_on(state: State, out: Out) -> None:
    """Whatever can go on after this event goes on now, so that no handler has to remember whom to wake."""
    if state.lead is not None:
        ordering.release(state, state.lead, out)
        replication.progress(state, state.lead, out)
        quota.look(state, state.lead, out)
    if state.follow is not None:
        forwarding.progress(state, state.follow, out)


def _deadline(state: State) -> int:
    arrivals = state.waiting.arrivals
    first = arrivals[0][1] if arrivals else FOREVER
    first = min(first, views.deadline(state), proposing.deadline(state), transfer.deadline(state))
    first = min(first, seeking.deadline(state))
    lead, follow = state.lead, state.follow
    if lead is not None:
        first = min(first, replication.deadline(state, lead), filling.deadline(state, lead))
        if lead.expiries:
            first = min(first, lead.expiries[0][0])
    if follow is not None:
        first = min(first, forwarding.deadline(state, follow))
    return first
