"""How httpx reaches a virtual cluster: transports that let virtual time pass until the answer is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from frontends.common.responses import Response

from .errors import ClusterError
from .network import CLIENTS, Call, Failure
from .pump import pump
from .world import Request, World

Timeouts = tuple[float | None, float | None]


class Transport(httpx.BaseTransport):
    """For ``httpx.Client``. May be used by several threads: they take turns in driving the time."""

    def __init__(self, world: World) -> None:
        self._world = world

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and let time pass until its answer or its timeout, in virtual seconds.

        Raises what httpx raises for a real network.
        """
        made, timeouts = _made(request, request.read()), _timeouts(request)
        world = self._world
        with world.timeline.turns:
            call = world.ask(CLIENTS, _node(world, request), made, timeouts, lambda _: None)
            try:
                world.timeline.run(lambda: call.over)
            finally:
                call.abandon()
        return _outcome(world, request, call, timeouts)


class AsyncTransport(httpx.AsyncBaseTransport):
    """For ``httpx.AsyncClient`` on asyncio: time passes when everybody on the event loop waits."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As ``Transport.handle_request``, while others on the loop go on."""
        made, timeouts = _made(request, await request.aread()), _timeouts(request)
        world = self._world
        calls: list[Call[Response]] = []

        def begin(wake: Callable[[], None]) -> None:
            node = _node(world, request)
            calls.append(world.ask(CLIENTS, node, made, timeouts, lambda _: wake()))

        try:
            await pump().wait(world.timeline, begin)
        finally:
            with world.timeline.turns:
                for call in calls:
                    call.abandon()
        return _outcome(world, request, calls[0], timeouts)


def _made(request: httpx.Request, body: bytes) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    target: bytes = request.extensions.get("target", request.url.raw_path)  # as for httpx's own transport
    return Request(request.method, target, headers, body)


def _timeouts(request: httpx.Request) -> Timeouts:
    """Until there is a connection, and until the answer comes."""
    timeout: dict[str, Any] = request.extensions.get("timeout", {})
    return timeout.get("connect"), timeout.get("read")


def _node(world: World, request: httpx.Request) -> int:
    url = request.url
    if url.scheme == "http":
        for id_, host in world.hosts.items():
            if host.address == f"{url.host}:{url.port or 80}":
                return id_
    names = ", ".join(f"http://node{id_}" for id_ in world.hosts)
    raise httpx.ConnectError(f"there is nobody at {url}; there are {names}", request=request)


def _outcome(
    world: World, request: httpx.Request, call: Call[Response], timeouts: Timeouts
) -> httpx.Response:
    """What the client gets of it: an answer, or what httpx raises where there is none."""
    answer, failure = call.answer, call.failure
    if answer is not None and isinstance(answer.body, bytes):
        # A stream: with ``content`` httpx would add headers that the node did not send.
        stream = httpx.ByteStream(answer.body)
        return httpx.Response(answer.status, headers=list(answer.headers), stream=stream, request=request)
    waited = {Failure.NO_CONNECTION: timeouts[0], Failure.NO_ANSWER: timeouts[1]}
    if failure in waited and waited[failure] is None:
        raise ClusterError(
            f"{request.method} {request.url} has no timeout and was not answered within {world.patience:g} s "
            "of virtual time: on a real network it might wait for ever"
        )
    match failure:
        case Failure.REFUSED:
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        case Failure.NO_CONNECTION:
            raise httpx.ConnectTimeout("timed out", request=request)
        case Failure.DISCONNECTED:
            raise httpx.RemoteProtocolError(
                "Server disconnected without sending a response.", request=request
            )
        case Failure.RESET:
            raise httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
    raise httpx.ReadTimeout("timed out", request=request)
