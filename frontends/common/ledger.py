"""The end of every request: it is counted, named and, where that is asked for, logged and traced. Once each.

A request that nobody wants to hear more of is counted and let go: it gets no id and no line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter

from . import trace_context
from .logs import ACCESS, LOGGER, logfmt
from .meters import Meters, outcome_of
from .request_ids import HEADER, RequestIds
from .responses import Response, with_request_id
from .routes import Plan, Route
from .settings import Settings


class Ledger:
    """What one node keeps of the requests that it answered."""

    def __init__(self, settings: Settings, meters: Meters) -> None:
        self._node = settings.id
        self._meters = meters
        self._ids = RequestIds()
        self._level = logging.INFO if settings.access_log == "on" else logging.DEBUG
        # Looked up once: it would be asked for each request, and logs are set up before a node is.
        self._logs = ACCESS.isEnabledFor(self._level)
        self._logs_mail = ACCESS.isEnabledFor(logging.DEBUG)

    def end(self, request: Plan, headers: Mapping[str, str], response: Response, started: float) -> Response:
        """The answer as it goes out. ``started`` is when the request was whole, by ``perf_counter``."""
        seconds = perf_counter() - started
        self._meters.count(request.operation, response.status, response.reason, seconds)
        if response.status < 500 and HEADER not in headers and not self._logs:
            return response
        name = self._ids.of(headers)
        if self._logs and (self._logs_mail or request.route is not Route.PEER):
            self._log(request, headers, response, name, seconds)
        return with_request_id(response, name)

    def named(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The same with an id for the request, so that its answer has the one that stands in the log."""
        return {**headers, HEADER: self._ids.of(headers)}

    def failure(self, event: str, headers: Mapping[str, str]) -> None:
        """To be called by an exception's handler, with headers that were ``named``."""
        LOGGER.exception("%s", logfmt(self._node, event, **_names(headers)))

    def withheld(self, answer: Response, instead: Response) -> Response:
        """What a client gets in place of an answer, which was ended already."""
        self._meters.withheld()
        return with_request_id(instead, self._ids.of(dict(answer.headers)))

    def _log(
        self, request: Plan, headers: Mapping[str, str], response: Response, name: str, seconds: float
    ) -> None:
        fields: dict[str, object] = {
            "method": request.method,
            "route": request.template or "-",
            "status": response.status,
            "ms": round(seconds * 1000, 3),
            "outcome": outcome_of(request.operation, response.status, response.reason),
        }
        if response.reason:
            fields["reason"] = response.reason
        level = logging.DEBUG if request.route is Route.PEER else self._level
        fields |= _names({**headers, HEADER: name})
        ACCESS.log(level, "%s", logfmt(self._node, "request", **fields))


def _names(headers: Mapping[str, str]) -> dict[str, object]:
    """By what a request is found again: its id and, if it came with one, the id of its trace."""
    found: dict[str, object] = {"request_id": headers[HEADER]}
    context = trace_context.parse(headers.get("traceparent"))
    if context is not None:
        found["trace_id"] = context.trace_id
    return found
