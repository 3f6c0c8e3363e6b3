"""A real etcd of three members, where it is installed."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.live.harness import wait_until


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Etcd:
    """Three members of a real etcd."""

    def __init__(self, directory: Path) -> None:
        ports = free_ports(6)
        self.endpoints = [f"http://127.0.0.1:{port}" for port in ports[:3]]
        peers = [f"http://127.0.0.1:{port}" for port in ports[3:]]
        cluster = ",".join(f"e{number}={peer}" for number, peer in enumerate(peers))
        self.processes = []
        for number, (endpoint, peer) in enumerate(zip(self.endpoints, peers, strict=True)):
            arguments = ["--name", f"e{number}", "--data-dir", str(directory / f"e{number}")]
            arguments += ["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint]
            arguments += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            arguments += ["--initial-cluster", cluster, "--log-level", "error", "--unsafe-no-fsync"]
            self.processes.append(
                subprocess.Popen(["etcd", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )

    def leader(self) -> int:
        """Which of them leads, or -1."""
        for number, endpoint in enumerate(self.endpoints):
            try:
                status = httpx.post(f"{endpoint}/v3/maintenance/status", json={}, timeout=1).json()
            except (httpx.HTTPError, ValueError):
                continue
            if status.get("leader") and status["leader"] == status["header"]["member_id"]:
                return number
        return -1

    def kill_leader(self) -> None:
        """The one that leads is gone; the others go on."""
        self.processes[self.leader()].kill()

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def started(directory: Path) -> Iterator[Etcd]:
    """Three members that have a leader; the test is skipped where there is no etcd."""
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed (Debian, Ubuntu: apt install etcd-server)")
    etcd = Etcd(directory)
    try:
        wait_until(lambda: etcd.leader() >= 0, "etcd has a leader", 60)
        yield etcd
    finally:
        etcd.stop()
