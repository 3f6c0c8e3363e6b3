"""The Quart application of one node: the one file of this frontend that knows Quart."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable
from types import FrameType
from typing import Any

from quart import Quart, has_request_context, request
from quart import Response as QuartResponse
from quart.wrappers import Request as QuartRequest
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from frontends.common import api, logs, responses, routes, wanted
from frontends.common.budget import Share
from frontends.common.collector import settle
from frontends.common.door import NOBODY
from frontends.common.guard import Guard, stock_scope
from frontends.common.listing import Stream
from frontends.common.settings import Settings

from .driver import Driver
from .lean import Lean, caller_of


def create_app(settings: Settings | None = None, scope: str | None = None) -> Quart:
    """A node as an ASGI application; its life is the application's lifespan.

    Without ``settings`` they come from the environment (``NODE_IDENTIFIER``, ``PBPROTO_…``) and the logs are
    set up, which is what a stock server needs: ``uvicorn --factory frontends.quart_app:create_app``.
    ``scope`` names what this node must be alone in; by default the server that this process works for.
    Raises ``SettingError`` for a bad setting and, at start-up, ``SecondProcessError`` in a second worker.
    """
    return _Frontend(settings or logs.for_stock_server(), scope or stock_scope()).app


class _Frontend:
    def __init__(self, settings: Settings, scope: str) -> None:
        self._settings = settings
        self._scope = scope
        self._guard: Guard | None = None
        self._driver: Driver | None = None
        self._api: api.Api | None = None
        self.app = app = Quart("pbproto", static_folder=None)
        app.config["BODY_TIMEOUT"] = settings.client_timeout
        app.config["RESPONSE_TIMEOUT"] = None
        app.request_class = _limited(settings)
        if settings.lean == "on":
            lean: Any = Lean(app.asgi_app, lambda: self._api)
            app.asgi_app = lean  # type: ignore[method-assign]
        app.before_serving(self._start)
        app.after_serving(self._stop)
        # Before routing: the paths and the methods are the mapping's business, whatever they are.
        app.before_request(self._handle)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(500, self._server_error)

    async def _start(self) -> None:
        self._guard = Guard(self._settings.id, self._scope)
        self._driver = Driver(self._settings)
        self._api = api.Api(self._driver.node)
        settle()
        _answer_first(self._driver.node.close)

    async def _stop(self) -> None:
        if self._driver is not None:
            self._driver.node.close()
            self._driver.stop()
            self._driver.node.end_recording()
        if self._guard is not None:
            self._guard.release()

    async def _handle(self) -> QuartResponse:
        if self._api is None:
            raise RuntimeError("the server does not run the application's lifespan")
        headers = wanted.of_pairs(request.scope["headers"])
        caller = caller_of(dict(request.scope)) if self._api.guarded else NOBODY
        plan = self._api.plan(request.method, _target(request.scope), headers, caller)
        if isinstance(plan, responses.Response):
            return _convert(plan)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[responses.Response] = loop.create_future()

        def done(response: responses.Response) -> None:
            if not answer.done():  # the client may have hung up; the operation goes on without it
                answer.set_result(response)

        refusal = await self._take_in(self._api, plan, headers, done)
        return _convert(self._api.refuse(plan, headers, refusal) if refusal is not None else await answer)

    async def _take_in(
        self,
        mapping: api.Api,
        plan: routes.Plan,
        headers: dict[str, str],
        done: Callable[[responses.Response], None],
    ) -> responses.Response | None:
        """Read the body and hand the request over; or why not. Nobody holds the body when this returns."""
        share = Share(mapping.bodies)
        try:
            body = b""
            if plan.body_limit:
                # Of a body whose length is not said the longest is expected: Quart gives it whole.
                length = request.content_length
                expected = plan.body_limit if length is None else length
                if plan.waits and not (mapping.has_room(expected) and share.need(expected)):
                    return responses.too_many_bytes()
                data = await request.get_data(cache=False, as_text=False)
                body = data if isinstance(data, bytes) else data.encode()
            mapping.start(plan, headers, body, done)
        except RequestEntityTooLarge:
            return mapping.too_large(plan)
        except HTTPException as error:
            return responses.framework_error(error.code, error.description)
        finally:
            share.end()
        return None

    async def _http_error(self, error: HTTPException) -> QuartResponse:
        return _convert(self._unplanned(responses.framework_error(error.code, error.description)))

    async def _server_error(self, _: Exception) -> QuartResponse:
        return _convert(self._unplanned(responses.internal_error()))

    def _unplanned(self, response: responses.Response) -> responses.Response:
        if self._api is None or not has_request_context():
            return response  # to what is no request, as a websocket
        headers = wanted.of_pairs(request.scope["headers"])
        return self._api.unplanned(request.method, _target(request.scope), headers, response)


def _limited(settings: Settings) -> type[QuartRequest]:
    """A request class whose body may be as long as its route allows, and no longer."""

    class LimitedRequest(QuartRequest):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            scope = kwargs["scope"]
            plan = routes.plan(scope["method"], _target(scope), settings)
            limit = plan.body_limit if isinstance(plan, routes.Plan) else 0
            kwargs["max_content_length"] = limit or None
            super().__init__(*args, **kwargs)

    return LimitedRequest


def _target(scope: Any) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    path = raw if raw is not None else str(scope["path"]).encode()
    query: bytes = scope.get("query_string", b"")
    return path + b"?" + query if query and b"?" not in path else path


def _convert(response: responses.Response) -> QuartResponse:
    body = response.body if isinstance(response.body, bytes) else _yielding(response.body)
    answer = QuartResponse(body, response.status)
    del answer.headers["content-type"]
    if response.status == 304:
        del answer.headers["content-length"]  # Quart says 0; the document has not become empty
    for name, value in response.headers:
        answer.headers[name] = value
    return answer


async def _yielding(stream: Stream) -> AsyncIterator[bytes]:
    """A long body piece by piece, so that the node goes on in between."""
    try:
        for piece in stream:
            yield piece
            await asyncio.sleep(0)
    finally:  # also where the client is gone
        stream.close()


def _answer_first(close: Callable[[], None]) -> None:
    """On SIGTERM and SIGINT answer the waiting clients, before the server waits for their requests to end.

    The handlers that the server has installed by now run as well. Only the main thread may do this; a
    server that runs the application elsewhere closes the node when the lifespan ends.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()

    def install(number: signal.Signals) -> None:
        before = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(close)
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)

    for number in (signal.SIGTERM, signal.SIGINT):
        install(number)
