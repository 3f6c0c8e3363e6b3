"""Which pages may read a node's word across origins."""

from __future__ import annotations

import pytest

from frontends.common.origins import shared
from frontends.common.responses import success
from pbproto import View

TOLD = View.of([(1, "10.0.0.1:8081"), (2, "[2001:db8::1]:8081"), (3, "Node-C.example:80"), (4, "d:443")])


def headers(method: str, origin: str | None, told: View | None = TOLD) -> dict[str, str]:
    answer = shared(success(200, {}), method, origin, told)
    found = dict(answer.headers)
    assert len(found) == len(answer.headers)
    assert found["vary"] == "Origin"
    assert "*" not in found.values()
    return found


@pytest.mark.parametrize(
    "origin",
    [
        "http://10.0.0.1:8081",
        "https://10.0.0.1:8081",
        "http://[2001:db8:0::1]:8081",
        "http://node-c.example",
        "http://node-c.example:80",
        "https://d",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_pages_of_members_may_read(origin: str, method: str) -> None:
    """Goal: whatever a browser calls a member. Method: origins as browsers write them; preflights also say
    that a token may be sent, and reads alone are allowed."""
    found = headers(method, origin)
    assert found["access-control-allow-origin"] == origin
    preflight = {name: value for name, value in found.items() if name.startswith("access-control-")}
    if method == "OPTIONS":
        assert preflight["access-control-allow-headers"] == "authorization"
        assert preflight["access-control-allow-methods"] == "GET, HEAD"
    else:
        assert list(preflight) == ["access-control-allow-origin"]


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "*",
        "http://10.0.0.1",
        "http://10.0.0.1:8082",
        "http://10.0.0.1:8081/",
        "http://10.0.0.1:8081.evil.example",
        "http://evil.example:8081",
        "http://user@10.0.0.1:8081",
        "http://10.0.0.1:8081#",
        "http://10.0.0.1:8081?",
        "http://10.0.0.1:99999",
        "http://[2001:db8::2]:8081",
        "http://[zz]:8081",
        "ftp://10.0.0.1:8081",
        "10.0.0.1:8081",
        "http://d",
    ],
)
def test_no_other_page_may(origin: str | None) -> None:
    """Goal: strangers, near misses and nonsense are told nothing. Method: such origins, for all methods."""
    for method in ("GET", "HEAD", "OPTIONS"):
        assert list(headers(method, origin)) == ["content-type", "vary"]


def test_a_change_is_allowed_to_nobody() -> None:
    """Goal: no page of another origin learns what a PUT did. Method: a PUT of a member's page."""
    assert "access-control-allow-origin" not in headers("PUT", "http://10.0.0.1:8081")


def test_without_a_view_there_are_no_members() -> None:
    """Goal: who was told nothing trusts nobody. Method: no view, an empty one, and one with an address that
    no outside could have given."""
    for told in (None, View(()), View.of([(1, "not an address")])):
        assert "access-control-allow-origin" not in headers("GET", "http://10.0.0.1:8081", told)
