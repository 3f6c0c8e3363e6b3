"""What is known of each node: its last report, and since when it has been in which kind of trouble."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pbproto import Member

from .config import Config
from .report import Report, Trouble

_DURATION = re.compile(r"\d+(?:\.\d+)? (?:ms|s|min|h|days)(?: \d+ (?:s|min))?\b")
NEVER = -(2**62)
FOREVER = 2**63


@dataclass(slots=True)
class Watched:
    """One node, as far as this instance has seen it."""

    node: Member
    since: int
    """Since when it is watched."""
    report: Report | None = None
    """The last one; what came after it may have been trouble."""
    seen_at: int = NEVER
    """When that was asked for."""
    trouble: Trouble | None = None
    """What came of the last question, if it was no report."""
    refused_since: int = FOREVER
    well_since: int = FOREVER
    """Since when it answers every question, in one life."""
    asked_at: int = NEVER
    asking: bool = False
    complaints: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Whom it waits for, by id: in which words, and since when in these words. Of ``report``."""
    got_on_at: int = NEVER
    """When it last said, installing a view, that it had come further than it said before."""
    strikes: int = 0
    """How often it had to be taken out of a view, not forgiven yet."""
    out_until: int = NEVER
    """Until then it is not taken in again by itself."""

    def saw(self, found: Report | Trouble, sent_at: int) -> None:
        """Take in what came of a question; what is older than what is known changes nothing."""
        if sent_at < self.seen_at:
            return
        if isinstance(found, Report) and found.id != self.node.id:
            found = Trouble.STRANGER
        if isinstance(found, Trouble):
            self.trouble = found
            self.well_since = FOREVER
            # Whoever else answers there, this node does not listen.
            refused = found is not Trouble.SILENT
            self.refused_since = min(self.refused_since, sent_at) if refused else FOREVER
            return
        before = self.report
        if before is None or before.incarnation != found.incarnation or self.trouble is not None:
            self.well_since = sent_at
        self._complain(before, found, sent_at)
        self.report, self.seen_at, self.trouble = found, sent_at, None
        self.refused_since = FOREVER

    def _complain(self, before: Report | None, found: Report, sent_at: int) -> None:
        same = before is not None and _stage(before) == _stage(found)
        known = self.complaints if same else {}
        self.complaints = {}
        if not same:
            self.got_on_at = NEVER
        for wait in found.waiting_for:
            now = _DURATION.sub("…", wait.reason)  # for how long says nothing new
            words, since = known.get(wait.id, (now, sent_at))
            # While a view is installed, other words are progress. Once it is active, every word complains.
            if found.status != "active" and words != now:
                words, since = now, sent_at
                self.got_on_at = sent_at
            self.complaints[wait.id] = (words, since)

    def current(self, now: int, config: Config) -> Report | None:
        """Its report, if it still says how things are."""
        if self.trouble is not None or now - self.seen_at > config.ask_timeout + 3 * config.poll:
            return None
        return self.report

    def refused_for(self, now: int) -> int:
        """For how long nobody has listened at its address; negative if somebody does."""
        return now - self.refused_since if self.refused_since < FOREVER else -1

    def silent_for(self, now: int) -> int:
        """For how long it has said nothing, whatever the reason."""
        return now - max(self.seen_at, self.since)


def _stage(report: Report) -> tuple[int, str, int | None]:
    """Within one stage what a node waits for can be compared with what it waited for before."""
    return report.incarnation, report.status, report.epoch
