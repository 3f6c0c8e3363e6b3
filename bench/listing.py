"""`python -m bench listing`: what everybody else notices while one client reads the whole store.

One client asks for `GET /data` and reads it as fast as it comes. Another asks the same node `GET /ping` again
and again, a third writes: shown are the longest times that either had no answer.
"""

from __future__ import annotations

import argparse
import http.client
import time
from dataclasses import dataclass

import progress

from .contenders import Store
from .figures import Spread, longest_gap
from .options import contents, publishing, which_servers
from .probes import Probe, probing, rest
from .processes import BenchError
from .report import Report
from .rounds import steps
from .tables import number, size, spread, table

HELP = "what others notice while one client reads the whole store"
PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """One `GET /data`, in seconds and bytes, and the longest times that the others had no answer."""

    seconds: float
    received: int
    ping: float
    write: float
    usual_ping: float
    """In the seconds before."""


def read_all(address: str) -> int:
    """Read the whole store, and forget it; the bytes that came. Raises ``BenchError``."""
    connection = http.client.HTTPConnection(address, timeout=300)
    try:
        connection.request("GET", "/data")
        response = connection.getresponse()
        if response.status != 200:
            raise BenchError(f"GET /data was answered {response.status}")
        received = 0
        while piece := response.read(PIECE):
            received += len(piece)
        return received
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"GET /data broke: {error}") from error
    finally:
        connection.close()


def reading(store: Store, keys: int) -> Reading:
    """One reading of a store that is up. Raises ``BenchError``."""
    address = store.members[1]
    with probing([Probe(address, ["ping"]), Probe(address, ["put"], keys=keys)]) as probes:
        quiet = time.monotonic()
        begin = rest(2)
        received = read_all(address)
        end = time.monotonic()
        rest(0.5)
        pings, writes = ([each.answered for each in probe.stop() if each.good] for probe in probes)
    return Reading(
        seconds=end - begin,
        received=received,
        ping=longest_gap(pings, begin, end),
        write=longest_gap(writes, begin, end),
        usual_ping=longest_gap(pings, quiet, begin),
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which servers, and how much data."""
    which_servers(parser)
    contents(parser, keys=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    rows, data = [], []
    with steps(len(options.servers) * len(options.keys) * options.rounds) as bar:
        measured = [
            (server, keys, _readings(server, keys, options, bar))
            for server in options.servers
            for keys in options.keys
        ]
    for server, keys, readings in measured:
        rows.append([server, f"{keys:,}", *_figures(readings)])
        data += [
            {"server": server, "keys": keys, "seconds": each.seconds, "bytes": each.received}
            | {"ping": each.ping, "write": each.write, "usual_ping": each.usual_ping}
            for each in readings
        ]
    head = ["server", "keys", "bytes", "seconds", "no ping for ms", "before ms", "no write for ms"]
    text = f"`GET /data` of everything, 3 nodes, low / median / high over the rounds:\n\n{table(head, rows)}"
    return Report("listing", text, {"readings": data}, {})


def _readings(server: str, keys: int, options: argparse.Namespace, bar: progress.Bar) -> list[Reading]:
    store = Store(server, server, 3)
    readings = []
    try:
        store.start_and_load(keys, options.size[0])
        for round_ in range(options.rounds):
            with bar.step(f"listing: {server}, {keys:,} keys, round {round_ + 1}/{options.rounds}"):
                readings.append(reading(store, keys))
    finally:
        store.stop()
    return readings


def _figures(readings: list[Reading]) -> list[str]:
    return [
        size(readings[0].received),
        spread(Spread.of(each.seconds for each in readings)),
        spread(Spread.of(each.ping * 1e3 for each in readings)),
        number(max(each.usual_ping for each in readings) * 1e3),
        spread(Spread.of(each.write * 1e3 for each in readings)),
    ]
