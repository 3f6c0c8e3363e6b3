"""Keys and peers' mail, straight from the server to the mapping: the ASGI callable in front of Quart's own.

A web framework's handling of a request costs several times what the store's does (docs/benchmarks.md), and
these two routes make nearly all requests. They are answered here with the very mapping that Quart's handler
uses; everything else goes on to Quart. It stands at the place that Quart documents for it: ``app.asgi_app``.

Of a node within somebody's application all requests are answered here: that application's hooks, sessions and
error handlers are not for them, and its routing has decoded the path when it hands it over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from frontends.common import api, asgi, responses, routes, wanted
from frontends.common.asgi import Receive, Scope, Send
from frontends.common.budget import Share
from frontends.common.door import NOBODY, Caller
from frontends.common.listing import Stream

DRAINS = 4
DRAIN_TURN = 0.25
"""Seconds after which another may take its turn; whoever sends slowly costs little."""


class _GoneError(Exception):
    """The client hung up before its request was whole."""


class _OverloadedError(Exception):
    """Too many long bodies are on their way."""


Ours = Callable[[Scope], bytes | None]
"""What a request asks of the node; ``None`` where it is not for here."""


def target_of(scope: Scope) -> bytes:
    """The raw request target."""
    raw: bytes | None = scope.get("raw_path")
    path = raw if raw is not None else str(scope["path"]).encode()
    query: bytes = scope.get("query_string", b"")
    return path + b"?" + query if query and b"?" not in path else path


def hot(scope: Scope) -> bytes | None:
    """``/data/<key>`` and ``/peer``: in an application that is nothing but a node."""
    target: bytes = scope.get("raw_path") or b""
    return target if routes.is_lean(target) else None


class Lean:
    """What is ``ours`` for the node behind ``mapping()``; all else for ``application``."""

    def __init__(self, application: Any, mapping: Callable[[], api.Api | None], ours: Ours = hot) -> None:
        self._application = application
        self.mapping = mapping
        self._ours = ours
        self._drains = asyncio.Semaphore(DRAINS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = self._ours(scope) if scope["type"] == "http" else None
        if target is None:
            await self._application(scope, receive, send)
            return
        mapping = self.mapping()
        if mapping is None:
            raise RuntimeError("the server does not run the application's lifespan")
        body = _Body(receive)
        try:
            response = await _answer(mapping, scope, target, body)
        except _GoneError:
            return
        except Exception:
            headers = wanted.of_pairs(scope["headers"])
            response = mapping.failed(scope["method"], target, headers)
        share = Share(mapping.bodies)
        try:
            # Mail is not counted: it is what the clients wait for.
            if target != routes.PEER and not share.need(length_of(response)):
                response = mapping.withhold(response)
            if not body.coming or body.ended:
                await _send(send, response)
            else:
                await _send(send, response, last=False)
                await self._drain(mapping, body)
                await send({"type": "http.response.body", "body": b""})
        finally:
            share.end()

    async def _drain(self, mapping: api.Api, body: _Body) -> None:
        """Read the rest of a body that nobody wants, after its answer; a few at a time.

        A server that closes a connection on which more arrives takes the answer away from its client. And a
        thousand clients that were turned away, and send a megabyte each all the same, would leave a node no
        time for its peers: what it has let in would not get done before its time is up.
        """
        loop = asyncio.get_running_loop()
        turn = None
        with contextlib.suppress(TimeoutError, _GoneError):
            async with asyncio.timeout(mapping.client_timeout):
                await self._drains.acquire()
                turn = loop.call_later(DRAIN_TURN, self._drains.release)
                while not body.ended:
                    await body.piece()
        if turn is not None and loop.time() < turn.when():
            turn.cancel()
            self._drains.release()


class _Body:
    """The body of a request, as far as it was taken in."""

    __slots__ = ("_receive", "coming", "ended")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.coming = False
        """Its client sends it, whatever the answer is."""
        self.ended = False

    async def piece(self) -> bytes:
        """The next piece, which may be empty. Raises ``_GoneError`` if the client hung up."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        self.ended = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece


