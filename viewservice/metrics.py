"""``GET /metrics`` of the service: what an instance counts, and how things are, as Prometheus reads it.

Label values are words of ours and ids of nodes that people added: all bounded. What is known only to the
instance that acts is there only while it acts, so that an alert cannot rest on what another one remembers.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from frontends.common.metrics import buckets, counters, render
from pbproto import __version__
from pbproto.config import SECOND

from .choosing import TROUBLES
from .core import Service
from .judging import Sight, suspected_members
from .meters import Meters
from .stores import Store


class Exposition:
    """The metrics of one instance."""

    def __init__(self, service: Service, meters: Meters, store: Store) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_InstanceCollector(service, meters, store))

    def render(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format that an ``Accept`` header asks for, and its media type."""
        return render(self._registry, accept)


class _InstanceCollector(Collector):
    """Reads one instance at each scrape."""

    def __init__(self, service: Service, meters: Meters, store: Store) -> None:
        self._service, self._meters, self._store = service, meters, store

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering is no reason to look at the instance."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families, each with what it has now."""
        words = {"version": __version__, "python": platform.python_version(), "store": self._store.kind}
        yield InfoMetricFamily("pbproto_viewservice_build", "What this instance is.", words)
        yield _gauge("acting", "Whether this instance is the one that acts.", self._service.leading)
        sight = self._service.sight()
        if sight is not None:
            yield from _of_the_view(sight, self._service)
            yield from _of_members(sight)
        yield from _of_decisions(self._meters)
        yield from _of_the_store(self._meters, self._store)
        yield from _of_talking(self._meters)


def _of_the_view(sight: Sight, service: Service) -> Iterator[Metric]:
    record = sight.record
    yield _gauge(
        "view_epoch", "The number of the view that was decided last, 0 while there is none.", record.epoch
    )
    yield _gauge("view_active", "Whether that view is known to be active.", sight.active)
    yield _gauge("view_members", "Members of that view.", len(record.ids))
    yield _gauge("view_size", "How many members a view should have.", record.size)
    spares = len(record.nodes) - len(record.ids) - len(record.kept_out)
    yield _gauge("spares", "Nodes that may be taken into the view.", spares)
    yield _gauge("kept_out", "Nodes that stay outside because of a switchover.", len(record.kept_out))
    yield _gauge("paused", "Whether a person has ordered that nothing is changed.", record.paused)
    told, untold = service.told
    yield _gauge("nodes_told", "Nodes that have obeyed that view.", told)
    yield _gauge("nodes_untold", "Nodes that are still to be told that view.", untold)
    trouble = GaugeMetricFamily(
        "pbproto_viewservice_trouble", "What keeps things from being as they should be.", labels=("code",)
    )
    for code in TROUBLES:
        trouble.add_metric((code,), code == service.trouble)
    yield trouble


def _of_members(sight: Sight) -> Iterator[Metric]:
    suspected = suspected_members(sight)
    seconds = GaugeMetricFamily(
        "pbproto_viewservice_suspected_seconds",
        "For how long something has seemed to be wrong with a member; 0: nothing does.",
        labels=("node",),
    )
    for id_ in sight.record.ids:
        seconds.add_metric((str(id_),), max(0, sight.now - suspected.get(id_, sight.now)) / SECOND)
    yield seconds
    answering = GaugeMetricFamily(
        "pbproto_viewservice_node_answering", "Whether a node says how it is.", labels=("node",)
    )
    for node in sight.record.nodes:
        answering.add_metric((str(node.id),), sight.current(node.id) is not None)
    yield answering


def _of_decisions(meters: Meters) -> Iterator[Metric]:
    yield _counter("views", "Views that this instance decided.", "cause", meters.views)
    yield _counter("steps", "Steps of the core.", "event", meters.steps)
    yield counters(
        "pbproto_viewservice_orders",
        "What people wanted, and whether it was done.",
        ("word", "result"),
        meters.orders.items(),
    )


def _of_the_store(meters: Meters, store: Store) -> Iterator[Metric]:
    yield _counter("store_writes", "Records that the store was given.", "result", meters.writes)
    seconds = HistogramMetricFamily(
        "pbproto_viewservice_store_write_seconds",
        "How long the store took for a record, whatever came of it.",
    )
    writing = meters.writing()
    seconds.add_metric((), buckets(writing), writing.sum)
    yield seconds
    yield CounterMetricFamily(
        "pbproto_viewservice_store_errors", "How often the store could not be read or written.", store.errors
    )


def _of_talking(meters: Meters) -> Iterator[Metric]:
    yield _counter("questions", "What came of asking nodes how they are.", "result", meters.answers)
    yield _counter("tellings", "What came of telling nodes a view.", "result", meters.told)
    yield counters(
        "pbproto_viewservice_requests",
        "HTTP requests that were answered.",
        ("route", "status"),
        meters.requests.items(),
    )


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pbproto_viewservice_{name}", words, value)


def _counter(name: str, words: str, label: str, numbers: Counter[str]) -> Metric:
    by_label = [((value,), number) for value, number in numbers.items()]
    return counters(f"pbproto_viewservice_{name}", words, (label,), by_label)
