"""Narrows the times of calls by what reads tell about the order of writes, before anything is searched.

A value that its key gets once at most makes a *cluster*: the write and all who saw it. Between two clusters
of one key nothing is mixed: if any call of the one ended before any call of the other began, then all of
the one happened before all of the other. So the calls of the one happened before the first end of the
other, and those of the other after the last start of the one. A listing is in a cluster of every key, and
carries what one key tells to the others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from .operations import Operation

ROUNDS = 20
"""Narrowing stops at the latest after so many rounds; what it has not found by then is left to the search."""
START, END = 0, 1


class Interval:
    """When something happened; gets narrower.

    A time that it did not happen before, and one that it did not happen after, with the sign turned: so
    both are lower bounds, and what is true of one is true of the other with time running backwards.
    """

    __slots__ = ("bounds", "by", "operation")

    def __init__(self, operation: Operation | None, start: float, end: float) -> None:
        self.operation = operation
        self.bounds = [start, -end]
        self.by: list[Operation | None] = [operation, operation]
        """Whose own time each bound is."""

    def raise_to(self, side: int, other: Interval) -> bool:
        """Take a bound over if it is narrower; whether it was."""
        if other.bounds[side] <= self.bounds[side]:
            return False
        self.bounds[side] = other.bounds[side]
        self.by[side] = other.by[side]
        return True

    @property
    def empty(self) -> bool:
        """Whether no time is left, so that the history has no order."""
        return self.bounds[START] > -self.bounds[END]


@dataclass(slots=True, eq=False)
class Cluster:
    """A write, and all who saw what it wrote: nothing else happened to its key between them."""

    members: list[Interval]
    """The write first."""
    last: list[Interval] = field(default_factory=list)
    """By side, the member with the greatest bound: the last to start, and the first to end."""

    def settle(self) -> bool:
        """Put the write before those who saw it, and find the last ones. Whether anything became narrower."""
        write = self.members[0]
        changed = False
        for member in self.members:
            changed |= member.raise_to(START, write)
            changed |= write.raise_to(END, member)
        self.last = [max(self.members, key=lambda member: member.bounds[side]) for side in (START, END)]
        return changed


def narrow(keys: Sequence[Sequence[Cluster]]) -> None:
    """Narrow the members of the clusters of every key, as far as it goes."""
    for _ in range(ROUNDS):
        changed = False
        for clusters in keys:
            for cluster in clusters:
                changed |= cluster.settle()
            changed |= _push(clusters, START)
            changed |= _push(clusters, END)
        if not changed:
            return


def _push(clusters: Sequence[Cluster], side: int) -> bool:
    """Let nothing of a cluster begin before the last start of the clusters before it; or the same
    backwards."""
    # Those of which some call ended before a time stand together in front.
    by_end = sorted(clusters, key=lambda cluster: -cluster.last[1 - side].bounds[1 - side])
    ends = [-cluster.last[1 - side].bounds[1 - side] for cluster in by_end]
    # The two with the greatest last starts up to each place: one may be the cluster that is looked at.
    best: list[tuple[Cluster | None, Cluster | None]] = [(None, None)]
    for cluster in by_end:
        one, other = best[-1]
        start = cluster.last[side].bounds[side]
        if one is None or start > one.last[side].bounds[side]:
            one, other = cluster, one
        elif other is None or start > other.last[side].bounds[side]:
            other = cluster
        best.append((one, other))
    changed = False
    for cluster in clusters:
        one, other = best[bisect_left(ends, cluster.last[side].bounds[side])]
        before = other if one is cluster else one
        if before is not None:
            latest = before.last[side]
            for member in cluster.members:
                changed |= member.raise_to(side, latest)
    return changed
