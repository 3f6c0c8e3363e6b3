"""What a contender is: some processes that answer the same requests, and how to ask what they cost."""

from __future__ import annotations

import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import wrk
from bench.processes import HOST, Ports, Process
from bench.talk import call_all
from bench.work import Work, key_name


class Contender(ABC):
    """One store on this machine, started and stopped as a whole.

    ``dialect`` is how it is spoken to: ``rest`` (``PUT /data/<key>``) or ``etcd`` (its JSON gateway).
    """

    dialect = "rest"
    backups = False
    """Whether clients may also talk to a node that is not the first."""

    def __init__(self, name: str, nodes: int) -> None:
        self.name = name
        self.nodes = nodes
        self.processes: list[Process] = []
        self.rss_per_key = 0.0
        self._ports = Ports()
        self._directory: Path | None = None

    def missing(self) -> str:
        """Why it cannot run here, in one sentence that says what to do; empty if it can."""
        return ""

    @abstractmethod
    def start(self) -> None:
        """Start it, empty, and wait until it serves. Raises ``BenchError``; ``stop`` ends what it began."""

    def load(self, keys: int, size: int) -> None:
        """Let it have ``keys`` keys with values of ``size`` bytes. Raises ``BenchError``."""
        document = {"value": "v" * size}
        requests = [("PUT", f"/data/{key_name(index)}", document) for index in range(keys)]
        call_all(self.addresses()[0], requests)

    def start_and_load(self, keys: int, size: int) -> None:
        """Both, and find out how much memory the keys take in each process. Raises ``BenchError``."""
        self.start()
        before = sum(self.rss())
        self.load(keys, size)
        if keys:
            self.rss_per_key = (sum(self.rss()) - before) / keys / len(self.processes)

    @abstractmethod
    def addresses(self) -> Sequence[str]:
        """``host:port`` of every node that answers clients; the first is the one that orders the writes."""

    def under(
        self,
        work: Work,
        *,
        connections: int,
        seconds: int,
        keys: int,
        size: int,
        seed: int = 1,
        count_statuses: bool = False,
    ) -> list[str]:
        """The command line of wrk that asks this of its first node, or of a backup if the work says so."""
        return wrk.command(
            f"http://{self.addresses()[-1 if work.backup else 0]}",
            work,
            dialect=self.dialect,
            connections=connections,
            seconds=seconds,
            keys=keys,
            size=size,
            seed=seed,
            count_statuses=count_statuses,
        )

    def stop(self) -> None:
        """End all of it and remove what it wrote. No harm if it was not started, or half."""
        for process in self.processes:
            process.kill()
        self.processes.clear()
        self._ports.release()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def check(self) -> None:
        """Raise ``BenchError`` if one of its processes has ended."""
        for process in self.processes:
            process.check()

    def cpu(self) -> float:
        """Seconds of CPU that all its processes have used since they were started."""
        return sum(process.cpu() for process in self.processes)

    def rss(self) -> list[int]:
        """Bytes of resident memory of each of its processes."""
        return [process.rss() for process in self.processes]

    def _address(self) -> str:
        return f"{HOST}:{self._ports.take()}"

    @property
    def _home(self) -> Path:
        """A directory for its logs and data, on a RAM disk where there is one; removed at the end."""
        if self._directory is None:
            ram = Path("/dev/shm")
            self._directory = Path(tempfile.mkdtemp(prefix="bench-", dir=ram if ram.is_dir() else None))
        return self._directory

    def _launch(self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        process = Process(f"{self.name} {name}", command, self._home / f"{name}.log", env)
        self.processes.append(process)
        return process
