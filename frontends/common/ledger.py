"""The end of every request: it is counted, named and, where that is asked for, logged and traced. Once each.

A request that nobody wants to hear more of is counted and let go: it gets no id and no line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from time import perf_counter

from . import trace_context, tracing
from .forwards import ForwardedWrite, Forwards
from .logs import ACCESS, LOGGER, logfmt
from .meters import outcome_of
from .node import Node
from .request_ids import HEADER, RequestIds
from .responses import Response, with_request_id
from .routes import Plan, Route


class Ledger:
    """What one node keeps of the requests that it answered."""

    def __init__(self, node: Node) -> None:
        settings = node.settings
        self._node = node.id
        self._meters = node.meters
        self._ids = RequestIds(node.incarnation)
        self._level = logging.INFO if settings.access_log == "on" else logging.DEBUG
        # Looked up once: it would be asked for each request, and logs are set up before a node is.
        self._logs = ACCESS.isEnabledFor(self._level)
        self._logs_mail = ACCESS.isEnabledFor(logging.DEBUG)
        self.tracing = tracing.start(settings)
        """Where a request that begins to be handled gets its span, or ``None``."""
        self._quiet = not self._logs and self.tracing is None
        if not self._quiet:
            node.forwards = Forwards(self._forwarded)

    def end(
        self,
        request: Plan,
        headers: Mapping[str, str],
        response: Response,
        started: float,
        name: str = "",
    ) -> Response:
        """The answer as it goes out. ``started`` is when the request was whole, by ``perf_counter``.

        ``name`` is the id of the request if it has one already.
        """
        seconds = perf_counter() - started
        self._meters.count(request.operation, response.status, response.reason, seconds)
        if self._quiet and response.status < 500 and HEADER not in headers:
            return response
        name = name or self._ids.of(headers)
        if self._logs and (self._logs_mail or request.route is not Route.PEER):
            self._log(request, headers, response, name, seconds)
        if self.tracing is not None:
            self.tracing.end(request, headers, response, name)
        return with_request_id(response, name)

    def failure(self, event: str, headers: Mapping[str, str]) -> str:
        """To be called by an exception's handler; the id of the request, as it stands in the log."""
        name = self._ids.of(headers)
        LOGGER.exception("%s", logfmt(self._node, event, **_names(headers, name)))
        return name

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
        fields |= _names(headers, name)
        ACCESS.log(level, "%s", logfmt(self._node, "request", **fields))

    def _forwarded(self, write: ForwardedWrite) -> None:
        if self._logs:
            fields: dict[str, object] = {
                "method": write.method,
                "origin": write.origin,
                "ms": round(write.seconds * 1000, 3),
                "outcome": write.outcome,
            }
            if write.msg_num is not None:
                fields["msg_num"] = write.msg_num
            if write.context is not None:
                fields["trace_id"] = write.context.trace_id
            ACCESS.log(self._level, "%s", logfmt(self._node, "forwarded", **fields))
        if self.tracing is not None:
            self.tracing.forwarded(write)


def _names(headers: Mapping[str, str], name: str) -> dict[str, object]:
    """By what a request is found again: its id and, if it came with one, the id of its trace."""
    found: dict[str, object] = {"request_id": name}
    context = trace_context.parse(headers.get("traceparent"))
    if context is not None:
        found["trace_id"] = context.trace_id
    return found
