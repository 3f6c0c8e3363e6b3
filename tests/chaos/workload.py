"""What the clients ask: the workload of the simulation, drawn by its own code, without an end.

A client gets what the plan of a seed has for it, and then what the next seed has: with names and values that
differ, since they are unique in a whole run. It asks as soon as its last request is over, whatever time the
plan says.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from pbproto.config import SECOND
from tests.simulation import plan
from tests.simulation.parameters import Shape, draw
from tests.simulation.plan import Ask

ASKS = 1_000
"""How many asks of all clients one plan has."""
HURRIED = 8
"""Of the clients in a hurry one in so many is: with real processes most of them would hang up before they are
answered, and a history of unanswered calls says little."""


@dataclass(frozen=True, slots=True)
class Load:
    """The workload of one run."""

    seed: int
    nodes: tuple[int, ...]
    clients: int
    keys: int
    patience: float
    """Seconds a client waits for an answer, unless it is in a hurry."""

    def asks(self, client: int) -> Iterator[Ask]:
        """What this client asks, one after the other, for ever."""
        for chunk in itertools.count():
            yield from _chunk(self, chunk)[client]

    @property
    def longest(self) -> int:
        """The patience of a client that is in no hurry, in nanoseconds."""
        return 2 * round(self.patience * SECOND)


@lru_cache(maxsize=16)
def _chunk(load: Load, chunk: int) -> tuple[tuple[Ask, ...], ...]:
    """One plan's asks by client."""
    seed = load.seed * 1_000_003 + chunk
    parameters = replace(
        draw(seed),
        shape=Shape.USUAL,
        ids=load.nodes,
        first=load.nodes,
        asks=ASKS,
        clients=load.clients,
        keys=tuple(f"k{number}" for number in range(load.keys)),
        prefill=0,
        value_bytes=400,
        puts=0.4,
        deletes=0.1,
        lists=0.05,
        named=0.3,
        patience=round(load.patience * SECOND),
        kinds=(),
        faults=0,
        pause_between_views=0,
    )
    found: list[list[Ask]] = [[] for _ in range(load.clients)]
    for item in plan.make(seed, parameters).items:
        if isinstance(item, Ask):
            client = item.client % load.clients  # a plan has clients for special occasions, too
            theirs = found[client]
            ask = _made_unique(item, chunk, hurried=len(theirs) % HURRIED == 0)
            theirs.append(replace(ask, client=client))
    return tuple(map(tuple, found))


def _made_unique(ask: Ask, chunk: int, *, hurried: bool) -> Ask:
    value = f"{chunk}.{ask.value}" if ask.what == "put" else ask.value
    name = f"{chunk}.{ask.name}" if ask.name else ""
    return replace(
        ask,
        value=value,
        name=name,
        patience=ask.patience if hurried else 0,
        answer_lost=ask.answer_lost and hurried,
    )
