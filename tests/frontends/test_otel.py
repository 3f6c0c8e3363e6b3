"""Spans of requests, by the SDK's exporter in memory: one each, below the caller's, across two nodes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from frontends.common import otel, starting, tracing
from frontends.common.settings import SettingError, Settings

from .pair import Pair

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=value"}


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Where the spans of all nodes of a test go."""
    made = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(made))
    monkeypatch.setattr(otel, "provider", lambda: provider)
    return made


@pytest.fixture
def pair(exporter: InMemorySpanExporter) -> Pair:
    """Two nodes that trace, with an active view, and nothing traced yet."""
    pair = Pair(tracing="on")
    pair.install()
    pair.ask(2, "GET", b"/data/none")  # by which the backup hears that the primary speaks version 2
    exporter.clear()
    return pair


def ids(span: ReadableSpan) -> tuple[str, str]:
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Without the request's id, which is looked at by itself."""
    found = dict(span.attributes or {})
    found.pop("pbproto.request_id", None)
    return found


def test_a_request_is_a_span_below_its_callers(pair: Pair, exporter: InMemorySpanExporter) -> None:
    """Goal: a write is a part of the trace it was made in. Method: a write at the primary, with a parent."""
    answer = pair.ask(1, "PUT", b"/data/secret", {"value": "v"}, HEADERS)
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("PUT /data/{key}", SpanKind.SERVER)
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.parent.is_remote
    assert ids(span)[0] == TRACE
    context = span.get_span_context()
    assert context is not None
    assert context.trace_state.to_header() == "vendor=value"
    assert attributes(span) == {
        "http.request.method": "PUT",
        "http.route": "/data/{key}",
        "http.response.status_code": 201,
        "pbproto.msg_num": 0,
        "pbproto.node": 1,
        "pbproto.outcome": "created",
    }
    assert span.attributes is not None
    assert span.attributes["pbproto.request_id"] == dict(answer.headers)["x-request-id"]
    assert span.status.status_code is StatusCode.UNSET
    assert "secret" not in span.to_json()


def test_a_request_without_a_parent_begins_a_trace(pair: Pair, exporter: InMemorySpanExporter) -> None:
    """Goal: nothing is lost for want of a header. Method: reads with none and with bad ones."""
    for headers in ({}, {"traceparent": "00-nonsense"}, {"tracestate": "a=b"}):
        pair.ask(1, "GET", b"/data/none", headers=headers)
    spans = exporter.get_finished_spans()
    assert len({ids(span)[0] for span in spans}) == 3
    assert all(span.parent is None for span in spans)
    assert [attributes(span)["pbproto.outcome"] for span in spans] == ["missing"] * 3
    assert all(span.status.status_code is StatusCode.UNSET for span in spans)


def test_a_forwarded_write_has_a_span_at_the_primary(pair: Pair, exporter: InMemorySpanExporter) -> None:
    """Goal: one trace over both nodes. Method: writes through the backup."""
    for method, target, document, outcome, number in (
        ("PUT", b"/data/k", {"value": "v"}, "created", 0),
        ("DELETE", b"/data/k", None, "deleted", 1),
        ("DELETE", b"/data/k", None, "missing", 2),
    ):
        exporter.clear()
        pair.ask(2, method, target, document, HEADERS)
        spans = {span.name: span for span in exporter.get_finished_spans()}
        assert len(spans) == 2
        client, primary = spans[f"{method} /data/{{key}}"], spans[f"forwarded {method}"]
        assert ids(client)[0] == ids(primary)[0] == TRACE
        assert primary.parent is not None
        assert f"{primary.parent.span_id:016x}" == ids(client)[1]
        assert primary.parent.is_remote
        assert attributes(primary) == {
            "http.request.method": method,
            "http.route": "/data/{key}",
            "pbproto.node": 1,
            "pbproto.origin": 2,
            "pbproto.outcome": outcome,
            "pbproto.msg_num": number,
        }
        assert attributes(client)["pbproto.node"] == 2
        assert attributes(client)["pbproto.msg_num"] == number
        for span in (client, primary):
            assert span.start_time is not None
            assert span.end_time is not None
            assert 0 <= span.end_time - span.start_time < 60 * 10**9


def test_what_was_sent_again_has_one_span(pair: Pair, exporter: InMemorySpanExporter) -> None:
    """Goal: a span is a write, not a message. Method: the same mail to the primary twice."""
    waiting = pair.begin(2, "PUT", b"/data/k", b'{"value":"v"}', HEADERS)
    mail = pair.nodes[2].take_mail("127.0.0.1:8081")
    for answer in [pair.begin(1, "POST", b"/peer", mail)[0] for _ in range(2)]:
        assert isinstance(answer.body, bytes)
        pair.nodes[2].receive_answers(answer.body, "127.0.0.1:8081", None)
    pair.carry()
    assert [answer.status for answer in waiting] == [201]
    names = [span.name for span in exporter.get_finished_spans()]
    assert sorted(names) == ["PUT /data/{key}", "forwarded PUT"]


