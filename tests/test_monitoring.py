"""What is handed out to watch a store by: its queries ask for what a node has, and the table is whole."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from frontends.common.meters import outcome_of
from pbproto import Code, Gauges, Note
from pbproto.gauges import NewcomerGauge
from viewservice.choosing import TROUBLES
from viewservice.meters import Meters
from viewservice.metrics import Exposition

from .frontends.pair import Pair
from .viewservice.test_core import begun
from .viewservice.test_driver import Shelf

ROOT = Path(__file__).resolve().parents[1]
DASHBOARD = ROOT / "deploy" / "grafana" / "pbproto.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yaml"
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yaml"
TABLE = ROOT / "docs" / "metrics.md"
GIVEN = frozenset(("job", "instance"))
"""Labels that Prometheus adds to all it scrapes."""
NAME = re.compile(r"\b(?:pbproto|process|python)_\w+\b")
SELECTOR = re.compile(r"\b((?:pbproto|process|python)_\w+|up)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


class Busy(Pair):
    """Two nodes to which everything has happened of which there is a metric."""

    def __init__(self) -> None:
        super().__init__()
        self.install()
        self.ask(2, "PUT", b"/data/k", {"value": "v"})
        meters = self.nodes[1].meters
        for code, fields in (
            (Code.SUSPECTED, (("backup", 2), ("reason", "it does not answer"))),
            (Code.STATE_SENT, (("to", 2), ("what", "snapshot"), ("end", 7))),
        ):
            meters.note(Note(code, fields))
        meters.mail("127.0.0.1:9", 1.0, answered=False)
        self.begin(1, "PUT", b"/data/k", b'{"value":"v"}')  # its mail stays in the queue
        self._look = self.nodes[1].gauges
        self.nodes[1].gauges = self._gauges  # type: ignore[method-assign]

    def _gauges(self) -> Gauges:
        # To bring a third node about, and strange mail, would say no more about the names.
        return replace(self._look(), newcomers=(NewcomerGauge(3, 5),), ignored=(("repeated", 2),))


@cache
def scraped() -> dict[str, tuple[str, frozenset[str], str]]:
    """Per name of a sample, what real scrapes say: the type, the labels, and what it is."""
    body = Busy().ask(1, "GET", b"/metrics").body
    assert isinstance(body, bytes)
    found: dict[str, tuple[str, frozenset[str], str]] = {}
    for text in (body.decode(), of_the_service()):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = frozenset(sample.labels)
                before = found.setdefault(sample.name, (family.type, labels, family.documentation))
                assert before[1] == labels, sample
    return found


def of_the_service() -> str:
    """What an instance of the view service says that acts."""
    meters = Meters()
    meters.requested("/status", 200)
    return Exposition(begun(1, 2).service, meters, Shelf()).render("")[0].decode()


def unknown(query: str) -> list[str]:
    """The names of metrics and labels in a query that neither nodes nor the view service have."""
    wrong = [name for name in NAME.findall(query) if name not in scraped()]
    used: set[str] = set(GIVEN)
    for name, inside in SELECTOR.findall(query):
        labels = scraped()[name][1] if name in scraped() else frozenset()
        used |= labels
        wrong += [f"{name}{{{label}}}" for label, _ in MATCHER.findall(inside) if label not in labels | GIVEN]
    for inside in GROUPING.findall(query):
        wrong += [word for word in re.findall(r"\w+", inside) if word not in used]
    return wrong


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """The title of a panel and a query of it."""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_wrong_names_would_be_found() -> None:
    """Goal: the checks below can fail. Method: queries with one wrong name each."""
    assert unknown('sum by (operation) (rate(pbproto_request_seconds_count{outcome="found"}[5m]))') == []
    assert unknown("pbproto_redy") == ["pbproto_redy"]
    assert unknown('pbproto_ready{role="primary"}') == ["pbproto_ready{role}"]
    assert unknown("sum by (peer) (pbproto_ready)") == ["peer"]
    assert unknown("rate(pbproto_forwarded[5m])") == ["pbproto_forwarded"]


def test_the_dashboard_asks_for_what_there_is() -> None:
    """Goal: no empty panel. Method: the names in all queries against those of a real scrape."""
    assert {title: wrong for title, query in dashboard_queries() if (wrong := unknown(query))} == {}
    assert len(list(dashboard_queries())) > 20


def test_the_dashboard_can_be_imported() -> None:
    """Goal: Grafana takes the file. Method: what its model asks for, and panels side by side."""
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert document["schemaVersion"] >= 39
    assert document["uid"] == document["title"] == "pbproto"
    variables = {variable["name"] for variable in document["templating"]["list"]}
    assert variables == {"datasource", "job", "instance"}
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["datasource"]["uid"] == "${datasource}"
    words = re.findall(r"\$\{?(\w+)", json.dumps(document["panels"]))
    assert set(words) <= variables | {"__rate_interval"}


def test_the_alerts_ask_for_what_there_is() -> None:
    """Goal: no alert that can never fire. Method: the names in all rules against those of a real scrape."""
    assert {rule["alert"]: wrong for rule in rules() if (wrong := unknown(rule["expr"]))} == {}
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert len(rule["annotations"]["description"].split()) > 15, rule["alert"]
        assert set(NAME.findall(rule["annotations"]["description"])) <= {*scraped(), *families()}


def test_the_alerts_compare_with_words_that_there_are() -> None:
    """Goal: no alert on an outcome that is never counted. Method: the values that the rules match."""
    text = (ROOT / "frontends" / "common" / "meters.py").read_text(encoding="utf-8")
    queries = [rule["expr"] for rule in rules()] + [query for _, query in dashboard_queries()]
    values = {
        value
        for query in queries
        for label, words in MATCHER.findall(query)
        if label in ("outcome", "operation", "result")
        for value in words.split("|")
    }
    assert values >= {"unknown", "not_applied", "error", "put", "lost"}
    assert [value for value in values if f'"{value}"' not in text] == []
    codes = {
        code
        for query in queries
        for label, words in MATCHER.findall(query)
        if label == "code"
        for code in words.split("|")
    }
    assert codes
    assert codes <= set(TROUBLES)


def test_the_service_is_another_job_than_the_nodes() -> None:
    """Goal: the service is not taken for a node. Method: its metrics, and no others, are asked for by its
    job."""
    wrong = [
        query
        for query in [rule["expr"] for rule in rules()] + [query for _, query in dashboard_queries()]
        for name, inside in SELECTOR.findall(query)
        if name.startswith("pbproto_viewservice_") != ('-viewservice"' in inside)
    ]
    assert wrong == []


def test_documents_name_alerts_that_there_are() -> None:
    """Goal: what a page says of an alert is about one. Method: look each name up in the rules."""
    alerts = set(re.findall(r"alert: (\w+)", ALERTS.read_text("utf-8")))
    paths = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "changelog.md"]
    named = {name for path in paths for name in re.findall(r"`(Pbproto[A-Z]\w+)`", path.read_text("utf-8"))}
    assert len(named) >= 5
    assert named <= alerts


def test_the_scrape_example_is_whole() -> None:
    """Goal: it can be used as it is. Method: it takes the rules beside it, and the token from a file."""
    document = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    assert document["rule_files"] == [ALERTS.name]
    jobs = document["scrape_configs"]
    assert [job["job_name"] for job in jobs] == ["pbproto", "pbproto-viewservice"]
    for job in jobs:
        assert job["metrics_path"] == "/metrics"
        assert "credentials_file" in job["authorization"]


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_prometheus_takes_the_rules_and_queries(tmp_path: Path) -> None:
    """Goal: the syntax is right. Method: promtool reads both files, and the dashboard's queries."""
    queries = tmp_path / "queries.yaml"
    filled = [
        query.replace("$__rate_interval", "5m").replace("$job", "j").replace("$instance", "i")
        for _, query in dashboard_queries()
    ]
    named = [{"record": f"a:query{number}", "expr": query} for number, query in enumerate(filled)]
    queries.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": named}]}), encoding="utf-8")
    for arguments in (
        ["check", "rules", str(ALERTS)],
        ["check", "rules", str(queries)],
        ["check", "config", "--syntax-only", str(CONFIG)],
    ):
        done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_alerts_fire_where_they_should(tmp_path: Path) -> None:
    """Goal: no false alarm, and none that stays silent. Method: promtool evaluates the rules on series."""

    def firing(name: str, instances: tuple[str, ...], *series: tuple[str, str]) -> dict[str, Any]:
        return {
            "interval": "15s",
            "input_series": [{"series": text, "values": values} for text, values in series],
            "promql_expr_test": [
                {
                    "expr": f'count by (instance) (ALERTS{{alertname="{name}", alertstate="firing"}})',
                    "eval_time": "20m",
                    "exp_samples": [{"labels": f'{{instance="{each}"}}', "value": 1} for each in instances],
                }
            ],
        }

    def of(metric: str, instance: str, more: str = "") -> str:
        return f'{metric}{{job="pbproto", instance="{instance}"{more}}}'

    def installing(instance: str, items: str) -> tuple[tuple[str, str], ...]:
        return (
            (of("pbproto_status", instance, ', pbproto_status="installing"'), "1x100"),
            (of("pbproto_state_transfer_items", instance), items),
        )

    tests = [
        firing(
            "PbprotoStoreNearlyFull",
            ("loud",),
            (of("pbproto_data_bytes", "loud"), "900x100"),
            (of("pbproto_max_data_bytes", "loud"), "1000x100"),
            (of("pbproto_data_bytes", "with room"), "700x100"),
            (of("pbproto_max_data_bytes", "with room"), "1000x100"),
            (of("pbproto_data_bytes", "unbounded"), "900x100"),
            (of("pbproto_max_data_bytes", "unbounded"), "0x100"),
        ),
        firing(
            "PbprotoErrors",
            ("faulty",),
            *(
                (of("pbproto_request_seconds_count", instance, more), "0x50 1x50")
                for instance, more in (
                    ("faulty", f', operation="put", outcome="{outcome_of("put", 500, "internal_error")}"'),
                    ("full", f', operation="put", outcome="{outcome_of("put", 507, "store_full")}"'),
                )
            ),
        ),
        firing("PbprotoViewNotActive", ("1", "2"), *installing("1", "0x100"), *installing("2", "500x100")),
        firing("PbprotoViewNotActive", (), *installing("1", "0x100"), *installing("2", "0+20x100")),
    ]
    file = tmp_path / "alerts-test.yaml"
    document = {"rule_files": [str(ALERTS)], "evaluation_interval": "15s", "tests": tests}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def families() -> dict[str, tuple[str, frozenset[str], str]]:
    """Per family what a scrape says, as the table has it: a histogram is one row."""
    found = {}
    for name, (type_, labels, words) in scraped().items():
        family = re.sub(r"_(bucket|count|sum)$", "", name) if type_ == "histogram" else name
        if not name.endswith("_created"):
            found[family] = (type_, labels - {"le"}, words)
    return found


def test_the_table_is_what_a_node_says() -> None:
    """Goal: the document leaves nothing out and makes nothing up. Method: its rows against a real scrape."""
    rows = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `") and len(cells) == 4:
            name, type_, labels, words = cells
            rows[name.strip("`")] = (type_, frozenset(re.findall(r"`(\w+)`", labels)), words)
    expected = {name: row for name, row in families().items() if name.startswith("pbproto_")}
    assert rows == expected
