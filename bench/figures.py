"""Arithmetic on what was measured. Pure: numbers in, numbers out."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Spread:
    """Lowest, median and highest of some measured values, in the unit of the values."""

    low: float
    middle: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of at least one value. Raises ``ValueError`` for none."""
        taken = list(values)
        if not taken:
            raise ValueError("there is no spread of nothing")
        return cls(min(taken), statistics.median(taken), max(taken))

    def scaled(self, factor: float) -> Spread:
        """The same spread in another unit; ``factor`` is positive."""
        return Spread(self.low * factor, self.middle * factor, self.high * factor)


def ratios(above: Mapping[int, float], below: Mapping[int, float]) -> Spread | None:
    """The spread of the ratios round by round, from values by round; ``None`` if no round has both.

    Both values of one ratio come from the same round, so a machine that is slower for a while is slower in
    both. The ratio of two medians would mix rounds.
    """
    both = [above[each] / below[each] for each in above if below.get(each)]
    return Spread.of(both) if both else None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` (0 to 1) of all values do not exceed (nearest rank).

    Raises ``ValueError`` for no values.
    """
    if not values:
        raise ValueError("there is no percentile of nothing")
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of the straight line through (x, y) points by least squares; 0 for fewer than two x."""
    if len({x for x, _ in points}) < 2:
        return 0.0
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def second_half(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The (x, y) points from half of the last x on: what a run settled to. Raises ``IndexError`` for none."""
    return [point for point in points if point[0] >= points[-1][0] / 2]


def longest_gap(times: Iterable[float], begin: float, end: float) -> float:
    """The longest time within [begin, end] in which none of ``times`` lies.

    The time from ``begin`` to the first and from the last to ``end`` counts as well: a service that never
    came back is not better than one that came back late.
    """
    inside = sorted(time for time in times if begin <= time <= end)
    edges = [begin, *inside, end]
    return max(later - earlier for earlier, later in pairwise(edges))
