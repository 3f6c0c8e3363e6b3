"""`python -m bench core`: what the protocol alone costs, with three replicas in one process and no network.

A batch of writes is given to the primary in one step, as a node does with those who arrive in one turn of its
event loop; then every message is carried until all clients have their answer, and then comes the next batch.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from pbproto import (
    Batch,
    Envelope,
    Event,
    Message,
    Put,
    Receive,
    Reject,
    Replica,
    Reply,
    Send,
    TellView,
    View,
    decode,
    encode,
)

from .figures import Spread
from .options import counts, publishing
from .processes import BenchError
from .report import Report
from .rounds import steps
from .tables import spread, table

HELP = "the protocol alone: three replicas in one process"
KEYS = 1000
VALUE = b"v" * 16
MEMBERS = (1, 2, 3)


class InProcess:
    """Three replicas with one view, and the messages between them: as bytes if ``codec`` is true."""

    def __init__(self, codec: bool) -> None:
        self._codec = codec
        self._replicas = {id_: Replica(id_, incarnation=100 + id_) for id_ in MEMBERS}
        self._mail: list[tuple[int, Envelope, Message]] = []
        self._now = 0
        self.answered = 0
        view = View.of([(id_, str(id_)) for id_ in MEMBERS])
        for id_ in MEMBERS:
            self._step(id_, TellView(view))
        self._carry()

    def write(self, first: int, count: int) -> None:
        """Give the primary a batch of writes and carry mail until nothing is left to carry."""
        self._now += 1000
        writes = [Put(token, b"key%d" % (token % KEYS), VALUE) for token in range(first, first + count)]
        self._step(1, Batch(tuple(writes)))
        self._carry()

    def _step(self, id_: int, event: Event) -> None:
        for effect in self._replicas[id_].step(event, now=self._now):
            if isinstance(effect, Send):
                self._mail.append(
                    (int(effect.address or effect.envelope.receiver), effect.envelope, effect.message)
                )
            elif isinstance(effect, Reply):
                self.answered += 1
            elif isinstance(effect, Reject):
                raise BenchError(f"a write was rejected: {effect.detail}")

    def _carry(self) -> None:
        while self._mail:
            posts: dict[tuple[int, int], list[tuple[Envelope, Message]]] = {}
            for receiver, envelope, message in self._mail:
                posts.setdefault((envelope.sender, receiver), []).append((envelope, message))
            self._mail.clear()
            for (_, receiver), batch in posts.items():
                for envelope, message in decode(encode(batch)) if self._codec else batch:
                    self._step(receiver, Receive(envelope, message))


def operations_per_second(batch: int, codec: bool, operations: int) -> float:
    """How many writes a second three replicas complete. Raises ``BenchError`` if one is not answered."""
    cluster = InProcess(codec)
    whole = operations // batch * batch
    begin = time.perf_counter()
    for first in range(0, whole, batch):
        cluster.write(first, batch)
    passed = time.perf_counter() - begin
    if cluster.answered != whole:
        raise BenchError(f"{cluster.answered} of {whole} writes were answered")
    return whole / passed


def rates(batches: Sequence[int], rounds: int, operations: int) -> dict[tuple[int, bool], Spread]:
    """Operations per second by batch and codec, every combination once in each round."""
    taken: dict[tuple[int, bool], list[float]] = {}
    with steps(rounds, still=True) as bar:
        for round_ in range(rounds):
            bar.tell(f"core: round {round_ + 1}/{rounds}")
            for batch in batches:
                for codec in (False, True):
                    rate = operations_per_second(batch, codec, operations)
                    taken.setdefault((batch, codec), []).append(rate)
                    bar.advance(1 / (2 * len(batches)))
    return {key: Spread.of(values) for key, values in taken.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much of it."""
    parser.add_argument(
        "--batches", type=counts, default=[1, 32, 128], help="writes at a time; default 1,32,128"
    )
    parser.add_argument("--operations", type=int, default=30_000, help="writes of one round; default 30000")
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    measured = rates(options.batches, options.rounds, options.operations)
    rows = [
        [str(batch), "yes" if codec else "no", spread(values)] for (batch, codec), values in measured.items()
    ]
    text = (
        "Three replicas in one process, one core, PUT, low / median / high over the rounds:\n\n"
        f"{table(['writes in a batch', 'encoded and decoded', 'operations/s'], rows)}"
    )
    data = [
        {"batch": batch, "codec": codec, "low": values.low, "median": values.middle, "high": values.high}
        for (batch, codec), values in measured.items()
    ]
    return Report("core", text, {"operations_per_second": data}, {})
