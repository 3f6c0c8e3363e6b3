"""What a node counts: each request once, by what became of it, whichever threads count at the same time."""

from __future__ import annotations

import json
import threading
import timeit
from collections.abc import Callable
from typing import Any

import pytest

from frontends.common import api, responses, routes
from frontends.common.meters import BOUNDS, MAX_PEERS, OPERATIONS, OTHER_PEERS, Meters, outcome_of
from frontends.common.node import Answer
from frontends.common.openapi.problems import ALL, Problem
from pbproto import Code, Kind, Note, Reason, Reject, Reply, Result, Value, Written

from .pair import Pair
from .prompt_node import Node


def test_a_histogram_has_each_duration_in_its_bucket() -> None:
    """Goal: bounds are inclusive, as Prometheus has them. Method: on, between and beyond the bounds."""
    meters = Meters()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 1e-9, BOUNDS[-1], BOUNDS[-1] + 1):
        meters.count("put", 201, "", seconds)
    histogram = meters.read().requests["put", "created"]
    assert histogram.counts == (2, 1, *[0] * (len(BOUNDS) - 3), 1, 1)
    assert histogram.count == 5
    assert histogram.sum == pytest.approx(2 * BOUNDS[0] + 2 * BOUNDS[-1] + 1)


def test_no_count_is_lost_between_threads() -> None:
    """Goal: counts are exact. Method: threads count at once while another reads; add up what they did."""
    meters = Meters()
    threads, each = 8, 3000
    go = threading.Barrier(threads + 1)

    def work() -> None:
        go.wait()
        for _ in range(each):
            meters.count("get", 200, "", 0.5)
            meters.mail("a:1", 0.5, answered=True)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    go.wait()
    while any(worker.is_alive() for worker in workers):
        halfway = meters.read().requests.get(("get", "found"))
        if halfway is not None:  # never a sum without its count
            assert halfway.sum == 0.5 * halfway.count
    reading = meters.read()
    assert reading.requests["get", "found"].count == threads * each
    assert reading.round_trips["a:1"].count == reading.mail["a:1", "answered"] == threads * each


@pytest.mark.parametrize(
    ("operation", "status", "reason", "outcome"),
    [
        ("put", 201, "", "created"),
        ("put", 200, "", "updated"),
        ("delete", 200, "", "deleted"),
        ("delete", 404, "no_such_key", "missing"),
        ("get", 404, "no_such_key", "missing"),
        ("list", 200, "", "listed"),
        ("view", 200, "", "ok"),
        ("view", 409, "stale_epoch", "refused"),
        ("other", 404, "no_such_resource", "bad_request"),
        ("put", 413, "value_too_large", "bad_request"),
        ("put", 422, "idempotency_key_reused", "key_reused"),
        ("put", 401, "no_token", "denied"),
        ("get", 403, "not_allowed", "denied"),
        ("put", 507, "store_full", "store_full"),
        ("put", 503, "timeout", "not_applied"),
        ("put", 504, "timeout", "unknown"),
        ("other", 503, "not_ready", "not_ready"),
        ("get", 500, "internal_error", "error"),
    ],
)
def test_outcomes_have_names(operation: str, status: int, reason: str, outcome: str) -> None:
    """Goal: an operator reads what became of a request. Method: name the outcome of each kind of answer."""
    assert outcome_of(operation, status, reason) == outcome


@pytest.mark.parametrize("problem", ALL, ids=lambda problem: f"{problem.status}-{problem.reason}")
def test_only_a_fault_of_the_node_is_an_error(problem: Problem) -> None:
    """Goal: nobody is told to report a bug that is none. Method: what each problem counts as."""
    outcome = outcome_of("put", problem.status, problem.reason)
    assert (outcome == "error") == (problem.status == 500)
    assert (outcome == "unknown") == (problem.outcome == "unknown")
    if problem.outcome == "not_applied":
        assert outcome in ("not_applied", "store_full", "key_reused")


def test_peers_that_are_counted_by_name_are_bounded() -> None:
    """Goal: views over the years cannot fill the memory. Method: more addresses than there is room for."""
    meters = Meters()
    for port in range(MAX_PEERS + 5):
        meters.mail(f"a:{port}", 0.1, answered=False)
    mail = meters.read().mail
    assert len(mail) == MAX_PEERS + 1
    assert mail[OTHER_PEERS, "lost"] == 5


