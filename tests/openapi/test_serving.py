"""``/openapi.json`` and ``/docs``: what comes, under which name, and that the page needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from frontends.common import api, responses
from frontends.common.node import Node
from frontends.common.openapi import build, render
from frontends.common.settings import Settings

SETTINGS = Settings(id=7)
PATHS = ("/openapi.json", "/docs")
VOID = {"meta", "link"}


@pytest.fixture(scope="module")
def mapping() -> Iterator[api.Api]:
    """The REST interface of a node that was told no view."""
    node = Node(SETTINGS, lambda _: None, lambda _: None)
    yield api.Api(node)
    node.close()


def ask(mapping: api.Api, method: str, path: str, known: str | None = None) -> responses.Response:
    """The answer, which has to come at once."""
    headers = {} if known is None else {"if-none-match": known}
    plan = mapping.plan(method, path.encode(), headers)
    if isinstance(plan, responses.Response):
        return plan
    answers: list[responses.Response] = []
    mapping.start(plan, headers, b"", answers.append)
    (answer,) = answers
    return answer


class Page(HTMLParser):
    """What is in a page, and that its elements end where they should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.style = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data

    def all(self, attribute: str) -> list[str]:
        """Every value of an attribute."""
        return [each[attribute] or "" for _, each in self.elements if attribute in each]


def test_the_document_is_served_before_any_view(mapping: api.Api) -> None:
    """Goal: a client can be made from any node. Method: ask one, compare with what is built."""
    answer = ask(mapping, "GET", "/openapi.json")
    assert isinstance(answer.body, bytes)
    assert (answer.status, dict(answer.headers)["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == build(SETTINGS)


@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_headers_of_get(mapping: api.Api, path: str) -> None:
    """Goal: HEAD says what GET would. Method: compare."""
    whole, head = ask(mapping, "GET", path), ask(mapping, "HEAD", path)
    assert head.body == b""
    assert isinstance(whole.body, bytes)
    assert dict(head.headers) == {**dict(whole.headers), "content-length": str(len(whole.body))}


@pytest.mark.parametrize("path", PATHS)
def test_who_has_it_gets_it_not_again(mapping: api.Api, path: str) -> None:
    """Goal: ``If-None-Match`` as in RFC 9110. Method: the name alone, among others, weak, any; and others."""
    whole = ask(mapping, "GET", path)
    etag = dict(whole.headers)["etag"]
    assert re.fullmatch('"[0-9a-f]+"', etag)
    for method in ("GET", "HEAD"):
        for known in (etag, f'"other", {etag}', f"W/{etag}", "*", f' {etag} ,"x"'):
            answer = ask(mapping, method, path, known)
            assert (answer.status, answer.body, dict(answer.headers)["etag"]) == (304, b"", etag)
            assert not {"content-length", "content-type"} & dict(answer.headers).keys()
    for known in ("", '"other"', etag.strip('"'), "W/"):
        assert ask(mapping, "GET", path, known) == whole
    assert (
        dict(ask(mapping, "GET", PATHS[0]).headers)["etag"]
        != dict(ask(mapping, "GET", PATHS[1]).headers)["etag"]
    )


def test_the_page_needs_nothing_else(mapping: api.Api) -> None:
    """Goal: it can be read where there is no network, under a policy that lets nothing in.

    Method: look at every element that could load something, and compute the hash of the style that the policy
    lets through.
    """
    answer = ask(mapping, "GET", "/docs")
    headers = dict(answer.headers)
    assert isinstance(answer.body, bytes)
    page = Page(answer.body.decode())
    assert headers["content-type"] == "text/html; charset=utf-8"
    names = {tag for tag, _ in page.elements}
    assert not names & {"script", "img", "iframe", "object", "embed", "form", "base", "video", "audio"}
    assert not page.all("src")
    assert not [
        name for _, each in page.elements for name in each if name.startswith("on") or name == "style"
    ]
    assert {each for each in page.all("href") if not each.startswith("#")} == {"data:,", "openapi.json"}
    assert "@import" not in page.style
    assert "url(" not in page.style
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in headers["content-security-policy"]
    assert "default-src 'none';" in headers["content-security-policy"]


def test_the_page_shows_every_operation_and_leads_there(mapping: api.Api) -> None:
    """Goal: what is in the document can be found on the page. Method: ids, links, words of every problem."""
    body = ask(mapping, "GET", "/docs").body
    assert isinstance(body, bytes)
    page = Page(body.decode())
    ids = page.all("id")
    assert len(set(ids)) == len(ids)
    assert {each[1:] for each in page.all("href") if each.startswith("#")} <= set(ids)
    document = build(SETTINGS)
    for item in document["paths"].values():
        assert {each["operationId"] for name, each in item.items() if name != "parameters"} <= set(ids)
    for reason in document["components"]["schemas"]["Problem"]["properties"]["reason"]["enum"]:
        assert reason.encode() in body


def test_the_page_escapes_what_it_shows() -> None:
    """Goal: no word of the document becomes an element. Method: put one that would into every description."""
    bad = "<script>alert('x')</script>&\""
    document = json.loads(json.dumps(build(SETTINGS)), object_hook=lambda each: _spoiled(each, bad))
    page = Page(render(document).decode())
    assert "script" not in {tag for tag, _ in page.elements}


def _spoiled(item: dict[str, Any], bad: str) -> dict[str, Any]:
    return {
        name: each + bad
        if name in ("description", "summary", "detail", "pattern") and isinstance(each, str)
        else each
        for name, each in item.items()
    }
