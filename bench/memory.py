"""`python -m bench memory`: whether memory stays flat while the same keys are written over and over."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

from . import wrk
from .contenders import Store
from .contenders.store import FRONTENDS
from .figures import slope
from .options import counts, names, publishing
from .plots import Line, drawer
from .processes import BenchError
from .report import Report
from .rounds import say
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
    end = points[-1][0]
    half = [point for point in points if point[0] >= end / 2]
    return slope(half) * end / half[0][1]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long, and what is written."""
    parser.add_argument("--servers", type=names(FRONTENDS), default=["granian"], help="default granian")
    parser.add_argument("--minutes", type=float, default=10.0, help="default 10")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks; default 10")
    parser.add_argument("--keys", type=counts, default=[1000], help="default 1000")
    parser.add_argument("--size", type=counts, default=[100], help="bytes of a value; default 100")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    rows, data, lines = [], [], []
    for server in options.servers:
        say(f"memory: {server}, {options.minutes:g} minutes")
        course, load = run(server, options.keys[0], options.size[0], options.minutes, options.every)
        rows += show(server, course, load)
        data.append({"server": server, "course": course, "writes": load.requests, "errors": load.errors})
        lines += [
            Line(f"{server}, node {id_}", [at / 60 for at, _ in points], [rss / 2**20 for _, rss in points])
            for id_, points in course.items()
        ]
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


def run(server: str, keys: int, bytes_: int, minutes: float, every: float) -> tuple[Course, wrk.Load]:
    """One store under writes, watched. Raises ``BenchError``."""
    store = Store(server, server, 3)
    try:
        store.start_and_load(keys, bytes_)
        arguments = wrk.command(
            f"http://{store.members[1]}",
            WORKS["put"],
            dialect=store.dialect,
            connections=CONNECTIONS,
            seconds=max(1, round(minutes * 60)),
            keys=keys,
            size=bytes_,
            seed=1,
        )
        running = wrk.Running(arguments)
        try:
            course = watch(store, running, every)
            return course, running.result()
        finally:
            running.kill()
    finally:
        store.stop()


def show(server: str, course: Course, load: wrk.Load) -> list[list[str]]:
    """A row for each node. Raises ``BenchError`` where there are too few points. Pure."""
    rows = []
    for id_, points in sorted(course.items()):
        if len(points) < 4:
            raise BenchError("too short: look at the memory more often, or for longer")
        grown = growth(points)
        half = next(rss for at, rss in points if at >= points[-1][0] / 2)
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
