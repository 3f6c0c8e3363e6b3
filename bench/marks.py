"""The marks: what the store sets out to reach, each judged by what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .cells import Cell, Measure, Results, Stand, median_latency, rate
from .figures import Spread
from .tables import number, spread, table

KEYS, MANY_KEYS, SIZE, NODES = 1_000, 1_000_000, 100, 3


@dataclass(frozen=True, slots=True)
class Mark:
    """One line. The median of ``measured`` is held against ``bound``; ``None`` was not measured."""

    line: str
    bound: float
    at_least: bool
    measured: Spread | None
    detail: str
    """Whom and which absolute figures the measure is made of, or why there is none."""
    errors: int = 0

    @property
    def verdict(self) -> str:
        """``reached``, ``not reached`` or ``not measured``; a run with errors is never reached."""
        if self.measured is None:
            return "not measured"
        if self.errors:
            return f"not reached ({self.errors} errors)"
        middle = self.measured.middle
        good = middle >= self.bound if self.at_least else middle <= self.bound
        return "reached" if good else "not reached"


def show(marks: Iterable[Mark]) -> str:
    """The table of the marks."""
    rows = [
        [
            mark.line,
            f"{'≥' if mark.at_least else '≤'} {mark.bound:,g}",
            spread(mark.measured),
            mark.verdict,
            mark.detail,
        ]
        for mark in marks
    ]
    return table(["line", "mark", "measured: low / median / high", "verdict", "of"], rows, (0, 3, 4))


def stand(contender: str, keys: int = KEYS) -> Stand:
    """A contender as the marks want it: three nodes (a limit is one), values of 100 bytes."""
    return Stand(contender, 1 if contender.startswith("limit-") else NODES, keys, SIZE)


def cells(servers: Sequence[str], lease: bool, naive: bool) -> list[Cell]:
    """What has to be measured for all marks of throughput and latency but the ones about the best server."""
    wanted = []
    for contender in (*servers, "etcd"):
        wanted += [Cell(stand(contender), "put", 1)]
        wanted += [Cell(stand(contender), work, many) for work in ("put", "get") for many in (32, 128)]
    for server in servers:
        wanted += [Cell(stand(f"limit-{server}"), "put", many) for many in (32, 128)]
        if lease:
            wanted += [Cell(stand(f"{server}-lease"), "get", many) for many in (32, 128)]
    if naive:
        wanted += [Cell(stand(contender), "put", 32) for contender in ("waitress", "naive")]
    return list(dict.fromkeys(wanted))


def best_cells(best: str) -> list[Cell]:
    """What is measured of the best server alone: many connections, and many keys."""
    return [
        Cell(stand(best), "put", 128),
        Cell(stand(best), "put", 512),
        Cell(stand(best), "put", 32),
        Cell(stand(best, MANY_KEYS), "put", 32),
    ]


def best(results: Results, candidates: Iterable[Cell], measure: Measure, lowest: bool = False) -> Cell | None:
    """The cell with the highest median of a measure (or the lowest), ``None`` if none was measured."""
    found = {
        cell: values.middle for cell in candidates if (values := results.spread(cell, measure)) is not None
    }
    if not found:
        return None
    return min(found, key=lambda cell: found[cell] if lowest else -found[cell])


def ratio(
    results: Results, line: str, bound: float, above: Cell | None, below: Cell, measure: Measure = rate
) -> Mark:
    """A mark on the ratio of two cells: of their rates, at least, or of their latencies, at most."""
    at_least = measure is rate
    if above is None:
        return Mark(line, bound, at_least, None, "not measured")
    factor, unit = (1.0, "/s") if at_least else (1e3, " ms")
    figures = [
        f"{cell.stand.contender} {number(values.middle * factor)}{unit}"
        for cell in (above, below)
        if (values := results.spread(cell, measure)) is not None
    ]
    measured = results.ratio(above, below, measure)
    errors = results.errors(above) + results.errors(below)
    return Mark(line, bound, at_least, measured, " : ".join(figures) or "not measured", errors)


def against_etcd(results: Results, servers: Sequence[str]) -> list[Mark]:
    """PUT, confirmed GET, GET under a lease, the latency of one client: the best server to etcd."""
    marks = []
    for work, name in (("put", "PUT"), ("get", "confirmed GET")):
        for many in (32, 128):
            candidates = [Cell(stand(server), work, many) for server in servers]
            line = f"{name}, 3 nodes, {many} connections, best of our servers : etcd"
            marks.append(
                ratio(results, line, 2.0, best(results, candidates, rate), Cell(stand("etcd"), work, many))
            )
    for many in (32, 128):
        candidates = [Cell(stand(f"{server}-lease"), "get", many) for server in servers]
        line = (
            f"GET under a lease, 3 nodes, {many} connections, best of our servers : etcd's linearizable range"
        )
        marks.append(
            ratio(results, line, 4.0, best(results, candidates, rate), Cell(stand("etcd"), "get", many))
        )
    alone = best(results, [Cell(stand(server), "put", 1) for server in servers], median_latency, lowest=True)
    line = "p50 of one client alone, PUT, best of our servers : etcd"
    marks.append(ratio(results, line, 0.8, alone, Cell(stand("etcd"), "put", 1), median_latency))
    return marks


def against_limits(results: Results, servers: Sequence[str]) -> list[Mark]:
    """PUT with replication : the same server without, and the threaded frontend : what people build first."""
    marks = []
    for many in (32, 128):
        fastest = best(results, [Cell(stand(server), "put", many) for server in servers], rate)
        name = fastest.stand.contender if fastest is not None else servers[0]
        line = f"PUT with replication : the same server's limit, {many} connections, best of our servers"
        marks.append(ratio(results, line, 0.5, fastest, Cell(stand(f"limit-{name}"), "put", many)))
    line = "hypercorn: PUT : hypercorn's own limit, 32 connections"
    hypercorn, limit = Cell(stand("hypercorn"), "put", 32), Cell(stand("limit-hypercorn"), "put", 32)
    marks.append(ratio(results, line, 0.6, hypercorn, limit))
    line = "wsgi (waitress): PUT : naive Flask, 32 connections"
    marks.append(
        ratio(results, line, 10.0, Cell(stand("waitress"), "put", 32), Cell(stand("naive"), "put", 32))
    )
    return marks


def of_the_best(results: Results, server: str) -> list[Mark]:
    """How the best server holds out with many keys and many connections. ``results`` of ``best_cells``."""
    few, many_keys = Cell(stand(server), "put", 32), Cell(stand(server, MANY_KEYS), "put", 32)
    usual, crowd = Cell(stand(server), "put", 128), Cell(stand(server), "put", 512)
    return [
        ratio(results, f"PUT at 1e6 keys : at 1e3 keys, 32 connections, {server}", 0.9, many_keys, few),
        ratio(results, f"PUT at 512 connections : at 128, {server}", 0.8, crowd, usual),
    ]


def each_server(results: Results, servers: Sequence[str]) -> str:
    """PUT of every server beside its own limit and etcd, without a mark."""
    rows = []
    for server in servers:
        for many in (32, 128):
            mine, limit = Cell(stand(server), "put", many), Cell(stand(f"limit-{server}"), "put", many)
            rows.append(
                [
                    server,
                    str(many),
                    spread(results.spread(mine, rate)),
                    spread(results.ratio(mine, limit, rate)),
                    spread(results.ratio(mine, Cell(stand("etcd"), "put", many), rate)),
                    spread(
                        results.ratio(
                            Cell(stand(server), "get", many), Cell(stand("etcd"), "get", many), rate
                        )
                    ),
                ]
            )
    return table(["server", "connections", "PUT/s", "PUT : limit", "PUT : etcd", "GET : etcd"], rows)
