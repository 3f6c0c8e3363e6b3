"""The limit of an ASGI server: the HTTP work of a node and nothing else, set up as a node sets it up.

A plain ASGI callable that takes the path apart, reads the JSON body, keeps the value in a dict, and answers
with the bytes and headers of a node. No replication, no framework: what the server leaves to whoever uses it.
Under uvicorn a node's keys go past ASGI, so they do here: with a dict where a node has its replica.

    python -m bench.programs.limit_asgi --server granian --bind 127.0.0.1:9001 --keys 1000 --size 100
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import unquote_to_bytes

from quart import Quart

from bench.programs.dict_node import DictNode
from bench.programs.limit_options import limit_options
from frontends.common.api import Api
from frontends.common.listen import listen
from frontends.common.node import Node
from frontends.common.settings import Settings
from frontends.quart_app.lean import Lean
from frontends.quart_app.servers import run

PREFIX = b"/data/"
JSON = (b"content-type", b"application/json")
MISSING = (
    b'{"type":"about:blank","title":"Not Found","status":404,'
    b'"detail":"the key is not in the store","reason":"no_such_key"}'
)
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Answer = tuple[int, bytes]


class Limit:
    """The callable, with its dict."""

    def __init__(self, data: dict[str, str]) -> None:
        self._data = data
        self._written = len(data)
        self.asgi_app: Lean | None = None

    def past_asgi(self, settings: Settings) -> Lean:
        """What a node has in front of its application, with this dict behind it."""
        node = DictNode(settings, self._data)
        mapping = Api(cast(Node, node))
        return Lean(self, lambda: mapping)

    async def startup(self) -> None:
        """What a server asks an application for that it starts by itself."""

    async def shutdown(self) -> None:
        """What a server asks an application for that it stops by itself."""

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request, or the lifespan of the server."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        status, body = await self._handle(scope, receive)
        headers = [
            (b"content-length", b"%d" % len(body)),
            JSON,
            (b"msg-num", b"%d" % self._written),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _handle(self, scope: dict[str, Any], receive: Receive) -> Answer:
        target: bytes = scope.get("raw_path") or scope["path"].encode()
        path = target.partition(b"?")[0]
        if path == b"/data":
            return 200, json.dumps(self._data, ensure_ascii=False, separators=(",", ":")).encode()
        if not path.startswith(PREFIX):
            return (200, b"{}") if path == b"/ping" else (404, MISSING)
        key = unquote_to_bytes(path[len(PREFIX) :]).decode()
        if scope["method"] == "PUT":
            value = json.loads(await _body(receive))["value"]
            status = 200 if key in self._data else 201
            self._data[key] = value
            self._written += 1
            return status, b"{}"
        if scope["method"] == "DELETE":
            self._written += 1
            return (404, MISSING) if self._data.pop(key, None) is None else (200, b"{}")
        found = self._data.get(key)
        if found is None:
            return 404, MISSING
        return 200, json.dumps({"value": found}, ensure_ascii=False, separators=(",", ":")).encode()


async def _body(receive: Receive) -> bytes:
    event = await receive()
    body: bytes = event.get("body", b"")
    if not event.get("more_body", False):
        return body
    parts = [body]
    while event.get("more_body", False):
        event = await receive()
        parts.append(event.get("body", b""))
    return b"".join(parts)


async def _live(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


def main() -> None:
    """Serve until told to end."""
    settings, data = limit_options("limit_asgi")
    limit = Limit(data)
    if settings.server == "uvicorn" and settings.lean == "on":
        limit.asgi_app = limit.past_asgi(settings)
    # The frontend's set-up of its servers takes any ASGI application; its type names the one it is used with.
    run(cast(Quart, limit), listen(settings, "limit_asgi"), settings)


if __name__ == "__main__":
    main()
