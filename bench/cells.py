"""What is measured, cell by cell, and what came out. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .figures import Spread, ratios


@dataclass(frozen=True, slots=True, order=True)
class Stand:
    """A contender as it is started: how many nodes, and what is loaded."""

    contender: str
    nodes: int
    keys: int
    size: int


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One thing to measure: a contender under one kind of work from so many connections.

    ``size`` is the bytes of each value, those that were loaded and those that are written.
    """

    stand: Stand
    work: str
    connections: int


@dataclass(frozen=True, slots=True)
class Result:
    """What one round of one cell gave. Latencies in seconds, memory in bytes."""

    cell: Cell
    round: int
    requests: int
    seconds: float
    rate: float
    p50: float
    p99: float
    p999: float
    cpu_per_1000: float
    """CPU seconds of all processes of the contender for a thousand requests."""
    rss: tuple[int, ...]
    """Of each process, at the end."""
    rss_per_key: float
    """What loading one key added to the memory of one process; 0 where nothing was loaded."""
    errors: int
    """Unexpected answers of 400 and above, broken connections, timeouts; 1 for no answer at all."""
    foreign: float
    """Share (0 to 1) of the machine's CPU time that went to neither the contender nor wrk."""

    def document(self) -> dict[str, Any]:
        """One flat JSON object."""
        document = asdict(self)
        cell = document.pop("cell")
        stand = cell.pop("stand")
        return {**stand, **cell, **document}


def from_document(document: dict[str, Any]) -> Result:
    """The result that ``Result.document`` was made of. Raises ``KeyError``."""
    rest = dict(document)
    stand = Stand(*(rest.pop(name) for name in ("contender", "nodes", "keys", "size")))
    cell = Cell(stand, rest.pop("work"), rest.pop("connections"))
    return Result(cell, **{**rest, "rss": tuple(rest["rss"])})


def arrange(cells: Sequence[Cell], round_: int, seed: int, resident: int) -> list[Cell]:
    """The order of one round: shuffled, from a seed, differently in every round.

    Where there are more stands than may be up at the same time (``resident``), the cells of one stand stay
    together, so that each stand is started once in a round.
    """
    chance = random.Random(f"{seed} {round_}")
    order = sorted(cells)
    chance.shuffle(order)
    stands = sorted({cell.stand for cell in order})
    if len(stands) > resident:
        chance.shuffle(stands)
        order.sort(key=lambda cell: stands.index(cell.stand))
    return order


Measure = Callable[[Result], float]


class Results:
    """All results of one run, to be asked for spreads and ratios."""

    def __init__(self, results: Iterable[Result] = ()) -> None:
        self._by_cell: dict[Cell, dict[int, Result]] = {}
        for result in results:
            self.add(result)

    def add(self, result: Result) -> None:
        """Keep one more."""
        self._by_cell.setdefault(result.cell, {})[result.round] = result

    def all(self) -> list[Result]:
        """Every result, sorted by cell and round."""
        return [rounds[number] for _, rounds in sorted(self._by_cell.items()) for number in sorted(rounds)]

    def cells(self) -> list[Cell]:
        """The cells of which there is a result, sorted."""
        return sorted(self._by_cell)

    def spread(self, cell: Cell, measure: Measure) -> Spread | None:
        """The spread of one measure over the rounds, ``None`` if nothing was measured."""
        rounds = self._by_cell.get(cell)
        return Spread.of(measure(each) for each in rounds.values()) if rounds else None

    def ratio(self, above: Cell, below: Cell, measure: Measure) -> Spread | None:
        """The spread of the ratio of two cells, round by round, ``None`` where no round has both."""
        upper, lower = (
            {n: measure(r) for n, r in self._by_cell.get(cell, {}).items()} for cell in (above, below)
        )
        return ratios(upper, lower)

    def answered(self, cell: Cell) -> bool:
        """Whether there was an answer in every round."""
        return all(each.requests for each in self._by_cell.get(cell, {}).values())

    def errors(self, cell: Cell) -> int:
        """The errors of all rounds of a cell."""
        return sum(each.errors for each in self._by_cell.get(cell, {}).values())


def rate(result: Result) -> float:
    """Requests per second."""
    return result.rate


def median_latency(result: Result) -> float:
    """The median latency, in seconds."""
    return result.p50
