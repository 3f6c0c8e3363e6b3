"""Who of a view's members is not fit for it: gone, restarted, or cut off from the others.

A dead process is told from all else by its machine, which refuses connections for it. Where nothing comes
back the service asks the others: what they still hear of is cut off from the service alone, and stays. What a
primary complains of is taken out, unless it complains of most of the view, or holds no data itself and
complains of those who do: then it is the one that is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .config import Config
from .record import Life, Record
from .report import Report
from .watch import FOREVER, Watched


@dataclass(frozen=True, slots=True)
class Sight:
    """What an instance knows at one moment."""

    record: Record
    known_at: int
    """When it learned of the record. What was seen before may be older than the record."""
    proven: frozenset[Life]
    """Who has said, in a life that the record names, that this very view is active."""
    watched: Mapping[int, Watched]
    config: Config
    now: int
    active_at: int = 0
    """When the view was first seen to be active: what was complained of before is over."""
    look_since: int = 0
    """When something was found to be wrong. Whoever is counted on has to have been seen after it: what takes
    one member away often takes another, too."""

    def life(self, id_: int) -> int:
        """The life of a node that the view was decided with; 0 if there is none."""
        return dict(self.record.lives).get(id_, 0)

    def current(self, id_: int) -> Report | None:
        """What a node says now, if it was asked since the record is known."""
        watched = self.watched.get(id_)
        if watched is None or watched.seen_at < self.known_at:
            return None
        return watched.current(self.now, self.config)

    def restarted(self, id_: int) -> bool:
        """Whether a node is known to be in another life than the view was decided with."""
        watched = self.watched.get(id_)
        if watched is None or watched.report is None or watched.seen_at < self.known_at:
            return False
        return watched.report.incarnation != self.life(id_)

    @property
    def active(self) -> bool:
        """Whether the view is known to be active, and its primary says so now."""
        if not self.record.members:
            return False
        primary = self.current(self.record.ids[0])
        return primary is not None and self.says_active(primary)

    @property
    def started(self) -> bool:
        """Whether the store was started: some member was synced in the life that the view was decided with.

        Of the first view only: a later one rests on one that was active.
        """
        return bool(self.proven) or any(
            report.holds and not self.restarted(id_)
            for id_ in self.record.ids
            if (report := self.current(id_)) is not None
        )

    @property
    def looked(self) -> bool:
        """Whether all members that could be counted on were seen since something was found to be wrong."""
        if self.now - self.look_since > self.config.ask_timeout:
            return True  # who has not answered by now is not counted on
        unfit = unfit_members(self)
        return all(
            self.watched[id_].seen_at >= self.look_since
            for id_ in self.record.ids
            if id_ not in unfit and id_ in self.watched and self.watched[id_].trouble is None
        )

    def says_active(self, report: Report) -> bool:
        """Whether this node says, in the life that was told it, that the record's view is active."""
        return (
            report.status == "active"
            and report.epoch == self.record.epoch
            and report.members == self.record.members
            and report.incarnation == self.life(report.id)
        )

    def carriers(self) -> dict[int, int]:
        """Who carries the data over, by id the life: fit, answering, and not restarted since."""
        unfit = unfit_members(self)
        found = {}
        for id_, life in sorted({*self.record.carriers, *self.proven}):
            report = self.current(id_)
            if (
                id_ in self.record.ids
                and id_ not in unfit
                and report is not None
                and self.watched[id_].seen_at >= self.look_since
                and report.incarnation == life
            ):
                found[id_] = life
        return found


