"""Keys and peers' mail, straight from the server to the mapping: the ASGI callable in front of Quart's own.

A web framework's handling of a request costs several times what the store's does (docs/benchmarks.md), and
these two routes make nearly all requests. They are answered here with the very mapping that Quart's handler
uses; everything else goes on to Quart. It stands at the place that Quart documents for it: ``app.asgi_app``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
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
    headers = {name: value for name, value in scope["headers"] if name in _WANTED}
    body = b""
    if plan.body_limit:
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > plan.body_limit:
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

    names = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
    mapping.start(plan, names, body, done)
    return await answer


_WANTED = frozenset((b"content-length", b"idempotency-key"))
"""All that the mapping or this file ever asks for."""


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or ``None`` if it is longer than ``limit``. Raises ``TimeoutError``."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is handled in a task")
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        task.cancel()

    # Not asyncio.timeout: that costs more than everything else here, for each request.
    timer = asyncio.get_running_loop().call_later(BODY_TIMEOUT, give_up)
    try:
        message = await receive()
        body = _piece(message)
        if message.get("more_body", False):
            pieces = [body]
            size = len(body)
            while message.get("more_body", False) and size <= limit:
                message = await receive()
                pieces.append(_piece(message))
                size += len(pieces[-1])
            body = b"".join(pieces)
    except asyncio.CancelledError:
        if late and not task.uncancel():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
    return body if len(body) <= limit else None


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise _GoneError
    piece: bytes = message.get("body", b"")
    return piece


async def _send(send: Send, response: api.Response) -> None:
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("only listings have a body in pieces")
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
