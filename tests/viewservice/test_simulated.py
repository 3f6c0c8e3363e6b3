"""The view service in whole simulated clusters: no rule is broken, and each that is off is missed."""

from __future__ import annotations

from collections import Counter

import pytest

from .planted import PLANTS, Plant, broken_in
from .runs import run_seed

SEEDS = range(40)
MET = (
    "service_kill",
    "service_pause",
    "service_cut",
    "service_says_overtaken",
    "service_says_stopped_leading",
    "service_says_nobody_proven",
    "service_says_no_spare",
    "service_says_first_view_not_active",
    "crash",
    "pause",
    "cut_one_way",
    "split",
    "ambush",
)
"""What has to have happened for the runs to mean something."""


@pytest.mark.timeout(600)
def test_many_lives_of_clusters_that_it_looks_after() -> None:
    """Goal: no acknowledged write is lost, no view rests on nobody, and all comes right in the end.

    Method: the store's simulation, with instances of the service that are killed, paused for long and cut
    off, and two that act at once, in place of its outside.
    """
    met = Counter[str]()
    for seed in SEEDS:
        outcome = run_seed(seed)
        assert outcome.violation is None, f"seed {seed}: {outcome.violation}"
        met.update(outcome.tally.faults)
    assert [what for what in MET if not met[what]] == []


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_a_rule_that_is_switched_off_is_missed(plant: Plant) -> None:
    """Each planted fault breaks a rule where it did before; if the seed does not hit any more, somewhere."""
    assert broken_in(plant, plant.seed, plant.seed + 1) or broken_in(plant, 0, 120)
