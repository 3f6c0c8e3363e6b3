"""Which views the outside sent, and when: kept beside a history, it says who answered as what.

No node is asked for it, so nothing is disturbed. From the time at which a view was seen to be active until
the next one is sent only its members answer ok, the one with the lowest id as primary. As what somebody
answered a call that was under way at any other time stays open.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from tests.checker.history import Call

from .rules import Issued

Role = Literal["primary", "backup", "open"]
SOON = 1_000_000_000
"""Nanoseconds after a change of views that count as just after it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One view. Times are those of the history's clock."""

    number: int
    members: tuple[int, ...]
    epoch: int | None
    sent: int
    """Not later than the first PUT of it."""
    active: int | None = None
    """When a member had said that it is active; ``None`` if nobody was heard to say so."""


class Record:
    """All views of a run, in the order in which they were sent."""

    def __init__(self, views: Iterable[Sent] = ()) -> None:
        self.views = list(views)

    def send(self, view: Issued) -> None:
        """Before anybody is told this view."""
        self.views.append(Sent(view.number, view.members, view.epoch, time.monotonic_ns()))

    def see_active(self) -> None:
        """The last view was seen to be active."""
        if self.views[-1].active is None:
            self.views[-1] = replace(self.views[-1], active=time.monotonic_ns())

    def lines(self) -> Iterator[str]:
        """A line of JSON for each view."""
        for view in self.views:
            yield json.dumps(asdict(view), separators=(",", ":")) + "\n"

    def role(self, call: Call) -> Role:
        """As what the node answered this call."""
        at = bisect_right(self.views, call.start, key=lambda view: view.sent) - 1
        if at < 0 or call.end is None:
            return "open"
        view, following = self.views[at], self.views[at + 1 : at + 2]
        if view.active is None or view.active > call.start or (following and following[0].sent < call.end):
            return "open"
        return "primary" if call.node == view.members[0] else "backup"


def beside(history: Path) -> Path:
    """Where the views of a history are kept."""
    return history.with_suffix(".views.jsonl")


@dataclass(frozen=True, slots=True)
class Reads:
    """Reads that were answered ok: as what their nodes answered, and how soon after a change of views."""

    primary: int = 0
    backup: int = 0
    open: int = 0
    after_sent: int = 0
    after_active: int = 0


def reads(history: Iterable[Call], record: Record) -> Reads:
    """Count the reads of a history."""
    sent = [view.sent for view in record.views]
    active = [view.active for view in record.views if view.active is not None]
    roles: Counter[Role] = Counter()
    after_sent = after_active = 0
    for call in history:
        if call.outcome == "ok" and not call.writes and call.end is not None:
            roles[record.role(call)] += 1
            after_sent += _just_after(sent, call.end)
            after_active += _just_after(active, call.end)
    return Reads(roles["primary"], roles["backup"], roles["open"], after_sent, after_active)


def _just_after(changes: list[int], time_: int) -> bool:
    at = bisect_right(changes, time_) - 1
    return at >= 0 and time_ - changes[at] <= SOON
