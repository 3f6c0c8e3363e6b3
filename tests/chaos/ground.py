"""Where the nodes stand: on loopback, or on hosts of their own in network namespaces; always behind wires.

Two grounds, one interface. Which one works is found out at the start, and said:

* ``netns``: each node has a host; cables are pulled and packets lost for real, so that TCP itself holds,
  repeats and gives up. Some clients are on a node's own host and reach it when nobody else does.
* ``proxy``: everything is on 127.0.0.1; every fault is one of the wires'.

On both the nodes know each other by the addresses of the proxies (see ``wires``), which stand on the node's
own host, and clients and the outside go to the node directly.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

from tests.live.harness import Cluster, Kind, Node, reserve_port
from tests.live.netns import CLIENT, PORT, NetworkCluster, Remote, ip, why_not

from .line import Open
from .stream import CUT, Way
from .wires import Wires

Mode = Literal["netns", "proxy"]
Lift = Callable[[], None]
WIRE_PORT = 8080
SHAPES = {
    "lossy": ("netem", "delay", "20ms", "30ms", "loss", "15%", "duplicate", "5%", "reorder", "25%"),
    "narrow": ("tbf", "rate", "256kbit", "burst", "3000", "latency", "400ms"),
}
"""What tc(8) does to a host's cable, where the kernel has the discipline."""


def choose(wanted: str) -> tuple[Mode, str]:
    """The mode to use for ``auto``, ``netns`` or ``proxy``, and why. Raises ``OSError``."""
    if wanted == "proxy":
        return "proxy", "as asked"
    reason = why_not()
    if reason is None:
        return "netns", "network namespaces work here"
    if wanted == "netns":
        raise OSError(reason)
    return "proxy", reason


class WiredNode(Node):
    """A node whose peers reach it through a wire."""

    wire_address = ""

    @property
    def member(self) -> dict[str, Any]:
        return {"address": self.wire_address, "id": self.id}


class WiredRemote(Remote):
    """The same on a host of its own."""

    @property
    def member(self) -> dict[str, Any]:
        return {"address": f"{self.network.address(self.host)}:{WIRE_PORT}", "id": self.id}


class _LoopbackCluster(Cluster):
    def make_node(self, node_id: int) -> Node:
        frontend = self.frontend_of(node_id)
        log = self.tmp_path / f"node-{node_id}.log"
        server = self.servers.get(frontend)
        return WiredNode(node_id, frontend, self.new_address(), log, server=server, env=self.env)


class _NetworkCluster(NetworkCluster):
    def make_node(self, node_id: int) -> Node:
        bind = f"0.0.0.0:{PORT}" if node_id % 2 else None
        frontend = self.frontend_of(node_id)
        log = self.tmp_path / f"node-{node_id}.log"
        server = self.servers.get(frontend)
        return WiredRemote(self.network, node_id, frontend, log, server=server, env=self.env, bind=bind)


class Ground:
    """A cluster with its wires; here on loopback. A context manager; nothing is started yet.

    ``hands`` has a lock for each node: whoever starts, kills, stops or continues a process holds it.
    """

    mode: Mode = "proxy"
    homes: tuple[str, ...] = (CLIENT,)
    """The hosts that clients can be on."""
    shapes: tuple[str, ...] = ()

    def __init__(
        self, path: Path, kind: Kind, n: int, *, env: Mapping[str, str], servers: Mapping[str, str]
    ) -> None:
        self.cluster = self._make(path, kind, n, env=env, servers=servers)
        self.wires = Wires()
        self.hands = {node_id: threading.RLock() for node_id in self.cluster.nodes}
        try:
            for node in self.cluster.nodes.values():
                self._attach(node)
        except BaseException:
            self.close()
            raise

    def _make(self, path: Path, kind: Kind, n: int, **kwargs: Any) -> Cluster:
        return _LoopbackCluster(path, kind, n, first_id=0, **kwargs)

    def _attach(self, node: Node) -> None:
        listener = reserve_port()
        cast(WiredNode, node).wire_address = f"127.0.0.1:{listener.getsockname()[1]}"
        self.wires.attach(node.id, listener, self.opener(node.id))

    def __enter__(self) -> Ground:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process, then the wires, then the network. Safe to call twice."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.cluster.close)
            stack.callback(self.wires.close)
            for node in self.cluster.nodes.values():
                stack.callback(node.kill)

    # ---- for clients and the outside

    def opener(self, node_id: int, home: str = CLIENT) -> Open:
        """How somebody at ``home`` reaches a node."""
        assert home == CLIENT
        node = self.cluster.nodes[node_id]

        def open_() -> tuple[socket.socket, tuple[str, int]]:
            host, _, port = node.address.rpartition(":")
            return socket.socket(), (host, int(port))

        return open_

    def beside(self, node_id: int) -> Open:
        """How a node is reached, whatever happens to the network."""
        return self.opener(node_id)

    # ---- faults; each returns what ends it

    def others(self, node_id: int) -> tuple[int, ...]:
        return tuple(other for other in self.cluster.nodes if other != node_id)

    def around(self, node_id: int) -> tuple[Way, ...]:
        """All ways to and from a node."""
        return tuple(way for other in self.others(node_id) for way in ((node_id, other), (other, node_id)))

    def unplug(self, node_id: int) -> Lift:
        """Cut a node off from everybody."""
        return self.wires.impose(CUT, self.around(node_id))

    def mute(self, ways: Iterable[Way]) -> Lift:
        """Lose what is said on these ways, and nothing else."""
        return self.wires.impose(CUT, ways)

    def shape(self, node_id: int, shape: str) -> Lift:
        """Let tc(8) spoil a node's cable."""
        raise NotImplementedError(f"{shape} for {node_id} is of ``shapes``, which are none here")

    def heal(self) -> None:
        """End all faults but those of dead processes."""
        self.wires.heal()
        self.cluster.end_faults()


