"""`python -m bench failover`: how long nobody can write when the view service has to see to it.

The primary of five members is killed (SIGKILL), then the next one, until one is left, on as many clusters as
it takes. A client at each node writes as fast as it is answered. What is shown is the time from the signal to
the first write that is acknowledged by a survivor; answers within the first milliseconds, to what was under
way, do not count.

Then switchovers, asked for by an operator, on fresh clusters of three: the longest time between two
acknowledged writes of a client at a node that stays, and how many of its writes failed. And overload of
healthy nodes, which is no reason to change a view.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from frontends.common.settings import Settings
from viewservice.config import PRESETS

from . import wrk
from .contenders import Store
from .figures import Spread, longest_gap
from .options import names, publishing, which_servers
from .probes import Probe, Seen, probing, rest
from .processes import BenchError, Process, python, wait_until
from .report import Report
from .rounds import steps
from .tables import number, spread, table
from .talk import call, demand
from .work import WORKS

HELP = "with the view service: the death of a primary, and a switchover"
UNDER_WAY = 0.02
"""Seconds after a kill in which answers belong to what was under way."""
SETTLE = 0.5
MEMBERS = 5


class Watched(Store):
    """A cluster whose views come from the view service."""

    def __init__(self, server: str, nodes: int, preset: str) -> None:
        super().__init__(f"{server} with a view service", server, nodes)
        self._preset = preset
        self.service = ""
        self._process: Process | None = None

    def start(self) -> None:
        for id_ in range(1, self.nodes + 1):
            self.start_node(id_)
        self.service = self._address()
        members = ",".join(f"{id_}={address}" for id_, address in self.members.items())
        command = python("viewservice", "--nodes", members, "--bind", self.service, "--preset", self._preset)
        command += ["--store", f"sqlite:{self._home / 'views.sqlite'}"]
        self._process = self._launch("view service", command)
        self.wait_active(list(self.members))

    def wait_view(self, ids: Sequence[int]) -> None:
        """Wait until the view service has these members in an active view. Raises ``BenchError``."""

        def there() -> bool:
            answer = call(self.service, "GET", "/status")
            if answer.status != 200 or not answer.json()["active"]:
                return False
            return [member["id"] for member in answer.json()["members"]] == list(ids)

        wait_until(there, f"the view is {list(ids)}", 60)


@dataclass(frozen=True, slots=True)
class Switch:
    """One switchover: the longest pause of a client at a node that stays, and its failed writes."""

    pause: float
    failed: int


def deaths(server: str, preset: str, seed: int) -> list[float]:
    """Seconds from the death of each primary of one cluster to the next acknowledged write."""
    chance, found = random.Random(seed), []
    store = Watched(server, MEMBERS, preset)
    try:
        store.start_and_load(0, 0)
        for dead in range(1, MEMBERS):
            left = list(range(dead + 1, MEMBERS + 1))
            probes = [Probe(store.members[id_], ["put"], seed=id_) for id_ in left]
            with probing(probes) as running:
                rest(SETTLE + chance.random() / 2)  # at any moment of the service's looks
                began = time.monotonic()
                store.kill_node(dead)
                store.wait_view(left)
                rest(SETTLE)
                seen = [probe.stop() for probe in running]
            found.append(min(_first(each, began) for each in seen) - began)
    finally:
        store.stop()
    return found


def _first(seen: Sequence[Seen], began: float) -> float:
    """When the first write after ``began`` was acknowledged. Raises ``BenchError`` if none was."""
    good = [each.answered for each in seen if each.good and each.answered > began + UNDER_WAY]
    if not good:
        raise BenchError("nothing was acknowledged after a failover")
    return min(good)


def switchover(server: str, preset: str) -> Switch:
    """Switch over from node 1 to node 2 of three, under the hands of clients at 2 and 3."""
    store = Watched(server, 3, preset)
    try:
        store.start_and_load(0, 0)
        probes = [Probe(store.members[id_], ["put"], seed=id_) for id_ in (2, 3)]
        with probing(probes) as running:
            rest(SETTLE)
            begin = time.monotonic()
            demand(store.service, "POST", "/orders", {"word": "switchover", "ids": [2]})
            store.wait_view([2, 3])
            end = rest(SETTLE)
            seen = [probe.stop() for probe in running]
    finally:
        store.stop()
    pauses = [longest_gap([each.answered for each in mine if each.good], begin, end) for mine in seen]
    return Switch(max(pauses), sum(not each.good for mine in seen for each in mine))


def changes_under_overload(server: str, preset: str, seconds: int) -> tuple[int, wrk.Load]:
    """How often the view changes while clients ask four times more of healthy nodes than they let wait."""
    store = Watched(server, 3, preset)
    size = 2**20
    connections = 4 * Settings(1).max_waiting_bytes // size
    try:
        store.start_and_load(10, size)
        before = demand(store.service, "GET", "/status")["epoch"]
        arguments = store.under(
            WORKS["put"], connections=connections, seconds=seconds, keys=10, size=size, count_statuses=True
        )
        load = wrk.run(arguments)
        return demand(store.service, "GET", "/status")["epoch"] - before, load
    finally:
        store.stop()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How often."""
    which_servers(parser)
    parser.add_argument("--presets", type=names(PRESETS), default=list(PRESETS), help="default all")
    parser.add_argument("--deaths", type=int, default=52, help="of primaries, for each preset; default 52")
    parser.add_argument("--switchovers", type=int, default=5, help="default 5")
    parser.add_argument("--overload", type=int, default=600, help="seconds of overload; default 600")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    rows, switches, calm = [], [], []
    data: list[dict[str, object]] = []
    for server in options.servers:
        for preset, times, made in _changes(server, options):
            times.sort()
            middle = times[len(times) // 2]
            rows.append([server, preset, str(len(times)), *map(number, (times[0], middle, times[-1]))])
            pauses = spread(Spread.of([each.pause for each in made]).scaled(1e3))
            switches.append([server, preset, str(len(made)), pauses, str(sum(each.failed for each in made))])
            data.append({"server": server, "preset": preset, "deaths": times})
            data[-1]["switchovers"] = [each.pause for each in made]
        preset = options.presets[0]
        with (
            steps(1) as bar,
            bar.step(f"overload: {server}, {preset}, {options.overload} s", options.overload),
        ):
            changes, load = changes_under_overload(server, preset, options.overload)
        taken = sum(load.statuses.get(status, 0) for status in ("200", "201"))
        calm.append(
            [server, preset, f"{options.overload} s", str(changes), f"{taken:,}", f"{load.requests:,}"]
        )
        data[-1]["changes"] = changes
    head = ["server", "preset", "deaths", "shortest s", "median s", "longest s"]
    other = ["server", "preset", "switchovers", "longest pause ms", "failed writes"]
    text = (
        "From SIGKILL of the primary to the next write acknowledged through a survivor, 5 members to 1:"
        f"\n\n{table(head, rows, (0, 1))}\n\n"
        "Switchovers from 1 to 2 of three nodes, seen by clients at 2 and 3, low / median / high:\n\n"
        f"{table(other, switches, (0, 1))}"
    )
    text += (
        "\n\nFour times more asked of three healthy nodes than they let wait, writes of 1 MiB:\n\n"
        + table(["server", "preset", "for", "view changes", "writes taken", "answers"], calm, (0, 1))
    )
    return Report("failover", text, {"runs": data}, {})


def _changes(server: str, options: argparse.Namespace) -> list[tuple[str, list[float], list[Switch]]]:
    """Of each preset the times without a primary, and the switchovers."""
    found = []
    with steps(len(options.presets) * (options.deaths + options.switchovers)) as bar:
        for preset in options.presets:
            times: list[float] = []
            while len(times) < options.deaths:
                text = f"failover: {server}, {preset}, {len(times)}/{options.deaths}"
                with bar.step(text, amount=min(MEMBERS - 1, options.deaths - len(times))):
                    times += deaths(server, preset, len(times))
            made = []
            for number_ in range(options.switchovers):
                with bar.step(f"switchover: {server}, {preset}, {number_ + 1}"):
                    made.append(switchover(server, preset))
            found.append((preset, times, made))
    return found
