"""`python -m bench pause`: for how long nobody can write when the view changes.

A client at each node that stays writes as fast as it is answered. The view is PUT to its members one after
the other, as a user does. A pause is the longest time between two acknowledged writes of one client, from the
first of these PUTs on; the longest such time in the second before is shown beside it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import progress

from .contenders import Store
from .figures import Spread, longest_gap
from .options import contents, publishing, which_servers
from .probes import Probe, probing, rest
from .report import Report
from .rounds import steps
from .tables import number, spread, table
from .talk import demand

HELP = "the longest pause of writes when the view changes"
CASES = ("a backup removed", "an empty node added", "the primary killed, a backup promoted")
SETTLE = 1.5
"""Seconds of writing before the view changes."""
AFTER = 1.0
"""Seconds of writing after it is active: long enough to meet what comes late."""
DEAD = 0.5
"""Seconds that the primary is dead before the outside orders the next view."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One view change, in seconds: the longest time without a write from the PUT on, and before it."""

    case: str
    longest: float
    before: float
    active: float
    """From the first PUT until every member called the view active."""


def view_change(
    store: Store, case: str, ids: list[int], writers: list[int], keys: int, prepare: Callable[[], None]
) -> Pause:
    """Change the view under the hands of a writer at each of ``writers``. Raises ``BenchError``."""
    probes = [Probe(store.members[id_], ["put"], keys=keys, seed=id_) for id_ in writers]
    with probing(probes) as running:
        quiet = rest(SETTLE)
        prepare()
        begin = time.monotonic()
        for id_ in ids:
            demand(store.members[id_], "PUT", "/view", store.view(ids))
        store.wait_active(ids)
        active = time.monotonic() - begin
        end = rest(AFTER)
        acknowledged = [[each.answered for each in probe.stop() if each.good] for probe in running]
    return Pause(
        case,
        max(longest_gap(times, begin, end) for times in acknowledged),
        max(longest_gap(times, quiet - 1, quiet) for times in acknowledged),
        active,
    )


def pauses(server: str, keys: int, size: int, rounds: int, bar: progress.Bar) -> list[Pause]:
    """All cases in each round, on one cluster that is made whole again in between. Raises ``BenchError``."""
    store = Store(server, server, 3)
    found: list[Pause] = []
    try:
        store.start_and_load(keys, size)
        for round_ in range(rounds):
            with bar.step(f"pause: {server}, round {round_ + 1}/{rounds}"):
                found += _round(store, keys)
    finally:
        store.stop()
    return found


def _round(store: Store, keys: int) -> list[Pause]:
    """All cases once, and the cluster made whole again."""
    found = [view_change(store, CASES[0], [1, 2], [1, 2], keys, lambda: None)]
    store.kill_node(3)
    store.start_node(3)
    found.append(view_change(store, CASES[1], [1, 2, 3], [1, 2], keys, lambda: None))

    def kill_primary() -> None:
        store.kill_node(1)
        rest(DEAD)

    found.append(view_change(store, CASES[2], [2, 3], [2, 3], keys, kill_primary))
    store.start_node(1)
    store.tell([1, 2, 3])
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which servers, and how much data."""
    which_servers(parser)
    contents(parser, keys=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    rows, data = [], []
    with steps(len(options.servers) * len(options.keys) * options.rounds) as bar:
        measured = [
            (server, keys, pauses(server, keys, options.size[0], options.rounds, bar))
            for server in options.servers
            for keys in options.keys
        ]
    for server, keys, found in measured:
        for case in CASES:
            mine = [each for each in found if each.case == case]
            rows.append([case, server, f"{keys:,}", *_figures(mine)])
            data += [
                {
                    "server": server,
                    "keys": keys,
                    "case": case,
                    "longest": each.longest,
                    "before": each.before,
                }
                | {"active": each.active}
                for each in mine
            ]
    head = ["view change", "server", "keys", "pause ms", "longest gap before ms", "active after ms"]
    text = f"The longest pause of writes, 3 nodes, low / median / high:\n\n{table(head, rows, (0, 1))}"
    return Report("pause", text, {"pauses": data}, {})


def _figures(found: list[Pause]) -> list[str]:
    def of(values: list[float]) -> str:
        return spread(Spread.of(values).scaled(1e3))

    return [
        of([each.longest for each in found]),
        number(max(each.before for each in found) * 1e3),
        of([each.active for each in found]),
    ]
