"""``GET /metrics``: what a scrape says against what really happened, read by the library's own parsers."""

from __future__ import annotations

import json

import pytest
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from frontends.common.meters import BOUNDS
from pbproto import Code, Note

from .pair import ADDRESSES, Pair

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(pair: Pair, id_: int, accept: str = "") -> Samples:
    """All samples of a node, by name and labels."""
    answer = pair.ask(id_, "GET", b"/metrics", headers={"accept": accept})
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    text, media_type = answer.body.decode(), dict(answer.headers)["content-type"]
    if media_type.startswith("application/openmetrics-text"):
        families = list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    else:
        assert media_type.startswith("text/plain; version=0.0.4")
        families = list(text_string_to_metric_families(text))
    found: Samples = {}
    for family in families:
        assert family.documentation
        for sample in family.samples:
            name = (sample.name, frozenset(sample.labels.items()))
            assert name not in found
            found[name] = sample.value
    return found


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((f"pbproto_{name}", frozenset(labels.items())))


def test_a_node_that_was_told_nothing_can_be_scraped() -> None:
    """Goal: metrics need no view, and say so. Method: scrape a node at its start."""
    samples = scrape(Pair(), 1)
    assert value(samples, "ready") == 0
    assert value(samples, "status", pbproto_status="none") == 1
    assert value(samples, "status", pbproto_status="active") == 0
    assert value(samples, "role", role="none") == 1
    assert value(samples, "view_epoch") == value(samples, "view_members") == 0
    assert value(samples, "commit_position") == value(samples, "keys") == 0
    # What is alerted on begins at 0: of a series that begins with its first event nothing increases.
    assert value(samples, "request_seconds_count", operation="put", outcome="unknown") == 0
    assert value(samples, "requests_rejected_total", reason="timeout") == 0
    assert samples["process_cpu_seconds_total", frozenset()] > 0
    assert any(name == "python_gc_collections_total" for name, _ in samples)


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_the_figures_are_what_happened(accept: str) -> None:
    """Goal: every figure is true, in both formats. Method: so many puts, gets, misses, refusals, forwards."""
    pair = Pair()
    pair.install()
    for number in range(5):
        assert pair.ask(1, "PUT", b"/data/%d" % number, {"value": "v"}).status == 201
    for number in range(3):
        assert pair.ask(2, "PUT", b"/data/%d" % number, {"value": "w"}).status == 200
    assert pair.ask(2, "DELETE", b"/data/0").status == 200
    assert pair.ask(2, "DELETE", b"/data/0").status == 404
    for id_ in (1, 1, 2):
        assert pair.ask(id_, "GET", b"/data/1").status == 200
    assert pair.ask(1, "GET", b"/data/none").status == 404
    assert pair.ask(1, "GET", b"/data").status == 200
    assert pair.ask(1, "PUT", b"/data/0", {}).status == 400
    assert pair.ask(1, "PUT", b"/data/0", {"value": "x"}, {"idempotency-key": "é"}).status == 400

    one, two = scrape(pair, 1, accept), scrape(pair, 2, accept)
    for samples, expected in (
        (
            one,
            {
                ("put", "created"): 5,
                ("put", "bad_request"): 2,
                ("get", "found"): 2,
                ("get", "missing"): 1,
                ("list", "listed"): 1,
                ("view", "ok"): 1,
            },
        ),
        (
            two,
            {
                ("put", "updated"): 3,
                ("delete", "deleted"): 1,
                ("delete", "missing"): 1,
                ("get", "found"): 1,
                ("view", "ok"): 1,
            },
        ),
    ):
        counted = {
            (labels["operation"], labels["outcome"]): number
            for (name, pairs), number in samples.items()
            if name == "pbproto_request_seconds_count"
            and number
            and (labels := dict(pairs))["operation"] not in ("peer", "other")
        }
        assert counted == expected
    assert value(one, "requests_rejected_total", reason="bad_idempotency_key") == 1
    assert value(one, "forwarded_total") == 0
    assert value(two, "forwarded_total") == 5
    for samples, role in ((one, "primary"), (two, "backup")):
        assert value(samples, "role", role=role) == value(samples, "ready") == 1
        assert value(samples, "status", pbproto_status="active") == 1
        assert value(samples, "commit_position") == value(samples, "log_end_position") == 10
        assert value(samples, "keys") == 4
        assert value(samples, "view_members") == 2
        assert value(samples, "view_epoch") == value(samples, "view_changes_total") == 1
        assert value(samples, "requests_waiting") == 0
        assert value(samples, "dropped_operations_total") == 0
    assert value(one, "replication_lag_operations", backup="2") == 0
    assert value(one, "suspected", backup="2") == 0
    posted = value(one, "peer_mail_total", peer=ADDRESSES[2], result="answered")
    assert posted is not None
    assert posted > 5
    assert value(one, "peer_round_trip_seconds_count", peer=ADDRESSES[2]) == posted


