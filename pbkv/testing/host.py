"""One machine of the virtual cluster: the node that runs on it, and what carries its mail."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from frontends.common.api import Api
from frontends.common.node import Node
from frontends.common.responses import Response, too_many_bytes
from frontends.common.settings import Settings
from frontends.common.wire import LOST, Posted
from pbproto import Note
from pbproto.config import MIB

from .network import Call, Failure, Network
from .timeline import Timer, ticks

Noted = Callable[[int, Note], None]


class VirtualNode(Node):
    """The node that runs in production, in the process of a test."""

    def stored(self) -> dict[str, str]:
        """What is committed here, in order of the keys."""
        with self._lock:
            items = dict(self._replica.state.store.data.items())
        return {key.decode(): items[key].decode() for key in sorted(items)}

    def _stop_rather_than_lie(self, error: Exception) -> NoReturn:
        # The process is not this node's alone: whoever runs the test is to see what broke.
        raise error


class Host:
    """A place for a node: it may be up or down, paused, or slow."""

    def __init__(self, settings: Settings, network: Network, noted: Noted) -> None:
        self.id = settings.id
        self.address = settings.bind
        self.node: VirtualNode | None = None
        self.paused = False
        self._slow = 0
        """Nanoseconds that pass before the node gets what has reached it."""
        self._late: dict[Timer, Callable[[], object]] = {}
        """What waits for that."""
        self._settings = settings
        self._network = network
        self._noted = noted
        self._api: Api | None = None
        self._calls: dict[Call[Any], None] = {}
        """Requests that have reached this node and are not answered."""
        self._inbox: deque[Callable[[], object]] = deque()
        """What came while it was paused."""
        self._carriers: dict[str, Carrier] = {}
        self._tick: Timer | None = None

    @property
    def up(self) -> bool:
        """Whether a node runs here, paused or not."""
        return self.node is not None

    # Its life.

    def start(self, incarnation: int) -> None:
        """A node starts, empty."""
        self.node = VirtualNode(
            self._settings,
            self._wake_peer,
            self._wake_timer,
            now=lambda: self._network.timeline.now,
            incarnation=incarnation,
            noted=partial(self._noted, self.id),
        )
        self._api = Api(self.node)

    def end(self) -> None:
        """The process is gone, with all that waits for it here; its machine closes the connections."""
        self.node = self._api = None
        self.paused = False
        for call in self._calls:
            call.send_back(None, Failure.DISCONNECTED)
        for carrier in self._carriers.values():
            carrier.close()
        for timer in self._late:
            timer.cancel()
        self._late.clear()
        self._calls.clear()
        self._inbox.clear()
        self._carriers.clear()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def resume(self) -> None:
        """Go on with what came meanwhile."""
        self.paused = False
        while self._inbox and not self.paused:
            self._inbox.popleft()()

    # What reaches it.

    def arrive(self, call: Call[Any]) -> None:
        """A request."""
        self._calls[call] = None
        self.get(partial(call.serve, self))

    def done(self, call: Call[Any], answer: Any) -> None:
        """The node has answered a request."""
        if call in self._calls:
            del self._calls[call]
            call.send_back(answer)

    def break_off(self, call: Call[Any]) -> None:
        """Break the connection on which a request came, instead of an answer."""
        if self._calls.pop(call, self) is None:
            call.send_back(None, Failure.RESET)

    def get(self, action: Callable[[], object]) -> None:
        """Something has come to this machine: the node gets it when it gets round to it."""
        if self._slow:
            self._delay(self._slow, action)
        else:
            self._get(action)

    def be_slow(self, delay: int) -> None:
        """Get what comes so many nanoseconds later from now on, and what waits no later than that."""
        self._slow = delay
        now = self._network.timeline.now
        waiting, self._late = self._late, {}
        for timer, action in waiting.items():
            timer.cancel()
            self._delay(min(delay, timer.time - now), action)

    def _delay(self, delay: int, action: Callable[[], object]) -> None:
        def get() -> None:
            del self._late[timer]
            self._get(action)

        timer = self._network.timeline.after(delay, get)
        self._late[timer] = action

    def _get(self, action: Callable[[], object]) -> None:
        if self.paused:
            self._inbox.append(action)
        else:
            action()

    def respond(
        self,
        method: str,
        target: bytes,
        headers: Mapping[str, str],
        body: bytes,
        done: Callable[[Response], None],
    ) -> None:
        """A request over HTTP, as the frontends handle it; ``headers`` have lower-case names."""
        api = self._api
        if api is None:
            return
        plan = api.plan(method, target, headers)
        if isinstance(plan, Response):
            done(plan)
        elif not plan.body_limit:
            api.start(plan, headers, b"", done)
        elif len(body) > plan.body_limit:
            done(api.refuse(plan, headers, api.too_large(plan)))
        elif plan.waits and not api.has_room(len(body)):
            done(api.refuse(plan, headers, too_many_bytes()))
        else:
            api.start(plan, headers, body, done)

    # What the node wants.

    def _wake_peer(self, address: str) -> None:
        carrier = self._carriers.get(address)
        if carrier is None and self.node is not None:
            carrier = Carrier(self, self.node, self._network, address, self._settings.peer_timeout)
            self._carriers[address] = carrier
        if carrier is not None:
            carrier.wake()

    def _wake_timer(self, deadline: int | None) -> None:
        if deadline is None or (self._tick is not None and self._tick.time <= deadline):
            return  # it fires early enough, and is set anew then
        if self._tick is not None:
            self._tick.cancel()
        self._tick = self._network.timeline.at(deadline, partial(self._get, self._tick_now))

    def _tick_now(self) -> None:
        self._tick = None
        if self.node is not None:
            self.node.tick()


class Carrier:
    """The mail of one life of a node to one address: one POST under way, the rest goes in the next."""

    def __init__(self, host: Host, node: Node, network: Network, address: str, timeout: float) -> None:
        self._host = host
        self._node = node
        self._network = network
        self._timeout = timeout
        self._address = address
        # A node knows others by what its view says: there may be nobody at all.
        found = (each.id for each in network.hosts.values() if each.address == address)
        self._target = next(found, address)
        self._busy = False
        self._call: Call[Posted] | None = None

    def wake(self) -> None:
        """There may be mail."""
        if not self._busy:
            self._go_on()

    def close(self) -> None:
        """The node is gone."""
        if self._call is not None:
            self._call.abandon()

    def _go_on(self) -> None:
        mail = self._node.take_mail(self._address)
        self._busy = bool(mail)
        if mail:
            timeout = ticks(self._timeout)
            self._call = self._network.call(
                self._host.id,
                self._target,
                partial(_receive, mail, self._node.peers.header),
                lambda call: self._host.get(partial(self._take_in, call.answer)),
                timeout,
                timeout + ticks(len(mail) / MIB),
            )

    def _take_in(self, answer: Posted | None) -> None:
        self._node.posted(self._address, answer or LOST)
        self._go_on()


def _receive(mail: bytes, header: str, host: Host, done: Callable[[Posted], None]) -> None:
    node = host.node
    if node is not None:
        done(Posted(200, node.peers.header, node.receive(mail, header)))
