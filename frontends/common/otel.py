"""Spans of requests, by OpenTelemetry: imported only where tracing is on, ``pip install 'pbproto[otel]'``.

Attributes follow the semantic conventions for HTTP servers, but for the path: keys are data of clients.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.context import Context as OtelContext
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)

from . import trace_context
from .forwards import ForwardedWrite
from .meters import outcome_of
from .recorder import at_exit, forget
from .responses import Response
from .routes import Plan, Route
from .settings import SettingError, Settings
from .trace_context import Context

FLUSH = 2.0
"""Seconds that the spans of the last moments get to be exported when the node stops."""
_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"))


class Traced(dict[str, str]):
    """The headers of a request with a span, whose context stands in them as if the client had sent it."""

    span: Span


class Tracing:
    """The spans of one node."""

    def __init__(self, settings: Settings, provider: trace.TracerProvider) -> None:
        self._node = settings.id
        self._tracer = provider.get_tracer("pbproto")

    def begin(self, request: Plan, headers: Mapping[str, str]) -> Mapping[str, str]:
        """Begin the span of a request; what goes on with it gets these headers. Peers' mail has none."""
        if request.route is Route.PEER:
            return headers
        known = request.method in _METHODS
        attributes: dict[str, str | int] = {
            "http.request.method": request.method if known else "_OTHER",
            "pbproto.node": self._node,
        }
        if not known:
            attributes["http.request.method_original"] = request.method
        if request.template:
            attributes["http.route"] = request.template
        traced = Traced(headers)
        traced.span = self._tracer.start_span(
            f"{request.method if known else 'HTTP'} {request.template}".rstrip(),
            _parent(trace_context.of(headers)),
            SpanKind.SERVER,
            attributes,
        )
        here = _context_of(traced.span)
        traced["traceparent"] = here.parent
        traced["tracestate"] = here.state
        return traced

    def end(self, request: Plan, headers: Mapping[str, str], response: Response, request_id: str) -> None:
        """End the span of a request, or make the one of a request that was answered at once."""
        if not isinstance(headers, Traced):
            headers = self.begin(request, headers)
            if not isinstance(headers, Traced):
                return
        span = headers.span
        if span.is_recording():
            span.set_attribute("http.response.status_code", response.status)
            span.set_attribute(
                "pbproto.outcome", outcome_of(request.operation, response.status, response.reason)
            )
            span.set_attribute("pbproto.request_id", request_id)
            for name, value in response.headers:
                if name == "msg-num":
                    span.set_attribute("pbproto.msg_num", int(value))
            if response.status >= 500:
                span.set_attribute("error.type", response.reason or str(response.status))
                span.set_status(Status(StatusCode.ERROR))
        span.end()

    def forwarded(self, write: ForwardedWrite) -> None:
        """The span of a write that a backup sent on to this primary, below that of the client's request."""
        attributes: dict[str, str | int] = {
            "http.request.method": write.method,
            "http.route": "/data/{key}",
            "pbproto.node": self._node,
            "pbproto.origin": write.origin,
            "pbproto.outcome": write.outcome,
        }
        if write.msg_num is not None:
            attributes["pbproto.msg_num"] = write.msg_num
        span = self._tracer.start_span(
            f"forwarded {write.method}",
            _parent(write.context),
            SpanKind.SERVER,
            attributes,
            start_time=write.began,
        )
        if write.outcome in ("not_applied", "unknown"):
            span.set_attribute("error.type", write.outcome)
            span.set_status(Status(StatusCode.ERROR))
        span.end(write.began + round(write.seconds * 1e9))


def _parent(context: Context | None) -> OtelContext:
    """Where a span belongs: below its caller's, or in a trace of its own; never below what else goes on."""
    if context is None:
        return OtelContext()
    caller = SpanContext(
        int(context.trace_id, 16),
        int(context.span_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(context.flags),
        trace_state=TraceState.from_header([context.state]) if context.state else None,
    )
    return trace.set_span_in_context(NonRecordingSpan(caller), OtelContext())


def _context_of(span: Span) -> Context:
    here = span.get_span_context()
    return Context(
        f"{here.trace_id:032x}", f"{here.span_id:016x}", int(here.trace_flags), here.trace_state.to_header()
    )


def provider() -> trace.TracerProvider:
    """What makes the spans: the process's own provider, or else one by the standard variables ``OTEL_…``.

    A process that was set up before, by ``opentelemetry-instrument`` or in code, is left as it is. Otherwise
    ``OTEL_TRACES_EXPORTER`` names the exporters (``otlp`` if it is not set), and sampler, limits and resource
    are read by the SDK. Raises ``SettingError`` for an exporter that is not installed.
    """
    existing = trace.get_tracer_provider()
    if not isinstance(existing, trace.ProxyTracerProvider):
        return existing
    made = TracerProvider(shutdown_on_exit=False)
    for make in _named(os.environ):
        made.add_span_processor(BatchSpanProcessor(make()))

    def finish() -> None:
        forget(finish)  # once is enough: the process waits for it
        _flush(made)

    at_exit(finish)
    return made


def _named(environ: Mapping[str, str]) -> Iterator[Callable[[], SpanExporter]]:
    """What makes the exporters that the environment names. Raises ``SettingError`` if one is not there."""
    names = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
    for name in dict.fromkeys(word.strip() for word in names.split(",")):
        if name == "none":
            continue
        wanted = name
        if name == "otlp":
            protocol = environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get(
                "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"
            )
            wanted = "otlp_proto_http" if protocol.startswith("http/") else "otlp_proto_grpc"
        found = next(iter(entry_points(group="opentelemetry_traces_exporter", name=wanted)), None)
        if found is None:
            hint = (
                f"pip install opentelemetry-exporter-{wanted.replace('_', '-')}"
                if name == "otlp"
                else "install it"
            )
            raise SettingError(
                f"tracing=on needs the exporter {wanted!r} (OTEL_TRACES_EXPORTER={names}): {hint}, "
                "or name another one, or none"
            )
        try:
            yield found.load()
        except ImportError as error:
            raise SettingError(f"tracing=on: the exporter {wanted!r} is not whole: {error}") from None


def check() -> None:
    """Raises ``SettingError`` if there would be no ``provider``; makes no exporter, which might send."""
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        list(_named(os.environ))


def _flush(made: TracerProvider) -> None:
    """Bounded by ourselves: an exporter tries for as long as it likes, and a node has to end."""
    flushing = threading.Thread(target=made.force_flush, daemon=True)
    flushing.start()
    flushing.join(FLUSH)
