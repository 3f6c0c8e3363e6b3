"""The view service as a process, over real nodes that are killed and paused; its words as one types them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.live.harness import ROOT, Cluster, Node, reserve_port, wait_until
from tests.live.raw_http import Wire
from viewservice.__main__ import main
from viewservice.instance import MAX_CONNECTIONS

from .etcd import started

pytestmark = pytest.mark.xdist_group("viewservice")

FAST = ("--preset", "aggressive")


class ServiceNode(Node):
    """An instance of the service: started, paused and killed like a node."""

    options: Sequence[str] = ()

    def command(self) -> list[str]:
        return [sys.executable, "-m", "viewservice", *self.options, "--bind", self.address]

    def status(self) -> dict[str, Any]:
        """What it says, or why it does not."""
        document: dict[str, Any] = self.request("GET", "/status").json()
        return document

    def acts(self) -> bool:
        return bool(self.request("GET", "/ping").json()["acts"])


class Scene:
    """Nodes, and instances of the service that share a file."""

    def __init__(self, tmp_path: Path, cluster: Cluster) -> None:
        self.cluster = cluster
        self._path = tmp_path
        self.services: list[ServiceNode] = []

    def service(self, size: int = 0, store: str = "") -> ServiceNode:
        """One more instance, running."""
        number = len(self.services) + 1
        made = ServiceNode(
            number, "viewservice", self.cluster.new_address(), self._path / f"service-{number}.log"
        )
        nodes = ",".join(f"{node.id}={node.address}" for node in self.cluster.nodes.values())
        store = store or f"sqlite:{self._path / 'views.sqlite'}"
        made.options = ("--nodes", nodes, "--size", str(size), "--store", store, *FAST)
        self.services.append(made)
        made.start()
        made.wait_ping()
        return made

    def wait_view(self, *ids: int) -> None:
        """Wait until these are the members of the view, and all of them call it active."""

        def active() -> bool:
            views = [self.cluster.node(id_).view() for id_ in ids]
            told = [[member["id"] for member in view["view"]] for view in views]
            return all(view["status"] == "active" for view in views) and told == [list(ids)] * len(ids)

        wait_until(active, f"the view is {ids}", 60)

    def written(self, id_: int, key: str, value: str) -> None:
        """Write at a node until it is acknowledged."""
        headers = {"idempotency-key": f"{key}-{value}"}
        wait_until(
            lambda: self.cluster.node(id_).put(key, value, headers=headers).status_code in (200, 201),
            f"{key} is written at node {id_}",
            60,
        )

    def close(self) -> None:
        for service in self.services:
            service.resume()
            service.kill()
            service.close_client()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    scenes = []

    def make(count: int, kind: Any = "mixed", env: dict[str, str] | None = None) -> Scene:
        cluster = Cluster(tmp_path, kind, count, env=env)
        scenes.append(Scene(tmp_path, cluster))
        cluster.start_all()
        return scenes[-1]

    yield make
    for each in scenes:
        each.close()
        for service in each.services:
            print(f"==== {service!r}\n{service.log_tail()}")
        each.cluster.print_logs()
        each.cluster.close()


def test_a_killed_primary_is_replaced_and_comes_back(scene: Callable[..., Scene]) -> None:
    """Nobody does anything: the others go on with all that was written, and the node is filled again."""
    made = scene(3)
    service = made.service()
    made.wait_view(1, 2, 3)
    made.written(3, "before", "1")
    made.cluster.node(1).kill()
    made.written(3, "after", "2")
    made.wait_view(2, 3)
    assert made.cluster.node(2).get("before").json() == {"value": "1"}
    made.cluster.node(1).start()
    made.cluster.node(1).wait_ping()
    made.wait_view(1, 2, 3)
    assert made.cluster.node(1).data().json() == {"before": "1", "after": "2"}
    assert service.status()["epoch"] == made.cluster.node(1).view()["epoch"]


def test_a_spare_takes_the_place_of_a_dead_backup(scene: Callable[..., Scene]) -> None:
    """Three members of four nodes."""
    made = scene(4)
    made.service(3)
    made.wait_view(1, 2, 3)
    made.written(1, "k", "1")
    made.cluster.node(3).kill()
    made.wait_view(1, 2, 4)
    assert made.cluster.node(4).get("k").json() == {"value": "1"}


def test_its_outage_changes_nothing_and_another_instance_takes_over(scene: Callable[..., Scene]) -> None:
    """The acting instance is killed: writes go on. Then the primary is: the other instance sees to that."""
    made = scene(2)
    first = made.service()
    made.wait_view(1, 2)
    second = made.service()
    first.kill()
    made.written(2, "without", "1")
    wait_until(second.acts, "the second instance acts", 60)
    made.cluster.node(1).kill()
    made.written(2, "after", "2")
    made.wait_view(2)


def test_a_paused_instance_is_harmless_when_it_wakes_up(scene: Callable[..., Scene]) -> None:
    """It slept through a failover that another instance has seen to: it tells nobody anything old."""
    made = scene(3)
    first = made.service()
    made.wait_view(1, 2, 3)
    second = made.service()
    first.pause()
    wait_until(second.acts, "the second instance acts", 60)
    made.cluster.node(1).kill()
    made.wait_view(2, 3)
    made.cluster.node(1).start()
    made.cluster.node(1).wait_ping()
    made.wait_view(1, 2, 3)
    epoch = made.cluster.node(1).view()["epoch"]
    first.resume()
    wait_until(lambda: not first.acts(), "it has noticed", 60)
    made.written(1, "k", "1")
    assert [made.cluster.node(id_).view()["epoch"] for id_ in (1, 2, 3)] == [epoch] * 3


def test_a_paused_primary_is_replaced(scene: Callable[..., Scene]) -> None:
    """It refuses no connection: its backups miss it. When it goes on it is taken in again."""
    made = scene(3, env={"PBPROTO_SUSPECT_AFTER": "0.3", "PBPROTO_HEARTBEAT": "0.1"})
    made.service()
    made.wait_view(1, 2, 3)
    made.written(2, "before", "1")
    made.cluster.node(1).pause()
    made.written(3, "after", "2")
    made.wait_view(2, 3)
    made.cluster.node(1).resume()
    made.wait_view(1, 2, 3)
    assert made.cluster.node(1).data().json() == {"before": "1", "after": "2"}


def test_etcds_leader_and_the_primary_die_at_once(scene: Callable[..., Scene], tmp_path: Path) -> None:
    """Two instances that share an etcd: the view changes all the same, also when one of them dies, too."""
    with started(tmp_path / "etcd") as etcd:
        made = scene(3)
        store = f"etcd:{','.join(etcd.endpoints)}"
        services = [made.service(3, store) for _ in range(2)]
        made.wait_view(1, 2, 3)
        made.written(1, "k", "1")
        etcd.kill_leader()
        made.cluster.node(1).kill()
        made.wait_view(2, 3)
        next(service for service in services if service.acts()).kill()
        made.cluster.node(2).kill()
        made.wait_view(3)
        assert made.cluster.node(3).get("k").json() == {"value": "1"}


def test_words_on_the_command_line(scene: Callable[..., Scene], capsys: pytest.CaptureFixture[str]) -> None:
    """As an operator types them."""
    made = scene(3)
    service = made.service(2)
    made.wait_view(1, 2)
    made.written(1, "k", "1")

    def said(*words: str, status: int = 0) -> str:
        assert main([words[0], "--at", service.address, *words[1:]]) == status
        captured = capsys.readouterr()
        return captured.out if status == 0 else captured.err

    wait_until(lambda: "view 1, active; 2 of 2 members" in said("status"), "it knows that the view is active")
    assert json.loads(said("status", "--json"))["members"][0]["id"] == 1
    assert "carried by   2" in said("plan", "2,3")
    assert "lost         everything" in said("plan", "3")
    switched = said("switchover", "2")
    assert "view 2: 2 at" in switched
    assert re.search(r"switchover to node 2, ordered by \S+@\S+ from 127.0.0.1 at \d{4}-", switched)
    # The one that was switched to is the primary; the one below it stays outside.
    assert "node 1 stays outside since a switchover: until added again (`add 1`)" in switched
    made.wait_view(2, 3)
    wait_until(lambda: service.status()["active"], "it knows that the view is active")
    assert "takes the id of a member" in said("switchover", "1", status=1)
    said("pause")
    made.cluster.node(3).kill()
    wait_until(lambda: service.status()["trouble"] == "paused", "it says what it would do", 60)
    assert made.cluster.node(2).view()["epoch"] == service.status()["epoch"]
    said("resume")
    made.wait_view(2)
    said("size", "1")
    said("remove", "3")
    assert [node["id"] for node in service.status()["nodes"]] == [1, 2]
    assert "never known here" in said("add", "9", status=1)
    said("add", "3")
    found = {node["id"]: node["address"] for node in service.status()["nodes"]}
    assert found[3] == made.cluster.node(3).address
    with pytest.raises(SystemExit):
        main(["force", "--at", service.address, "2"])
    assert main(["status", "--at", "127.0.0.1:1"]) == 1


def test_what_is_no_order_is_400(scene: Callable[..., Scene]) -> None:
    """And changes nothing."""
    made = scene(1)
    service = made.service()
    made.wait_view(1)
    before = service.status()["version"]
    bad = ["", "[]", "{}", '{"word": "init"}', '{"word": "size", "size": "3"}', '{"word": "pause", "x": 1}']
    for body in bad:
        answer = httpx.post(f"{service.url}/orders", content=body)
        assert (answer.status_code, answer.json()["reason"]) == (400, "bad_order"), body
    answer = httpx.post(f"{service.url}/orders", json={"word": "size", "size": 0})
    assert (answer.status_code, answer.json()["reason"]) == (409, "not_possible")
    assert service.status()["version"] == before
    assert service.terminate() == 0


def test_tokens_and_tls_as_at_a_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: an instance that is reached over a network is as closed as a node is.

    Method: one with tokens from the environment and from a file, and a certificate; each token by the command
    line and for a scrape, and one that is none.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca")
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert")
    for role in ("read", "admin"):
        (tmp_path / role).write_text(role * 8)
    (tmp_path / "tokens").write_text(f"read {'read' * 8}\nadmin {'admin' * 8}\n")
    with reserve_port() as held:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        command = [sys.executable, "-m", "viewservice", "--nodes", "1=127.0.0.1:1", "--bind", address]
        files = ["--store", f"sqlite:{tmp_path / 'db'}", "--tls-cert", "cert", "--tls-key", "key"]
        environment = os.environ | {
            "PBPROTO_TOKENS": str(tmp_path / "tokens"),
            "PBPROTO_TOKEN_METRICS": "metrics" * 8,
            "PYTHONPATH": str(ROOT),
        }
        with subprocess.Popen([*command, *files], cwd=tmp_path, env=environment) as process:
            try:
                trusted = ssl.create_default_context(cafile=str(tmp_path / "ca"))
                with httpx.Client(base_url=f"https://{address}", verify=trusted, trust_env=False) as client:
                    wait_until(lambda: _answers(client, "/ready"), "it acts", 60)
                    shown = {"authorization": f"Bearer {'metrics' * 8}"}
                    scrape = client.get("/metrics", headers=shown)
                    assert "pbproto_viewservice_acting 1.0" in scrape.text
                    assert client.get("/status", headers=shown).json()["reason"] == "forbidden"

                def said(word: str, *more: str) -> tuple[int, str]:
                    status = main([word, "--at", address, "--tls-ca", str(tmp_path / "ca"), *more])
                    captured = capsys.readouterr()
                    return status, captured.out + captured.err

                read, admin = (("--token-file", str(tmp_path / role)) for role in ("read", "admin"))
                assert said("status", *read)[0] == 0
                assert said("pause", *read) == (1, "viewservice: this takes a token of the role admin\n")
                assert said("pause")[0] == 1
                assert said("pause", *admin)[0] == 0
            finally:
                process.terminate()
        assert process.returncode == 0


def _answers(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).status_code == 200
    except httpx.TransportError:
        return False


def test_a_flood_of_connections_leaves_room(tmp_path: Path) -> None:
    """Goal: who talks to an instance does not take the descriptors by which it talks to nodes.

    Method: more connections than there may be, each with half a head. Those that are too many are closed
    while the first one is still open.
    """
    with reserve_port() as held, contextlib.ExitStack() as stack:
        address = f"127.0.0.1:{held.getsockname()[1]}"
        command = [sys.executable, "-m", "viewservice", "--nodes", "1=127.0.0.1:1", "--bind", address]
        process = subprocess.Popen([*command, "--store", f"sqlite:{tmp_path / 'db'}"], cwd=ROOT)
        stack.enter_context(process)
        stack.callback(process.terminate)
        with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
            wait_until(lambda: _answers(client, "/ready"), "it acts", 60)
        wires = []
        for _ in range(MAX_CONNECTIONS + 10):
            wires.append(stack.enter_context(Wire(address)))
            wires[-1].send(b"GET /ping HTTP/1.1\r\n")
        assert wires[-1].everything() == b""
        wires[0].send(b"host: localhost\r\nconnection: close\r\n\r\n")
        assert wires[0].everything().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nodes", "1"],
        ["--nodes", "1=a:1,1=b:1"],
        ["--nodes", "1=a:1", "--preset", "bold"],
        ["plan", "x"],
        ["dance"],
        [],
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With a line that says what is wrong."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_store_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is begun."""
    assert main(["--nodes", "1=127.0.0.1:1", "--store", "paper:desk"]) == 1
    assert "a store is" in capsys.readouterr().err