class NetnsGround(Ground):
    """The same on hosts of their own."""

    mode: Mode = "netns"

    def __init__(
        self, path: Path, kind: Kind, n: int, *, env: Mapping[str, str], servers: Mapping[str, str]
    ) -> None:
        self._lock = threading.Lock()
        self._faults: Counter[tuple[str, ...]] = Counter()
        super().__init__(path, kind, n, env=env, servers=servers)
        self.network = cast(NetworkCluster, self.cluster).network
        self.homes = (CLIENT, *(f"n{node_id}" for node_id in self.cluster.nodes))
        for home in self.homes:  # its threads are made now, by one thread and not by several at once
            self.network.call(home, socket.socket).close()
        self.shapes = tuple(name for name in SHAPES if self._can(name))

    def _make(self, path: Path, kind: Kind, n: int, **kwargs: Any) -> Cluster:
        return _NetworkCluster(path, kind, n, **kwargs)

    def _attach(self, node: Node) -> None:
        network = cast(NetworkCluster, self.cluster).network
        host = f"n{node.id}"
        listener = network.call(host, socket.socket)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((network.address(host), WIRE_PORT))
        self.wires.attach(node.id, listener, self.opener(node.id, host))

    def opener(self, node_id: int, home: str = CLIENT) -> Open:
        network = cast(NetworkCluster, self.cluster).network
        address = (network.address(f"n{node_id}"), PORT)
        return lambda: (network.call(home, socket.socket), address)

    def beside(self, node_id: int) -> Open:
        return self.opener(node_id, f"n{node_id}")

    # ---- faults: each is counted, since several may want the same cable pulled

    def unplug(self, node_id: int) -> Lift:
        host = f"n{node_id}"
        return self._count(
            [("unplug", host)], lambda _: self.network.unplug(host), lambda _: self.network.plug(host)
        )

    def mute(self, ways: Iterable[Way]) -> Lift:
        return self._count(
            [("mute", f"n{speaker}", f"n{listener}") for speaker, listener in ways],
            lambda what: self.network.mute(what[1], what[2]),
            lambda what: self.network.unmute(what[1], what[2]),
        )

    def shape(self, node_id: int, shape: str) -> Lift:
        host = f"n{node_id}"
        return self._count(
            [("shape", host)],  # one discipline a cable: a second shape waits for nobody, the first one stays
            lambda what: self._tc("replace", what[1], SHAPES[shape]),
            lambda what: self._tc("del", what[1], ()),
        )

    def _count(
        self,
        keys: Iterable[tuple[str, ...]],
        begin: Callable[[tuple[str, ...]], object],
        end: Callable[[tuple[str, ...]], object],
    ) -> Lift:
        wanted = tuple(keys)
        with self._lock:
            for key in wanted:
                self._faults[key] += 1
                if self._faults[key] == 1:
                    begin(key)

        def lift() -> None:
            with self._lock:
                for key in wanted:
                    if self._faults[key] == 1:
                        end(key)
                    self._faults[key] = max(0, self._faults[key] - 1)

        return lift

    def _tc(self, word: str, host: str, shape: tuple[str, ...]) -> None:
        """Set or remove the queueing discipline of a host's cable. Raises ``OSError``."""
        namespace = self.network.namespace(host)
        ip("netns", "exec", namespace, "tc", "qdisc", word, "dev", "eth0", "root", *shape)

    def _can(self, shape: str) -> bool:
        try:
            self._tc("replace", CLIENT, SHAPES[shape])
            self._tc("del", CLIENT, ())
        except OSError:
            return False
        return True

    def heal(self) -> None:
        with self._lock:
            for key in [key for key, count in self._faults.items() if count and key[0] == "shape"]:
                self._tc("del", key[1], ())
            self._faults.clear()
        super().heal()


def make(
    mode: Mode, path: Path, kind: Kind, n: int, *, env: Mapping[str, str], servers: Mapping[str, str]
) -> Ground:
    """A ground of this mode."""
    ground = NetnsGround if mode == "netns" else Ground
    return ground(path, kind, n, env=env, servers=servers)
