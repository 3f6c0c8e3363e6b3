"""A plain ASGI callable in front of somebody else's store: the HTTP of this store, uvicorn, and nothing more.

What stands behind it is a `Backend`; the routes and answers are those of `limit_asgi.py`, so that other
stores are not slowed by a framework that the fastest way to this one does without.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
PREFIX = b"/data/"
MISSING = b'{"type":"about:blank","title":"Not Found","status":404}'


class Backend(Protocol):
    """A replicated store; a call returns when the operation has taken effect."""

    async def start(self) -> None:
        """Called on the loop before the first request."""

    async def put(self, key: str, value: str) -> bool:
        """Whether the key is new."""

    async def get(self, key: str) -> str | None:
        """The value."""

    async def delete(self, key: str) -> bool:
        """Whether there was such a key."""

    async def listing(self) -> dict[str, str]:
        """Everything."""

    def leads(self) -> bool:
        """Whether this node orders the writes."""


class Plain:
    """The callable."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """One request, or the lifespan of the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status, body = await self._handle(scope, receive)
        headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _handle(self, scope: dict[str, Any], receive: Receive) -> tuple[int, bytes]:
        path: bytes = scope["raw_path"]
        if path == b"/data":
            return 200, json.dumps(await self._backend.listing()).encode()
        if not path.startswith(PREFIX):
            if path == b"/ping":
                return 200, json.dumps({"leads": self._backend.leads()}).encode()
            return 404, MISSING
        key = unquote_to_bytes(path[len(PREFIX) :]).decode()
        if scope["method"] == "PUT":
            created = await self._backend.put(key, json.loads(await read_body(receive))["value"])
            return (201 if created else 200), b"{}"
        if scope["method"] == "DELETE":
            return (200, b"{}") if await self._backend.delete(key) else (404, MISSING)
        value = await self._backend.get(key)
        return (404, MISSING) if value is None else (200, json.dumps({"value": value}).encode())

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await self._backend.start()
            await send({"type": f"{event['type']}.complete"})
            if event["type"] == "lifespan.shutdown":
                return


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    event = await receive()
    parts = [event.get("body", b"")]
    while event.get("more_body", False):
        event = await receive()
        parts.append(event.get("body", b""))
    return b"".join(parts)


def serve(backend: Backend, address: str) -> None:
    """Serve until killed, on uvicorn with its fastest parser and loop."""
    import uvicorn

    host, _, port = address.partition(":")
    options: dict[str, Any] = {"log_level": "warning", "access_log": False, "ws": "none", "http": "httptools"}
    uvicorn.run(Plain(backend), host=host, port=int(port), loop="uvloop", lifespan="on", **options)
