"""Writes that backups sent on to this primary, from when they came to when their verdict left.

Only for log and traces: the replica knows nothing of it, and a write that is forgotten here is served all the
same. Made only where the access log or tracing is on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pbproto import Effect, Event, Receive, Send
from pbproto.messages import Forward, Forwarded, VerdictCode

from . import trace_context
from .trace_context import Context

MAX_PENDING = 10_000
"""Beyond it the oldest is forgotten: its view ended before there was a verdict, or its backup did."""

_OUTCOMES = {VerdictCode.OVERLOADED: "not_applied"}


@dataclass(slots=True)
class ForwardedWrite:
    """A write that came from a backup."""

    method: str
    origin: int
    """The id of the backup."""
    context: Context | None
    """The trace of the client's request, if it has one."""
    began: int
    """Nanoseconds since the epoch."""
    seconds: float = 0.0
    outcome: str = ""
    msg_num: int | None = None
    """Its place in the total order, if it has one."""


_Name = tuple[int, int, int]


class Forwards:
    """The writes of which there is no verdict yet. ``ended`` is called with each of which there is one."""

    def __init__(self, ended: Callable[[ForwardedWrite], None]) -> None:
        self.ended = ended
        self._pending: dict[_Name, ForwardedWrite] = {}

    def look(self, event: Event, effects: Iterable[Effect]) -> list[ForwardedWrite]:
        """What came to its end in this step. To be called under the node's lock, in order of steps."""
        if isinstance(event, Receive) and isinstance(event.message, Forward):
            self._begin(event.message)
        if not self._pending:
            return []
        return [
            write
            for effect in effects
            if isinstance(effect, Send) and isinstance(effect.message, Forwarded)
            for write in self._end(
                effect.envelope.receiver, effect.envelope.receiver_incarnation, effect.message
            )
        ]

    def _begin(self, message: Forward) -> None:
        operation = message.operation
        name = (operation.origin, operation.incarnation, operation.counter)
        if name in self._pending:
            return  # sent again
        self._pending[name] = ForwardedWrite(
            "DELETE" if operation.value is None else "PUT",
            operation.origin,
            trace_context.unpack(message.trace),
            time.time_ns(),
        )
        if len(self._pending) > MAX_PENDING:
            del self._pending[next(iter(self._pending))]

    def _end(self, origin: int, incarnation: int, message: Forwarded) -> Iterable[ForwardedWrite]:
        now = time.time_ns()
        for counter, code, position in message.verdicts:
            write = self._pending.pop((origin, incarnation, counter), None)
            if write is not None:
                write.seconds = max(0, now - write.began) / 1e9
                write.outcome = _OUTCOMES.get(code, VerdictCode(code).name.lower())
                write.msg_num = position if code <= VerdictCode.MISSING else None
                yield write
