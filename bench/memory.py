"""`python -m bench memory`: whether memory stays flat while the same keys are written over and over."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

import progress

from . import wrk
from .contenders import Store
from .figures import second_half, slope
from .options import contents, publishing, which_servers
from .plots import Line, drawer
from .processes import BenchError
from .report import Report
from .rounds import steps
from .tables import number, size, table
from .work import WORKS

HELP = "memory of every node over minutes of writes to the same keys"
FLAT = 0.05
"""Flat is memory that would not grow by this share in the whole run, at the rate of its second half."""
CONNECTIONS = 32

Course = Mapping[int, Sequence[tuple[float, float]]]
"""Of each node the points (seconds, bytes)."""


def watch(store: Store, running: wrk.Running, every: float) -> dict[int, list[tuple[float, float]]]:
    """The memory of every node, each ``every`` seconds until wrk has ended."""
    begin = time.monotonic()
    course: dict[int, list[tuple[float, float]]] = {}
    due = begin
    while not running.ended:
        store.check()
        for id_, bytes_ in store.node_rss().items():
            course.setdefault(id_, []).append((time.monotonic() - begin, float(bytes_)))
        due += every
        while time.monotonic() < due and not running.ended:
            time.sleep(min(0.1, every))
    return course


def growth(points: Sequence[tuple[float, float]]) -> float:
    """How much of its memory a node would gain in the whole run, by the slope of the second half. Pure."""
    half = second_half(points)
    return slope(half) * points[-1][0] / half[0][1]


def drawn(server: str, course: Course, seconds: float = 1.0) -> list[Line]:
    """A line in MiB for each node, over units of so many seconds. Pure."""
    return [
        Line(f"{server}, node {id_}", [at / seconds for at, _ in points], [rss / 2**20 for _, rss in points])
        for id_, points in course.items()
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long, and what is written."""
    which_servers(parser)
    parser.add_argument("--minutes", type=float, default=10.0, help="default 10")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks; default 10")
    contents(parser, keys=1000)
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    rows, data, lines = [], [], []
    with steps(len(options.servers)) as bar:
        measured = [(server, *_step(server, options, bar)) for server in options.servers]
    for server, course, load in measured:
        rows += show(server, course, load)
        data.append({"server": server, "course": course, "writes": load.requests, "errors": load.errors})
        lines += drawn(server, course, 60)
    head = [
        "server",
        "node",
        "writes",
        "at first",
        "at half time",
        "at the end",
        "growth",
        "verdict",
        "errors",
    ]
    text = (
        f"{options.minutes:g} minutes of writes to {options.keys[0]:,} keys of {size(options.size[0])} from "
        f"{CONNECTIONS} connections; growth is the slope of the second half over the whole run, flat if "
        f"below {FLAT:.0%}:\n\n{table(head, rows)}"
    )
    plot = drawer("resident memory of each node", "minutes", "MiB", lines, logarithmic=False)
    return Report("memory", text, {"runs": data}, {"memory": plot})


def _step(server: str, options: argparse.Namespace, bar: progress.Bar) -> tuple[Course, wrk.Load]:
    with bar.step(f"memory: {server}, {options.minutes:g} minutes", 60 * options.minutes):
        return run(server, options.keys[0], options.size[0], options.minutes, options.every)


def run(server: str, keys: int, bytes_: int, minutes: float, every: float) -> tuple[Course, wrk.Load]:
    """One store under writes, watched. Raises ``BenchError``."""
    store = Store(server, server, 3)
    try:
        store.start_and_load(keys, bytes_)
        seconds = max(1, round(minutes * 60))
        arguments = store.under(
            WORKS["put"], connections=CONNECTIONS, seconds=seconds, keys=keys, size=bytes_
        )
        with wrk.Running(arguments) as running:
            course = watch(store, running, every)
            return course, running.result()
    finally:
        store.stop()


def show(server: str, course: Course, load: wrk.Load) -> list[list[str]]:
    """A row for each node. Raises ``BenchError`` where there are too few points. Pure."""
    rows = []
    for id_, points in sorted(course.items()):
        if len(points) < 4:
            raise BenchError("too short: look at the memory more often, or for longer")
        grown = growth(points)
        half = second_half(points)[0][1]
        rows.append(
            [
                server,
                str(id_),
                f"{load.requests:,}",
                size(points[0][1]),
                size(half),
                size(points[-1][1]),
                f"{number(grown * 100)} %",
                "flat" if grown < FLAT else "**growing**",
                str(load.errors),
            ]
        )
    return rows
