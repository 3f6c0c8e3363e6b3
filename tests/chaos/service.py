"""The view service as the outside of a run: its own processes, which are killed and paused like nodes.

Two instances share a file. They reach the nodes where the nodes reach each other, so that what cuts a node
off cuts it off from them, too. Who changes views is the service alone; a node is killed only while another
one is known to carry the data, as the service itself says, and as that node says now.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, cast

import httpx

from tests.live.harness import Node
from tests.live.netns import CLIENT, NetworkCluster

from .ground import Ground
from .line import Line, LostError, NotConnectedError
from .outside import Outside
from .rules import Issued, Ledger
from .sight import LOOK_TIMEOUT

INSTANCES = 2
BETWEEN_KILLS = 1.5
"""Seconds between two kills at least: two within one look of the service may take the data with them."""


class ServiceLedger(Ledger):
    """Which views there were, as the service tells; it needs nobody's leave."""

    def note(self, epoch: int, members: tuple[int, ...]) -> Issued | None:
        """A view that the service has decided, if it is another one."""
        with self._lock:
            if self.issued and self.issued[-1].epoch == epoch:
                return None
            view = Issued(len(self.issued) + 1, members, epoch, self._now())
            self.issued.append(view)
            return view

    def see_active(self) -> None:
        """The latest view is active."""
        with self._lock:
            if self.issued and self._seen_active != self.issued[-1].number:
                self._seen_active = self.issued[-1].number
                self.active += 1

    def end_life(self, node: int) -> None:
        """A node is going to be killed."""
        with self._lock:
            self._dead.add(node)


class Instance(Node):
    """A process of the service."""

    options: tuple[str, ...] = ()
    call: Callable[..., Any] = staticmethod(lambda function, *args, **kwargs: function(*args, **kwargs))

    def command(self) -> list[str]:
        return [*self._prefix, sys.executable, "-m", "viewservice", *self.options, "--bind", self.address]

    def status(self) -> dict[str, Any] | None:
        """What it says if it acts."""
        with suppress(httpx.HTTPError):
            answer = self.call(httpx.get, f"{self.url}/status", timeout=2.0, trust_env=False)
            if answer.status_code == 200:
                document: dict[str, Any] = answer.json()
                return document
        return None


class ServiceOutside(Outside):
    """See the module."""

    def __init__(self, ground: Ground, ledger: ServiceLedger, seed: int, path: Path) -> None:
        super().__init__(ground, ledger, seed)
        self._known = ledger
        self._said: dict[str, Any] = {}
        self._troubles = Random(f"service {seed}")
        self._killed_at = 0.0
        nodes = ",".join(f"{id_}={node.member['address']}" for id_, node in ground.cluster.nodes.items())
        options = ("--nodes", nodes, "--store", f"sqlite:{path / 'views.sqlite'}", "--preset", "aggressive")
        self.instances = [self._instance(number, path, options) for number in range(1, INSTANCES + 1)]
        self._service = threading.Thread(target=self._trouble_service, name="service troubles", daemon=True)

    def _instance(self, number: int, path: Path, options: tuple[str, ...]) -> Instance:
        log, cluster = path / f"service-{number}.log", self.ground.cluster
        if self.ground.mode == "netns":
            network = cast(NetworkCluster, cluster).network
            address = f"127.0.0.1:{8070 + number}"
            prefix = ("ip", "netns", "exec", network.namespace(CLIENT))
            made = Instance(number, "viewservice", address, log, prefix=prefix)
            made.call = lambda function, *args, **kwargs: network.call(CLIENT, function, *args, **kwargs)
        else:
            made = Instance(number, "viewservice", cluster.new_address(), log)
        made.options = options
        return made

    # ---- from other threads

    def start(self) -> None:
        for instance in self.instances:
            instance.start()
        self._thread.start()
        self._service.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in (self._thread, self._service):
            if thread.ident is not None:
                thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        for instance in self.instances:
            instance.resume()
            instance.kill()

    def kill(self, node: int, downtime: float) -> bool:
        """Kill a node, if another one carries the data; it is started again after ``downtime`` seconds."""
        if time.monotonic() - self._killed_at < BETWEEN_KILLS or self.ledger.life(node) is None:
            return False
        if not self._carried_without(node):
            return False
        self._killed_at = time.monotonic()
        self._known.end_life(node)
        with self.ground.hands[node]:
            self.ground.cluster.nodes[node].kill()
            self._sights[node].restart_at = time.monotonic() + downtime
        return True

    def _carried_without(self, node: int) -> bool:
        """Whether another node carries the data: the service says so, and so does the node itself."""
        said = self._ask_service()
        if not said or not said["active"]:
            return False
        for other in said["nodes"]:
            if other["id"] == node or not other["carries"]:
                continue
            with suppress(NotConnectedError, LostError):
                line = Line(self.ground.beside(other["id"]), LOOK_TIMEOUT)
                try:
                    view = line.ask("GET", "/view").json()
                finally:
                    line.close()
                if view["status"] == "active" and view["epoch"] == said["epoch"]:
                    return True
        return False

    def all_active(self) -> bool:
        said = self._said
        return bool(said) and said["active"] and len(said["members"]) == len(self.ledger.nodes)

    def describe(self) -> str:
        return "\n".join([f"the service says: {self._said}", *(each.log_tail(30) for each in self.instances)])

    # ---- the threads

    def _run(self) -> None:
        try:
            while not self._stopped.wait(0.1):
                self._restart()
                self._watch()
        except BaseException as error:
            self.errors.append(error)

    def _ask_service(self) -> dict[str, Any]:
        for instance in self.instances:
            said = instance.status()
            if said is not None:
                return said
        return {}

    def _watch(self) -> None:
        said = self._ask_service()
        if not said or not said["epoch"]:
            return
        self._said = said
        view = self._known.note(said["epoch"], tuple(member["id"] for member in said["members"]))
        if view is not None:
            self.record.send(view)
        if said["active"]:
            self._known.see_active()
            self.record.see_active()
        if said["trouble"] == "nobody_proven":
            self.counts["nobody proven"] += 1

    def _trouble_service(self) -> None:
        """Now and then an instance is killed, or paused for a while."""
        try:
            while not self._stopped.wait(self._troubles.uniform(3.0, 12.0)):
                if self.calm.is_set():
                    continue
                instance = self._troubles.choice(self.instances)
                wait = self._troubles.choice((0.5, 2.0, 6.0))
                if self._troubles.random() < 0.5:
                    self.counts["service killed"] += 1
                    instance.kill()
                    self._stopped.wait(wait)
                    instance.start()
                else:
                    self.counts["service paused"] += 1
                    instance.pause()
                    self._stopped.wait(wait)
                    instance.resume()
        except BaseException as error:
            self.errors.append(error)


def outside_of(ground: Ground, seed: int, path: Path) -> tuple[ServiceLedger, ServiceOutside]:
    """The service as the outside of a ground, and its ledger."""
    ledger = ServiceLedger(ground.cluster.nodes, numbered=True)
    return ledger, ServiceOutside(ground, ledger, seed, path)
