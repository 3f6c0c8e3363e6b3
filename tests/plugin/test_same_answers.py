"""A virtual cluster answers as a real node does, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import httpx
import pytest
from werkzeug.test import create_environ, run_wsgi_app

from frontends.common import life, tls
from frontends.common.settings import Settings
from frontends.wsgi_app import app as frontend
from frontends.wsgi_app import extension
from frontends.wsgi_app.driver import Driver
from pbkv.testing import Cluster

VIEW = json.dumps({"view": [{"id": 1, "address": "node1:80"}], "epoch": 1}).encode()
LONG = json.dumps({"value": "long" * 50_000}).encode()


class Asked(NamedTuple):
    """One request, as it is on the wire."""

    method: str
    target: bytes
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


NAMED = (("Idempotency-Key", "once"),)
REQUESTS = (
    # Before any view.
    Asked("GET", b"/ping"),
    Asked("GET", b"/ready"),
    Asked("GET", b"/view"),
    Asked("GET", b"/data/k"),
    Asked("PUT", b"/data/k", b'{"value":"v"}'),
    Asked("PUT", b"/data/k", b"no JSON"),
    Asked("PUT", b"/view", b'{"view":[{"id":true,"address":"node1:80"}]}'),
    Asked("PUT", b"/view", VIEW),
    Asked("PUT", b"/view", VIEW.replace(b'"epoch": 1', b'"epoch": 0')),
    Asked("PUT", b"/view", VIEW.replace(b"node1", b"node7")),
    # In a view.
    Asked("GET", b"/ready"),
    Asked("GET", b"/view"),
    Asked("HEAD", b"/view"),
    Asked("GET", b"/data"),
    Asked("GET", b"/data/k"),
    Asked("DELETE", b"/data/k"),
    Asked("PUT", b"/data/k", b'{"value":"v"}'),
    Asked("PUT", b"/data/k", b'{"value":"\\u20ac"}'),
    Asked("GET", b"/data/k"),
    Asked("HEAD", b"/data/k"),
    Asked("GET", b"/data/k?query=none"),
    Asked("PUT", b"/data/a/b%2Fc%20%E2%82%AC", b'{"value":""}'),
    Asked("GET", b"/data/a%2Fb/c%20%E2%82%AC"),
    Asked("PUT", b"/data/once", b'{"value":"1"}', NAMED),
    Asked("PUT", b"/data/once", b'{"value":"1"}', NAMED),
    Asked("PUT", b"/data/once", b'{"value":"2"}', NAMED),
    Asked("PUT", b"/data/once", b'{"value":"2"}', (("Idempotency-Key", "two words"),)),
    Asked("GET", b"/data"),
    Asked("PUT", b"/data/long", LONG),
    Asked("GET", b"/data/long"),
    Asked("GET", b"/data"),
    Asked("DELETE", b"/data/long"),
    # What is wrong anywhere.
    Asked("GET", b"/data/"),
    Asked("GET", b"/data/%zz"),
    Asked("GET", b"/data/%FF"),
    Asked("PUT", b"/data/k"),
    Asked("PUT", b"/data/k", b"[]"),
    Asked("PUT", b"/data/k", b'{"value":1}'),
    Asked("PUT", b"/data/k", b'{"value":"' + b"x" * 300_000 + b'"}'),
    Asked("PUT", b"/data/k", b"x" * 2_000_000),
    Asked("OPTIONS", b"/data/k"),
    Asked("OPTIONS", b"/view"),
    Asked("POST", b"/data/k", b"{}"),
    Asked("PATCH", b"/data"),
    Asked("GET", b"/peer"),
    Asked("POST", b"/peer", b"no mail"),
    Asked("GET", b"/nothing"),
)
Seen = tuple[int, list[tuple[str, str]], bytes]


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The threaded frontend as a WSGI callable, without what it does to the process it is alone in."""
    drivers: list[Driver] = []

    def driver(settings: Settings, contexts: tls.Contexts | None) -> Driver:
        drivers.append(Driver(settings, contexts))
        return drivers[-1]

    monkeypatch.setattr(extension, "Driver", driver)
    monkeypatch.setattr(life, "Guard", lambda *_: None)
    monkeypatch.setattr(life, "settle", lambda: None)
    monkeypatch.setattr(extension, "answer_first", lambda _: lambda: None)
    settings = Settings(id=1, bind="node1:80", max_value_bytes=250_000, insecure=True)
    monkeypatch.setattr("frontends.common.node.secrets.randbits", lambda _: incarnation())
    try:
        yield frontend.create_app(settings, "nobody else")
    finally:
        for each in drivers:
            each.stop()


def virtual() -> Cluster:
    return Cluster(1, view=False, max_value_bytes=250_000)


def incarnation() -> int:
    """Of the only node of every such cluster: it is drawn from the seed."""
    return virtual().status(1).incarnation


def through_wsgi(application: Any, asked: Asked) -> Seen:
    environ = create_environ(method=asked.method, base_url="http://node1/", headers=asked.headers)
    environ |= {"REQUEST_URI": asked.target.decode("latin-1"), "wsgi.input": BytesIO(asked.body)}
    if asked.body:
        environ["CONTENT_LENGTH"] = str(len(asked.body))
    pieces, status, headers = run_wsgi_app(application, environ, buffered=True)
    return int(status[:3]), sorted((name.lower(), value) for name, value in headers), b"".join(pieces)


def through_httpx(client: httpx.Client, asked: Asked) -> Seen:
    answer = client.request(
        asked.method, "/", content=asked.body, headers=asked.headers, extensions={"target": asked.target}
    )
    return answer.status_code, sorted(answer.headers.items()), answer.content


def test_the_answers_are_those_of_a_real_node(real: Any) -> None:
    """Goal: what a test sees is what production sends. Method: ask the threaded frontend and a virtual
    cluster of one node the same, one request after another, and compare statuses, headers and bodies.
    """
    client = virtual().http(1)
    seen = []
    for asked in REQUESTS:
        ours = through_httpx(client, asked)
        assert ours == through_wsgi(real, asked), asked
        seen.append(ours[0])
    # None of it was compared in vain: all kinds of answers came.
    assert {200, 201, 400, 404, 405, 409, 413, 422, 503} <= set(seen)
