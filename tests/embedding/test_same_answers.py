"""What an embedded node answers below its prefix is what a plain one answers at the root."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plugin.test_same_answers import (
    REQUESTS,
    Asked,
    Seen,
    incarnation,
    through_httpx,
    through_wsgi,
    virtual,
)

from .hosting import FRAMEWORKS, hosted


async def through_asgi(application: Any, asked: Asked) -> Seen:
    """One request as an ASGI server hands it over."""
    headers = [(name.lower().encode(), value.encode()) for name, value in asked.headers]
    if asked.body:
        headers.append((b"content-length", b"%d" % len(asked.body)))
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": asked.body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": asked.method, "raw_path": asked.target, "headers": headers}
    await application(scope, receive, send)
    assert [message.get("more_body", False) for message in sent[1:]] == [True] * (len(sent) - 2) + [False]
    named = sorted((name.decode(), value.decode()) for name, value in sent[0]["headers"])
    return sent[0]["status"], named, b"".join(message["body"] for message in sent[1:])


@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_an_embedded_node_answers_as_a_plain_one(
    framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Goal: clients find the same interface. Method: ask an embedded node below its prefix, and a virtual
    node at the root, the same, one request after another; compare statuses, headers and bodies.
    """
    monkeypatch.setattr("frontends.common.node.secrets.randbits", lambda _: incarnation())
    client = virtual().http(1)
    async with hosted(framework, view={}, max_value_bytes=250_000) as host:
        for asked in REQUESTS:
            below = asked._replace(target=b"/kv" + asked.target)
            if framework == "quart":
                seen = await through_asgi(host.app, below)
            else:
                seen = through_wsgi(host.app, below)
            assert seen == through_httpx(client, asked), asked
