"""A small network of its own for each cluster: one Linux network namespace per node, a bridge between them.

The nodes have the addresses 172.4.0.1:8081, 172.4.0.2:8081, …, as in the examples of the API. The bridge
lives in a namespace of its own and every cable is made between two of our namespaces, so nothing changes in
the network of the machine, and any number of such networks can exist side by side with the same addresses.

Everything is named after the test process and a random number, is removed on the way out, and is removed by
the watchdog if the test process is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import httpx

from .harness import Cluster, Kind, Node, watchdog

PORT = 8081
NOWHERE = "02:00:00:00:00:99"  # a hardware address that no interface has
CLONE_NEWNET = 0x40000000  # <sched.h>

P = ParamSpec("P")
R = TypeVar("R")


def ip(*arguments: str, namespace: str | None = None) -> str:
    """Run ip(8) (in a namespace) and return what it prints."""
    where = [] if namespace is None else ["-n", namespace]
    done = subprocess.run(["ip", *where, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"ip {' '.join([*where, *arguments])}: {done.stderr.strip()}")
    return done.stdout


def why_not() -> str | None:
    """Why network namespaces cannot be used here; None if they can. Found out by making a small network."""
    if not sys.platform.startswith("linux"):
        return "network namespaces exist on Linux only"
    if shutil.which("ip") is None:
        return "the program `ip` (iproute2) is not installed"
    try:
        with Network(["probe"]) as network:
            network.call("probe", socket.gethostname)
    except OSError as trouble:
        return f"no right to make network namespaces: {trouble}"
    return None


def _enter(path: str) -> None:
    """Move the calling thread, and only it, into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"setns: {os.strerror(number)}")
    finally:
        os.close(descriptor)


