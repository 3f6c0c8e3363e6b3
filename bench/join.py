"""`python -m bench join`: an empty node joins while others read and write.

Clients at both nodes offer a steady rate of reads and writes, and the time of each request counts from when
it was due. The time of the join is from the first PUT of the view until every member calls it active.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import progress

from .contenders import Store
from .figures import Spread, longest_gap, percentile
from .options import contents, publishing, which_servers
from .plots import Line, drawer
from .probes import Probe, Seen, between, probing, rest
from .processes import BenchError
from .report import Report
from .rounds import steps
from .tables import number, size, spread, table
from .talk import demand

HELP = "an empty node joins: time, bandwidth, and what the other clients notice"
CONNECTIONS = 8
"""Of the client at each node."""


@dataclass(frozen=True, slots=True)
class Join:
    """One join. Times in seconds, bandwidth in bytes per second."""

    seconds: float
    bandwidth: float
    normal: float
    """p99 of the other clients before."""
    during: float
    """p99 of the other clients during the join."""
    longest: float
    """The longest time in which one of the other clients had no answer."""
    errors: int
    course: tuple[tuple[float, float], ...]
    """The worst latency in each half second, counted from the PUT."""


def join(server: str, keys: int, bytes_: int, rate: float, before: float) -> Join:
    """Fill nodes 1 and 2, let clients offer ``rate`` requests a second in all, and let node 3 join."""
    store = Store(server, server, 2)
    try:
        store.start_and_load(keys, bytes_)
        store.start_node(3)
        probes = [
            Probe(
                store.members[id_],
                ["put", "get"],
                connections=CONNECTIONS,
                rate=rate / 2,
                keys=keys,
                size=bytes_,
                seed=id_,
            )
            for id_ in (1, 2)
        ]
        with probing(probes) as running:
            rest(2)
            quiet, carried_quiet = time.monotonic(), loopback_bytes()
            begin = rest(before)
            carried_begin = loopback_bytes()
            ids = [1, 2, 3]
            for id_ in ids:
                demand(store.members[id_], "PUT", "/view", store.view(ids))
            store.wait_active(ids, 600)
            end = time.monotonic()
            carried_end = loopback_bytes()
            rest(2)
            seen = [probe.stop() for probe in running]
    finally:
        store.stop()
    usual = (carried_begin - carried_quiet) / (begin - quiet)
    moved = carried_end - carried_begin - usual * (end - begin)
    return conclude(seen, quiet, begin, end, max(0.0, moved))


def conclude(seen: list[list[Seen]], quiet: float, begin: float, end: float, moved: float) -> Join:
    """What the clients saw before, from ``quiet`` to ``begin``, and during the join, up to ``end``. Pure."""
    everything = [each for mine in seen for each in mine]
    normal = [each.latency for each in everything if quiet <= each.due and each.answered < begin]
    during = between(everything, begin, end)
    if not normal or not during:
        raise BenchError("the other clients had no answers")
    course: dict[float, float] = {}
    for each in everything:
        slot = (each.answered - begin) // 0.5 * 0.5
        course[slot] = max(course.get(slot, 0.0), each.latency)
    return Join(
        seconds=end - begin,
        bandwidth=moved / (end - begin),
        normal=percentile(normal, 0.99),
        during=percentile([each.latency for each in during], 0.99),
        longest=max(longest_gap([e.answered for e in mine if e.good], begin, end) for mine in seen),
        errors=sum(not each.good for each in during),
        course=tuple(sorted(course.items())),
    )


def loopback_bytes() -> int:
    """Bytes that this machine has sent to itself since it was started."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == "lo":
            return int(figures.split()[0])
    raise BenchError("there is no loopback interface")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which servers, how much data, how much load."""
    which_servers(parser)
    contents(parser, keys=1_000_000)
    parser.add_argument(
        "--rate", type=float, default=400.0, help="requests/s that the others offer; default 400"
    )
    parser.add_argument(
        "--before", type=float, default=10.0, help="seconds of normal load before; default 10"
    )
    parser.add_argument("--rounds", type=int, default=2, help="default 2")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    rows, data, lines = [], [], []
    with steps(len(options.servers) * len(options.keys) * options.rounds) as bar:
        measured = [
            (server, keys, _joins(server, keys, options, bar))
            for server in options.servers
            for keys in options.keys
        ]
    for server, keys, joins in measured:
        rows.append([server, f"{keys:,}", size(options.size[0]), *figures(joins)])
        data += [
            {"server": server, "keys": keys, "size": options.size[0], "seconds": each.seconds}
            | {"bandwidth": each.bandwidth, "p99_normal": each.normal, "p99_during": each.during}
            | {"longest": each.longest, "errors": each.errors, "course": each.course}
            for each in joins
        ]
        course = [(at, latency * 1e3) for at, latency in joins[0].course]
        lines.append(Line(f"{server}, {keys:,} keys", [at for at, _ in course], [ms for _, ms in course]))
    head = [
        "server",
        "keys",
        "value",
        "join s",
        "moved/s",
        "p99 normal ms",
        "p99 during ms",
        "during : normal",
    ]
    text = (
        f"An empty node joins two, under {options.rate:g} requests/s of others, low / median / high:"
        f"\n\n{table([*head, 'longest gap ms', 'errors'], rows)}"
    )
    title = "the slowest request in each half second; the PUT of the view is at 0"
    return Report("join", text, {"joins": data}, {"join": drawer(title, "s", "ms", lines, logarithmic=False)})


def _joins(server: str, keys: int, options: argparse.Namespace, bar: progress.Bar) -> list[Join]:
    joins = []
    for round_ in range(options.rounds):
        with bar.step(f"join: {server}, {keys:,} keys, round {round_ + 1}/{options.rounds}"):
            joins.append(join(server, keys, options.size[0], options.rate, options.before))
    return joins


def figures(joins: list[Join]) -> list[str]:
    """The columns of some joins. Pure."""
    return [
        spread(Spread.of(each.seconds for each in joins)),
        size(max(each.bandwidth for each in joins)),
        spread(Spread.of(each.normal * 1e3 for each in joins)),
        spread(Spread.of(each.during * 1e3 for each in joins)),
        spread(Spread.of(each.during / each.normal for each in joins)),
        number(max(each.longest for each in joins) * 1e3),
        str(sum(each.errors for each in joins)),
    ]
