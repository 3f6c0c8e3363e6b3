"""What may go wrong with the nodes of a virtual cluster, and with the network between them."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import ClusterError
from .network import CLIENTS, VIEW_SERVICE, End, Link
from .timeline import ticks
from .world import LostAnswer, World, listed


class Faults:
    """The part of a ``Cluster`` that breaks it, and mends it. Nothing here lets time pass."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._timeline = world.timeline
        self._network = world.network

    @property
    def ids(self) -> list[int]:
        """The ids of all nodes, running or not."""
        return list(self._world.hosts)

    # Faults of nodes.

    def kill(self, *ids: int) -> None:
        """End these nodes at once, as ``kill -9`` does. What they knew is gone; connections break."""
        with self._timeline.turns:
            for host in [self._world.host(id_, "kill") for id_ in some(ids)]:
                self._say(f"kill({host.id})")
                host.end()

    def stop(self, *ids: int) -> None:
        """End these nodes as SIGTERM does: whoever waits there is answered first (503 or 504)."""
        with self._timeline.turns:
            for host in [self._world.host(id_, "stop") for id_ in some(ids)]:
                if host.paused:
                    raise ClusterError(f"cannot stop node {host.id}: it is paused")
                self._say(f"stop({host.id})")
                if host.node is not None:
                    host.node.close()
                host.end()

    def restart(self, *ids: int) -> None:
        """Start these nodes, killing those that run: each comes back empty, as another life."""
        with self._timeline.turns:
            for host in [self._world.known(id_) for id_ in some(ids)]:
                if host.up:
                    self.kill(host.id)
                self._say(f"restart({host.id})")
                self._world.start(host.id)

    def pause(self, *ids: int) -> None:
        """Stop these nodes in their tracks, as SIGSTOP does. What reaches them meanwhile waits there."""
        with self._timeline.turns:
            for host in [self._world.host(id_, "pause") for id_ in some(ids)]:
                if host.paused:
                    raise ClusterError(f"node {host.id} is paused already")
                self._say(f"pause({host.id})")
                host.paused = True

    def resume(self, *ids: int) -> None:
        """Let paused nodes go on."""
        with self._timeline.turns:
            for host in [self._world.host(id_, "resume") for id_ in some(ids)]:
                if not host.paused:
                    raise ClusterError(f"node {host.id} is not paused")
                self._say(f"resume({host.id})")
                host.resume()

    def slow(self, id_: int, seconds: float) -> None:
        """Let this node get whatever reaches it, from peers and clients, so much later; 0 ends it."""
        if not 0 <= seconds <= self._world.patience:
            raise ClusterError(f"a node is slow by 0 to {self._world.patience:g} seconds, not {seconds!r}")
        with self._timeline.turns:
            host = self._world.known(id_)
            self._say(f"slow({id_}, {seconds:g})")
            host.be_slow(ticks(seconds))

    # Faults of the network.

    def cut(self, one: End, *others: End, one_way: bool = False) -> None:
        """Cut a node off from others, or from all other nodes if none is named.

        An end is a node's id, ``"clients"``, or ``"view service"``. ``one_way``: what ``one`` sends does not
        arrive, the other direction works. What is sent into a cut waits until it is healed, or until the
        sender gives up: a request of a client ends in ``httpx.ConnectTimeout`` if it could not leave, and
        in ``httpx.ReadTimeout`` if it was under way.
        """
        with self._timeline.turns:
            ends = self._ends(one, others)
            self._say(_call("cut", (one, *others), "one_way=True" if one_way else ""))
            for there, back in ends:
                self._network.cut(there)
                if not one_way:
                    self._network.cut(back)

    def isolate(self, id_: int) -> None:
        """Cut a node off from everybody: nodes, clients, and the view service."""
        self.cut(id_, *(other for other in self.ids if other != id_), CLIENTS, VIEW_SERVICE)

    def heal(self, one: End | None = None, *others: End) -> None:
        """End cuts, both ways: between these ends, named as for ``cut``; without arguments all faults of the
        network, slow nodes and answers to be lost included."""
        with self._timeline.turns:
            links = [] if one is None else self._ends(one, others)
            self._say(_call("heal", () if one is None else (one, *others)))
            for there, back in links:
                self._network.heal(there)
                self._network.heal(back)
            if one is None:
                self._network.mend()
                self._world.lost_answers.clear()
                for host in self._world.hosts.values():
                    host.be_slow(0)

    def drop(self, share: float, sender: int | None = None, receiver: int | None = None) -> None:
        """Let this share of the messages between nodes fail from now on, from 0 (none) to 1 (all).

        Half of them are lost; the others arrive, and their answers are lost. ``sender`` and ``receiver``
        narrow it down.
        """
        if not 0 <= share <= 1:
            raise ClusterError(f"the share has to be from 0 to 1, not {share!r}")
        with self._timeline.turns:
            senders, receivers = (
                self.ids if id_ is None else [self._world.known(id_).id] for id_ in (sender, receiver)
            )
            self._say(f"drop({share:g}, {sender}, {receiver})")
            for link in ((here, there) for here in senders for there in receivers if here != there):
                self._network.lose(link, share)

    def lose_answer(self, id_: int | None = None, *, reset: bool = False) -> None:
        """Let the next write that succeeds at this node, or at any, take effect and its client not hear it.

        The client waits until its timeout (``httpx.ReadTimeout``); with ``reset`` it is told at once that
        the connection broke (``httpx.ReadError``). Called twice, two answers are lost.
        """
        with self._timeline.turns:
            if id_ is not None:
                self._world.known(id_)
            self._say(f"lose_answer({'' if id_ is None else id_})")
            self._world.lost_answers.append(LostAnswer(id_, reset))

    # What the methods above share.

    def _say(self, text: str) -> None:
        self._world.transcript.add(f"the test: {text}")

    def _ends(self, one: End, others: Iterable[End]) -> list[tuple[Link, Link]]:
        """The links from one end to others, and back."""
        others = list(others) or [id_ for id_ in self.ids if id_ != one]
        for end in (one, *others):
            if end not in (CLIENTS, VIEW_SERVICE) and end not in self.ids:
                raise ClusterError(
                    f"there is no end {end!r}; there are {self.ids}, {CLIENTS!r}, {VIEW_SERVICE!r}"
                )
        if one in others:
            raise ClusterError(f"nothing is between {one!r} and itself")
        return [((one, other), (other, one)) for other in others]


def some(ids: tuple[int, ...]) -> tuple[int, ...]:
    if not ids:
        raise ClusterError("name a node at least")
    if len(set(ids)) < len(ids):
        raise ClusterError(f"{listed(ids)}: each node once")
    return ids


def _call(name: str, ends: tuple[End, ...], more: str = "") -> str:
    return f"{name}({', '.join([*map(repr, ends), *([more] if more else [])])})"
