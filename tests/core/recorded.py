"""A cluster whose nodes are recorded, in segments that are cut wherever a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from pbproto import Effect, Event, Replica
from pbproto.recording import Writer
from pbproto.redaction import Redactor

from .cluster import Cluster

SALT = bytes(range(32))


@dataclass(slots=True)
class Tape:
    """What was recorded of one life of one node: its segments, each of which can be read alone."""

    writer: Writer
    replica: Replica
    segments: list[list[bytes]] = field(default_factory=list)
    late: Iterator[bytes] | None = None
    """The beginning of the last segment, of which the bytes are taken later, as a live node does."""

    def __post_init__(self) -> None:
        self.segments.append([self.writer.begin()])

    def settle(self) -> None:
        """Take the bytes of the last segment's beginning."""
        if self.late is not None:
            self.segments[-1][:0] = self.late
            self.late = None

    def cut(self) -> None:
        """Begin another segment here."""
        self.settle()
        self.segments.append([])
        self.late = self.writer.begin_again(self.replica.state)

    def recordings(self) -> list[bytes]:
        """All segments, the last one ended."""
        self.settle()
        self.segments[-1].append(self.writer.end("the test is over", self.replica.state))
        return [b"".join(segment) for segment in self.segments]


class RecordedCluster(Cluster):
    """``cuts`` says after which step of a node another segment begins."""

    tapes: list[Tape]
    current: dict[int, Tape]
    redactor: Redactor | None = None
    cuts: Callable[[int], bool] = staticmethod(lambda _: False)

    def place(self, key: bytes) -> int:
        return super().place(key) if self.redactor is None else self.redactor.place(key)

    def start(self, id_: int) -> Replica:
        replica = super().start(id_)
        if not hasattr(self, "tapes"):
            self.tapes, self.current = [], {}
        tape = Tape(Writer(id_, replica.state.incarnation, self.config, self.redactor), replica)
        self.tapes.append(tape)
        self.current[id_] = tape
        return replica

    def step(self, id_: int, event: Event) -> tuple[Effect, ...]:
        effects = super().step(id_, event)
        tape = self.current[id_]
        tape.segments[-1].append(tape.writer.step(event, self.now, effects, tape.replica.state))
        if self.cuts(self.steps):
            tape.cut()
        return effects
