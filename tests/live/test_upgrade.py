"""A cluster is upgraded node by node, and back, while clients write: real processes of both frontends."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from pbproto.recorded import read
from pbproto.replay import run

from .harness import Cluster, Node, data_path, wait_until
from .scenario import persistently

IDS = (0, 1, 2)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OLD = {"PBPROTO_WIRE": "1"}


class Writer:
    """A client that writes one key after another, at whichever node takes it, until it is told to stop."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.written: dict[str, str] = {}
        """What was acknowledged."""
        self.failure: Exception | None = None

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self._stop.is_set():
                    return
                self._write(f"key-{number}", str(number))
        except Exception as error:
            self.failure = error

    def _write(self, key: str, value: str) -> None:
        headers = {"idempotency-key": key, "traceparent": TRACEPARENT}
        for node in itertools.cycle(self._cluster.nodes.values()):
            if self._stop.is_set():
                return
            try:
                # A client of its own: a node that is restarted takes its connections with it.
                answer = httpx.put(
                    f"{node.url}{data_path(key)}", json={"value": value}, headers=headers, timeout=5
                )
            except httpx.TransportError:
                continue
            if answer.status_code in (200, 201):
                self.written[key] = value
                return
            assert answer.status_code in (503, 504), (answer.status_code, answer.text)

    def goes_on(self) -> None:
        """Wait until more was written."""
        before = len(self.written)
        wait_until(lambda: self.failure is not None or len(self.written) > before + 5, "writes go on")
        assert self.failure is None, self.failure

    @contextmanager
    def at_work(self) -> Iterator[Writer]:
        self._thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join(60)


def restart(node: Node, wire: dict[str, str]) -> None:
    """Replace a node by one of another release, at the same address."""
    node.kill()
    node.env.pop("PBPROTO_WIRE", None)
    node.env.update(wire)
    node.start()
    node.wait_ping()


def spoken(node: Node, to: Node) -> int:
    """The version that a node last said it speaks to another one; 0 if it has not since it started."""
    life = node.log_text().rpartition("\n---- ")[2]
    found = re.findall(rf"event=peer_wire address={re.escape(to.address)} version=(\d)", life)
    return int(found[-1]) if found else 0


def wait_spoken(cluster: Cluster, wanted: dict[tuple[int, int], int]) -> None:
    """Wait until these links speak these versions; a backup learns it when it forwards a write."""

    def found() -> bool:
        for id_ in cluster.members:
            persistently(cluster.node(id_), "link", str(id_))
        now = {link: spoken(cluster.node(link[0]), cluster.node(link[1])) for link in wanted}
        return now == wanted

    wait_until(found, f"links speak {wanted}")


def test_a_rolling_upgrade_and_the_way_back_lose_nothing(tmp_path: Path) -> None:
    """Goal: a cluster is upgraded and downgraded node by node, and serves writes all the while.

    Method: three nodes of both frontends are held at version 1; each is taken out of the view, restarted with
    all versions, and put back, the primary last. A client writes with trace contexts. Halfway old and new
    ones are in one view; at the end all links speak version 2. One goes back without leaving the view. All
    that was acknowledged is on all nodes, and their recordings replay.
    """
    recorded = {"PBPROTO_RECORD": str(tmp_path / "rec-{id}"), "PBPROTO_REQUEST_TIMEOUT": "4"}
    with Cluster(tmp_path, "mixed", first_id=0, env=OLD | recorded) as cluster:
        cluster.start_all()
        cluster.install(IDS)
        with Writer(cluster).at_work() as writer:
            writer.goes_on()
            wait_spoken(cluster, {(0, 1): 1, (0, 2): 1, (1, 0): 1, (2, 0): 1})
            for id_ in (2, 1, 0):
                others = [other for other in IDS if other != id_]
                cluster.install(others)
                restart(cluster.node(id_), {})
                writer.goes_on()
                cluster.install(IDS)
                writer.goes_on()
                if id_ == 2:
                    # The primary is an old one: it reads no header, and says that it speaks version 1 only.
                    wait_spoken(cluster, {(0, 1): 1, (0, 2): 1, (2, 0): 1})
            wait_spoken(cluster, {(0, 1): 2, (0, 2): 2, (1, 0): 2, (2, 0): 2})
            restart(cluster.node(2), OLD)
            cluster.install(IDS)
            wait_spoken(cluster, {(0, 1): 2, (0, 2): 1, (1, 0): 2, (2, 0): 1})
            writer.goes_on()
        assert writer.failure is None, writer.failure
        contents = [cluster.node(id_).data().json() for id_ in IDS]
        assert contents[0] == contents[1] == contents[2]
        lost = {key: value for key, value in writer.written.items() if contents[0].get(key) != value}
        assert not lost
        cluster.assert_none_died()
        for node in cluster.nodes.values():
            assert "Traceback" not in node.log_text(), node.log_tail()
            assert node.terminate() == 0
    for id_ in IDS:
        replay = run(read((tmp_path / f"rec-{id_}").read_bytes()))
        assert sum(1 for _ in replay) > 10
        assert replay.difference == ""
