"""The page's files, and what both frontends answer at the routes by which one looks into a node."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from frontends.common import pages, routes
from frontends.common.api import Api
from frontends.common.node import Node
from frontends.common.responses import Response
from frontends.common.settings import Settings
from frontends.quart_app import create_app as quart_app
from frontends.wsgi_app import create_app as wsgi_app
from pbproto import View

PATHS = [path.decode() for path in pages.PATHS]
MEMBER = "127.0.0.1:8081"


class Got(NamedTuple):
    """An answer, whichever framework gave it."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Ask = Callable[..., Got]


def _named(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@pytest.fixture(scope="module", params=["quart", "wsgi"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Requests to a node that is its own only member, by the frameworks' own test clients."""
    settings = Settings(id=1, log_level="error")
    scope = f"pages {request.param} {id(request)}"
    if request.param == "wsgi":
        app = wsgi_app(settings, scope)
        client = app.test_client()

        def flask(method: str, path: str, body: bytes = b"", **headers: str) -> Got:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = client.open(path, method=method, data=body, headers=named)
            return Got(answer.status_code, _named(answer.headers), answer.data)

        flask("PUT", "/view", json.dumps({"view": [{"address": MEMBER, "id": 1}]}).encode())
        yield flask
        app.extensions["pbproto"].close()
        return
    with asyncio.Runner() as runner:
        application = quart_app(settings, scope).test_app()
        runner.run(application.startup())
        test: Any = application.test_client()

        def quart(method: str, path: str, body: bytes = b"", **headers: str) -> Got:
            async def send() -> Got:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                answer = await test.open(path, method=method, data=body, headers=named)
                data = await answer.get_data(as_text=False)
                return Got(answer.status_code, _named(answer.headers), data)

            return runner.run(send())

        quart("PUT", "/view", json.dumps({"view": [{"address": MEMBER, "id": 1}]}).encode())
        yield quart
        runner.run(application.shutdown())


def test_every_file_of_the_page_has_a_path_and_no_other_path_has_one() -> None:
    """Goal: nothing is forgotten or leaked. Method: compare the paths with the directory, and try others."""
    there = {entry.name for entry in files("frontends.common").joinpath("pages", "ui").iterdir()}
    assert {path.removeprefix("/ui/") for path in PATHS if path != "/ui"} == there - {"index.html"}
    for target in (b"/ui/", b"/ui/index.html", b"/ui/../pages.py", b"/ui/%2e%2e/pages.py", b"/ui/none.js"):
        answer = routes.plan("GET", target, Settings(id=1))
        assert isinstance(answer, Response)
        assert answer.status == 404


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """Goal: no other host, no inline script or style, no markup from strings. Method: read the files."""
    for path in pages.PATHS:
        text = pages.answer(path, None).body
        assert isinstance(text, bytes)
        words = text.decode()
        links = re.findall(r"""(?:src|href|from|import)\s*[=(]?\s*["']([^"'#$]+)["']""", words)
        assert not [link for link in links if "//" in link], path
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\(|new Function", words
        )
        if path == b"/ui":
            assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*\ssrc=)|javascript:", words)


@pytest.mark.parametrize("path", PATHS)
def test_files_come_with_what_protects_them(ask: Ask, path: str) -> None:
    """Goal: strict policy, right types, a name to ask again by; the same for HEAD. Method: fetch each."""
    got = ask("GET", path)
    assert got.status == 200
    kind = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}.get(path.rpartition(".")[2])
    assert got.headers["content-type"].startswith(kind or "text/html")
    policy = got.headers["content-security-policy"]
    for rule in ("default-src 'self'", "frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"):
        assert rule in policy
    assert "unsafe-" not in policy
    assert "*" not in policy
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["cache-control"] == "no-cache"
    head = ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["etag"] == got.headers["etag"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_that_is_there_already_is_not_sent_again(ask: Ask, method: str) -> None:
    """Goal: 304 for the same ETag in all its forms, 200 for others. Method: send If-None-Match."""
    etag = ask("GET", "/ui").headers["etag"]
    for tags in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        got = ask(method, "/ui", if_none_match=tags)
        assert (got.status, got.body) == (304, b"")
        assert got.headers["etag"] == etag
        assert "content-security-policy" in got.headers
        assert got.headers.get("content-length", "0") == "0"
    assert ask(method, "/ui", if_none_match='"other"').status == 200


@pytest.mark.parametrize("path", ["/ui", "/ui/main.js", "/status", "/why"])
def test_other_methods_are_405(ask: Ask, path: str) -> None:
    """Goal: these routes only read. Method: the other methods, and OPTIONS."""
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        got = ask(method, path)
        assert (got.status, got.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert ask("OPTIONS", path).headers["allow"] == "GET, HEAD, OPTIONS"


def test_status_has_all_of_view_and_more(ask: Ask) -> None:
    """Goal: one document for everybody. Method: compare with GET /view; look at what belongs to a member
    that is alone after two writes."""
    first = ask("PUT", "/data/k", b'{"value": "secret"}')
    assert first.status in (200, 201)
    got, view = ask("GET", "/status"), ask("GET", "/view").json()
    status = got.json()
    assert view.items() <= status.items()
    assert b"secret" not in got.body
    assert status["keys"] == 1
    assert status["ready"] is True
    assert status["log"]["end"] == status["commit"] == int(first.headers["msg-num"]) + 1
    assert status["waiting"] == {"requests": 0, "bytes": 0, "parked": 0, "uncommitted": 0}
    assert (status["backups"], status["transfers"], status["mail"], status["heard_ms"]) == ([], [], [], None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", status["now"])
    assert status["uptime_s"] >= 0
    assert status["settings"]["request_timeout"] == 10.0
    assert status["promised"] == status["synced"]


def test_events_are_asked_for_by_number(ask: Ask) -> None:
    """Goal: each event once. Method: tell the same view again and ask for what came after the last one."""
    events = ask("GET", "/status").json()["events"]
    assert [event["number"] for event in events["list"]] == list(range(1, events["last"] + 1))
    assert [event["event"] for event in events["list"]][:3] == ["started", "view_told", "proposed"]
    assert events["list"][1]["fields"] == {"members": f"1={MEMBER}", "epoch": "unnumbered"}
    ask("PUT", "/view", json.dumps({"view": [{"address": MEMBER, "id": 1}]}).encode())
    new = ask("GET", f"/status?x=1&since={events['last']}").json()["events"]
    assert [event["event"] for event in new["list"]] == ["view_told"]
    assert new["list"][0]["words"] == f"told a view without a number: 1={MEMBER}"
    assert ask("GET", f"/status?since={new['last']}").json()["events"]["list"] == []


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "9" * 19, "%FF", "١"])
def test_a_bad_number_is_400(ask: Ask, text: str) -> None:
    """Goal: a typing error is not taken for "everything". Method: ask with what is no number."""
    got = ask("GET", f"/status?since={quote(text, safe='%')}")
    assert (got.status, got.json()["reason"]) == (400, "bad_query")


def test_why_says_that_nothing_waits(ask: Ask) -> None:
    """Goal: the form of the answer. Method: ask an idle node."""
    document = ask("GET", "/why").json()
    assert document["summary"] == "nothing waits"
    assert (document["id"], document["primary"], document["status"]) == (1, 1, "active")
    assert (document["waiting"], document["left_out"]) == ([], 0)
    assert document["at_primary"] == {"parked": 0, "uncommitted": 0, "echoing": 0, "reads": 0, "asks": 0}
    assert document["view"] == [{"address": MEMBER, "id": 1}]


@pytest.mark.parametrize("path", ["/status", "/why", "/view"])
def test_pages_of_members_may_read_and_others_not(ask: Ask, path: str) -> None:
    """Goal: CORS for members of the told view only. Method: a member's origin and a stranger's, with reads,
    preflights and errors."""
    member, stranger = f"http://{MEMBER}", "http://127.0.0.1:8082"
    for method in ("GET", "HEAD", "OPTIONS"):
        assert ask(method, path, origin=member).headers["access-control-allow-origin"] == member
        got = ask(method, path, origin=stranger)
        assert "access-control-allow-origin" not in got.headers
        assert got.headers["vary"] == "Origin"
    assert ask("OPTIONS", path, origin=member).headers["access-control-allow-headers"] == "authorization"
    refused = ask("GET", "/status?since=x", origin=member)
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (400, member)


@pytest.mark.parametrize("path", ["/data", "/data/k", "/ping", "/ready", "/ui", "/peer"])
def test_nothing_else_is_read_across_origins(ask: Ask, path: str) -> None:
    """Goal: above all no data. Method: a member's origin at the other routes."""
    for method in ("GET", "OPTIONS"):
        got = ask(method, path, origin=f"http://{MEMBER}")
        assert not [name for name in got.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("target", [b"/status?since=0", b"/why", b"/view"])
def test_a_page_of_a_member_learns_that_a_token_is_needed(target: bytes) -> None:
    """Goal: it can ask for the token, since a browser shows it the 401 and not only a failure. Method: a node
    with tokens; the page itself is for everybody, and a preflight carries no token."""
    settings = Settings(id=1, named_tokens=(("read", "r" * 16), ("peer", "p" * 16)))
    node = Node(settings, wake_peer=lambda _: None, wake_timer=lambda _: None)
    node.tell_view(View.of([(1, MEMBER)]))
    mapping, origin = Api(node), {"origin": f"http://{MEMBER}"}
    refused = mapping.plan("GET", target, origin)
    assert isinstance(refused, Response)
    assert (refused.status, dict(refused.headers)["access-control-allow-origin"]) == (401, origin["origin"])
    assert isinstance(mapping.plan("GET", target, {"authorization": f"Bearer {'r' * 16}"}), routes.Plan)
    preflight = mapping.plan("OPTIONS", target, origin)
    assert isinstance(preflight, Response)
    assert (preflight.status, dict(preflight.headers)["access-control-allow-headers"]) == (
        200,
        "authorization",
    )
    assert isinstance(mapping.plan("GET", b"/ui", {}), routes.Plan)
