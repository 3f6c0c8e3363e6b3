"""Counts what an application asks of its own node, in the series of the requests that come over HTTP.

What a request is called, which outcome it has and from when to when it takes are the same by both ways, so
the sums and alerts that are made of these series are right for a node in an application. What HTTP itself
takes is not in the time of either. Nothing of this is on the way of a request over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from pbproto import Listing, Reject
from pbproto.effects import Written

from .meters import Meters
from .node import Answer
from .responses import WRITTEN, Response, rejection

_DONE = (200, "")
_MISSING = (404, "no_such_key")


class Tally:
    """Counts at one node. Safe for threads."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def counted(self, operation: str, done: Callable[[Answer], None]) -> Callable[[Answer], None]:
        """``done`` for a request that begins now. What became of it is counted, though nobody may wait."""
        started = perf_counter()

        def count_and_tell(answer: Answer) -> None:
            status, reason = _seen(answer)
            self._meters.count(operation, status, reason, perf_counter() - started)
            done(answer)

        return count_and_tell

    def count(self, operation: str, response: Response | None, started: float | None = None) -> None:
        """A request that was answered at once; without a ``response`` all went well."""
        status, reason = _DONE if response is None else (response.status, response.reason)
        self._meters.count(operation, status, reason, 0.0 if started is None else perf_counter() - started)


def _seen(answer: Answer) -> tuple[int, str]:
    """The status and the reason that it would have over HTTP."""
    if isinstance(answer, Reject):
        response = rejection(answer)
        return response.status, response.reason
    outcome = answer.outcome
    if isinstance(outcome, Written):
        status = WRITTEN.get(outcome.result.kind.value)
        return _MISSING if status is None else (status, "")
    if isinstance(outcome, Listing) or outcome.value is not None:
        return _DONE
    return _MISSING
