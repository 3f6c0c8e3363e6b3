"""The arithmetic on what was measured."""

from __future__ import annotations

import pytest

from bench.figures import Spread, longest_gap, percentile, ratios, slope


def test_a_spread_is_lowest_median_highest() -> None:
    """Goal: nothing is averaged away. Method: values out of order, an even number of them, one, none."""
    assert Spread.of([5.0, 1.0, 3.0]) == Spread(1.0, 3.0, 5.0)
    assert Spread.of([4.0, 1.0, 2.0, 9.0]) == Spread(1.0, 3.0, 9.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)
    with pytest.raises(ValueError, match="nothing"):
        Spread.of([])


def test_a_spread_in_another_unit() -> None:
    """Goal: units are converted as a whole. Method: seconds to milliseconds."""
    assert Spread(0.001, 0.002, 0.5).scaled(1000) == Spread(1.0, 2.0, 500.0)


def test_ratios_are_taken_round_by_round() -> None:
    """Goal: a slow round is slow for both. Method: a machine at half speed in round 1, rounds that one lacks,
    a divisor of zero."""
    fast = {0: 200.0, 1: 100.0, 2: 400.0, 3: 1.0, 4: 5.0}
    slow = {0: 100.0, 1: 50.0, 2: 100.0, 4: 0.0}
    assert ratios(fast, slow) == Spread(2.0, 2.0, 4.0)
    assert ratios({0: 1.0}, {1: 1.0}) is None


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_was_measured(share: float, value: int) -> None:
    """Goal: the nearest rank, as it is defined. Method: 1 to 100, backwards."""
    assert percentile([float(each) for each in range(100, 0, -1)], share) == value


def test_there_is_no_percentile_of_nothing() -> None:
    """Goal: a run without answers is no run with a latency of zero. Method: ask for it."""
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 0.5)


def test_the_slope_is_that_of_least_squares() -> None:
    """Goal: growth per second. Method: points around y = 2 x + 1 whose errors cancel, and too few of them."""
    assert slope([(0, 1), (1, 4), (1, 2), (2, 5)]) == pytest.approx(2)
    assert slope([(3, 1), (3, 9)]) == 0
    assert slope([]) == 0


def test_the_longest_gap_counts_the_edges() -> None:
    """Goal: a service that never came back has the longest gap of all. Method: answers inside, outside,
    none."""
    assert longest_gap([1.0, 3.0, 2.0, 9.5], 0.0, 10.0) == 6.5
    assert longest_gap([4.0, 1.0, 11.0], 0.0, 10.0) == 6.0
    assert longest_gap([4.0, 9.0], 0.0, 10.0) == 5.0
    assert longest_gap([-1.0, 11.0], 0.0, 10.0) == 10.0
