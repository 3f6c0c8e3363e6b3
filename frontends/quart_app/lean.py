"""Keys and peers' mail, straight from the server to the mapping: the ASGI callable in front of Quart's own.

A web framework's handling of a request costs several times what the store's does (docs/benchmarks.md), and
these two routes make nearly all requests. They are answered here with the very mapping that Quart's handler
uses; everything else goes on to Quart. It stands at the place that Quart documents for it: ``app.asgi_app``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from frontends.common import api
from frontends.common.logs import LOGGER, logfmt

BODY_TIMEOUT = 60.0
"""Seconds that a body may take; what Quart is set to as well."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class _GoneError(Exception):
    """The client hung up before its request was whole."""


class Lean:
    """``/data/<key>`` and ``/peer`` for the node behind ``mapping()``; all else for ``application``."""

    def __init__(self, application: Any, mapping: Callable[[], api.Api | None]) -> None:
        self._application = application
        self._mapping = mapping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        mapping = self._mapping()
        if scope["type"] != "http" or mapping is None or not _ours(scope):
            await self._application(scope, receive, send)
            return
        try:
            response = await _answer(mapping, scope, receive)
        except _GoneError:
            return
        except Exception:
            LOGGER.exception("%s", logfmt(mapping.node_id, "request_failed"))
            response = api.internal_error()
        await _send(send, response)


def _ours(scope: Scope) -> bool:
    target: bytes = scope.get("raw_path") or b""
    return target.startswith(b"/data/") or target == b"/peer"


async def _answer(mapping: api.Api, scope: Scope, receive: Receive) -> api.Response:
    plan = mapping.plan(scope["method"], scope["raw_path"])
    if isinstance(plan, api.Response):
        return plan
    headers = _Headers(scope["headers"])
    body = b""
    if plan.body_limit:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > plan.body_limit:
            return mapping.too_large(plan)
        try:
            whole = await _body(receive, plan.body_limit)
        except TimeoutError:
            return api.framework_error(408, "the body did not come in time")
        if whole is None:
            return mapping.too_large(plan)
        body = whole
    answer: asyncio.Future[api.Response] = asyncio.get_running_loop().create_future()

    def done(response: api.Response) -> None:
        if not answer.done():  # the client may have hung up; the operation goes on without it
            answer.set_result(response)

    mapping.start(plan, headers, body, done)
    return await answer


class _Headers(Mapping[str, str]):
    """Looks a header up among the pairs that the server gives, of which hardly any is ever asked for."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> str:
        wanted = name.encode()
        for key, value in self._pairs:
            if key == wanted:
                return value.decode("latin-1")
        raise KeyError(name)

    def get(self, name: str, default: Any = None) -> Any:
        wanted = name.encode()
        for key, value in self._pairs:
            if key == wanted:
                return value.decode("latin-1")
        return default

    def __iter__(self) -> Any:
        return (key.decode("latin-1") for key, _ in self._pairs)

    def __len__(self) -> int:
        return sum(1 for _ in self._pairs)


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or ``None`` if it is longer than ``limit``."""
    message = await receive()
    first: bytes = _piece(message)
    if not message.get("more_body", False):
        return first if len(first) <= limit else None
    body = bytearray(first)
    async with asyncio.timeout(BODY_TIMEOUT):
        while message.get("more_body", False) and len(body) <= limit:
            message = await receive()
            body += _piece(message)
    return bytes(body) if len(body) <= limit else None


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise _GoneError
    piece: bytes = message.get("body", b"")
    return piece


async def _send(send: Send, response: api.Response) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    body = response.body
    if isinstance(body, bytes):
        if not any(name == b"content-length" for name, _ in headers):
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return
    raise AssertionError("only listings have long bodies")