def test_decisions_are_counted_by_their_notes() -> None:
    """Goal: what the core decides is counted. Method: give the notes as the core writes them."""
    meters = Meters()
    decisions: tuple[tuple[Code, dict[str, str | int]], ...] = (
        (Code.BECAME_PRIMARY, {"backups": 2}),
        (Code.INSTALLED, {"role": "backup"}),
        (Code.SUSPECTED, {"backup": 3, "reason": "silent"}),
        (Code.SUSPECTED, {"backup": 3, "reason": "silent"}),
        (Code.DROPPED, {"member": 2, "first": 10, "end": 14}),
        (Code.STATE_SENT, {"to": 2, "what": "snapshot", "end": 9}),
        (Code.STATE_RECEIVED, {"source": 1, "what": "copy", "end": 9}),
        (Code.RECOVERED, {"backup": 3}),
    )
    for code, fields in decisions:
        meters.note(Note(code, tuple(fields.items())))
    meters.forwarded()
    meters.withheld()
    reading = meters.read()
    assert reading.view_changes == 2
    assert reading.suspicions == {3: 2}
    assert reading.dropped == 4
    assert reading.transfers == {("sent", "snapshot"): 1, ("received", "copy"): 1}
    assert (reading.forwarded, reading.withheld) == (1, 1)


def test_the_totals_are_a_document() -> None:
    """Goal: the counts can stand in JSON. Method: count a little and look at the document."""
    meters = Meters()
    meters.count("put", 201, "", 0.25)
    meters.count("put", 503, "overloaded", 0.5)
    meters.count("put", 503, "timeout", 1.0)
    meters.count("get", 404, "no_such_key", 0.5)
    meters.count("other", 503, "not_ready", 0.5)
    meters.mail("a:1", 0.125, answered=True)
    meters.mail("a:1", 5.0, answered=False)
    totals = json.loads(json.dumps(meters.totals()))
    assert totals["requests"] == {
        "put": {"created": {"count": 1, "seconds": 0.25}, "not_applied": {"count": 2, "seconds": 1.5}},
        "get": {"missing": {"count": 1, "seconds": 0.5}},
        "other": {"not_ready": {"count": 1, "seconds": 0.5}},
    }
    assert totals["rejected"] == {"overloaded": 1, "timeout": 1}, "to be told no is to be answered"
    assert totals["mail"] == {"a:1": {"answered": 1, "lost": 1, "seconds": 0.125}}


class Answering(Node):
    """A node that gives one answer."""

    def __init__(self, give: Callable[[int], Answer]) -> None:
        super().__init__()
        self._give = give

    def answer(self, number: int) -> None:
        self.asked[number][1](self._give(number))


def asked(
    method: str, target: bytes, give: Callable[[int], Answer], body: bytes = b""
) -> dict[tuple[str, str], int]:
    """What is counted for one request, however its answer came about."""
    node: Any = Answering(give)
    mapping = api.Api(node)
    plan = mapping.plan(method, target, {})
    got: list[responses.Response] = []
    if isinstance(plan, routes.Plan):
        mapping.start(plan, {}, body, got.append)
        assert len(got) == 1
    return {name: histogram.count for name, histogram in mapping.meters.read().requests.items()}


def written(kind: Kind) -> Callable[[int], Answer]:
    return lambda token: Reply(token, Written(Result(kind, 1)))


def turned_away(reason: Reason, certain: bool) -> Callable[[int], Answer]:
    return lambda token: Reject(token, reason, certain, "because")


VALUE = b'{"value":"v"}'


