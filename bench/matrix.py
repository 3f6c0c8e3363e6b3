"""`python -m bench matrix`: any contenders under any kinds of work and conditions, side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import product

from .cells import Cell, Result, Results, Stand, rate
from .contenders import DESCRIPTIONS, make
from .figures import Spread
from .options import counts, names, publishing, rounds_and_seconds
from .plots import matrix_plots
from .processes import BenchError
from .report import Report
from .rounds import possible, run, say
from .tables import number, size, spread, table
from .work import WORKS

HELP = "any choice of contenders, kinds of work, connections, sizes, nodes and keys, side by side"
NEAR = ("hypercorn", "uvicorn", "granian", "etcd")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The choices, with defaults that take a few minutes."""
    parser.add_argument(
        "--contenders", type=names(DESCRIPTIONS), default=list(NEAR), help=f"of {', '.join(DESCRIPTIONS)}"
    )
    parser.add_argument("--works", type=names(WORKS), default=["put", "get"], help=f"of {', '.join(WORKS)}")
    parser.add_argument("--connections", type=counts, default=[32, 128], help="default 32,128")
    parser.add_argument(
        "--sizes", type=counts, default=[100], help="bytes of a value: 16B,64KiB,1MiB; default 100"
    )
    parser.add_argument("--nodes", type=counts, default=[3], help="default 3; a limit has one")
    parser.add_argument(
        "--keys", type=counts, default=[1000], help="keys that are loaded: 1000,1e6; default 1000"
    )
    parser.add_argument(
        "--baseline", help="whom the ratios are to; default etcd if it takes part, else the first"
    )
    parser.add_argument(
        "--resident",
        type=int,
        default=8,
        metavar="N",
        help="how many contenders may be up at once; default 8",
    )
    rounds_and_seconds(parser)
    publishing(parser)


def choose(
    contenders: Sequence[str],
    works: Sequence[str],
    connections: Sequence[int],
    sizes: Sequence[int],
    nodes: Sequence[int],
    keys: Sequence[int],
) -> list[Cell]:
    """Every combination that there is; a contender that has one node only is measured once."""
    cells: dict[Cell, None] = {}
    for contender, work, each, bytes_, count, loaded in product(
        contenders, works, connections, sizes, nodes, keys
    ):
        stand = Stand(contender, make(contender, count).nodes, loaded, bytes_)
        cell = Cell(stand, work, each)
        if possible(cell):
            cells[cell] = None
    return list(cells)


def present(contenders: Sequence[str]) -> list[str]:
    """Those that can run here; of the others it is said why not. Raises ``BenchError`` if none can."""
    there = []
    for name in contenders:
        reason = make(name, 3).missing()
        if reason:
            say(f"{name} is left out: {reason}")
        else:
            there.append(name)
    if not there:
        raise BenchError("none of the contenders can run here")
    return there


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    contenders = present(options.contenders)
    baseline = options.baseline or ("etcd" if "etcd" in contenders else contenders[0])
    if baseline not in contenders:
        raise BenchError(f"the baseline {baseline} does not take part")
    cells = choose(contenders, options.works, options.connections, options.sizes, options.nodes, options.keys)
    results = run(
        cells, rounds=options.rounds, seconds=options.seconds, seed=options.seed, resident=options.resident
    )
    data = {"baseline": baseline, "results": [result.document() for result in results.all()]}
    return Report("matrix", show(results, contenders, baseline), data, matrix_plots(results))


def show(results: Results, contenders: Sequence[str], baseline: str) -> str:
    """A table for each kind of work, all contenders under one condition below each other. Pure."""
    parts = []
    cells = results.cells()
    for work in sorted({cell.work for cell in cells}, key=list(WORKS).index):
        rows = []
        mine = [cell for cell in cells if cell.work == work]
        for cell in sorted(mine, key=lambda each: (_condition(each), contenders.index(each.stand.contender))):
            rows.append(_row(results, cell, _opponent(cell, baseline, mine)))
        parts.append(f"{work}, low / median / high over the rounds:\n\n{table(_head(baseline), rows)}")
    return "\n\n".join(parts)


def _head(baseline: str) -> list[str]:
    head = [
        "contender",
        "nodes",
        "keys",
        "value",
        "connections",
        "requests/s",
        f": {baseline}",
        "p50 ms",
        "p99 ms",
    ]
    return [*head, "p99.9 ms", "CPU s/1000", "RSS", "RSS/key", "other CPU", "errors"]


def _condition(cell: Cell) -> tuple[int, int, int]:
    return cell.connections, cell.stand.size, cell.stand.keys


def _opponent(cell: Cell, baseline: str, cells: Sequence[Cell]) -> Cell | None:
    """The baseline's cell under the same conditions; with as many nodes, if it was measured with as many."""
    same = [
        each for each in cells if each.stand.contender == baseline and _condition(each) == _condition(cell)
    ]
    return min(same, key=lambda each: abs(each.stand.nodes - cell.stand.nodes), default=None)


def _row(results: Results, cell: Cell, opponent: Cell | None) -> list[str]:
    """One line. Where a round had no answer at all, there is no latency and no cost of one."""
    answered = results.answered(cell)

    def of(take: str, factor: float = 1.0) -> Spread | None:
        return results.spread(cell, lambda result: float(getattr(result, take)) * factor)

    def middle(values: Spread | None, write: Callable[[float], str]) -> str:
        return "–" if values is None else write(values.middle)

    errors = results.errors(cell)
    return [
        cell.stand.contender,
        str(cell.stand.nodes),
        f"{cell.stand.keys:,}",
        size(cell.stand.size),
        str(cell.connections),
        spread(of("rate")),
        spread(None if opponent is None else results.ratio(cell, opponent, rate)),
        spread(of("p50", 1e3) if answered else None),
        spread(of("p99", 1e3) if answered else None),
        middle(of("p999", 1e3) if answered else None, number),
        middle(of("cpu_per_1000") if answered else None, number),
        middle(results.spread(cell, _memory), size),
        middle(of("rss_per_key"), size),
        middle(of("foreign"), "{:.0%}".format),
        "0" if errors == 0 else f"**{errors:,}**",
    ]


def _memory(result: Result) -> float:
    return float(sum(result.rss))
