"""What a node counts: requests by operation and outcome and how long they took, peers' mail, decisions.

``count`` is on the way of every request, and a request has some 40 microseconds: it is a dictionary, a
bisection and two additions under a lock that hardly ever has a second taker. Whoever reads does the rest:
what is counted is the plain answer, and which outcome that was is found out when somebody asks.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, NamedTuple

from pbproto import Code, Note

BOUNDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds, inclusive, of the buckets of every histogram; one more has what took longer."""
OPERATIONS = ("put", "get", "delete", "list", "view", "peer", "other")
MAX_PEERS = 64
"""Addresses of peers that are counted by themselves; views may name any number of them over the years."""
OTHER_PEERS = "other"

_DONE = {
    ("put", 201): "created",
    ("put", 200): "updated",
    ("delete", 200): "deleted",
    ("get", 200): "found",
    ("list", 200): "listed",
}
_BY_REASON = {
    "no_such_key": "missing",
    "idempotency_key_reused": "key_reused",
    "store_full": "store_full",
    "not_ready": "not_ready",
}
_ANSWERS = ("missing", "not_ready")
"""Outcomes with a problem that is what was asked for: whether a key is there, whether a node is ready."""
_BY_STATUS = {401: "denied", 403: "denied", 409: "refused", 503: "not_applied", 504: "unknown"}


