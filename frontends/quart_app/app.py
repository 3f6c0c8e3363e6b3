"""The Quart application that is nothing but a node; extension.py is the other file that knows Quart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from quart import Quart, has_request_context, request
from quart import Response as QuartResponse
from quart.wrappers import Request as QuartRequest
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from frontends.common import api, logs, responses, routes, wanted
from frontends.common.budget import Share
from frontends.common.door import NOBODY
from frontends.common.settings import Settings

from .extension import PbProto
from .lean import caller_of, hot, target_of, yielding


def create_app(settings: Settings | None = None, scope: str | None = None) -> Quart:
    """A node as an ASGI application; its life is the application's lifespan.

    Without ``settings`` they come from the environment (``NODE_IDENTIFIER``, ``PBPROTO_…``) and the logs are
    set up, which is what a stock server needs: ``uvicorn --factory frontends.quart_app:create_app``.
    ``scope`` names what this node must be alone in; by default the server that this process works for.
    Raises ``SettingError`` for a bad setting and, at start-up, ``SecondProcessError`` in a second worker.
    """
    settings = settings or logs.for_stock_server()
    app = Quart("pbproto", static_folder=None)
    node = PbProto(settings=settings, scope=scope)
    node.attach(app, hot if settings.lean == "on" else None, alone=True)
    _Framework(app, node, settings)
    return app


class _Framework:
    """What of an application that is nothing but a node goes through Quart."""

    def __init__(self, app: Quart, node: PbProto, settings: Settings) -> None:
        self._node = node
        app.config["BODY_TIMEOUT"] = settings.client_timeout
        app.config["RESPONSE_TIMEOUT"] = None
        app.request_class = _limited(settings)
        # Before routing: the paths and the methods are the mapping's business, whatever they are.
        app.before_request(self._handle)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(500, self._server_error)

    async def _handle(self) -> QuartResponse:
        mapping = self._node.mapping()
        if mapping is None:
            raise RuntimeError("the server does not run the application's lifespan")
        headers = wanted.of_pairs(request.scope["headers"])
        caller = caller_of(dict(request.scope)) if mapping.guarded else NOBODY
        plan = mapping.plan(request.method, target_of(dict(request.scope)), headers, caller)
        if isinstance(plan, responses.Response):
            return _convert(plan)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[responses.Response] = loop.create_future()

        def done(response: responses.Response) -> None:
            if not answer.done():  # the client may have hung up; the operation goes on without it
                answer.set_result(response)

        refusal = await self._take_in(mapping, plan, headers, done)
        return _convert(mapping.refuse(plan, headers, refusal) if refusal is not None else await answer)

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
        mapping = self._node.mapping()
        if mapping is None or not has_request_context():
            return response  # to what is no request, as a websocket
        headers = wanted.of_pairs(request.scope["headers"])
        return mapping.unplanned(request.method, target_of(dict(request.scope)), headers, response)


def _limited(settings: Settings) -> type[QuartRequest]:
    """A request class whose body may be as long as its route allows, and no longer."""

    class LimitedRequest(QuartRequest):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            scope = kwargs["scope"]
            plan = routes.plan(scope["method"], target_of(scope), settings)
            limit = plan.body_limit if isinstance(plan, routes.Plan) else 0
            kwargs["max_content_length"] = limit or None
            super().__init__(*args, **kwargs)

    return LimitedRequest


def _convert(response: responses.Response) -> QuartResponse:
    body = response.body if isinstance(response.body, bytes) else yielding(response.body)
    answer = QuartResponse(body, response.status)
    del answer.headers["content-type"]
    if response.status == 304:
        del answer.headers["content-length"]  # Quart says 0; the document has not become empty
    for name, value in response.headers:
        answer.headers[name] = value
    return answer
