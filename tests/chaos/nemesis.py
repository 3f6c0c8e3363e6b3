"""What goes wrong, and when: a schedule drawn from the seed before the run, and the thread that keeps it.

The schedule is the same for the same seed, length and ground. What it does depends on how the run goes: who
is primary at that moment, and whether a node may be killed (the last one that carries the data may not).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random

from .ground import Ground, Lift
from .outside import Outside
from .stream import HOLD, Trouble, Way

KINDS = {
    "kill": "a node is killed, and started again, empty, when the time is over",
    "pause": "its processes are stopped, and go on",
    "cut": "it is cut off from everybody",
    "cut pair": "two nodes are cut off from each other",
    "one way": "what the first says to the second is lost",
    "deaf": "it hears no other node",
    "dumb": "no other node hears it",
    "hold": "streams from and to it stand still, and go on afterwards, with what peers long gone have said",
    "hold pair": "the same between two nodes",
    "hold way": "the same with what the first says to the second",
    "slow": "what it says and hears takes longer, and may have to share few bytes a second",
    "reset": "all its connections are reset",
    "echo": "old mail reaches it once more, in any order",
}
"""What goes wrong, and what that does to a node."""
PAIRS = ("cut pair", "one way", "hold pair", "hold way")
"""These are about two nodes."""
MOMENTARY = ("reset", "echo")
"""These are over at once."""
OFTEN = ("kill", "pause", "echo")
"""These come up twice as often: each is another story with every view."""
LONGEST_HOLD = 150.0
"""Seconds."""
HEADINGS = f"{'begins at':>9}  {'fault':<10} {'node':<8} {'second':<8} {'lasts':>8}"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong ``at`` seconds after the start, for ``duration`` seconds.

    ``nodes``: whom it befalls, by place among the ids; -1 stands for whoever is primary then.
    """

    at: float
    duration: float
    kind: str
    nodes: tuple[int, int]

    def __str__(self) -> str:
        return self.told(self.at, ["primary" if place < 0 else f"node {place}" for place in self.nodes])

    def told(self, at: float, who: Sequence[str]) -> str:
        """One line below ``HEADINGS``."""
        second = who[1] if self.kind in PAIRS else "-"
        lasts = "at once" if self.kind in MOMENTARY else f"{self.duration:.2f} s"
        return f"{at:7.2f} s  {self.kind:<10} {who[0]:<8} {second:<8} {lasts:>8}"


def schedule(seed: int, seconds: float, nodes: int, shapes: Iterable[str] = ()) -> tuple[Fault, ...]:
    """The faults of a run: every kind comes up before one comes up again, often several at once.

    ``shapes``: further kinds that the ground knows.
    """
    random = Random(f"nemesis {seed}")
    deck: list[str] = []
    faults: list[Fault] = []
    at = 0.5
    longest = min(4.0, seconds / 4)
    while at < seconds - 1.0:
        if not deck:
            deck = [*KINDS, *OFTEN, *shapes]
            random.shuffle(deck)
        kind = deck.pop()
        duration = random.uniform(0.3, longest)
        first = random.choice((-1, *range(nodes)))
        second = random.randrange(nodes)
        faults.append(Fault(round(at, 2), round(duration, 2), kind, (first, second)))
        # Now and then the next one comes at once, or only when the cluster has had time to recover.
        at += random.choice((0.0, 0.2, 0.5, 1.0, 1.0)) * duration
        at += random.choice((0.1, 0.5, min(2.0, seconds / 30)))
    faults += _holds(random, seconds, nodes)
    return tuple(sorted(faults, key=lambda fault: fault.at))


def _holds(random: Random, seconds: float, nodes: int) -> Iterable[Fault]:
    """In a longer run some streams stand still for a third of it, up to minutes."""
    duration = min(LONGEST_HOLD, seconds / 3)
    if duration < 10:
        return
    at = 5.0
    while at + duration < seconds:
        ends = (random.choice((-1, *range(nodes))), random.randrange(nodes))
        yield Fault(round(at, 2), round(duration, 2), random.choice(("hold pair", "hold way")), ends)
        at += duration * random.uniform(1.2, 2.0)