@pytest.mark.parametrize(
    ("method", "target", "give", "body", "operation", "outcome"),
    [
        ("PUT", b"/data/k", written(Kind.CREATED), VALUE, "put", "created"),
        ("PUT", b"/data/k", written(Kind.UPDATED), VALUE, "put", "updated"),
        ("PUT", b"/data/k", turned_away(Reason.TIMEOUT, False), VALUE, "put", "unknown"),
        ("PUT", b"/data/k", turned_away(Reason.TIMEOUT, True), VALUE, "put", "not_applied"),
        ("PUT", b"/data/k", written(Kind.CREATED), b"{}", "put", "bad_request"),
        ("PUT", b"/data/%zz", written(Kind.CREATED), VALUE, "put", "bad_request"),
        ("DELETE", b"/data/k", written(Kind.DELETED), b"", "delete", "deleted"),
        ("DELETE", b"/data/k", written(Kind.MISSING), b"", "delete", "missing"),
        ("GET", b"/data/k", lambda token: Reply(token, Value(b"v", 1)), b"", "get", "found"),
        ("HEAD", b"/data/k", lambda token: Reply(token, Value(None, 1)), b"", "get", "missing"),
        ("GET", b"/data/k", lambda token: Reply(token, Value(b"\xff", 1)), b"", "get", "error"),
        ("OPTIONS", b"/data/k", written(Kind.CREATED), b"", "other", "ok"),
        ("POST", b"/data", written(Kind.CREATED), b"", "list", "bad_request"),
        ("GET", b"/nothing", written(Kind.CREATED), b"", "other", "bad_request"),
        ("GET", b"/ping", written(Kind.CREATED), b"", "other", "ok"),
        ("POST", b"/peer", written(Kind.CREATED), b"", "peer", "ok"),
        ("POST", b"/view", written(Kind.CREATED), b"", "view", "bad_request"),
    ],
)
def test_each_request_is_counted_once(
    method: str, target: bytes, give: Callable[[int], Answer], body: bytes, operation: str, outcome: str
) -> None:
    """Goal: whatever way an answer comes about, it is one count. Method: one request of each kind."""
    assert operation in OPERATIONS
    assert asked(method, target, give, body) == {(operation, outcome): 1}


def test_what_frontends_refuse_is_counted_as_well() -> None:
    """Goal: a frontend's own refusals are requests. Method: refuse, overload, fail, one each."""
    node: Any = Node()
    mapping = api.Api(node)
    plan = mapping.plan("PUT", b"/data/k", {})
    assert isinstance(plan, routes.Plan)
    mapping.refuse(plan, {}, mapping.too_large(plan))
    mapping.overloaded(plan, {}, VALUE)
    mapping.overloaded(plan, {}, b"")
    mapping.unplanned("GET", b"/data/k", {}, responses.framework_error(400, None))
    mapping.failed("GET", b"/nothing", {})
    assert mapping.withhold(responses.too_many_clients()).status == 503
    reading = mapping.meters.read()
    assert {name: histogram.count for name, histogram in reading.requests.items()} == {
        ("put", "bad_request"): 2,
        ("put", "not_applied"): 1,
        ("get", "bad_request"): 1,
        ("other", "error"): 1,
    }
    assert reading.withheld == 1


def test_who_is_not_let_in_is_counted() -> None:
    """Goal: strangers are seen. Method: a node with tokens; a write without one, and with one to read."""
    tokens = (("read", "a-token-to-read-with"), ("peer", "a-secret-between-peers"))
    pair = Pair(named_tokens=tokens)
    assert pair.ask(1, "PUT", b"/data/k", {"value": "v"}).status == 401
    reader = {"authorization": "Bearer a-token-to-read-with"}
    assert pair.ask(1, "PUT", b"/data/k", {"value": "v"}, reader).status == 403
    assert pair.ask(1, "GET", b"/metrics").status == 401
    assert pair.ask(1, "GET", b"/metrics", headers=reader).status == 200
    reading = pair.nodes[1].meters.read()
    counts = {name: histogram.count for name, histogram in reading.requests.items()}
    assert counts == {("put", "denied"): 2, ("other", "denied"): 1, ("other", "ok"): 1}
    assert reading.rejected == {"unauthenticated": 2, "forbidden": 1}


def test_counting_is_cheap() -> None:
    """Goal: a request has 40 microseconds; to count it takes a small part. Method: the fastest of many runs.

    The bound is some thirty times what it takes on an idle machine: it tells apart what is done for each
    request, not machines.
    """
    meters = Meters()
    run = timeit.Timer(lambda: meters.count("put", 201, "", 0.001))
    assert min(run.repeat(20, 500)) / 500 < 10e-6
