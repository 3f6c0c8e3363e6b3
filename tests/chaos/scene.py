"""A cluster for one scripted scenario: with a view of all, and a client that writes down what it hears."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.checker.history import Call, What
from tests.live.harness import Kind
from tests.simulation.plan import Ask

from . import ground as grounds
from .clients import Client
from .ground import Ground, Mode
from .run import ENV
from .workload import Load

LOAD = Load(seed=1, nodes=(0,), clients=1, keys=1, patience=30.0)


class Scene:
    """A ground whose nodes run, and its one client for each home."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.cluster = ground.cluster
        self._clients = {home: Client(number, ground, home, LOAD) for number, home in enumerate(ground.homes)}
        self._lock = threading.Lock()
        self._number = 0

    def ask(self, node: int, what: What, key: str = "", value: str = "", home: str = "") -> Call:
        """One request and what became of it. Requests of one home come one after the other."""
        client = self._clients[home or self.ground.homes[0]]
        call, _ = client.ask(Ask(0, client.number, node, what, key, value), node)
        client.calls.append(call)
        return call

    def write(self, node: int, key: str, value: str) -> None:
        """A write that must be answered in the end; each try is a call."""
        for _ in range(60):
            if self.ask(node, "put", key, value).outcome == "ok":
                return
        raise AssertionError(f"node {node} took no write")

    def contents(self, node: int) -> Mapping[str, str]:
        """What a node lists, when it can."""
        for _ in range(60):
            items = self.ask(node, "list").items
            if items is not None:
                return items
        raise AssertionError(f"node {node} listed nothing")

    def history(self) -> tuple[Call, ...]:
        """All calls until now."""
        return tuple(call for client in self._clients.values() for call in client.calls)


@contextmanager
def scene(
    mode: Mode,
    path: Path,
    kind: Kind,
    nodes: int = 3,
    *,
    numbered: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[Scene]:
    """A scene with a first view of all nodes, which is active. Its nodes' logs are printed if it fails."""
    with grounds.make(mode, path, kind, nodes, env=ENV | dict(env or {}), servers={}) as ground:
        try:
            ground.cluster.start_all()
            ground.cluster.install(ground.cluster.nodes, epoch=1 if numbered else None)
            yield Scene(ground)
            ground.cluster.assert_none_died()
        except BaseException:
            ground.cluster.print_logs()
            raise
