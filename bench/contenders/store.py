"""This store: nodes of either frontend on any of its servers, in one view."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bench.processes import Process, python, wait_until
from bench.talk import call, demand

from .base import Contender

FRONTENDS = {
    "hypercorn": "frontends.quart_app",
    "uvicorn": "frontends.quart_app",
    "granian": "frontends.quart_app",
    "waitress": "frontends.wsgi_app",
    "gunicorn": "frontends.wsgi_app",
}
"""The frontend that runs on each server."""
MANY = 5_000
"""From so many keys on, a store is filled by a state transfer instead of key by key."""


class Store(Contender):
    """Nodes 1 to ``nodes`` on one server; node 1 is the primary. ``lease``: reads under a lease."""

    backups = True

    def __init__(self, name: str, server: str, nodes: int, lease: bool = False) -> None:
        super().__init__(name, nodes)
        self.server = server
        self.lease = lease
        self.members: dict[int, str] = {}
        self._of: dict[int, Process] = {}

    def missing(self) -> str:
        if self.lease and not has_setting("reads"):
            return "this version of the store has no setting `reads`, so no reads under a lease"
        return ""

    def start(self) -> None:
        ids = range(1, self.nodes + 1)
        for id_ in ids:
            self.start_node(id_)
        self.tell(ids)

    def load(self, keys: int, size: int) -> None:
        if keys < MANY:
            super().load(keys, size)
        else:
            self.load_by_transfer(range(1, self.nodes + 1), keys, size)

    def load_by_transfer(self, ids: Sequence[int], keys: int, size: int) -> None:
        """Let these nodes get ``keys`` keys from a member that was born full and then leaves the view."""
        full = max(ids) + 1
        address = self.members[full] = self._address()
        command = python("bench.programs.full_member", "--id", str(full), "--bind", address)
        command += ["--keys", str(keys), "--size", str(size)]
        self._of[full] = process = self._launch(f"full member {full}", command)
        wait_until(partial(_serves, process, address, "/view"), "the full member is filled", 600)
        self.tell([*ids, full])
        self.tell(ids)
        self.kill_node(full)
        del self.members[full]

    def addresses(self) -> list[str]:
        return list(self.members.values())

    def node_rss(self) -> dict[int, int]:
        """Bytes of resident memory of each node that runs."""
        return {id_: process.rss() for id_, process in self._of.items()}

    def process(self, id_: int) -> Process:
        """The process of a node that was started."""
        return self._of[id_]

    def start_node(self, id_: int) -> None:
        """Start a node, empty, at the address that it had or a new one, and wait until it answers."""
        address = self.members.setdefault(id_, self._address())
        module = FRONTENDS[self.server]
        command = python(module, "--id", str(id_), "--bind", address, "--server", self.server)
        env = {"PBPROTO_READS": "lease"} if self.lease else {}
        process = self._of[id_] = self._launch(f"node {id_}", command, env)

        wait_until(partial(_serves, process, address, "/ping"), f"{self.name}: node {id_} answers")

    def kill_node(self, id_: int) -> None:
        """End a node at once. Its memory is gone."""
        process = self._of.pop(id_)
        process.kill()
        self.processes.remove(process)

    def view(self, ids: Sequence[int]) -> dict[str, object]:
        """The document of a view of these nodes."""
        return {"view": [{"address": self.members[id_], "id": id_} for id_ in ids]}

    def tell(self, ids: Sequence[int]) -> None:
        """PUT a view to its members one after the other, and wait until all of them call it active."""
        for id_ in ids:
            demand(self.members[id_], "PUT", "/view", self.view(ids))
        self.wait_active(ids)

    def wait_active(self, ids: Sequence[int], patience: float = 300.0) -> None:
        """Wait until each of these nodes calls the view that it was told active."""

        def active() -> bool:
            self.check()
            return all(demand(self.members[id_], "GET", "/view")["status"] == "active" for id_ in ids)

        wait_until(active, f"{self.name}: the view is active", patience)


def has_setting(name: str) -> bool:
    """Whether the store that is measured has a setting of this name."""
    from frontends.common.settings import TUNABLE

    return any(each.name == name for each in TUNABLE)


def _serves(process: Process, address: str, path: str) -> bool:
    process.check()
    return call(address, "GET", path).status == 200
