"""``--record`` on real nodes: whatever happens to them, their files say what they did, and replay it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from . import api
from .api import expect_json
from .breaking import BREAK, RULE
from .harness import MODULES, ROOT, Cluster, Kind, Node, wait_until
from .test_process import SERVERS, StockNode, refuse_one_line, run, stop

SECRET = "a value that is nobody's business"


def replay(*words: str | Path, program: Sequence[str] = ("-m", "pbproto.replay")) -> tuple[int, str]:
    """The status and the output of a replay in a process of its own."""
    done = subprocess.run(
        [sys.executable, *program, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def about(path: Path) -> dict[str, Any]:
    """What a recording says of itself, when it was replayed without a difference."""
    status, said = replay("--json", path)
    first, *_, last = (json.loads(line) for line in said.splitlines())
    assert (status, last["verdict"]) == (0, "same"), said
    assert first["same_code"]
    described: dict[str, Any] = first
    return described


def recorded(tmp_path: Path, kind: Kind, server: str | None = None, **settings: str) -> Cluster:
    """Three nodes that are recorded to ``rec-<id>``."""
    env = {"PBPROTO_RECORD": str(tmp_path / "rec-{id}")}
    env |= {f"PBPROTO_RECORD_{name.upper()}": value for name, value in settings.items()}
    return Cluster(tmp_path, kind, env=env, servers={kind: server} if server else None)


def use(cluster: Cluster, nodes: Sequence[int], name: str) -> None:
    """Requests of every kind at these nodes."""
    for number in range(12):
        node = cluster.node(nodes[number % len(nodes)])
        headers = {"Idempotency-Key": f"{name}-{number % 5}"} if number % 2 else {}
        assert node.put(f"{name}/{number % 3}", SECRET, headers=headers).status_code in {200, 201, 422}
        assert node.get(f"{name}/{number % 3}").status_code in {200, 404}
    assert cluster.node(nodes[0]).delete(f"{name}/1").status_code in {200, 404}
    assert cluster.node(nodes[-1]).data().status_code == 200


@pytest.mark.parametrize(
    ("server", "redact"),
    list(zip(SERVERS, ["none", "values", "all", "values", "all"], strict=True)),
    ids=list(SERVERS),
)
def test_every_life_of_every_node_can_be_replayed(tmp_path: Path, server: str, redact: str) -> None:
    """A cluster's recordings repeat what its nodes did, with failover, kill and restart, under every server.

    Three recorded nodes are used; the primary is killed, the others go on without it, it comes back empty and
    is filled. Then all are told to stop. Each life has its file, readable by its owner only: that of the
    killed one just stops, the others are ended, and each replays without a difference. What is redacted is
    in none of them.
    """
    kind = SERVERS[server]
    with recorded(tmp_path, kind, server, redact=redact) as cluster:
        cluster.start_all()
        cluster.install([1, 2, 3])
        use(cluster, [1, 2, 3], "first")
        killed = cluster.node(1).view()["incarnation"]
        cluster.node(1).kill()
        cluster.install([2, 3])
        use(cluster, [2, 3], "second")
        cluster.node(1).start()
        cluster.node(1).wait_ping()
        cluster.install([1, 2, 3])
        use(cluster, [1, 2, 3], "third")
        lives = {f"rec-{id_}": node.view()["incarnation"] for id_, node in cluster.nodes.items()}
        for node in cluster.nodes.values():
            assert node.terminate() == 0
            assert "recording_ended" not in node.log_text()
    lives[f"rec-1.{killed}"] = killed
    assert sorted(path.name for path in tmp_path.glob("rec*")) == sorted(lives)
    for name, life in lives.items():
        path = tmp_path / name
        assert path.stat().st_mode & 0o777 == 0o600
        described = about(path)
        assert (described["life"], described["redacted"]) == (life, redact)
        assert described["end"] == (None if life == killed else "the node stopped")
        assert described["steps"] > 12, "each life saw one round of requests at least, one after the other"
        data = path.read_bytes()
        assert (SECRET.encode() in data) == (redact == "none")
        assert (b"first/" in data or b"second/" in data) == (redact != "all")


@pytest.mark.parametrize("frontend", list(MODULES))
def test_a_broken_invariant_is_recorded_and_repeated(tmp_path: Path, frontend: str) -> None:
    """A node that stops rather than lie leaves the step that broke it.

    A node with a bug meets it and ends. Its file replays: with the bug the replay stops at the same step for
    the same reason, and says so; without it, it shows that the code goes on there.
    """

    class Buggy(Node):
        def command(self) -> list[str]:
            program, _, *words = super().command()
            return [program, "-m", "tests.live.breaking", *words, "--record", str(tmp_path / "rec")]

    with Cluster(tmp_path, "quart", n=0) as cluster:
        node = Buggy(1, frontend, cluster.new_address(), tmp_path / "node.log")
        cluster.nodes[1] = node
        node.start()
        node.wait_ping()
        cluster.install([1])
        assert node.put("k", "v").status_code == 201
        with pytest.raises(httpx.TransportError):
            node.put("k", BREAK)
        assert node.process is not None
        assert node.process.wait(30) == 70, node.log_tail()
        assert "event=broken_invariant" in node.log_text()
    status, said = replay("pbproto.replay", tmp_path / "rec", program=("-m", "tests.live.breaking"))
    assert status == 0
    assert f"as the node did: InvariantError: {RULE}\n" in said, said
    status, said = replay(tmp_path / "rec")
    assert status == 1
    assert f"the node stopped with InvariantError: {RULE}; the code goes on" in said
    assert "value='break'" in said


def test_a_small_bound_keeps_the_newest_part(tmp_path: Path) -> None:
    """A long life fits: write more than the bound, and find two segments that follow each other."""
    bound = 200_000
    with recorded(tmp_path, "wsgi", bytes=str(bound)) as cluster:
        node = cluster.node(1)
        node.env["PBPROTO_LOG_KEEP_BYTES"] = "0"
        node.start()
        node.wait_ping()
        cluster.install([1])
        older = tmp_path / "rec-1.1"
        number = 0
        while not older.exists():
            assert api.put(node.address, f"k{number % 9}", "x" * 2_000).status in {200, 201}
            number += 1
            assert number < 2_000
        assert node.terminate() == 0
        files = list(tmp_path.glob("rec*"))
        assert sum(path.stat().st_size for path in files) <= bound
    status, said = replay(older, tmp_path / "rec-1")
    assert status == 0, said
    assert said.count("the code does what the node did") == 2
    assert "segment 2: begins with the state before step" in said
    assert number > 20


def test_a_recording_that_ends_early_harms_no_node(tmp_path: Path) -> None:
    """A node goes on when its recording cannot: remove the file's directory, use the node, read its log."""
    directory = tmp_path / "records"
    directory.mkdir()
    with Cluster(tmp_path, "quart", n=1, env={"PBPROTO_RECORD": str(directory / "rec")}) as cluster:
        cluster.start_all()
        cluster.install([1])
        (directory / "rec").unlink()
        directory.rmdir()
        assert cluster.node(1).put("k", "v").status_code == 201
        wait_until(lambda: "event=recording_ended" in cluster.node(1).log_text(), "the recording has ended")
        assert cluster.node(1).put("k", "w").status_code == 200
        assert cluster.node(1).terminate() == 0
        assert cluster.node(1).log_text().count("recording_ended") == 1
        assert "Traceback" not in cluster.node(1).log_text()


