"""For how long a node with many keys stops: the longest step of each kind, in CPU time.

Two replicas without network, in one process. One is filled, listed, written to while the listing is held, and
recorded; it fills the other; both write apart, so that what the other holds is replaced as a whole; and many
writes reach it in one message while a listing of it is held. What is let go of is freed step by step, so the
writes after it are listed as well.

    python -m bench.large_states [--keys 1000000] [--value-bytes 100]
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections import deque
from collections.abc import Callable, Iterable

from pbproto import (
    Config,
    Effect,
    Event,
    GetAll,
    Put,
    Receive,
    Replica,
    Reply,
    Send,
    TellView,
    Tick,
    View,
)
from pbproto.recording import Writer

WRITES = 20_000
BATCH = 8_000


class Pair:
    """Two replicas, the mail between them, and how long each kind of step took at most."""

    def __init__(self) -> None:
        self.replicas = {id_: Replica(id_, 1000 + id_, Config(log_keep_bytes=0)) for id_ in (1, 2)}
        self.worst: dict[str, float] = {}
        self.cut = False
        self._now = 0
        self._token = 0

    def timed(self, what: str, call: Callable[[], object]) -> object:
        """Call it and remember how long it took."""
        begin = time.process_time()
        result = call()
        took = time.process_time() - begin
        self.worst[what] = max(self.worst.get(what, 0.0), took)
        return result

    def step(self, id_: int, event: Event, what: str) -> tuple[Effect, ...]:
        """One step of one replica; what it did, which is not carried out."""
        effects: tuple[Effect, ...] = ()

        def make() -> None:
            nonlocal effects
            effects = self.replicas[id_].step(event, now=self._now)

        self._now += 1000
        self.timed(what, make)
        return effects

    def carry(self, effects: Iterable[Effect], what: str) -> None:
        """Deliver messages, and whatever they cause, until nothing is on its way."""
        mail = deque(effects)
        while mail:
            effect = mail.popleft()
            if isinstance(effect, Send) and not self.cut:
                name = f"{what}: {type(effect.message).__name__}"
                received = Receive(effect.envelope, effect.message)
                mail += self.step(effect.envelope.receiver, received, name)

    def tell(self, id_: int, members: Iterable[int], what: str) -> None:
        view = View.of([(member, f"n:{member}") for member in members])
        self.carry(self.step(id_, TellView(view), f"{what}: told"), what)

    def join(self, what: str) -> None:
        """Both in one view, and all that this takes."""
        for id_ in (1, 2):
            self.tell(id_, (1, 2), what)
        while not all(replica.state.active for replica in self.replicas.values()):
            for id_, replica in self.replicas.items():
                self._now = max(self._now, replica.deadline or 0)
                self.carry(self.step(id_, Tick(), f"{what}: tick"), what)

    def put(self, id_: int, key: bytes, value: bytes, what: str) -> tuple[Effect, ...]:
        self._token += 1
        return self.step(id_, Put(self._token, key, value), what)


def measure(keys: int, value_bytes: int) -> dict[str, float]:
    """The longest time of each kind of step, in seconds."""
    pair = Pair()
    one, two = pair.replicas[1].state, pair.replicas[2].state
    chance = random.Random(1)

    def key() -> bytes:
        return b"key:%08d" % chance.randrange(keys)

    value = b"w" * value_bytes
    pair.tell(1, (1,), "alone")
    numbers = list(range(keys))
    chance.shuffle(numbers)
    for number in numbers:
        one.store.data[b"key:%08d" % number] = bytes([number % 251]) * value_bytes
    del numbers  # the garbage collector would go through it
    pair.put(1, b"first", value, "alone: a write")
    listed = [each for each in pair.step(1, GetAll(0), "a listing") if isinstance(each, Reply)]
    for _ in range(WRITES):
        pair.put(1, key(), value, "a write while a listing is held")
    pair.timed("a listing is let go of", listed.clear)
    for _ in range(WRITES):
        pair.put(1, key(), value, "a write after it")
    writer = Writer(1, 1001, one.config)
    writer.begin()
    pair.timed("a recording's new segment", lambda: writer.begin_again(one))

    pair.join("fill")
    pair.cut = True
    for id_ in (1, 2):
        pair.tell(id_, (id_,), "apart")
        pair.put(id_, b"apart %d" % id_, value, "apart: a write")
    pair.cut = False
    pair.join("replace")
    for _ in range(WRITES):
        pair.carry(pair.put(1, key(), value, "a write after it"), "a write after it")

    held = two.store.data.snapshot()  # until the end
    pair.cut = True
    mail = [effect for _ in range(BATCH) for effect in pair.put(1, key(), value, "a write that waits")]
    pair.cut = False
    pair.carry(mail, f"{BATCH} writes at once")
    del held
    return pair.worst


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.large_states", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--value-bytes", type=int, default=100)
    arguments = parser.parse_args()
    # What is loaded is no part of what is measured; the nodes do the same.
    gc.collect()
    gc.freeze()
    worst = measure(arguments.keys, arguments.value_bytes)
    for what, seconds in sorted(worst.items(), key=lambda item: -item[1]):
        print(f"{seconds * 1000:8.2f} ms  {what}")


if __name__ == "__main__":
    main()