def unfit_members(sight: Sight) -> dict[int, str]:
    """Who of the view's members has to leave it, and why."""
    record, config, now = sight.record, sight.config, sight.now
    unfit: dict[int, str] = {}
    silent: list[int] = []
    for id_ in record.ids:
        watched = sight.watched.get(id_)
        if watched is None:
            continue
        if sight.restarted(id_):
            unfit[id_] = "it was restarted and has forgotten everything"
        elif watched.refused_for(now) >= config.gone_after:
            unfit[id_] = "nobody listens at its address"
        elif watched.silent_for(now) >= config.silent_after:
            silent.append(id_)
    accused = _accused(sight, unfit)
    for id_ in silent:
        if _missed(sight, id_, accused, unfit):
            unfit[id_] = f"it has been silent for {config.silent_after // 10**6} ms, and the others miss it"
    for id_, words in accused.items():
        unfit.setdefault(id_, words)
    return unfit


def suspected_members(sight: Sight) -> dict[int, int]:
    """Members with which something seems to be wrong, enough to take them out or not; and since when."""
    unfit = unfit_members(sight)
    ids = sight.record.ids
    complaints = sight.watched[ids[0]].complaints if ids and sight.active else {}
    found = {}
    for id_ in ids:
        watched = sight.watched.get(id_)
        if watched is None:
            continue
        since = []
        if watched.trouble is not None:
            refused = watched.refused_since < FOREVER
            since.append(watched.refused_since if refused else max(watched.seen_at, watched.since))
        if id_ in complaints:
            since.append(complaints[id_][1])
        if id_ in unfit:
            since.append(sight.look_since)
        if since:
            found[id_] = min(since)
    return found


def _accused(sight: Sight, unfit: Mapping[int, str]) -> dict[int, str]:
    """Whom the primary cannot reach, or the primary itself if that is most of the view."""
    ids = sight.record.ids
    primary = sight.current(ids[0]) if ids else None
    if primary is None or ids[0] in unfit or primary.epoch != sight.record.epoch:
        return {}
    found = {}
    for id_, (words, since) in sight.watched[ids[0]].complaints.items():
        # As of the report: how long it has gone on since then nobody knows.
        stuck = sight.watched[ids[0]].seen_at - max(since, sight.active_at) >= sight.config.cut_after
        if id_ in ids and stuck and not _gets_on(sight, id_):
            found[id_] = f"the primary cannot reach it: {words}"
    reachable = [id_ for id_ in found if sight.current(id_) is not None]
    counted_on = {id_ for id_, _ in (*sight.record.carriers, *sight.proven)}
    if ids[0] not in counted_on and counted_on & set(reachable):
        # A newcomer with the lowest id would be the primary. Without those who hold the data it can be
        # nothing, and they can be without it.
        return {ids[0]: "it does not get the data from those who hold it"}
    if 2 * len(reachable) > len(ids):
        return {ids[0]: "it cannot reach most of its view, which others can"}
    return found


def _gets_on(sight: Sight, id_: int) -> bool:
    """Whether a member that is waited for has said itself that it comes further with the state it fetches.

    The primary of a large fill speaks of positions, which stand still while items go over. A node that is
    busy with them may answer late, so its last word counts until its silence does.
    """
    watched = sight.watched[id_]
    report = watched.report
    return (
        report is not None
        and (report.status, report.epoch) == ("installing", sight.record.epoch)
        and watched.seen_at - watched.got_on_at < sight.config.cut_after
        and watched.silent_for(sight.now) < sight.config.silent_after
    )


def _missed(sight: Sight, silent: int, accused: Mapping[int, str], unfit: Mapping[int, str]) -> bool:
    """Whether a node that is silent to the service is silent to the others as well."""
    ids = sight.record.ids
    if silent in accused:
        return True
    if silent != ids[0]:
        primary = sight.current(ids[0])
        # A primary that misses nobody hears it. Without one nobody can say, and it cannot be told anything.
        return primary is None and (ids[0] in unfit or sight.watched[ids[0]].silent_for(sight.now) > 0)
    others = [report for id_ in ids[1:] if (report := sight.current(id_)) is not None]
    content = [
        report
        for report in others
        if sight.says_active(report) and all(wait.id != silent for wait in report.waiting_for)
    ]
    return bool(others) and not content
