"""What the files of deploy/ start is started for real, from an installation that has what the image has.

In place of containers there are processes, in place of pods' names a name of this machine.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live.harness import reserve_port, wait_until

from .files import DEPLOY, Program, image_extras, image_program, kubernetes_programs, typed
from .installed import Installation, InstalledNode
from .pending import FLAGS

pytestmark = pytest.mark.xdist_group("packaging")

FIRST_PROCESS = ("unshare", "--pid", "--fork", "--kill-child")
KEYS = 20


@dataclass(frozen=True)
class Tokens:
    """Files with tokens, as the document makes them."""

    folder: Path

    @property
    def nodes(self) -> Path:
        return self.folder / "tokens"

    @property
    def service(self) -> Path:
        return self.folder / "viewservice-token"

    def headers(self, role: str) -> dict[str, str]:
        """What a client sends that has this role."""
        lines = (line.split() for line in self.nodes.read_text().splitlines())
        token = next(token for roles, token in lines if role in roles.split(","))
        return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    """What comes of the lines of the document about tokens, in a shell."""
    first, last = typed().index("mkdir -p deploy/secrets"), 0
    while not typed()[last].endswith("> deploy/secrets/viewservice-token"):
        last += 1
    subprocess.run(["sh", "-eu", "-c", "\n".join(typed()[first : last + 1])], cwd=tmp_path, check=True)
    return Tokens(tmp_path / "deploy" / "secrets")


def node_of(
    program: Program, installation: Installation, tokens: Tokens, log: Path, port: int, **more: Any
) -> InstalledNode:
    """A node as a file starts it, at an address of its own."""
    environment: Mapping[str, str] = {
        **{name: text for name, text in program.environment.items() if name != "PATH"},
        "PBPROTO_BIND": f"127.0.0.1:{port}",
        "PBPROTO_TOKENS": str(tokens.nodes),
        "NODE_IDENTIFIER": str(more.get("node_id", 1)),
    }
    assert program.command[0] == "python"
    return InstalledNode(
        installation,
        lambda _: list(program.command[1:]),
        f"localhost:{port}",
        log,
        extras=image_extras(),
        env=environment,
        **more,
    )


def healthy(node: InstalledNode, installation: Installation) -> bool:
    """What HEALTHCHECK says in the container of a node."""
    done = subprocess.run(
        [installation.python, "-I", DEPLOY / "healthcheck.py"],
        env={"PBPROTO_BIND": node.env["PBPROTO_BIND"]},
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def test_a_node_ends_as_the_first_process(installation: Installation, tokens: Tokens, tmp_path: Path) -> None:
    """Goal: a container stops when it is told to. Method: run the image's command as the first process of a
    namespace, for which signals without a handler mean nothing; ask for its health; stop it."""
    if shutil.which(FIRST_PROCESS[0]) is None:
        pytest.skip("there is no unshare on this machine")
    if subprocess.run([*FIRST_PROCESS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no namespaces of processes")
    with reserve_port() as holder:
        port = holder.getsockname()[1]
        node = node_of(image_program(), installation, tokens, tmp_path / "log", port, prefix=FIRST_PROCESS)
        try:
            assert not healthy(node, installation)
            node.start()
            node.wait_ping()
            assert healthy(node, installation)
            process = node._signal(signal.SIGTERM)
            assert process is not None
            assert process.wait(30) == 0
        finally:
            node.kill()
            node.close_client()


@dataclass
class Pods:
    """The nodes of the StatefulSet and the view service, as processes."""

    nodes: list[InstalledNode]
    service: InstalledNode
    tokens: Tokens

    def carries(self) -> set[int]:
        """The nodes that the view service counts on."""
        status = self.service.request("GET", "/status", headers=self.tokens.headers("admin")).json()
        return {each["id"] for each in status.get("nodes", ()) if each["carries"]}

    def ready(self, node: InstalledNode) -> bool:
        """What the readiness probe of a node says."""
        return node.request("GET", "/ready").status_code == 200

    def put(self, node: InstalledNode, key: str) -> None:
        """Write until it is acknowledged, as clients do."""
        headers = {**self.tokens.headers("write"), "Idempotency-Key": key}
        wait_until(lambda: node.put(key, key, headers=headers).status_code < 300, f"{key} is written")

    def keys(self, node: InstalledNode) -> set[str]:
        return set(node.data(headers=self.tokens.headers("read")).json())


@pytest.fixture
def running(installation: Installation, tokens: Tokens, tmp_path: Path) -> Iterator[Pods]:
    programs = kubernetes_programs()
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(reserve_port()).getsockname()[1] for _ in range(4)]
        ids = programs["Deployment/viewservice"].nodes
        nodes = []
        for id_, port in zip(ids, ports, strict=False):
            log = tmp_path / f"log-{id_}"
            program = programs["StatefulSet/pbproto"]
            nodes.append(node_of(program, installation, tokens, log, port, node_id=id_))
        service = service_of(programs["Deployment/viewservice"], installation, tokens, nodes, ports[-1])
        try:
            for process in (*nodes, service):
                process.start()
            for process in (*nodes, service):
                process.wait_ping()
            yield Pods(nodes, service, tokens)
        finally:
            for process in (service, *nodes):
                process.kill()
                process.close_client()


def service_of(
    program: Program, installation: Installation, tokens: Tokens, nodes: list[InstalledNode], port: int
) -> InstalledNode:
    """The view service as its file starts it, with these nodes and a store of its own."""
    given = {
        "--nodes": ",".join(f"{node.id}={node.address}" for node in nodes),
        "--store": f"sqlite:{tokens.folder / 'views.sqlite'}",
        "--token-file": str(tokens.service),
    }
    flags = [word for word in program.arguments if word.startswith("--")]
    assert set(flags) == set(given)
    arguments = [word for flag in flags if f"viewservice {flag}" not in FLAGS for word in (flag, given[flag])]
    return InstalledNode(
        installation,
        lambda bind: ["-m", program.module, *arguments, "--preset", "aggressive", "--bind", bind],
        f"127.0.0.1:{port}",
        tokens.folder / "log",
        extras=image_extras(),
    )


def test_a_rollout_loses_nothing(running: Pods) -> None:
    """Goal: the StatefulSet may restart one node after the other, each as soon as the one before is ready and
    the view service counts on it. Method: do so, from the highest index to the lowest, writing all the while;
    a node that says that it is ready has everything that was acknowledged."""
    nodes = running.nodes
    assert [node.id for node in nodes] == [0, 1, 2]
    for node in nodes:
        wait_until(lambda node=node: running.ready(node), f"{node!r} is ready")  # type: ignore[misc]
    written = set()
    for restarted in reversed(nodes):
        other = nodes[restarted.id - 1]
        for number in range(KEYS):
            running.put(other, f"{restarted.id}-{number}")
            written.add(f"{restarted.id}-{number}")
        before = restarted.view(headers=running.tokens.headers("read"))["incarnation"]
        assert restarted.terminate() == 0
        running.put(other, f"{restarted.id}-gone")  # the others go on
        written.add(f"{restarted.id}-gone")
        restarted.start()
        restarted.wait_ping()
        wait_until(lambda node=restarted: running.ready(node), f"{restarted!r} is ready")  # type: ignore[misc]
        said = restarted.view(headers=running.tokens.headers("read"))
        assert (said["status"], said["log_end"]) == ("active", len(written))
        assert said["incarnation"] != before
        wait_until(lambda: running.carries() == {0, 1, 2}, "the view service counts on all")
    assert all(running.keys(node) == written for node in nodes)
    status = running.service.terminate()
    assert status == 0