def test_who_waits_and_for_whom_is_seen() -> None:
    """Goal: a cluster that stands still can be told from outside. Method: write, and carry no mail."""
    pair = Pair()
    pair.install()
    waiting = pair.begin(1, "PUT", b"/data/key", json.dumps({"value": "v" * 1000}).encode())
    samples = scrape(pair, 1)
    assert not waiting
    assert value(samples, "requests_waiting") == 1
    assert (value(samples, "requests_waiting_bytes") or 0) > 1000
    assert value(samples, "replication_lag_operations", backup="2") == 1
    assert (value(samples, "peer_queue_bytes", peer=ADDRESSES[2]) or 0) > 1000
    assert value(samples, "log_end_position") == 1
    assert value(samples, "commit_position") == 0
    pair.nodes[1].close()
    assert [answer.status for answer in waiting] == [504]
    samples = scrape(pair, 1)
    assert value(samples, "request_seconds_count", operation="put", outcome="unknown") == 1
    assert value(samples, "requests_rejected_total", reason="closing") == 1
    assert value(samples, "ready") == 0


def test_a_histogram_counts_up() -> None:
    """Goal: buckets are Prometheus's, each with all that took at most so long. Method: one of each length."""
    pair = Pair()
    meters = pair.nodes[1].meters
    for bound in BOUNDS:
        meters.count("get", 200, "", bound)
    meters.count("get", 200, "", 2 * BOUNDS[-1])
    samples = scrape(pair, 1)
    rows = sorted(
        (float(labels["le"]), number)
        for (name, pairs), number in samples.items()
        if name == "pbproto_request_seconds_bucket" and (labels := dict(pairs))["outcome"] == "found"
    )
    assert rows == [*((bound, index + 1) for index, bound in enumerate(BOUNDS)), (float("inf"), 16)]
    got = value(samples, "request_seconds_sum", operation="get", outcome="found")
    assert got == pytest.approx(sum(BOUNDS) + 2 * BOUNDS[-1])


def test_decisions_are_there() -> None:
    """Goal: suspicions and losses can be alerted on. Method: the notes that the core writes of them."""
    pair = Pair()
    meters = pair.nodes[1].meters
    meters.note(Note(Code.SUSPECTED, (("backup", 2), ("reason", "it does not answer"))))
    meters.note(Note(Code.DROPPED, (("member", 2), ("first", 3), ("end", 7))))
    meters.note(Note(Code.STATE_SENT, (("to", 2), ("what", "snapshot"), ("end", 7))))
    meters.withheld()
    samples = scrape(pair, 1)
    assert value(samples, "suspicions_total", backup="2") == 1
    assert value(samples, "dropped_operations_total") == 4
    assert value(samples, "state_transfers_total", direction="sent", what="snapshot") == 1
    assert value(samples, "answers_withheld_total") == 1


def test_messages_that_changed_nothing_are_counted_by_reason() -> None:
    """Goal: strange mail is seen. Method: the same mail twice, the second time after the view was left."""
    pair = Pair()
    pair.install()
    pair.begin(1, "PUT", b"/data/k", b'{"value":"v"}')
    mail = pair.nodes[1].take_mail(ADDRESSES[2])
    pair.ask(2, "PUT", b"/view", {"view": []})
    pair.begin(2, "POST", b"/peer", mail)
    ignored = dict(pair.nodes[2].gauges().ignored)
    assert ignored
    samples = scrape(pair, 2)
    for reason, number in ignored.items():
        assert value(samples, "messages_ignored_total", reason=reason) == number


@pytest.mark.parametrize(
    "accept", ["*/*", "application/openmetrics-text;version=x", "text/plain;version=y", "é"]
)
def test_whatever_is_asked_for_there_is_a_format(accept: str) -> None:
    """Goal: a strange ``Accept`` is no error. Method: some that ask for nothing there is."""
    assert value(scrape(Pair(), 1, accept), "ready") == 0


def test_the_formats_say_the_same() -> None:
    """Goal: it does not matter which format is read. Method: the same node's series in both."""
    pair = Pair()
    pair.install()

    def series(accept: str) -> set[tuple[str, frozenset[tuple[str, str]]]]:
        return {each for each in scrape(pair, 1, accept) if not each[0].startswith("process_")}

    series("")  # the first scrapes are requests as well
    series("")
    assert series("") == series(OPENMETRICS)