def test_a_rejection_is_an_error(exporter: InMemorySpanExporter) -> None:
    """Goal: failures stand out. Method: a write whose end is not known, and a bad one."""
    pair = Pair(tracing="on")
    pair.install()
    exporter.clear()
    pair.begin(1, "PUT", b"/data/k", b'{"value":"v"}', HEADERS)
    pair.nodes[1].close()
    pair.ask(1, "PUT", b"/data/%zz", {"value": "v"})
    unknown, bad = exporter.get_finished_spans()
    assert attributes(unknown)["pbproto.outcome"] == "unknown"
    assert attributes(unknown)["error.type"] == "closing"
    assert "pbproto.msg_num" not in attributes(unknown)
    assert unknown.status.status_code is StatusCode.ERROR
    assert (attributes(bad)["pbproto.outcome"], attributes(bad)["http.route"]) == (
        "bad_request",
        "/data/{key}",
    )
    assert bad.status.status_code is StatusCode.UNSET


def test_methods_and_paths_of_strangers_are_bounded(pair: Pair, exporter: InMemorySpanExporter) -> None:
    """Goal: names of spans are few, as the conventions ask. Method: a made-up method at a made-up path."""
    pair.ask(1, "BREW", b"/coffee")
    (span,) = exporter.get_finished_spans()
    assert span.name == "HTTP"
    assert attributes(span)["http.request.method"] == "_OTHER"
    assert attributes(span)["http.request.method_original"] == "BREW"
    assert "http.route" not in attributes(span)


def test_what_is_not_sampled_is_not_recorded(pair: Pair, exporter: InMemorySpanExporter) -> None:
    """Goal: the caller's decision holds on both nodes. Method: a forwarded write of an unsampled trace."""
    pair.ask(2, "PUT", b"/data/k", {"value": "v"}, {"traceparent": f"00-{TRACE}-{SPAN}-00"})
    assert exporter.get_finished_spans() == ()


def test_an_answer_that_could_not_be_written_is_one_span(
    pair: Pair, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: a fault of ours is seen where it happened. Method: let the answer fail."""

    def broken(_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(pair.apis[1], "_answer", broken)
    answer = pair.ask(1, "GET", b"/data/k", headers=HEADERS)
    assert answer.status == 500
    (span,) = exporter.get_finished_spans()
    assert ids(span)[0] == TRACE
    assert attributes(span)["error.type"] == "internal_error"


def test_off_there_is_none(exporter: InMemorySpanExporter) -> None:
    """Goal: nobody traces who did not ask to. Method: the default settings."""
    pair = Pair()
    pair.install()
    pair.ask(2, "PUT", b"/data/k", {"value": "v"}, HEADERS)
    assert exporter.get_finished_spans() == ()
    assert pair.nodes[1].forwards is None
    assert tracing.start(Settings(id=1)) is None


# What makes the spans.


@pytest.fixture
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nobody has set up OpenTelemetry."""
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    for name in ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_fresh")
def test_the_standard_variables_name_the_exporters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: whoever knows OpenTelemetry knows how. Method: each form of the variables."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "my-store")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    finishers: list[Callable[[], None]] = []
    monkeypatch.setattr(otel, "at_exit", finishers.append)
    made = otel.provider()
    assert isinstance(made, TracerProvider)
    assert made.resource.attributes["service.name"] == "my-store"
    assert not made.get_tracer("t").start_span("s").is_recording()
    assert len(finishers) == 1
    finishers[0]()

    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "console, none")
    otel.check()
    assert list(otel._named({"OTEL_TRACES_EXPORTER": "console,console"})) == [ConsoleSpanExporter]


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "pip install opentelemetry-exporter-otlp-proto-grpc"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "pip install opentelemetry-exporter-otlp-proto-http",
        ),
        ({"OTEL_TRACES_EXPORTER": "strange"}, "'strange'"),
    ],
)
def test_a_missing_exporter_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
    words: str,
) -> None:
    """Goal: a node that cannot trace says so at its start. Method: exporters that are not installed here."""
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError, match="tracing=on needs"):
        tracing.start(Settings(id=1, tracing="on"))
    with pytest.raises(SystemExit) as ended:
        starting.check_or_exit(Settings(id=1, tracing="on"), "program")
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("program: tracing=on needs")
    assert words in line
    starting.check_or_exit(Settings(id=1), "program")


def test_a_provider_that_is_there_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: ``opentelemetry-instrument`` has its say. Method: pretend that it has set one up."""
    theirs = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: theirs)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "strange")
    assert otel.provider() is theirs
    otel.check()


def test_without_the_package_a_node_says_what_to_install() -> None:
    """Goal: the extra is optional. Method: a process in which OpenTelemetry cannot be imported."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from frontends.common import starting, tracing\n"
        "from frontends.common.settings import Settings\n"
        "assert tracing.start(Settings(id=1)) is None\n"
        "starting.check_or_exit(Settings(id=1, tracing='on'), 'program')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("program: tracing=on needs")
    assert "pip install 'pbproto[otel]'" in done.stderr