def outcome_of(operation: str, status: int, reason: str) -> str:
    """What became of a request, of its answer: the status and, of a problem, the reason."""
    if status < 400:
        return _DONE.get((operation, status), "ok")
    known = _BY_REASON.get(reason) or _BY_STATUS.get(status)
    if known is not None:
        return known
    return "bad_request" if status < 500 else "error"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took, how often."""

    counts: tuple[int, ...]
    """Per bucket of ``BOUNDS``, each for itself, and the rest."""
    sum: float
    """Seconds."""

    @property
    def count(self) -> int:
        """How often in all."""
        return sum(self.counts)

    def __add__(self, other: Histogram) -> Histogram:
        pairs = zip(self.counts, other.counts, strict=True)
        return Histogram(tuple([one + two for one, two in pairs]), self.sum + other.sum)


class Reading(NamedTuple):
    """All that was counted up to one moment."""

    requests: dict[tuple[str, str], Histogram]
    """By operation and outcome."""
    rejected: dict[str, int]
    """By the reason that the problem document gave, but for ``_ANSWERS``."""
    withheld: int
    mail: dict[tuple[str, str], int]
    """By address and result, ``answered`` or ``lost``."""
    round_trips: dict[str, Histogram]
    """By address, of mail that was answered."""
    forwarded: int
    view_changes: int
    suspicions: dict[int, int]
    """By the id of the backup."""
    dropped: int
    """Operations."""
    transfers: dict[tuple[str, str], int]
    """Whole states and logs by direction, ``sent`` or ``received``, and what: ``snapshot``, ``log``, …"""


_Cell = list[Any]
"""The counts of a histogram, and at the end its sum."""


class Meters:
    """The counters of one node, from its start; safe to use from any thread."""

    def __init__(self) -> None:
        # Not left to what CPython happens to do in one piece: a list's ``+=`` is three steps, and a
        # histogram that is read half way has a sum without its count.
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, int, str], _Cell] = {}
        self._withheld = 0
        self._mail: dict[tuple[str, str], int] = {}
        self._round_trips: dict[str, _Cell] = {}
        self._peers: set[str] = set()
        self._forwarded = 0
        self._view_changes = 0
        self._suspicions: dict[int, int] = {}
        self._dropped = 0
        self._transfers: dict[tuple[str, str], int] = {}

    def count(self, operation: str, status: int, reason: str, seconds: float) -> None:
        """A request was answered, ``seconds`` after it was whole. ``reason`` is a problem's, else empty."""
        with self._lock:
            try:
                cell = self._requests[operation, status, reason]
            except KeyError:
                cell = self._requests[operation, status, reason] = _cell()
            cell[bisect_left(BOUNDS, seconds)] += 1
            cell[-1] += seconds

    def withheld(self) -> None:
        """An answer found no room on its way to the client, who got a 503 instead."""
        with self._lock:
            self._withheld += 1

    def mail(self, address: str, seconds: float, *, answered: bool) -> None:
        """A POST to a peer ended ``seconds`` after it began, with a usable answer or without one."""
        with self._lock:
            if address not in self._peers:
                if len(self._peers) < MAX_PEERS:
                    self._peers.add(address)
                else:
                    address = OTHER_PEERS
            result = (address, "answered" if answered else "lost")
            self._mail[result] = self._mail.get(result, 0) + 1
            if answered:
                cell = self._round_trips.get(address)
                if cell is None:
                    cell = self._round_trips[address] = _cell()
                cell[bisect_left(BOUNDS, seconds)] += 1
                cell[-1] += seconds

    def forwarded(self) -> None:
        """A write was sent on to the primary."""
        with self._lock:
            self._forwarded += 1

    def note(self, note: Note) -> None:
        """What the replica decided."""
        code = note.code
        if code in (Code.INSTALLED, Code.BECAME_PRIMARY):
            with self._lock:
                self._view_changes += 1
        elif code in (Code.SUSPECTED, Code.DROPPED, Code.STATE_SENT, Code.STATE_RECEIVED):
            fields: dict[str, Any] = dict(note.fields)
            with self._lock:
                if code is Code.SUSPECTED:
                    backup = fields["backup"]
                    self._suspicions[backup] = self._suspicions.get(backup, 0) + 1
                elif code is Code.DROPPED:
                    self._dropped += fields["end"] - fields["first"]
                else:
                    what = ("sent" if code is Code.STATE_SENT else "received", fields["what"])
                    self._transfers[what] = self._transfers.get(what, 0) + 1

    def read(self) -> Reading:
        """All counts as of now."""
        with self._lock:
            cells = [(name, _histogram(cell)) for name, cell in self._requests.items()]
            reading = Reading(
                {},
                {},
                self._withheld,
                dict(self._mail),
                {address: _histogram(cell) for address, cell in self._round_trips.items()},
                self._forwarded,
                self._view_changes,
                dict(self._suspicions),
                self._dropped,
                dict(self._transfers),
            )
        for (operation, status, reason), histogram in cells:
            name = operation, outcome_of(operation, status, reason)
            before = reading.requests.get(name)
            reading.requests[name] = histogram if before is None else before + histogram
            if reason and name[1] not in _ANSWERS:
                reading.rejected[reason] = reading.rejected.get(reason, 0) + histogram.count
        return reading

    def totals(self) -> dict[str, Any]:
        """The counts as a document of JSON, without the histograms' buckets."""
        reading = self.read()
        requests: dict[str, dict[str, Any]] = {}
        for (operation, outcome), histogram in sorted(reading.requests.items()):
            entry = {"count": histogram.count, "seconds": round(histogram.sum, 6)}
            requests.setdefault(operation, {})[outcome] = entry
        mail: dict[str, dict[str, Any]] = {}
        for (address, result), number in sorted(reading.mail.items()):
            mail.setdefault(address, {"answered": 0, "lost": 0, "seconds": 0.0})[result] = number
        for address, histogram in reading.round_trips.items():
            mail[address]["seconds"] = round(histogram.sum, 6)
        transfers: dict[str, dict[str, int]] = {"sent": {}, "received": {}}
        for (direction, what), number in sorted(reading.transfers.items()):
            transfers[direction][what] = number
        return {
            "requests": requests,
            "rejected": dict(sorted(reading.rejected.items())),
            "withheld": reading.withheld,
            "mail": mail,
            "forwarded": reading.forwarded,
            "view_changes": reading.view_changes,
            "suspicions": {str(id_): number for id_, number in sorted(reading.suspicions.items())},
            "dropped_operations": reading.dropped,
            "transfers": transfers,
        }


def _cell() -> _Cell:
    return [*[0] * (len(BOUNDS) + 1), 0.0]


def _histogram(cell: _Cell) -> Histogram:
    return Histogram(tuple(cell[:-1]), cell[-1])
