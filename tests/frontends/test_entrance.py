"""``GET /``: links for a program, the page for a browser."""

from __future__ import annotations

import json
from urllib.parse import urljoin

import pytest

from frontends.common import routes
from frontends.common.api import Api
from frontends.common.entrance import wants_page
from frontends.common.node import Node
from frontends.common.place import Place
from frontends.common.responses import Response
from frontends.common.settings import Settings

SETTINGS = Settings(id=7)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def answer(prefix: str | None, path: str, accept: str) -> Response:
    """To who asks for this path of an application that has a node below ``prefix``; ``None``: of a node."""
    place = Place(prefix or "") if prefix else None
    target = path.encode() if place is None else place.target(path.encode())
    assert target is not None
    mapping = Api(
        Node(SETTINGS, wake_peer=lambda _: None, wake_timer=lambda _: None), place.name if place else ""
    )
    plan = mapping.plan("GET", target, {"accept": accept})
    assert isinstance(plan, routes.Plan)
    got: list[Response] = []
    mapping.start(plan, {"accept": accept}, b"", got.append)
    return got[0]


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        (BROWSER, True),
        ("TEXT/HTML", True),
        ("text/html;level=1;q=0.3", True),
        ("application/json;q=0.9, text/html", True),
        ("", False),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("application/json, text/html", False),
        ("text/html;q=0", False),
        ("text/html;q=much", False),
        ("text/html;q=7", False),
        ("application/json, text/html;q=0.9", False),
    ],
)
def test_who_is_a_browser_shows_in_what_it_accepts(accept: str, page: bool) -> None:
    """Both sides: who names HTML and JSON not before it, and everybody else."""
    assert wants_page(accept) is page
    got = answer(None, "/", accept)
    assert got.status == (307 if page else 200)
    assert dict(got.headers)["vary"] == "accept"


@pytest.mark.parametrize(
    ("prefix", "path", "base"),
    [(None, "/", "/"), ("/kv", "/kv/", "/kv/"), ("/kv", "/kv", "/kv/"), ("/a/kv", "/a/kv", "/a/kv/")],
)
def test_links_lead_to_resources_wherever_the_node_is(prefix: str | None, path: str, base: str) -> None:
    """Goal: no link is dead, and none is missing. Method: follow each as a client does, and look it up in
    the table of routes; the paths that are no link are the root and the mail of peers."""
    got = answer(prefix, path, "*/*")
    document = json.loads(bytes(got.body))  # type: ignore[arg-type]
    assert (document["name"], document["id"]) == ("pbproto", 7)
    found = {
        urljoin(f"http://a{path}", link).removeprefix(f"http://a{base}")
        for link in document["links"].values()
    }
    known = {each.removeprefix("/") for each in routes.resources() if "{" not in each}
    assert found == known - {"", "peer"}
    page = dict(answer(prefix, path, BROWSER).headers)["location"]
    assert urljoin(f"http://a{path}", page) == f"http://a{base}ui"
