"""`python -m bench overload`: many times more is asked of a node than it lets wait.

A node lets so many requests and so many bytes wait and turns the others away (503 with Retry-After). Here the
clients' requests hold, together, several times those bytes. wrk sends the next request as soon as one was
answered, also where the answer asked it to wait, so it offers as much as the machine can.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from frontends.common.settings import Settings

from . import wrk
from .contenders import Store
from .figures import second_half, slope
from .memory import Course, drawn, watch
from .options import counts, publishing, which_servers
from .plots import drawer
from .report import Report
from .rounds import steps
from .tables import number, size, table
from .work import WORKS

HELP = "several times more than a node lets wait: memory, refusals, what is still served"


@dataclass(frozen=True, slots=True)
class Overload:
    """What a node did that was asked too much."""

    load: wrk.Load
    course: Course

    def count(self, *statuses: str) -> int:
        """How many answers had one of these statuses."""
        return sum(self.load.statuses.get(status, 0) for status in statuses)

    @property
    def accepted(self) -> int:
        """Writes that took effect."""
        return self.count("200", "201")

    @property
    def refused(self) -> int:
        """Writes that were turned away as they should be."""
        return self.count("503 with Retry-After")

    @property
    def others(self) -> dict[str, int]:
        """Any other answer, by its status."""
        known = ("200", "201", "503 with Retry-After")
        return {status: times for status, times in sorted(self.load.statuses.items()) if status not in known}


def run(server: str, connections: int, bytes_: int, seconds: int) -> Overload:
    """Ask too much for some seconds. Raises ``BenchError``."""
    store = Store(server, server, 3)
    try:
        store.start_and_load(10, bytes_)
        arguments = store.under(
            WORKS["put"],
            connections=connections,
            seconds=seconds,
            keys=10,
            size=bytes_,
            count_statuses=True,
        )
        with wrk.Running(arguments) as running:
            course = watch(store, running, 1.0)
            return Overload(running.result(), course)
    finally:
        store.stop()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much too much."""
    which_servers(parser)
    parser.add_argument("--size", type=counts, default=[2**20], help="bytes of a value; default 1MiB")
    parser.add_argument("--times", type=float, default=4.0, help="how many times what may wait; default 4")
    parser.add_argument("--seconds", type=int, default=60, help="default 60")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    bytes_ = options.size[0]
    allowed = Settings(1).max_waiting_bytes
    connections = max(1, round(options.times * allowed / bytes_))
    rows, data, lines = [], [], []
    measured = []
    with steps(len(options.servers)) as bar:
        for server in options.servers:
            text = f"overload: {server}, {connections} connections with {size(bytes_)} each"
            with bar.step(text, options.seconds):
                measured.append((server, run(server, connections, bytes_, options.seconds)))
    for server, found in measured:
        rows.append(_row(server, found, bytes_))
        data.append({"server": server, "statuses": found.load.statuses, "course": found.course})
        lines += drawn(server, found.course)
    text = (
        f"{connections} connections with values of {size(bytes_)} at once, {options.times:g} times the "
        f"{size(allowed)} that may wait, for {options.seconds} s:\n\n{table(HEAD, rows)}"
    )
    plot = drawer("resident memory of each node under overload", "s", "MiB", lines, logarithmic=False)
    return Report("overload", text, {"runs": data}, {"overload": plot})


HEAD = [
    "server",
    "accepted/s",
    "accepted MiB/s",
    "refused with Retry-After",
    "other answers",
    "broken or late",
]
HEAD += ["highest RSS", "RSS growth/s in the second half"]


def _row(server: str, found: Overload, bytes_: int) -> list[str]:
    load = found.load
    answered = max(1, sum(load.statuses.values()))
    primary = found.course[1]
    # Statuses are counted one by one; what wrk counts beside are connections that broke, and timeouts.
    return [
        server,
        number(found.accepted / load.seconds),
        number(found.accepted * bytes_ / load.seconds / 2**20),
        f"{found.refused / answered:.1%}",
        ", ".join(f"{times} of {status}" for status, times in found.others.items()) or "0",
        str(max(0, load.errors - sum(times for status, times in load.statuses.items() if status >= "4"))),
        size(max(rss for _, rss in primary)),
        size(slope(second_half(primary))),
    ]