class Network:
    """Hosts by name, each a network namespace with one interface on a common bridge.

    The first host has the address 172.4.0.1, the second 172.4.0.2, and so on. A context manager.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._tag = f"pb-{os.getpid()}-{secrets.token_hex(3)}"
        self._switch = f"{self._tag}-switch"
        self._hosts = list(hosts)
        self._made: list[str] = []
        self._threads: dict[str, ThreadPoolExecutor] = {}

    def __enter__(self) -> Network:
        try:
            self._make(self._switch)
            ip("link", "add", "bridge", "type", "bridge", namespace=self._switch)
            ip("link", "set", "bridge", "up", namespace=self._switch)
            for host in self._hosts:
                self._connect(host)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove everything; safe to call twice. The processes in it should have been ended before."""
        for threads in self._threads.values():
            threads.shutdown()
        self._threads.clear()
        with contextlib.ExitStack() as stack:  # one that cannot be removed does not keep the others
            for name in self._made:
                stack.callback(self._remove, name)
            self._made.clear()

    @staticmethod
    def _remove(name: str) -> None:
        ip("netns", "delete", name)
        watchdog.release(["ip", "netns", "delete", name])

    def _make(self, name: str) -> None:
        watchdog.guard(["ip", "netns", "delete", name])
        ip("netns", "add", name)
        self._made.append(name)
        ip("link", "set", "lo", "up", namespace=name)

    def _connect(self, host: str) -> None:
        """Give a host its namespace and a cable (a veth pair) to the bridge."""
        name, port = self.namespace(host), self._port(host)
        self._make(name)
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name, namespace=self._switch)
        ip("link", "set", port, "master", "bridge", "up", namespace=self._switch)
        ip("address", "add", f"{self.address(host)}/24", "dev", "eth0", namespace=name)
        ip("link", "set", "eth0", "up", namespace=name)

    def namespace(self, host: str) -> str:
        return f"{self._tag}-{host}"

    def address(self, host: str) -> str:
        return f"172.4.0.{self._hosts.index(host) + 1}"

    def _port(self, host: str) -> str:
        return f"port{self._hosts.index(host)}"

    def call(self, host: str, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function on a host: in a thread that lives in its namespace, so its new sockets do too."""
        threads = self._threads.get(host)
        if threads is None:
            path = str(Path("/run/netns") / self.namespace(host))
            threads = self._threads[host] = ThreadPoolExecutor(16, initializer=_enter, initargs=(path,))
        return threads.submit(function, *args, **kwargs).result()

    # ---- faults

    def unplug(self, host: str) -> None:
        """Take the host's cable out of the bridge: nothing passes to or from it any more."""
        ip("link", "set", self._port(host), "down", namespace=self._switch)

    def plug(self, host: str) -> None:
        ip("link", "set", self._port(host), "up", namespace=self._switch)

    def mute(self, speaker: str, listener: str) -> None:
        """Lose everything that `speaker` sends to `listener`, silently, and nothing else.

        The speaker believes in a hardware address for the listener that nobody has. Unlike a filter this
        needs no module of the kernel, and unlike a blackhole route it gives the sender no error.
        """
        arguments = ("neighbour", "replace", self.address(listener), "lladdr", NOWHERE)
        ip(*arguments, "dev", "eth0", "nud", "permanent", namespace=self.namespace(speaker))

    def unmute(self, speaker: str, listener: str) -> None:
        ip("neighbour", "delete", self.address(listener), "dev", "eth0", namespace=self.namespace(speaker))

    def heal(self) -> None:
        """End all faults."""
        for host in self._hosts:
            self.plug(host)
            for line in ip(
                "neighbour", "show", "nud", "permanent", namespace=self.namespace(host)
            ).splitlines():
                ip("neighbour", "delete", line.split()[0], "dev", "eth0", namespace=self.namespace(host))

    def passes(self, speaker: str, listener: str) -> bool:
        """Does a datagram get from one host to the other? (One that does needs microseconds.)"""
        receiver = self.call(listener, socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        sender = self.call(speaker, socket.socket, socket.AF_INET, socket.SOCK_DGRAM)
        with receiver, sender:
            receiver.bind((self.address(listener), 0))
            receiver.settimeout(0.5)
            sender.sendto(b"!", receiver.getsockname())
            try:
                return receiver.recv(1) == b"!"
            except TimeoutError:
                return False


class Remote(Node):
    """A node on a host of a network. Requests are sent from another host of it, or from the host itself."""

    def __init__(self, network: Network, node_id: int, frontend: str, log: Path, **kwargs: Any) -> None:
        host = f"n{node_id}"
        address = f"{network.address(host)}:{PORT}"
        prefix = ("ip", "netns", "exec", network.namespace(host))
        super().__init__(node_id, frontend, address, log, prefix=prefix, **kwargs)
        self.env["PBPROTO_INSECURE"] = "on"
        self.network = network
        self.host = host
        self._from = CLIENT

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        return self.network.call(self._from, super().request, method, path, **kwargs)

    def inside(self) -> Remote:
        """The same node as a client on its own host sees it; not to be started."""
        double = Remote(self.network, self.id, self.frontend, self.log)
        double._from = self.host
        return double


CLIENT = "client"


class NetworkCluster(Cluster):
    """A cluster whose nodes have a host each; there is one more for the clients and the outside world.

    Nodes with an odd id listen on all addresses (0.0.0.0), the others on the one that the views name.
    """

    nodes: dict[int, Node]

    def __init__(self, tmp_path: Path, kind: Kind, n: int = 3, **kwargs: Any) -> None:
        self.network = Network([f"n{i}" for i in range(n)] + [CLIENT])
        self.network.__enter__()
        try:
            super().__init__(tmp_path, kind, n, first_id=0, **kwargs)
        except BaseException:
            self.network.close()
            raise

    def make_node(self, node_id: int) -> Node:
        log = self.tmp_path / f"node-{node_id}.log"
        bind = f"0.0.0.0:{PORT}" if node_id % 2 else None
        frontend = self.frontend_of(node_id)
        server = self.servers.get(frontend)
        return Remote(self.network, node_id, frontend, log, server=server, env=self.env, bind=bind)

    def inside(self, node_id: int) -> Remote:
        """A node as a client on its own host sees it, whatever happens to the network."""
        node = self.nodes[node_id]
        assert isinstance(node, Remote)
        return node.inside()

    def end_faults(self) -> None:
        super().end_faults()
        self.network.heal()

    def close(self) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.network.close)
            stack.callback(super().close)
            # What a request still waits for must be able to reach it: the news that the node was killed.
            stack.callback(self.network.heal)