def caller_of(scope: Scope) -> Caller:
    """What the connection says about whoever sends a request."""
    client, state = scope.get("client"), scope.get("state") or {}
    return Caller(client[0] if client else "", state.get(asgi.CERTIFIED, False))


_BODY = ("content-length", "transfer-encoding")


async def _answer(mapping: api.Api, scope: Scope, target: bytes, body: _Body) -> responses.Response:
    headers = wanted.of_pairs(scope["headers"])
    caller = caller_of(scope) if mapping.guarded else NOBODY
    plan = mapping.plan(scope["method"], target, headers, caller)
    if isinstance(plan, responses.Response):
        # Whoever is turned away by the head alone sends the body all the same, and then looks for the answer.
        body.coming = "expect" not in headers and not headers.keys().isdisjoint(_BODY)
        return plan
    answer: asyncio.Future[responses.Response] = asyncio.get_running_loop().create_future()

    def done(response: responses.Response) -> None:
        if not answer.done():  # the client may have hung up; the operation goes on without it
            answer.set_result(response)

    if plan.body_limit:
        body.coming = "expect" not in headers
        refusal = await _take_in(mapping, plan, headers, body, done)
        if refusal is not None:
            return mapping.refuse(plan, headers, refusal)
    else:
        mapping.start(plan, headers, b"", done)
    return await answer


async def _take_in(
    mapping: api.Api,
    plan: routes.Plan,
    headers: dict[str, str],
    body: _Body,
    done: Callable[[responses.Response], None],
) -> responses.Response | None:
    """Read the body and hand the request over; or why not.

    Nobody holds the body when this returns: the replica has, and counts, what it needs of it.
    """
    length = headers.get("content-length", "0")
    size = int(length) if length.isdecimal() else 0
    if size > plan.body_limit:
        return mapping.too_large(plan)
    share = Share(mapping.bodies)
    try:
        if plan.waits and not (mapping.has_room(size) and share.need(size)):
            return responses.too_many_bytes()
        data = await _read(body, plan, share, mapping.client_timeout)
        if data is None:
            return mapping.too_large(plan)
        mapping.start(plan, headers, data, done)
    except TimeoutError:
        body.coming = False
        return responses.too_slow("the body did not come in time")
    except _OverloadedError:
        return responses.too_many_bytes()
    finally:
        share.end()
    return None


async def _read(body: _Body, plan: routes.Plan, share: Share, patience: float) -> bytes | None:
    """The whole body, or ``None`` if it is too long. Raises ``TimeoutError`` and ``_OverloadedError``."""
    limit = plan.body_limit
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a request is handled in a task")
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        task.cancel()

    # Not asyncio.timeout: that costs more than everything else here, for each request.
    timer = asyncio.get_running_loop().call_later(patience, give_up)
    try:
        pieces = [await body.piece()]
        size = len(pieces[0])
        while not (body.ended or size > limit):
            pieces.append(await body.piece())
            size += len(pieces[-1])
            if plan.waits and not share.need(size):
                raise _OverloadedError
    except asyncio.CancelledError:
        if late and not task.uncancel():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
    return b"".join(pieces) if size <= limit else None


def length_of(response: responses.Response) -> int:
    """Bytes of a body that is whole."""
    return len(response.body) if isinstance(response.body, bytes) else 0


async def yielding(stream: Stream) -> AsyncGenerator[bytes, None]:
    """A long body piece by piece, so that the node goes on in between."""
    try:
        for piece in stream:
            yield piece
            await asyncio.sleep(0)
    finally:  # also where the client is gone
        stream.close()


async def _send(send: Send, response: responses.Response, *, last: bool = True) -> None:
    """The whole response. Unless it is the ``last``, an empty piece has to end it for the server."""
    body = response.body
    headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
    if isinstance(body, bytes) and not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if isinstance(body, bytes):
        await send({"type": "http.response.body", "body": body, "more_body": not last})
        return
    async with contextlib.aclosing(yielding(body)) as pieces:
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": not last})
