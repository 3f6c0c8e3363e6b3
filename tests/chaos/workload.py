"""What the clients ask: the workload of the simulation, drawn by its own code, without an end.

Most clients get what the plan of a seed has for them, and then what the next seed has: with names and values
that differ, since they are unique in a whole run. They ask as soon as their last request is over, whatever
time the plan says.

So everybody writes everywhere all the time: most values are young when they are read, and a read of the one
before could have come first. Therefore a share of the clients *watch* keys of their own: each key has one
writer, who takes his time and repeats a write until it is answered, and the others do nothing but read such
keys at all nodes. What they read is old, and the write of it long over: what came before it is stale for
every checker, even one that knows no numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random

from pbproto.config import SECOND
from tests.simulation import plan
from tests.simulation.limits import USUAL
from tests.simulation.parameters import Shape, draw
from tests.simulation.plan import Ask

ASKS = 1_000
"""How many asks of all clients one plan has."""
HURRIED = 8
"""Of the clients in a hurry one in so many is: with real processes most of them would hang up before they are
answered, and a history of unanswered calls says little."""
WATCHING = 2
"""One client in so many watches."""
WRITING = 4
"""One in so many of these writes."""
REPEATS = 30
"""How often a write of a watched key is repeated before the next one comes in its place."""
MARK = "w"
"""What the names of watched keys begin with."""
WRITERS_RESTS = (1.0, 3.0)
"""Seconds between two writes of a watched key, of the first, of the second, and so on in turns: what is read
often before it changes is seen to be stale most surely, and what never changes is never stale."""
GLANCE = 1.0
"""Seconds after which one who watches asks elsewhere: what a long read has seen could be anything."""


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
        if client in self.writers:
            yield from self._written(client)
        elif client in self.watchers:
            yield from self._watched(client)
        for chunk in itertools.count():
            yield from _chunk(self, chunk)[client]

    @property
    def watchers(self) -> range:
        """The clients that watch, the writers among them; none if that would leave few for all the rest."""
        count = self.clients // WATCHING
        return range(self.clients - count, self.clients) if count > 2 else range(0)

    @property
    def writers(self) -> range:
        """The clients that write what others watch, a key each."""
        watchers = self.watchers
        return watchers[: -(-len(watchers) // WRITING)]

    def rest(self, client: int) -> float:
        """Seconds for which this client does nothing after each request."""
        if client not in self.writers:
            return 0.0
        return WRITERS_RESTS[self.writers.index(client) % len(WRITERS_RESTS)]

    def _written(self, client: int) -> Iterator[Ask]:
        random = Random(f"writer {self.seed} {client}")
        for number in itertools.count():
            node = random.choice(self.nodes)
            repeats = tuple(random.choice(self.nodes) for _ in range(REPEATS))
            value = f"{MARK}{client}.{number}"
            yield Ask(0, client, node, "put", f"{MARK}{client}", value, name=value, repeats=repeats)

    def _watched(self, client: int) -> Iterator[Ask]:
        random = Random(f"watcher {self.seed} {client}")
        while True:
            key = f"{MARK}{random.choice(self.writers)}"
            node = random.choice(self.nodes)
            yield Ask(0, client, node, "get", key, patience=round(GLANCE * SECOND))

    @property
    def longest(self) -> int:
        """The patience of a client that is in no hurry, in nanoseconds."""
        return 2 * round(self.patience * SECOND)


@lru_cache(maxsize=16)
def _chunk(load: Load, chunk: int) -> tuple[tuple[Ask, ...], ...]:
    """One plan's asks by client."""
    seed = load.seed * 1_000_003 + chunk
    clients = load.clients - len(load.watchers)
    parameters = replace(
        draw(seed),
        shape=Shape.USUAL,
        ids=load.nodes,
        first=load.nodes,
        asks=ASKS,
        clients=clients,
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
        limits=USUAL,
    )
    found: list[list[Ask]] = [[] for _ in range(clients)]
    for item in plan.make(seed, parameters).items:
        if isinstance(item, Ask):
            client = item.client % clients  # a plan has clients for special occasions, too
            theirs = found[client]
            ask = _made_unique(item, chunk, hurried=len(theirs) % HURRIED == 0)
            theirs.append(replace(ask, client=client))
    return tuple(map(tuple, found))


def _made_unique(ask: Ask, chunk: int, *, hurried: bool) -> Ask:
    value = f"{chunk}.{ask.value}" if ask.value else ""  # the empty value stays what it is
    name = f"{chunk}.{ask.name}" if ask.name else ""
    return replace(
        ask,
        value=value,
        name=name,
        patience=ask.patience if hurried else 0,
        answer_lost=ask.answer_lost and hurried,
    )
