"""`python -m bench table`: the marks of this store, each measured and called reached or not."""

from __future__ import annotations

import argparse

import progress

from . import core, join, marks, pause
from .cells import Cell, Results, rate
from .contenders import make
from .contenders.store import FRONTENDS
from .figures import Spread
from .marks import Mark
from .options import names, publishing, rounds_and_seconds
from .processes import BenchError
from .report import Report
from .rounds import run, say, steps

HELP = "the marks: each line measured, reached or not reached (this is the default)"
PARTS = ("rates", "best", "core", "join", "pause")
PAUSE_KEYS, JOIN_KEYS, SIZE = 100_000, 1_000_000, 100
JOIN_RATE, JOIN_BEFORE = 400.0, 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How long, and which part."""
    asgi = [server for server, module in FRONTENDS.items() if module == "frontends.quart_app"]
    parser.add_argument(
        "--servers",
        type=names(FRONTENDS),
        default=asgi,
        help=f"among which the best is; default {','.join(asgi)}",
    )
    parser.add_argument(
        "--parts", type=names(PARTS), default=list(PARTS), help=f"of {', '.join(PARTS)}; default all"
    )
    rounds_and_seconds(parser, rounds=5, seconds=5)
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    found: list[Mark] = []
    texts: list[str] = []
    results, again = Results(), Results()
    if _begins("rates", options):
        if reason := make("etcd", 3).missing():
            raise BenchError(reason)
        results = rates(options)
        found += marks.against_etcd(results, options.servers) + marks.against_limits(results, options.servers)
        texts.append(
            f"Every server beside its limit and etcd:\n\n{marks.each_server(results, options.servers)}"
        )
    server = choose(results, options.servers)
    if _begins("best", options):
        say(f"table: the best server is {server}")
        again = timed(marks.best_cells(server), options)
        found += marks.of_the_best(again, server)
    if _begins("core", options):
        found += core_marks(options.rounds)
    if _begins("join", options):
        found += join_marks(server, options.rounds)
    if _begins("pause", options):
        found += pause_marks(server, options.rounds)
    data = {
        "marks": [document(mark) for mark in found],
        "results": [result.document() for result in results.all()],
        "results_of_the_best": [result.document() for result in again.all()],
    }
    return Report("table", "\n\n".join([marks.show(found), *texts]), data, {})


def _begins(part: str, options: argparse.Namespace) -> bool:
    """Whether a part is wanted; at a terminal, where each shows how far it is, it is said which one it is."""
    wanted = [each for each in PARTS if each in options.parts]
    if part in wanted and progress.shown():
        say(f"part {wanted.index(part) + 1} of {len(wanted)}: {part}")
    return part in wanted


def rates(options: argparse.Namespace) -> Results:
    """The cells of all contenders, together in each round."""
    lease, naive = (make(name, 3).missing() for name in ("uvicorn-lease", "naive"))
    for reason in (lease, naive):
        if reason:
            say(f"table: {reason}")
    return timed(marks.cells(options.servers, lease=not lease, naive=not naive), options)


def timed(cells: list[Cell], options: argparse.Namespace) -> Results:
    """Measure cells as long and as often as the command line says."""
    stands = len({cell.stand for cell in cells})
    return run(cells, rounds=options.rounds, seconds=options.seconds, seed=options.seed, resident=stands)


def choose(results: Results, servers: list[str]) -> str:
    """The server with the highest median of PUT from 128 connections; the last named if none was measured."""
    fastest = marks.best(results, [Cell(marks.stand(server), "put", 128) for server in servers], rate)
    return servers[-1] if fastest is None else fastest.stand.contender


def core_marks(rounds: int) -> list[Mark]:
    """The core alone. Messages within a process need no encoding; with it, the figure stands beside."""
    measured = core.rates([32], rounds, 30_000)
    coded = measured[32, True]
    detail = f"operations/s; {coded.middle:,.0f} with every message encoded and decoded"
    line = "core alone, 3 replicas in one process, PUT in batches of 32"
    return [Mark(line, 50_000, True, measured[32, False], detail)]


def join_marks(server: str, rounds: int) -> list[Mark]:
    """An empty node joins, while others read and write."""
    joins = []
    with steps(rounds) as bar:
        for round_ in range(rounds):
            with bar.step(f"table: join, round {round_ + 1}/{rounds}"):
                joins.append(join.join(server, JOIN_KEYS, SIZE, JOIN_RATE, JOIN_BEFORE))
    what = f"{server}, {JOIN_KEYS:,} keys of {SIZE} B, {JOIN_RATE:g} requests/s of others"
    errors = sum(each.errors for each in joins)
    p99 = Spread.of(each.during / each.normal for each in joins)
    return [
        Mark("joining node: seconds", 30, False, Spread.of(each.seconds for each in joins), what, errors),
        Mark("joining node: p99 of the others during : before", 2, False, p99, what, errors),
    ]


def pause_marks(server: str, rounds: int) -> list[Mark]:
    """The view changes."""
    with steps(rounds) as bar:
        found = pause.pauses(server, PAUSE_KEYS, SIZE, rounds, bar)
    return [
        Mark(
            f"longest write pause, ms: {case}",
            100,
            False,
            Spread.of(each.longest * 1e3 for each in found if each.case == case),
            f"{server}, {PAUSE_KEYS:,} keys of {SIZE} B",
        )
        for case in pause.CASES
    ]


def document(mark: Mark) -> dict[str, object]:
    """A mark as JSON."""
    measured = mark.measured
    return {
        "line": mark.line,
        "mark": mark.bound,
        "at_least": mark.at_least,
        "measured": None if measured is None else [measured.low, measured.middle, measured.high],
        "verdict": mark.verdict,
        "of": mark.detail,
        "errors": mark.errors,
    }
