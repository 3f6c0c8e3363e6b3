"""Whole runs with the view service as the outside: ``python -m tests.viewservice.runs --seeds 0 200``."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import progress
from pbproto.config import MILLISECOND
from tests.simulation.parameters import Parameters, Shape, draw
from tests.simulation.plan import make
from tests.simulation.run import Outcome, run
from viewservice import Config, Service

from .outside import ServiceOutside


def parameters(seed: int) -> Parameters:
    """A seed's cluster: as in any other run, but views are numbered, and nodes stay where they are."""
    drawn = draw(seed)
    kinds = tuple(kind for kind in drawn.kinds if kind != "move")
    pause = drawn.pause_between_views or 800 * MILLISECOND
    return replace(drawn, shape=Shape.USUAL, numbered=True, kinds=kinds, pause_between_views=pause)


def run_seed(seed: int, service: Callable[[Config], Service] = Service, *, keep: bool = False) -> Outcome:
    """Run the plan of a seed with this service."""
    outside = partial(ServiceOutside, make=service)
    return run(make(seed, parameters(seed)), outside=outside, keep=keep)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.viewservice.runs")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 100), metavar=("FIRST", "END"))
    parser.add_argument("--stop", action="store_true", help="end with the first run that breaks a rule")
    options = parser.parse_args()
    broken, faults = 0, Counter[str]()
    seeds = range(*options.seeds)
    with progress.bar(len(seeds), "runs") as bar:
        for seed in seeds:
            outcome = run_seed(seed)
            faults.update(outcome.tally.faults)
            if outcome.violation is not None:
                broken += 1
                with bar.aside():
                    print(f"seed {seed}: {outcome.violation}", flush=True)
                if options.stop:
                    break
            bar.advance(1, f"{broken} broke a rule")
    for name, count in sorted(faults.items()):
        if name.startswith("service"):
            print(f"  {name}: {count}")
    print(f"{options.seeds[1] - options.seeds[0]} runs, {broken} broke a rule")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
