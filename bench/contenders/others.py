"""Stores that people reach for, or build, instead: each behind the HTTP that this store speaks."""

from __future__ import annotations

import importlib.util
import shutil
import socket
from functools import partial

from bench.processes import BenchError, Process, python, wait_until
from bench.talk import call, demand
from bench.work import key_name

from .base import Contender

NOT_INSTALLED = "{} is not installed (pip install -r requirements-bench.txt)"


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _serves(process: Process, address: str) -> bool:
    process.check()
    return call(address, "GET", "/ping").status in (200, 404)


class NaiveFlask(Contender):
    """A Flask application on waitress that POSTs every write to every backup: the first thing that works."""

    def missing(self) -> str:
        return "" if _has("requests") else NOT_INSTALLED.format("requests")

    def start(self) -> None:
        self._at = [self._address() for _ in range(self.nodes)]
        for address in reversed(self._at):
            backups = ",".join(self._at[1:]) if address == self._at[0] else ""
            command = python("bench.programs.naive_flask", "--bind", address, "--backups", backups)
            process = self._launch(address, command)
            wait_until(partial(_serves, process, address), f"{self.name} answers")

    def addresses(self) -> list[str]:
        return self._at[:1]


class Redis(Contender):
    """A primary with replicas, one HTTP process before it: ``SET`` and ``WAIT`` for all replicas.

    Not the same promise: a failover may still lose what was acknowledged, and nothing stops a replaced
    primary from answering reads.
    """

    def missing(self) -> str:
        if shutil.which("redis-server") is None:
            return "redis-server is not installed (Debian: apt install redis-server)"
        return "" if _has("redis") else NOT_INSTALLED.format("redis")

    def start(self) -> None:
        stores = [self._address() for _ in range(self.nodes)]
        self._primary = stores[0]
        primary = _pair(self._primary)
        for index, address in enumerate(stores):
            host, port = _pair(address)
            command = [
                "redis-server",
                "--bind",
                host,
                "--port",
                str(port),
                "--save",
                "",
                "--appendonly",
                "no",
            ]
            command += ["--dir", str(self._home), "--repl-diskless-sync-delay", "0"]
            if index:
                command += ["--replicaof", primary[0], str(primary[1])]
            process = self._launch(f"redis {index}", command)
            wait_until(partial(_pongs, process, address), f"{self.name}: redis {index} answers")
        self._at = self._address()
        command = python("bench.programs.redis_front", "--bind", self._at, "--redis", stores[0])
        process = self._launch("front", [*command, "--replicas", str(self.nodes - 1)])
        wait_until(partial(_serves, process, self._at), f"{self.name} answers")
        # Succeeds only when every replica is there.
        wait_until(
            lambda: call(self._at, "PUT", "/data/first", {"value": ""}).status < 300,
            f"{self.name}: every replica follows",
        )

    def addresses(self) -> list[str]:
        return [self._at]

    def load(self, keys: int, size: int) -> None:
        """In Redis's own protocol, as many commands as fit in flight."""
        value = b"v" * size
        with socket.create_connection(_pair(self._primary), timeout=600) as connection:
            for first in range(0, keys, 1000):
                names = [key_name(index).encode() for index in range(first, min(keys, first + 1000))]
                parts = [part for name in names for part in (name, value)]
                command = [b"MSET", *parts]
                text = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in command)
                connection.sendall(b"*%d\r\n%b" % (len(command), text))
                if not connection.recv(64).startswith(b"+OK"):
                    raise BenchError("redis did not take what was to be loaded")
        # A replicated write comes after all that was loaded.
        demand(self._at, "PUT", "/data/first", {"value": ""})


class PySyncObj(Contender):
    """Raft in pure Python.

    By default it appends to the others' logs ten times a second: no operation is faster than that. ``period``
    has it look and append every so many seconds; 0 leaves both as they come.
    """

    backups = True

    def __init__(self, name: str, nodes: int, period: float = 0.0) -> None:
        super().__init__(name, nodes)
        self._period = period

    def missing(self) -> str:
        return "" if _has("pysyncobj") else NOT_INSTALLED.format("pysyncobj")

    def start(self) -> None:
        self._at = [self._address() for _ in range(self.nodes)]
        rafts = [self._address() for _ in range(self.nodes)]
        started = []
        for address, raft in zip(self._at, rafts, strict=True):
            others = ",".join(each for each in rafts if each != raft)
            command = python("bench.programs.pysyncobj_node", "--bind", address, "--raft", raft)
            command += ["--others", others, "--period", str(self._period)]
            started.append(self._launch(address, command))
        for process, address in zip(started, self._at, strict=True):
            wait_until(partial(_serves, process, address), f"{self.name} answers")
        leader = wait_until(self._leader, f"{self.name} has a leader")
        self._at.sort(key=lambda each: each != leader)

    def addresses(self) -> list[str]:
        return self._at

    def _leader(self) -> str:
        self.check()
        leaders = [address for address in self._at if demand(address, "GET", "/ping")["leads"]]
        return leaders[0] if len(leaders) == 1 else ""


def _pongs(process: Process, address: str) -> bool:
    process.check()
    with socket.create_connection(_pair(address), timeout=5) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(64).startswith(b"+PONG")


def _pair(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)
