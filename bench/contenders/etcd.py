"""etcd: the usual answer to "a strongly consistent store of keys and values", through its JSON gateway."""

from __future__ import annotations

import base64
import shutil

from bench.processes import wait_until
from bench.talk import call_all, demand
from bench.work import key_name

from .base import Contender

BATCH = 128
"""Operations of one transaction: the most that etcd takes by default."""


class Etcd(Contender):
    """A cluster of etcd on a RAM disk, everything at its defaults.

    Ranges are linearizable by default. The first address is the leader's: what goes through another member
    costs a hop more.
    """

    dialect = "etcd"
    backups = True

    def __init__(self, name: str, nodes: int) -> None:
        super().__init__(name, nodes)
        self._clients: list[str] = []

    def missing(self) -> str:
        if shutil.which("etcd") is None:
            return "etcd is not installed (Debian: apt install etcd-server)"
        return ""

    def start(self) -> None:
        names = [f"etcd{index}" for index in range(self.nodes)]
        peers = {name: f"http://{self._address()}" for name in names}
        clients = {name: self._address() for name in names}
        cluster = ",".join(f"{name}={url}" for name, url in peers.items())
        for name in names:
            client = f"http://{clients[name]}"
            self._launch(
                name,
                [
                    *("etcd", "--name", name, "--data-dir", str(self._home / f"{name}.data")),
                    *("--listen-peer-urls", peers[name], "--initial-advertise-peer-urls", peers[name]),
                    *("--listen-client-urls", client, "--advertise-client-urls", client),
                    *("--initial-cluster", cluster, "--initial-cluster-state", "new"),
                    *("--log-level", "error"),
                ],
            )
        leader = wait_until(lambda: self._leader(list(clients.values())), "etcd has a leader")
        self._clients = [leader, *(each for each in clients.values() if each != leader)]

    def addresses(self) -> list[str]:
        return self._clients

    def _leader(self, clients: list[str]) -> str:
        self.check()
        leader = ""
        for client in clients:
            status = demand(client, "POST", "/v3/maintenance/status", {})
            if "leader" not in status or status["leader"] == "0":
                return ""
            if status["leader"] == status["header"]["member_id"]:
                leader = client
        return leader

    def load(self, keys: int, size: int) -> None:
        value = base64.b64encode(b"v" * size).decode()
        batch = max(1, min(BATCH, 1_000_000 // max(1, size)))
        requests: list[tuple[str, str, object]] = []
        for first in range(0, keys, batch):
            puts = [
                {"requestPut": {"key": base64.b64encode(key_name(index).encode()).decode(), "value": value}}
                for index in range(first, min(keys, first + batch))
            ]
            requests.append(("POST", "/v3/kv/txn", {"success": puts}))
        call_all(self._clients[0], requests)
