"""Where two logs agree, told from the ballots that ordered them.

A ballot names one log (invariant 1), so two logs that both contain a ballot agree up to the end of the
shorter stretch of it, and on everything before: the rule of leader epochs in Kafka (KIP-101, KIP-279).
"""

from __future__ import annotations

from .messages import Lineage
from .values import Ballot

MAX_LINEAGE = 256
"""Ballots remembered. A member that was away for longer gets a snapshot instead of a tail."""


def extend(lineage: Lineage, ballot: Ballot, start: int) -> Lineage:
    """The lineage of a log that goes on in ``ballot`` from position ``start``."""
    kept = tuple(stretch for stretch in lineage if stretch[1] <= start)
    return (*kept, (ballot, start))[-MAX_LINEAGE:]


def passed_through(lineage: Lineage, ballot: Ballot) -> bool:
    """Whether the log was once the log of ``ballot``."""
    return any(known == ballot for known, _ in lineage)


def agreement(one: Lineage, one_end: int, other: Lineage, other_end: int) -> int:
    """The position below which both logs hold the same operations, as far as their lineages tell."""
    ends = _ends(other, other_end)
    best = 0
    for ballot, (start, end) in _ends(one, one_end).items():
        theirs = ends.get(ballot)
        if theirs is not None and theirs[0] == start:
            best = max(best, min(end, theirs[1]))
    return best


def _ends(lineage: Lineage, log_end: int) -> dict[Ballot, tuple[int, int]]:
    stops = [*(start for _, start in lineage), log_end][1:]
    return {ballot: (start, stop) for (ballot, start), stop in zip(lineage, stops, strict=True)}
