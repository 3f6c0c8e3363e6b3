"""What an instance counts, from its start. Read by ``metrics.py``; nothing rests on it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import get_args

from frontends.common.meters import BOUNDS, Histogram

from .effects import Note
from .events import Event
from .orders import WORDS
from .record import CAUSES
from .report import Report, Trouble

EVENTS = tuple(event.__name__.lower() for event in get_args(Event))
ANSWERS = ("report", *(trouble.value for trouble in Trouble))
TOLD = ("obeyed", "refused", "lost")
WRITTEN = ("written", "overtaken", "unknown")
ROUTES = ("ping", "ready", "status", "orders", "metrics", "other")


@dataclass(slots=True)
class Meters:
    """The counters of one instance. All of it happens on one event loop, so nothing is locked."""

    views: Counter[str] = field(default_factory=lambda: _zeros(CAUSES))
    """Views that this instance decided, by ``record.CAUSES``."""
    steps: Counter[str] = field(default_factory=lambda: _zeros(EVENTS))
    """Steps of the core, by the event."""
    answers: Counter[str] = field(default_factory=lambda: _zeros(ANSWERS))
    """What came of asking a node how it is."""
    told: Counter[str] = field(default_factory=lambda: _zeros(TOLD))
    """What came of telling a node a view."""
    writes: Counter[str] = field(default_factory=lambda: _zeros(WRITTEN))
    """What came of writing a record."""
    orders: Counter[tuple[str, str]] = field(
        default_factory=lambda: Counter(
            {(word, result): 0 for word in WORDS for result in ("done", "refused")}
        )
    )
    """What people wanted, by the word, and whether it was done."""
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """HTTP requests, by the route and the status."""
    _write_counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    _write_sum: float = 0.0

    def note(self, note: Note) -> None:
        """What the core decided."""
        if note.code == "view":
            self.views[str(dict(note.fields)["cause"])] += 1

    def step(self, event: Event) -> None:
        """The core took a step."""
        self.steps[type(event).__name__.lower()] += 1

    def saw(self, found: Report | Trouble) -> None:
        """A node was asked how it is."""
        self.answers[found.value if isinstance(found, Trouble) else "report"] += 1

    def said(self, refusal: str) -> None:
        """A node was told a view; ``lost`` if there was no answer, empty if it obeys."""
        self.told[refusal if refusal == "lost" else "refused" if refusal else "obeyed"] += 1

    def wrote(self, result: str, seconds: float) -> None:
        """The store was given a record: one of ``WRITTEN``, after so long."""
        self.writes[result] += 1
        self._write_counts[bisect_left(BOUNDS, seconds)] += 1
        self._write_sum += seconds

    def writing(self) -> Histogram:
        """How long the store took, whatever came of it."""
        return Histogram(tuple(self._write_counts), self._write_sum)

    def ordered(self, word: str, *, done: bool) -> None:
        """A person wanted something."""
        self.orders[word, "done" if done else "refused"] += 1

    def requested(self, path: str, status: int) -> None:
        """A request was answered."""
        name = path.strip("/")
        self.requests[name if name in ROUTES else "other", str(status)] += 1


def _zeros(names: tuple[str, ...]) -> Counter[str]:
    """There from the start: to a series that begins with its first event nothing has happened since."""
    return Counter(dict.fromkeys(names, 0))