class Nemesis:
    """Keeps a schedule."""

    def __init__(self, ground: Ground, outside: Outside, faults: Iterable[Fault]) -> None:
        self.counts: Counter[str] = Counter()
        self.withheld = 0
        """Faults that did not happen: kills that were not allowed, what was to befall a dead node, or two
        nodes where there is one."""
        self.errors: list[BaseException] = []
        self.log: list[str] = []
        self.under_way: dict[int, Fault] = {}
        self.done = threading.Event()
        """Every fault has begun, and ended."""
        self._ground = ground
        self._outside = outside
        self._faults = tuple(faults)
        self._stopped = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="nemesis", daemon=True)

    def start(self) -> None:
        self._began = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End the faults that are under way, and begin no more; safe to call twice."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        agenda: list[tuple[float, int, Fault | None]] = [
            (fault.at, number, fault) for number, fault in enumerate(self._faults)
        ]
        agenda.sort(reverse=True, key=lambda item: item[0])
        lifts: dict[int, Lift] = {}
        try:
            while agenda and not self._stopped.wait(max(0.0, self._began + agenda[-1][0] - time.monotonic())):
                _, number, fault = agenda.pop()
                if fault is None:
                    self.under_way.pop(number, None)
                    lifts.pop(number)()
                    continue
                lift = self._begin(fault)
                if lift is not None:
                    self.under_way[number] = fault
                    lifts[number] = lift
                    agenda.append((time.monotonic() - self._began + fault.duration, number, None))
                    agenda.sort(reverse=True, key=lambda item: item[0])
            if not agenda:
                self.done.set()
        except BaseException as error:
            self.errors.append(error)
        finally:
            with ExitStack() as stack:
                for lift in lifts.values():
                    stack.callback(lift)
            self.under_way.clear()

    def _begin(self, fault: Fault) -> Lift | None:
        """Let a fault begin; what ends it, or ``None`` if it could not happen or needs no end."""
        first, second = self._ends(fault)
        result = None if first == second and fault.kind in PAIRS else self._act(fault, first, second)
        if result is None:
            self.withheld += 1
        else:
            self.counts[fault.kind] += 1
        line = fault.told(time.monotonic() - self._began, (f"node {first}", f"node {second}"))
        self.log.append(line + ("  withheld" if result is None else ""))
        return result

    def _ends(self, fault: Fault) -> tuple[int, int]:
        """Two nodes, different ones if there are two."""
        ids = self._outside.ledger.nodes
        view = self._outside.ledger.view
        primary = view.members[0] if view is not None else ids[0]
        first = primary if fault.nodes[0] < 0 else ids[fault.nodes[0] % len(ids)]
        second = ids[fault.nodes[1] % len(ids)]
        if second == first:
            second = ids[(ids.index(first) + 1) % len(ids)]
        return first, second

    def _act(self, fault: Fault, first: int, second: int) -> Lift | None:
        ground, wires = self._ground, self._ground.wires
        there, back = (first, second), (second, first)
        others = ground.others(first)
        acts: dict[str, Callable[[], Lift | None]] = {
            "kill": lambda: _nothing if self._outside.kill(first, fault.duration) else None,
            "pause": lambda: self._pause(first),
            "cut": lambda: ground.unplug(first),
            "cut pair": lambda: ground.mute((there, back)),
            "one way": lambda: ground.mute((there,)),
            "deaf": lambda: ground.mute([(other, first) for other in others]),
            "dumb": lambda: ground.mute([(first, other) for other in others]),
            "hold": lambda: wires.impose(HOLD, ground.around(first)),
            "hold pair": lambda: wires.impose(HOLD, (there, back)),
            "hold way": lambda: wires.impose(HOLD, (there,)),
            "slow": lambda: self._slow(fault, ground.around(first)),
            "reset": lambda: self._reset(first),
            "echo": lambda: self._echo(fault, first),
        }
        act = acts.get(fault.kind)
        return ground.shape(first, fault.kind) if act is None else act()

    def _pause(self, node: int) -> Lift | None:
        with self._ground.hands[node]:
            process = self._ground.cluster.nodes[node]
            if process.process is None:
                return None
            process.pause()

        def resume() -> None:
            with self._ground.hands[node]:
                process.resume()

        return resume

    def _slow(self, fault: Fault, ways: Iterable[Way]) -> Lift:
        random = Random(repr(fault))
        trouble = Trouble(delay=random.uniform(0.005, 0.4), rate=random.choice((0.0, 2_000.0, 50_000.0)))
        return self._ground.wires.impose(trouble, ways)

    def _echo(self, fault: Fault, node: int) -> Lift:
        self._ground.wires.echo(node, 40, Random(repr(fault)))
        return _nothing

    def _reset(self, node: int) -> Lift:
        self._ground.wires.reset(node)
        return _nothing


def _nothing() -> None:
    """What is over at once needs no end."""
