"""A cluster in virtual time, as a test uses it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import httpx

from pbkv import AsyncClient, Client
from pbproto import Status, View, ViewRefused

from .errors import ClusterError
from .faults import Faults, some
from .host import Host
from .outside import Outside
from .pump import pump
from .timeline import ticks
from .transport import AsyncTransport, Transport
from .world import World, address_of, listed

SETTLING = 60.0
"""Virtual seconds within which a whole cluster has to come right."""


class Cluster(Faults):
    """``nodes`` nodes with the ids 1, 2, …, in the process of a test, in virtual time.

    The code of the store runs: replicas, the node around them, the mapping to HTTP. Its network, clock and
    chance are made up from ``seed``: the same calls give the same run. Time passes while somebody waits
    (a request, ``advance``, ``run_until``), and then as fast as the machine can go.

    ``view``: the nodes have been told a view of all of them, and it is active. ``view_service``: a view
    service watches the nodes and tells them views (``True``, or the name of one of its presets), of
    ``view_size`` members, all nodes if 0. ``latency``: about how many seconds a message takes. Every other
    keyword is a setting of the nodes, as ``request_timeout=2.0``.

    Times are seconds of virtual time. Everything may be called from any thread, one at a time gets its turn.
    Raises ``ClusterError`` for what cannot be.
    """

    def __init__(
        self,
        nodes: int = 3,
        *,
        seed: int = 1,
        view: bool = True,
        view_service: bool | str = False,
        view_size: int = 0,
        latency: float = 0.0005,
        **settings: object,
    ) -> None:
        self.seed = seed
        """What the chances of this run are drawn from."""
        super().__init__(World(nodes, seed, latency, settings))
        self._epoch = 0
        """Of the last view that this object has told."""
        self._outside: Outside | None = None
        if view_service:
            preset = "default" if view_service is True else view_service
            self._outside = Outside(self._world, preset, view_size)
        elif view:
            self.set_view(*self.ids)
        if view:
            self.wait_until_active()

    # Who there is.

    @property
    def urls(self) -> list[str]:
        """The base URLs of all nodes, in order of their ids: ``http://node1``, …"""
        return [self.url(id_) for id_ in self.ids]

    def url(self, id_: int) -> str:
        """The base URL of one node."""
        self._world.known(id_)
        return f"http://node{id_}"

    @property
    def running(self) -> list[int]:
        """The ids of the nodes that run and are not paused."""
        return [id_ for id_, host in self._world.hosts.items() if host.up and not host.paused]

    @property
    def primary(self) -> int | None:
        """The primary of the newest view that is active, as its primary says; ``None`` if none is."""
        found = [
            (status.epoch or 0, status.id)
            for status in self._statuses()
            if status.status == "active" and status.role == "primary"
        ]
        return max(found)[1] if found else None

    def status(self, id_: int) -> Status:
        """What a running node says of itself, as in ``GET /view``; takes no time."""
        with self._timeline.turns:
            return _status(self._world.host(id_, "ask"))

    def data(self, id_: int | None = None) -> dict[str, str]:
        """What is stored: committed at this node; at the primary, if none is named. Takes no time."""
        with self._timeline.turns:
            if id_ is None:
                id_ = self.primary
            if id_ is None:
                words = "no view is active yet: wait_until_active(), or name a node"
                raise ClusterError(f"{words}; {self._words()}")
            node = self._world.host(id_, "look into").node
            return {} if node is None else node.stored()

    @property
    def transcript(self) -> list[str]:
        """What has happened, the oldest first: faults, views, requests, answers; the last 10,000 lines."""
        with self._timeline.turns:
            return self._world.transcript.lines

    def report(self) -> str:
        """The end of the transcript and how the nodes are, for people."""
        with self._timeline.turns:
            return f"{self._world.transcript.tail()}\nat {self._timeline.seconds:.4f} s: {self._words()}"

    # Clients.

    def transport(self) -> httpx.BaseTransport:
        """For any ``httpx.Client``: ``httpx.Client(transport=cluster.transport())``."""
        return Transport(self._world)

    def async_transport(self) -> httpx.AsyncBaseTransport:
        """For any ``httpx.AsyncClient`` on asyncio."""
        return AsyncTransport(self._world)

    def http(self, id_: int = 1, **options: Any) -> httpx.Client:
        """A plain httpx client whose requests go to one node; ``options`` as of ``httpx.Client``."""
        return httpx.Client(**{"base_url": self.url(id_), "transport": self.transport(), **options})

    def async_http(self, id_: int = 1, **options: Any) -> httpx.AsyncClient:
        """The same for asyncio."""
        return httpx.AsyncClient(
            **{"base_url": self.url(id_), "transport": self.async_transport(), **options}
        )

    def client(self, **options: Any) -> Client:
        """A ``pbkv.Client`` of all nodes that lives in this cluster's time; ``options`` are passed on."""
        mine = {"transport": self.transport(), "sleep": self.sleep, **self._chance()}
        return Client(self.urls, **{**mine, **options})

    def async_client(self, **options: Any) -> AsyncClient:
        """A ``pbkv.AsyncClient`` of all nodes that lives in this cluster's time."""
        mine = {"transport": self.async_transport(), "sleep": self.async_sleep, **self._chance()}
        return AsyncClient(self.urls, **{**mine, **options})

    def _chance(self) -> dict[str, Any]:
        """What else a client of the store would take from the machine."""
        return {"clock": self.clock, "draw": Random(f"{self.seed} client").random}

    # Time.

    def clock(self) -> float:
        """Seconds of virtual time since the cluster was made."""
        return self._timeline.seconds

    def advance(self, seconds: float) -> None:
        """Let so much time pass.

        Coroutines of an event loop have no part in what happens meanwhile; in a coroutine use
        ``await cluster.async_sleep(seconds)``.
        """
        if not seconds >= 0:
            raise ClusterError(f"time does not go back: {seconds!r} seconds")
        with self._timeline.turns:
            end = self._timeline.now + ticks(seconds)
            self._timeline.run(lambda: False, end)

    def sleep(self, seconds: float) -> None:
        """``time.sleep`` of this cluster's time."""
        self.advance(seconds)

    async def async_sleep(self, seconds: float) -> None:
        """``asyncio.sleep`` of this cluster's time."""
        if not seconds >= 0:
            raise ClusterError(f"time does not go back: {seconds!r} seconds")
        await pump().wait(self._timeline, lambda wake: self._timeline.after(ticks(seconds), wake))

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Call ``action`` when so much time has passed, in the midst of whatever is waited for then.

        ``cluster.later(1, cluster.fail_over)`` kills the primary under the next blocking request. What
        ``action`` raises comes out where somebody waits.
        """
        if not seconds >= 0:
            raise ClusterError(f"time does not go back: {seconds!r} seconds")
        with self._timeline.turns:
            self._timeline.after(ticks(seconds), action)

    def run_until(self, predicate: Callable[[], object], timeout: float = SETTLING) -> None:
        """Let time pass until ``predicate()`` is true. Raises ``TimeoutError`` after ``timeout`` seconds."""
        with self._timeline.turns:
            end = self._timeline.now + ticks(timeout)
            if not self._timeline.run(lambda: bool(predicate()), end):
                raise TimeoutError(f"not within {timeout:g} s of virtual time: {self._words()}")

    def wait_until_active(self, timeout: float = SETTLING) -> None:
        """Let time pass until the newest view is active at all its members. Raises ``TimeoutError``."""
        self.run_until(self._all_active, timeout)

    # The outside.

    def set_view(self, *ids: int, epoch: int | None = None) -> None:
        """Tell the nodes with these ids that they are the members of the next view, in this moment.

        It is active as soon as its members have agreed (``wait_until_active``); requests wait for that. Views
        are numbered one after another if ``epoch`` is not given. A member that does not run hears nothing.
        """
        with self._timeline.turns:
            if self._outside is not None:
                raise ClusterError("this cluster has a view service: it decides about views")
            members = [(self._world.known(id_).id, address_of(id_)) for id_ in some(ids)]
            known = [status.epoch or 0 for status in self._statuses()]
            number = 1 + max([self._epoch, *known]) if epoch is None else epoch
            try:
                view = View.of(members, number)
            except ValueError as error:
                raise ClusterError(str(error)) from error
            self._say(f"set_view({listed(sorted(ids))}), number {number}")
            self._epoch = max(self._epoch, number)
            refusals: list[str] = []
            for id_ in sorted(ids):
                host = self._world.hosts[id_]
                if host.up:
                    host.get(partial(_tell, host, view, refusals))
            if refusals:
                raise ClusterError(f"view {number} of {listed(sorted(ids))}: {'; '.join(refusals)}")

    def promote(self, id_: int) -> None:
        """Make a node the primary: a view without the members of lower ids, and without who does not run."""
        with self._timeline.turns:
            self._world.host(id_, "promote")
            others = [other for other in self._members() if other > id_ and other in self.running]
            self.set_view(id_, *others)

    def fail_over(self, id_: int | None = None) -> None:
        """Kill a node, the primary if none is named, and tell a view of the members that run without it."""
        with self._timeline.turns:
            gone = self.primary if id_ is None else id_
            if gone is None:
                raise ClusterError(f"there is no primary to fail over from: {self._words()}")
            others = [other for other in self._members() if other != gone and other in self.running]
            if not others:
                raise ClusterError(f"no member of the view would be left without node {gone}")
            self.kill(gone)
            if self._outside is None:
                self.set_view(*others)

    # What the methods above share.

    def _statuses(self) -> list[Status]:
        return [_status(host) for host in self._world.hosts.values() if host.up]

    def _newest(self) -> Status | None:
        """Of somebody who knows the newest view."""
        known = [status for status in self._statuses() if status.view is not None]
        return max(known, key=lambda status: status.epoch or 0, default=None)

    def _members(self) -> list[int]:
        newest = self._newest()
        if newest is None or newest.view is None:
            raise ClusterError("no node has been told a view")
        return [member.id for member in newest.view.members]

    def _all_active(self) -> bool:
        newest = self._newest()
        if newest is None or newest.view is None:
            return False
        hosts = [self._world.hosts[member.id] for member in newest.view.members]
        for host in hosts:
            if not host.up or host.paused:
                return False
            status = _status(host)
            if (status.status, status.epoch) != ("active", newest.epoch):
                return False
        return True

    def _words(self) -> str:
        """How all nodes are, in one line each."""
        return "; ".join(_how(id_, host) for id_, host in self._world.hosts.items())

    def __repr__(self) -> str:
        return f"<Cluster of {len(self.ids)} nodes, seed {self.seed}, at {self.clock():.4f} s>"


def _status(host: Host) -> Status:
    if host.node is None:
        raise ClusterError(f"node {host.id} is not running")
    return host.node.status()


def _tell(host: Host, view: View, refusals: list[str]) -> None:
    if host.node is not None:
        answer = host.node.tell_view(view)
        if isinstance(answer, ViewRefused):
            refusals.append(f"node {host.id} refuses: {answer.detail}")


def _how(id_: int, host: Host) -> str:
    if not host.up:
        return f"node {id_} does not run"
    status = _status(host)
    said = f"node {id_} is {'paused, ' if host.paused else ''}{status.role}, {status.status}"
    waits = [f"node {wait.id} ({wait.reason})" for wait in status.waiting_for]
    return f"{said}, waits for {', '.join(waits)}" if waits else said