@pytest.mark.parametrize("frontend", list(MODULES))
def test_a_file_that_cannot_be_used_is_one_clear_line(tmp_path: Path, frontend: str) -> None:
    """A node that was to be recorded does not start without: status 2, one line that names the file."""
    precious = tmp_path / "precious"
    precious.write_text("text")
    with Cluster(tmp_path, "quart", n=0) as cluster:
        for path in (precious, tmp_path / "nowhere" / "rec", Path("/proc/rec"), tmp_path / ("x" * 240)):
            words = ["--id", "1", "--bind", cluster.new_address(), "--record", str(path)]
            refuse_one_line(run([MODULES[frontend], *words]), str(path))
    assert precious.read_text() == "text"


def test_two_nodes_never_record_to_one_file(tmp_path: Path) -> None:
    """A path without the id, given to all nodes of a machine, costs no evidence: the second refuses."""
    with Cluster(tmp_path, "quart", n=1, env={"PBPROTO_RECORD": str(tmp_path / "rec")}) as cluster:
        cluster.start_all()
        words = ["--id", "2", "--bind", cluster.new_address(), "--record", str(tmp_path / "rec")]
        refuse_one_line(run([MODULES["wsgi"], *words]), "another process records to it")
        assert cluster.node(1).terminate() == 0
    assert about(tmp_path / "rec")["id"] == 1


@pytest.mark.parametrize("server", SERVERS)
def test_a_stock_server_records_as_well(tmp_path: Path, server: str) -> None:
    """Whoever starts the server, the variable is enough: use a node of a stock server, and stop it."""
    with Cluster(tmp_path, SERVERS[server], n=0) as cluster:
        node = StockNode(server, cluster.new_address(), tmp_path / "stock.log")
        node.env["PBPROTO_RECORD"] = str(tmp_path / "rec")
        cluster.nodes[node.id] = node
        node.start()
        node.wait_ping()
        assert node.request("PUT", "/view", json={"view": [node.member]}).status_code == 200
        expect_json(api.put(node.address, "k", "v"), 201)
        stop(node, signal.SIGTERM)
    described = about(tmp_path / "rec")
    assert described["id"] == node.id
    assert described["end"] == "the node stopped", node.log_tail()
