"""Metrics, logs and ids of requests on a real cluster of both frontends: what they say is what was done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from .harness import Cluster, Node, wait_until

pytestmark = pytest.mark.xdist_group("metrics")

SERVERS = {"quart": "uvicorn", "wsgi": "waitress"}
ENV = {"PBPROTO_LOG_FORMAT": "json", "PBPROTO_ACCESS_LOG": "on"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Node 1 on uvicorn is the primary, node 2 on waitress its backup."""
    path = tmp_path_factory.mktemp("metrics")
    with Cluster(path, "mixed", n=2, env=ENV, servers=SERVERS) as made:
        made.start_all()
        made.tell([1, 2])
        made.wait_active([1, 2])
        yield made


def scrape(node: Node) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = node.request("GET", "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def counted(node: Node, operation: str, outcome: str) -> float:
    labels = frozenset((("operation", operation), ("outcome", outcome)))
    return scrape(node).get(("pbproto_request_seconds_count", labels), 0)


def lines(node: Node, event: str, **fields: object) -> list[dict[str, Any]]:
    """The lines of a node's log with these fields; every line but the first, of the harness, is an object."""
    found = [json.loads(line) for line in node.log_text().splitlines() if not line.startswith("----")]
    return [line for line in found if {"event": event, **fields}.items() <= line.items()]


def test_the_figures_are_what_was_done(cluster: Cluster) -> None:
    """Goal: both frontends count, past their frameworks and through them. Method: so many of each."""
    one, two = cluster.node(1), cluster.node(2)
    before = {
        node.id: {
            what: counted(node, *what)
            for what in (("put", "created"), ("get", "found"), ("put", "bad_request"), ("list", "listed"))
        }
        for node in (one, two)
    }
    for node, writes in ((one, 3), (two, 5)):
        for number in range(writes):
            assert node.put(f"k-{node.id}-{number}", "v").status_code == 201
        for _ in range(4):
            assert node.get(f"k-{node.id}-0").status_code == 200
        assert node.request("PUT", "/data/k", content=b"{}").status_code == 400
        assert node.request("GET", "/data").status_code == 200
        for what, number in (
            (("put", "created"), writes),
            (("get", "found"), 4),
            (("put", "bad_request"), 1),
            (("list", "listed"), 1),
        ):
            assert counted(node, *what) - before[node.id][what] == number
    ones, twos = scrape(one), scrape(two)
    assert twos["pbproto_forwarded_total", frozenset()] == 5
    assert ones["pbproto_forwarded_total", frozenset()] == 0
    assert ones["pbproto_role", frozenset({("role", "primary")})] == 1
    assert twos["pbproto_role", frozenset({("role", "backup")})] == 1
    assert ones["pbproto_commit_position", frozenset()] >= 8
    for samples, node, server in ((ones, two, "uvicorn"), (twos, one, "waitress")):
        mail = frozenset({("peer", node.address), ("result", "answered")})
        assert samples["pbproto_peer_mail_total", mail] > 0
        assert any(name == "pbproto_build_info" and ("server", server) in labels for name, labels in samples)
        assert samples["process_resident_memory_bytes", frozenset()] > 10 * 2**20


@pytest.mark.parametrize("id_", [1, 2])
def test_the_format_is_chosen_by_the_client(cluster: Cluster, id_: int) -> None:
    """Goal: Prometheus gets what it asks for, from both frontends. Method: its own ``Accept``; a HEAD."""
    headers = {"accept": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3"}
    answer = cluster.node(id_).request("GET", "/metrics", headers=headers)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    head = cluster.node(id_).request("HEAD", "/metrics")
    assert (head.status_code, head.content) == (200, b"")
    assert cluster.node(id_).request("POST", "/metrics").status_code == 405


@pytest.mark.parametrize("id_", [1, 2])
def test_a_request_is_found_in_the_log_by_its_id(cluster: Cluster, id_: int) -> None:
    """Goal: from an answer to its line, in both frontends. Method: one of each kind."""
    node = cluster.node(id_)
    for number, (method, path, status, route) in enumerate(
        (
            ("GET", "/data/none", 404, "/data/{key}"),
            ("GET", "/data", 200, "/data"),
            ("PUT", "/data/k", 400, "/data/{key}"),
            ("GET", "/nothing", 404, "-"),
            ("GET", "/view", 200, "/view"),
        )
    ):
        name = f"request-{id_}-{number}"
        answer = node.request(method, path, headers={"X-Request-Id": name})
        assert answer.status_code == status
        assert answer.headers["x-request-id"] == name

        def logged(name: str = name) -> list[dict[str, Any]]:
            return lines(node, "request", request_id=name)

        (line,) = wait_until(logged, f"the line of {name}")
        assert (line["method"], line["route"], line["status"]) == (method, route, status)
        assert line["node"] == id_
        assert line["level"] == "info"


def test_a_trace_is_seen_at_the_primary(cluster: Cluster) -> None:
    """Goal: one trace over two nodes. Method: a write through the backup; look into both logs."""
    one, two = cluster.node(1), cluster.node(2)
    answer = two.put("traced", "v", headers={"traceparent": PARENT})
    assert answer.status_code == 201
    (there,) = wait_until(lambda: lines(one, "forwarded", trace_id=TRACE), "the line at the primary")
    (here,) = wait_until(lambda: lines(two, "request", trace_id=TRACE), "the line at the backup")
    assert (there["method"], there["origin"], there["outcome"]) == ("PUT", 2, "created")
    assert there["msg_num"] == int(answer.headers["msg-num"])
    assert here["request_id"] == answer.headers["x-request-id"]
