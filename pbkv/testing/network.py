"""The virtual network: requests and their answers, between clients and nodes and among nodes.

It behaves as TCP between machines does. Nobody listens: refused. A cut holds what runs into it until it is
healed, or until whoever waits gives up; what has left before arrives. Who gives up takes back nothing that
has left. A paused process gets what came meanwhile when it goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

from .timeline import Timeline, Timer

if TYPE_CHECKING:
    from .host import Host

CLIENTS = "clients"
"""The end from which all clients speak."""
VIEW_SERVICE = "view service"
End = int | str
"""A node, by its id, or one of those above."""
Link = tuple[End, End]
"""From one end to the other; each direction is a link of its own."""
T = TypeVar("T")


class Failure(Enum):
    """Why there is no answer."""

    REFUSED = "connection refused"
    NO_CONNECTION = "no connection in time"
    NO_ANSWER = "no answer in time"
    DISCONNECTED = "the node ended before it answered"
    RESET = "the connection was reset"


Serve = Callable[["Host", Callable[[T], None]], None]
"""What a request asks of the node that it reaches; the second argument is called once, with the answer."""


class Call(Generic[T]):
    """One request: on its way, at the node, on its way back."""

    def __init__(
        self, network: Network, link: Link, serve: Serve[T], ended: Callable[[Call[T]], None], read: int
    ) -> None:
        self._network = network
        self._link = link
        self._serve = serve
        self._ended = ended
        self._read = read
        self._timer: Timer | None = None
        self._breaks = False
        """The answer will be lost with the connection."""
        self.over = False
        """Whoever asked has an answer, or has given up."""
        self.answer: T | None = None
        self.failure: Failure | None = None

    def begin(self, connect: int) -> None:
        """Send it on its way; give up if it has not left within ``connect`` nanoseconds."""
        self._timer = self._network.timeline.after(connect, partial(self._fail, Failure.NO_CONNECTION))
        self._network.pass_on(self._link, self._depart)

    def abandon(self) -> None:
        """Nobody waits for an answer any more. What has left arrives nevertheless."""
        self.over = True
        if self._timer is not None:
            self._timer.cancel()

    def serve(self, host: Host) -> None:
        """Let the node that it has reached answer it."""
        self._serve(host, partial(host.done, self))

    def send_back(self, answer: T | None, failure: Failure | None = None) -> None:
        """The node's answer, or the word of its machine that there will be none."""
        if self._breaks:
            answer, failure = None, Failure.RESET
        back = self._link[1], self._link[0]
        self._network.pass_on(back, lambda: self._network.fly(lambda: self._end(answer, failure)))

    def _depart(self) -> None:
        if self.over:
            return  # it never left
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._network.timeline.after(self._read, partial(self._fail, Failure.NO_ANSWER))
        fate = self._network.fate(self._link)
        if fate == "lost":
            self._network.fly(partial(self._fail, Failure.RESET))
            return
        self._breaks = fate == "breaks"
        self._network.fly(self._arrive)

    def _arrive(self) -> None:
        target = self._link[1]
        host = self._network.hosts.get(target) if isinstance(target, int) else None
        if host is None or not host.up:
            self.send_back(None, Failure.REFUSED)
        else:
            host.arrive(self)

    def _fail(self, failure: Failure) -> None:
        self._end(None, failure)

    def _end(self, answer: T | None, failure: Failure | None) -> None:
        if not self.over:
            self.abandon()
            self.answer, self.failure = answer, failure
            self._ended(self)


class Network:
    """All links, and what is wrong with them."""

    def __init__(self, timeline: Timeline, random: Random, latency: int) -> None:
        self.timeline = timeline
        self.hosts: dict[int, Host] = {}
        self._random = random
        self._latency = latency
        self._cuts: dict[Link, list[Callable[[], None]]] = {}
        """The links that are cut, and what is held there."""
        self._loss: dict[Link, float] = {}

    def call(
        self,
        source: End,
        target: End,
        serve: Serve[T],
        ended: Callable[[Call[T]], None],
        connect: int,
        read: int,
    ) -> Call[T]:
        """Send a request; ``ended`` is called once, later, unless the call is abandoned."""
        call = Call(self, (source, target), serve, ended, read)
        call.begin(connect)
        return call

    def fly(self, action: Callable[[], None]) -> None:
        """Let something happen as soon as a message that leaves now arrives."""
        flight = self._random.randint(self._latency // 2, self._latency * 3 // 2)
        self.timeline.after(max(1, flight), action)

    def pass_on(self, link: Link, action: Callable[[], None]) -> None:
        """Let something leave: now, or when the link is whole again."""
        held = self._cuts.get(link)
        if held is None:
            action()
        else:
            held.append(action)

    def fate(self, link: Link) -> str:
        """What becomes of a request that leaves now: ``lost``, its connection ``breaks``, or nothing."""
        share = self._loss.get(link, 0.0)
        if not share or self._random.random() >= share:
            return ""
        return "lost" if self._random.random() < 0.5 else "breaks"

    # Faults.

    def is_cut(self, link: Link) -> bool:
        """Whether what leaves there now is held."""
        return link in self._cuts

    def cut(self, link: Link) -> None:
        """Hold what leaves from now on."""
        self._cuts.setdefault(link, [])

    def heal(self, link: Link) -> None:
        """Let go of what is held, and hold nothing any more."""
        for action in self._cuts.pop(link, ()):
            action()

    def lose(self, link: Link, share: float) -> None:
        """Break so many of the requests that leave from now on, half of them after they have arrived."""
        if share:
            self._loss[link] = share
        else:
            self._loss.pop(link, None)

    def mend(self) -> None:
        """No link is cut, and none loses anything."""
        self._loss.clear()
        for link in list(self._cuts):
            self.heal(link)
