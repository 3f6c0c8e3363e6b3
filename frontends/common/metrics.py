"""``GET /metrics``: what a node counts, and what it is like now, as Prometheus reads it.

Nothing is kept here: each scrape reads the node's counters and looks at the node once. Label values are
words of ours, ids of members and addresses of peers, all bounded; never a key or anything else of a client's.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from pbproto import Gauges, __version__
from pbproto.config import SECOND

from .meters import BOUNDS, Histogram, Reading
from .node import Node

STATES = ("none", "installing", "active", "outside")
ROLES = ("none", "primary", "backup")
EXPECTED = (
    *(("put", outcome) for outcome in ("not_applied", "unknown", "store_full", "error")),
    *(("delete", outcome) for outcome in ("not_applied", "unknown", "error")),
    *(("get", outcome) for outcome in ("not_applied", "error")),
    *(("list", outcome) for outcome in ("not_applied", "error")),
)
"""Outcomes that are there from the start: to a series that begins with its first event, nothing has happened
since, and an alert on its increase stays silent."""
REASONS = ("closing", "no_view", "outside_view", "overloaded", "store_full", "timeout")
"""The same, of rejections."""
_NEVER = Histogram((0,) * (len(BOUNDS) + 1), 0.0)
_BUCKETS = (*map(floatToGoString, BOUNDS), "+Inf")


class Exposition:
    """The metrics of one node."""

    def __init__(self, node: Node) -> None:
        # Its own: one process may hold several nodes, and whatever else counts in the library's global one.
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_NodeCollector(node))

    def render(self, accept: str) -> tuple[bytes, str]:
        """The metrics in the format that an ``Accept`` header asks for, and its media type."""
        return render(self._registry, accept)


def render(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """All that is registered in the format that an ``Accept`` header asks for, and its media type."""
    try:
        encode, media_type = choose_encoder(accept)
    except (TypeError, ValueError):  # it asks for a version that is no number
        encode, media_type = choose_encoder("")
    return encode(registry), media_type


class _NodeCollector(Collector):
    """Reads one node at each scrape."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering is no reason to look at the node."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All families, each with what it has now."""
        reading, gauges = self._node.meters.read(), self._node.gauges()
        yield self._build()
        yield from _of_requests(reading, gauges)
        yield from _of_the_view(reading, gauges)
        yield from _of_the_store(reading, gauges)
        yield from _of_peers(reading, gauges, self._node.queued())

    def _build(self) -> Metric:
        settings = self._node.settings
        return InfoMetricFamily(
            "pbproto_build",
            "What this node is.",
            {
                "id": str(self._node.id),
                "version": __version__,
                "python": platform.python_version(),
                "server": settings.server or "stock",
            },
        )


def _of_requests(reading: Reading, gauges: Gauges) -> Iterator[Metric]:
    seconds = HistogramMetricFamily(
        "pbproto_request_seconds",
        "How long requests took from when they were whole to when their answer was there.",
        labels=("operation", "outcome"),
    )
    requests = dict.fromkeys(EXPECTED, _NEVER) | reading.requests
    for names, histogram in sorted(requests.items()):
        seconds.add_metric(names, buckets(histogram), histogram.sum)
    yield seconds
    yield counters(
        "pbproto_requests_rejected",
        "Requests that were answered with a problem, other than a missing key and the answer of GET /ready.",
        ("reason",),
        [((reason,), number) for reason, number in (dict.fromkeys(REASONS, 0) | reading.rejected).items()],
    )
    yield _counter(
        "answers_withheld",
        "Long answers that found no room on their way to the client, who got 503 instead.",
        reading.withheld,
    )
    yield _counter("forwarded", "Writes sent on to the primary, repeats included.", reading.forwarded)
    yield _gauge("requests_waiting", "Clients that wait for their answer.", gauges.status.waiting)
    yield _gauge(
        "requests_waiting_bytes", "Bytes of keys and values of the clients that wait.", gauges.waiting_bytes
    )
    yield _gauge(
        "writes_parked", "Writes that wait outside the log because a backup is suspected.", gauges.parked
    )


def _of_the_view(reading: Reading, gauges: Gauges) -> Iterator[Metric]:
    status = gauges.status
    yield _gauge("ready", "Whether a request would be answered now.", status.ready)
    yield StateSetMetricFamily(
        "pbproto_status", "Where this node stands.", {state: state == status.status for state in STATES}
    )
    role = GaugeMetricFamily("pbproto_role", "Its role in the told view.", labels=("role",))
    for name in ROLES:
        role.add_metric((name,), status.role == name)
    yield role
    yield _gauge("view_epoch", "The epoch of the told view, 0 while it has none.", status.epoch or 0)
    members = status.view.members if status.view is not None else ()
    yield _gauge("view_members", "Members of the told view.", len(members))
    yield _gauge(
        "view_blocked", "Whether the view cannot be installed without a new word.", bool(status.blocked)
    )
    yield _counter(
        "view_changes", "Views that became active at this node since its start.", reading.view_changes
    )
    lag = GaugeMetricFamily(
        "pbproto_replication_lag_operations",
        "Operations of the log that a backup has not acknowledged, at the primary.",
        labels=("backup",),
    )
    suspected = GaugeMetricFamily(
        "pbproto_suspected", "Whether new writes wait for a backup, at the primary.", labels=("backup",)
    )
    for backup in gauges.backups:
        lag.add_metric((str(backup.id),), backup.lag)
        suspected.add_metric((str(backup.id),), backup.suspected)
    yield lag
    yield suspected
    suspicions = CounterMetricFamily(
        "pbproto_suspicions", "How often a backup began to be suspected here.", labels=("backup",)
    )
    known = dict.fromkeys([backup.id for backup in gauges.backups], 0)
    for id_, number in sorted((known | reading.suspicions).items()):
        suspicions.add_metric((str(id_),), number)
    yield suspicions
    yield _gauge(
        "lease_seconds", "For how long this primary may still read alone; 0 without.", gauges.lease / SECOND
    )


def _of_the_store(reading: Reading, gauges: Gauges) -> Iterator[Metric]:
    status = gauges.status
    yield _gauge("commit_position", "Writes that are committed and applied here.", status.commit)
    yield _gauge("log_end_position", "Writes that this node has in its log.", status.log_end)
    yield _gauge("log_operations", "Operations of the log that are kept.", gauges.log_operations)
    yield _gauge("log_bytes", "Bytes of the log that are kept.", gauges.log_bytes)
    yield _gauge("keys", "Keys in the store.", status.keys)
    yield _gauge("data_bytes", "Bytes of keys and values, and 256 for each key.", status.data_bytes)
    bound = status.max_data_bytes
    yield _gauge("max_data_bytes", "The bound to the data while this node leads; 0: none.", bound)
    yield _gauge("idempotency_keys", "Idempotency keys that are remembered.", gauges.remembered)
    yield _counter(
        "dropped_operations",
        "Operations that a join of two histories left out, once for each member that had them.",
        reading.dropped,
    )
    yield _gauge(
        "state_transfer_items", "Items that have come of the snapshot under way to here.", gauges.received
    )
    yield _gauge(
        "state_transfer_expected_items",
        "Items that the snapshot under way to here has in all.",
        gauges.expected,
    )
    yield counters(
        "pbproto_state_transfers",
        "Snapshots, logs and copies that were sent or received whole.",
        ("direction", "what"),
        reading.transfers.items(),
    )
    newcomers = GaugeMetricFamily(
        "pbproto_filling_lag_operations",
        "Committed operations that a newcomer does not have yet, at the primary that fills it.",
        labels=("newcomer",),
    )
    for newcomer in gauges.newcomers:
        newcomers.add_metric((str(newcomer.id),), newcomer.lag)
    yield newcomers


def _of_peers(reading: Reading, gauges: Gauges, queued: dict[str, int]) -> Iterator[Metric]:
    queue = GaugeMetricFamily(
        "pbproto_peer_queue_bytes", "About how many bytes wait to be posted to a peer.", labels=("peer",)
    )
    for address, size in sorted(queued.items()):
        queue.add_metric((address,), size)
    yield queue
    yield counters(
        "pbproto_peer_mail",
        "POSTs to a peer, by whether an answer came.",
        ("peer", "result"),
        reading.mail.items(),
    )
    trips = HistogramMetricFamily(
        "pbproto_peer_round_trip_seconds",
        "How long POSTs to a peer took that were answered.",
        labels=("peer",),
    )
    for address, histogram in sorted(reading.round_trips.items()):
        trips.add_metric((address,), buckets(histogram), histogram.sum)
    yield trips
    ignored = CounterMetricFamily(
        "pbproto_messages_ignored", "Messages of peers that changed nothing.", labels=("reason",)
    )
    for reason, number in gauges.ignored:
        ignored.add_metric((reason,), number)
    yield ignored


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(f"pbproto_{name}", words, value)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"pbproto_{name}", words, value)


def counters(
    name: str, words: str, labels: Sequence[str], numbers: Iterable[tuple[tuple[str, ...], float]]
) -> CounterMetricFamily:
    """Numbers, each with the values of its labels, in the order of these."""
    family = CounterMetricFamily(name, words, labels=labels)
    for values, number in sorted(numbers):
        family.add_metric(values, number)
    return family


def buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Each with all that were at most so long, as Prometheus has them."""
    total = 0
    found: list[tuple[str, float]] = []
    for bound, number in zip(_BUCKETS, histogram.counts, strict=True):
        total += number
        found.append((bound, total))
    return found
