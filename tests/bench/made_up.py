"""Results that nobody measured, to test what is concluded from results."""

from __future__ import annotations

from bench.cells import Cell, Result, Stand


def cell(contender: str, work: str = "put", connections: int = 32, keys: int = 1000) -> Cell:
    """A cell with the usual three nodes and 100 bytes; a limit has one node."""
    return Cell(Stand(contender, 1 if contender.startswith("limit") else 3, keys, 100), work, connections)


def result(where: Cell, round_: int, rate: float, p50: float = 0.001, errors: int = 0) -> Result:
    """A result with this rate and median latency; the rest is of no interest."""
    return Result(
        cell=where,
        round=round_,
        requests=round(rate),
        seconds=1.0,
        rate=rate,
        p50=p50,
        p99=10 * p50,
        p999=20 * p50,
        cpu_per_1000=0.5,
        rss=(2**20, 2**20),
        rss_per_key=300.0,
        errors=errors,
        foreign=0.01,
    )
