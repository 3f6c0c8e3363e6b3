"""The end of a request: its id in the answer and in the log, and a line where one is asked for."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from frontends.common import api, logs, responses, routes
from frontends.common.request_ids import MAX_LENGTH, RequestIds

from .pair import Pair, document_of
from .prompt_node import Node

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def id_of(response: responses.Response) -> str | None:
    return dict(response.headers).get("x-request-id")


def lines(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    found = [record.args[0] for record in caplog.records if isinstance(record.args, tuple) and record.args]
    return [line.fields for line in found if isinstance(line, logs.Line) and line.event == event]


@pytest.mark.parametrize("given", ["a", "trace me/42;{}", "x" * MAX_LENGTH, '"quoted"\\'])
def test_an_id_that_was_given_comes_back(given: str) -> None:
    """Goal: a client finds its answer again. Method: a write, a miss, a bad request, no resource."""
    pair = Pair()
    pair.install()
    visible = given.replace(" ", "-")
    headers = {"x-request-id": visible}
    for method, target, document in (
        ("PUT", b"/data/k", {"value": "v"}),
        ("GET", b"/data/none", None),
        ("PUT", b"/data/k", {}),
        ("GET", b"/nothing", None),
        ("GET", b"/metrics", None),
    ):
        answer = pair.ask(1, method, target, document, headers)
        assert [value for name, value in answer.headers if name == "x-request-id"] == [visible]
        if answer.status >= 400:
            assert "request_id" not in document_of(answer)


@pytest.mark.parametrize("given", ["", " ", "a b", "é", "a\n", "\x7f", "x" * (MAX_LENGTH + 1)])
def test_a_bad_id_is_replaced(given: str) -> None:
    """Goal: nothing of a client's gets into headers and logs unseen. Method: ids that are none."""
    pair = Pair()
    name = id_of(pair.ask(1, "GET", b"/ping", headers={"x-request-id": given}))
    assert name is not None
    assert name != given
    assert len(name) == 24


def test_nobody_asked_and_nothing_went_wrong() -> None:
    """Goal: an answer costs no more than it has to. Method: requests without an id."""
    pair = Pair()
    pair.install()
    for target, status in ((b"/data/none", 404), (b"/ping", 200)):
        answer = pair.ask(1, "GET", target)
        assert answer.status == status
        assert id_of(answer) is None


@pytest.mark.parametrize("given", [None, "mine"])
def test_every_5xx_has_an_id(given: str | None) -> None:
    """Goal: whoever reports a failure can name it. Method: a node without a view, asked in each way."""
    pair = Pair()
    headers = {} if given is None else {"x-request-id": given}
    seen = set()
    for method, target, document in (
        ("PUT", b"/data/k", {"value": "v"}),
        ("GET", b"/data/k", None),
        ("GET", b"/data", None),
        ("GET", b"/ready", None),
    ):
        answer = pair.ask(1, method, target, document, headers)
        assert answer.status == 503
        name = id_of(answer)
        assert name
        assert document_of(answer)["request_id"] == name
        assert given in (None, name)
        seen.add(name)
    assert len(seen) == (4 if given is None else 1)


def test_a_head_says_how_long_the_answer_with_the_id_is() -> None:
    """Goal: HEAD is GET without the body. Method: both of a node without a view; ids are all as long."""
    pair = Pair()
    got, head = pair.ask(1, "GET", b"/data/k"), pair.ask(1, "HEAD", b"/data/k")
    assert isinstance(got.body, bytes)
    assert head.body == b""
    assert dict(head.headers)["content-length"] == str(len(got.body))


def test_ids_are_not_given_twice() -> None:
    """Goal: an id is of one request. Method: many of two nodes."""
    ones, others = RequestIds(1), RequestIds(2**64 - 1)
    given = [ids.of({}) for ids in (ones, others) for _ in range(1000)]
    assert len(set(given)) == 2000
    assert {len(name) for name in given} == {24}


def test_what_frontends_answer_themselves_has_an_id() -> None:
    """Goal: no way round. Method: overloaded, withheld and failed, as a frontend does it."""
    node: Any = Node()
    mapping = api.Api(node)
    plan = mapping.plan("PUT", b"/data/k", {})
    assert isinstance(plan, routes.Plan)
    found = responses.Response(200, (("x-request-id", "mine"),), b"long")
    for answer in (
        mapping.refuse(plan, {}, responses.too_many_bytes()),
        mapping.overloaded(plan, {}, b'{"value":"v"}'),
        mapping.withhold(found._replace(headers=())),
        mapping.failed("PUT", b"/data/k", {}),
    ):
        assert document_of(answer)["request_id"] == id_of(answer) is not None
    assert id_of(mapping.withhold(found)) == "mine"


def test_a_failure_is_logged_under_the_id_of_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Goal: a 500 is found in the log. Method: let our own code fail, with a trace and without."""
    node: Any = Node()
    mapping = api.Api(node)
    node.value = b"\xff"  # cannot be written out
    plan = mapping.plan("GET", b"/data/k", {})
    assert isinstance(plan, routes.Plan)
    got: list[responses.Response] = []
    mapping.start(plan, {"traceparent": PARENT}, b"", got.append)
    assert got[0].status == 500
    assert lines(caplog, "answer_failed") == [{"request_id": id_of(got[0]), "trace_id": TRACE}]
    failed = mapping.failed("GET", b"/data/k", {})
    assert lines(caplog, "request_failed") == [{"request_id": id_of(failed)}]


def test_the_access_log_has_a_line_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    """Goal: who asked what, and what came of it. Method: a few requests; peers' mail is none."""
    with caplog.at_level(logging.INFO, logger=logs.ACCESS.name):
        pair = Pair(access_log="on")
        pair.install()
        caplog.clear()
        answer = pair.ask(2, "PUT", b"/data/secret", {"value": "v"}, {"traceparent": PARENT})
        pair.ask(1, "GET", b"/nothing", headers={"x-request-id": "mine"})
        pair.ask(1, "DELETE", b"/data/%zz")
    found = lines(caplog, "request")
    assert all(isinstance(line.pop("ms"), float) for line in found)
    put, nothing, bad = found
    assert put == {
        "method": "PUT",
        "route": "/data/{key}",
        "status": 201,
        "outcome": "created",
        "request_id": id_of(answer),
        "trace_id": TRACE,
    }
    assert (nothing["route"], nothing["status"], nothing["request_id"]) == ("-", 404, "mine")
    assert (bad["route"], bad["reason"], bad["outcome"]) == ("/data/{key}", "bad_key", "bad_request")
    assert "secret" not in caplog.text


def test_at_level_debug_peers_are_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """Goal: debug is everything. Method: install a view; the mail that it takes is there."""
    with caplog.at_level(logging.DEBUG, logger="pbproto"):
        Pair().install()
    assert {line["route"] for line in lines(caplog, "request")} == {"/view", "/peer"}


def test_without_being_asked_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Goal: the access log is off by default. Method: the same requests at the default level."""
    with caplog.at_level(logging.INFO, logger="pbproto"):
        pair = Pair()
        pair.install()
        pair.ask(2, "PUT", b"/data/k", {"value": "v"})
    assert lines(caplog, "request") == []
