"""The headers that matter, however a server hands them over."""

from __future__ import annotations

import pytest

from frontends.common import api, responses, routes, wanted
from frontends.common.node import Node
from frontends.common.settings import Settings


def test_others_are_not_looked_at() -> None:
    """Goal: only what matters is kept. Method: one of each, in the three forms that servers have."""
    kept = {"idempotency-key": "a"}
    assert wanted.of_pairs([(b"idempotency-key", b"a"), (b"cookie", b"b")]) == kept
    assert wanted.of_waitress({"IDEMPOTENCY_KEY": "a", "COOKIE": "b"}) == kept
    assert (
        wanted.of_environ({"HTTP_IDEMPOTENCY_KEY": "a", "HTTP_COOKIE": "b", "REQUEST_METHOD": "GET"}) == kept
    )


def test_a_header_that_comes_twice_is_a_list() -> None:
    """Goal: two names of one request are none. Method: twice, three times, with others between."""
    pairs = [(b"idempotency-key", b"a"), (b"expect", b"x"), (b"cookie", b"c"), (b"idempotency-key", b"b")]
    assert wanted.of_pairs(pairs) == {"idempotency-key": "a, b", "expect": "x"}
    assert wanted.of_pairs([*pairs, pairs[0]]) == {"idempotency-key": "a, b, a", "expect": "x"}


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
@pytest.mark.parametrize("target", [b"/data/k", b"/view", b"/nowhere"])
def test_two_lengths_are_refused(method: str, target: bytes) -> None:
    """Goal: nobody smuggles a request past a proxy. Method: both headers; the connection has to end."""
    node = Node(Settings(id=1), lambda _: None, lambda _: None)
    headers = {"transfer-encoding": "chunked", "content-length": "4"}
    answer = api.Api(node).plan(method, target, headers)
    node.close()
    assert isinstance(answer, responses.Response)
    assert (answer.status, dict(answer.headers)["connection"]) == (400, "close")
    assert (answer.body == b"") is (method == "HEAD")
    for name, text in headers.items():
        plan = api.Api(node).plan("PUT", b"/data/k", {name: text})
        assert isinstance(plan, routes.Plan)
