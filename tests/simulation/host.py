"""One machine of the simulated cluster: a clock of its own, an inbox, and a replica while it is up."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pbproto import Event, Replica
from pbproto.status import Status

from .trace import Mail

MILLION = 1_000_000


@dataclass(slots=True)
class Clock:
    """A monotonic clock that runs fast or slow, and may jump: the core takes one that goes back to stand
    still.

    Times are whole nanoseconds; ``rate`` is in parts per million of true time.
    """

    true: int = 0
    local: int = 0
    rate: int = MILLION

    def read(self, now: int) -> int:
        return self.local + (now - self.true) * self.rate // MILLION

    def change(self, now: int, rate: int, jump: int = 0) -> None:
        self.true, self.local, self.rate = now, self.read(now) + jump, rate

    def when(self, local: int) -> int:
        """The true time at which this clock will show ``local``, if nobody touches it."""
        return self.true - (self.local - local) * MILLION // self.rate


@dataclass(slots=True)
class Input:
    """Something that waits to happen to a replica."""

    event: Event
    life: int
    """Meant for this life of the node: a connection does not survive a restart. 0: for whoever is there."""
    mail: Mail | None = None


@dataclass(slots=True)
class Host:
    """A node as the world sees it."""

    id: int
    address: str
    clock: Clock = field(default_factory=Clock)
    replica: Replica | None = None
    life: int = 0
    """The incarnation that runs, or ran last."""
    paused: int = 0
    """How many faults hold it still."""
    cost: int = 0
    """Nanoseconds of true time that a step takes; more than 0 while the node is slow."""
    busy_until: int = 0
    inbox: deque[Input] = field(default_factory=deque)
    wake_at: int = -1
    """When it will be woken, as far as arranged; -1 for never."""
    draining: bool = False

    @property
    def up(self) -> bool:
        return self.replica is not None

    def status(self, now: int) -> Status | None:
        """What ``GET /view`` would say at true time ``now``; ``None`` while the node is down."""
        return None if self.replica is None else self.replica.status(self.clock.read(now))
