"""What differs from run to run: each run has its own kinds of trouble (swarm testing, Groce et al. 2012).

A run in which everything goes wrong at once gets nowhere, and some faults hide others; so each run leaves
many of them out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from enum import Enum

from pbproto import Config
from pbproto.config import MILLISECOND, SECOND

from .chance import between, chance, pick, stream
from .limits import USUAL, Limits

KINDS = (
    "cut",
    "cut_one_way",
    "hold",
    "hold_one_way",
    "split",
    "isolate",
    "crash",
    "stop",
    "move",
    "pause",
    "slow",
    "drift",
    "jump",
    "storm",
    "ambush",
)
"""The faults that last: links cut (what is sent is lost) or held (it arrives afterwards), both ways or one; a
node crashed or stopped in order, and started again empty, perhaps at another address; paused, its clock
going on or standing still; slow; with a clock that runs fast or slow, or jumps; a storm in which most of the
messages suffer; an ambush, which waits for a moment at which a crash or another view hurts most."""


class Shape(Enum):
    """What kind of life the cluster leads."""

    USUAL = "usual"
    HALVES = "halves"
    """The outside splits the cluster into two that both serve, and joins them again."""


TIMES = ("length", "patience", "pause_between_views", "delay")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Everything that is drawn before a run begins. Times are nanoseconds."""

    shape: Shape
    ids: tuple[int, ...]
    first: tuple[int, ...]
    """The members of the first view."""
    numbered: bool
    length: int
    asks: int
    clients: int
    keys: tuple[str, ...]
    prefill: int
    value_bytes: int
    bursts: int
    """How often many clients write at one node at once."""
    puts: float
    deletes: float
    lists: float
    named: float
    patience: int
    kinds: tuple[str, ...]
    faults: int
    aftershock: bool
    """A node is restarted just before the calm, and hears the view when nobody else does."""
    pause_between_views: int
    """At most; 0 if the view never changes."""
    loss: float
    copies: float
    delay: int
    """Most messages take up to this long."""
    late: float
    """This share takes up to a second."""
    stale: float
    """Of this share a copy comes again up to five seconds later."""
    limits: Limits
    """Where few idempotency keys are remembered, clients use each once: a repeat that comes after its key was
    forgotten is another write."""
    config: Config
    """Where it has leases, clocks keep to its drift and neither jump nor sleep: that is their fault model."""
    rounds: tuple[int, ...] = ()
    """Nodes without leases where the others have them: they confirm every read, and stand by nobody."""

    def lines(self) -> list[str]:
        """Name and value of each, a line each."""
        found = []
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Config | Limits):
                value = ", ".join(f"{each.name}={getattr(value, each.name)}" for each in fields(value))
            elif isinstance(value, Enum):
                value = value.value
            elif field.name in TIMES:
                value = f"{value / SECOND:g} s"
            elif isinstance(value, tuple):
                value = " ".join(map(str, value)) or "none"
            found.append(f"{field.name}: {value}")
        return found


def draw(seed: int) -> Parameters:
    """The parameters of a seed."""
    random = stream(seed, "parameters")
    count = pick(random, (1, 2, 2, 3, 3, 3, 3, 4, 5))
    shape = Shape.HALVES if count > 1 and chance(random, 0.08) else Shape.USUAL
    base = between(random, 0, 1)
    ids = tuple(range(base, base + count))
    length = between(random, 6, 20) * SECOND
    config = Config(
        request_timeout=pick(random, (1000, 3000, 3000)) * MILLISECOND,
        suspect_after=pick(random, (150, 500, 2000)) * MILLISECOND,
        resend_after=pick(random, (50, 100)) * MILLISECOND,
        heartbeat=pick(random, (100, 200)) * MILLISECOND,
        max_waiting=pick(random, (2, 6, 10_000, 10_000)),
        max_waiting_bytes=pick(random, (2_000, 2**28, 2**28)),
        batch_bytes=pick(random, (1, 300, 10**6)),
        chunk_bytes=pick(random, (1, 100, 400, 10**6)),
        log_keep_bytes=pick(random, (0, 0, 600, 10**6)),
    )
    prefill = pick(random, (100, 200, 1000)) if chance(random, 0.15) else 0
    if prefill:
        # Room for those who fill it, and a log that does not hold it all: it has to go over in pieces.
        config = replace(
            config,
            max_waiting=10_000,
            max_waiting_bytes=2**28,
            chunk_bytes=pick(random, (1, 100, 400)) if prefill < 1000 else 400,
            log_keep_bytes=pick(random, (0, 600)),
        )
    config = config if prefill else _room(seed, config)
    config, rounds = _leases(seed, _pace(seed, config), ids)
    first = tuple(id_ for id_ in ids if shape is Shape.HALVES or chance(random, 0.8)) or ids
    return Parameters(
        shape=shape,
        ids=ids,
        first=first,
        numbered=chance(random, 0.5),
        length=length,
        asks=between(random, 60, 220),
        clients=between(random, 1, 12),
        keys=tuple(f"k{number}" for number in range(pick(random, (1, 2, 5)))),
        prefill=prefill,
        value_bytes=pick(random, (0, 50, 400)),
        bursts=pick(random, (0, 0, 2, 5)),
        puts=pick(random, (0.3, 0.5, 0.7)),
        deletes=pick(random, (0.0, 0.1, 0.2)),
        lists=pick(random, (0.0, 0.05, 0.15)),
        named=pick(random, (0.0, 0.3, 0.8)),
        patience=config.request_timeout,
        kinds=tuple(kind for kind in KINDS if chance(random, 0.45)),
        faults=pick(random, (0, 8, 16, 32)),
        aftershock=chance(random, 0.3),
        pause_between_views=pick(random, (0, 800, 2500, 6000)) * MILLISECOND,
        loss=pick(random, (0.0, 0.0, 0.02, 0.1)),
        copies=pick(random, (0.0, 0.05, 0.2)),
        delay=pick(random, (1, 5, 30)) * MILLISECOND,
        late=pick(random, (0.0, 0.02, 0.1)),
        stale=pick(random, (0.0, 0.05, 0.2)),
        limits=Limits(
            origins=pick(random, (USUAL.origins, 2, 1)),
            names=USUAL.names if chance(random, 0.8) else 3,
            ballots=pick(random, (USUAL.ballots, 4)) if shape is Shape.USUAL else USUAL.ballots,
        ),
        config=config,
        rounds=rounds,
    )


def _pace(seed: int, config: Config) -> Config:
    """In a quarter of the runs newcomers are filled slowly; with many keys that takes a second or two."""
    return replace(config, fill_rate=pick(stream(seed, "pace"), (0, 0, 0, 10_000)))


def _room(seed: int, config: Config) -> Config:
    """In a sixth of the runs there is not room for all keys at once."""
    return replace(config, max_data_bytes=pick(stream(seed, "room"), (*(0,) * 10, 700, 1300)))


def _leases(seed: int, config: Config, ids: tuple[int, ...]) -> tuple[Config, tuple[int, ...]]:
    """A third of the runs have leases; in some of these one node has not."""
    random = stream(seed, "lease")
    lease = pick(random, (0, 0, 0, 0, 300, 1000)) * MILLISECOND
    drift = pick(random, (10_000, 100_000, 200_000))
    rounds = (pick(random, ids),) if chance(random, 0.1) else ()
    if not lease:
        return config, ()
    return replace(config, lease=lease, clock_drift=drift), rounds
