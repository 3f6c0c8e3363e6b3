"""How people and programs talk to an instance over HTTP: ``GET /status``, ``POST /orders``, and for machines
``GET /metrics``, ``/ready`` and ``/ping``. Errors are problem documents (RFC 9457), as the nodes' are.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from quart import Quart, request
from quart import Response as Answered
from werkzeug.exceptions import HTTPException

from frontends.common.access import ADMIN, LOOK, SCRAPE
from frontends.common.responses import RefusedError, Response, framework_error, problem, refused, success
from frontends.common.settings import SettingError, split_address
from pbproto.values import MAX_ID, MAX_MEMBERS

from .driver import Driver
from .logs import LOGGER
from .orders import LOOKING, MAX_NAME, WORDS

STATUSES = {"not_leading": 503, "busy": 503, "overtaken": 409, "not_possible": 409}
MAX_BODY = 65_536
CLIENT_TIMEOUT = 10.0
"""Seconds for a head, for a body, and for taking more of an answer."""
FREE = ("/ping", "/ready")
"""For everybody: probes have no secret, and learn nothing that is one."""


def create_app(driver: Driver) -> Quart:
    """The application of one instance."""
    app = Quart("viewservice", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["BODY_TIMEOUT"] = CLIENT_TIMEOUT
    routes = _Routes(driver)
    for answer, method in (
        (routes.ping, "GET"),
        (routes.ready, "GET"),
        (routes.metrics, "GET"),
        (routes.status, "GET"),
        (routes.orders, "POST"),
    ):
        name = answer.__name__
        app.add_url_rule(f"/{name}", name, partial(_answered, answer), methods=[method])

    @app.before_request
    async def check() -> Answered | None:
        if request.path in FREE:
            return None
        needed = SCRAPE if request.path == "/metrics" else LOOK
        headers = request.headers
        refusal = driver.trust.stranger(headers.get("host"), headers.get("origin"))
        refusal = refusal or driver.trust.refusal(needed, headers.get("authorization", ""))
        return _sent(refusal) if refusal is not None else None

    @app.after_request
    async def count(response: Answered) -> Answered:
        driver.meters.requested(request.path, response.status_code)
        return response

    @app.errorhandler(HTTPException)
    async def by_the_framework(error: HTTPException) -> Answered:
        answer = framework_error(error.code, error.description)
        allow = [(name.lower(), value) for name, value in error.get_headers() if name.lower() == "allow"]
        return _sent(answer._replace(headers=(*answer.headers, *allow)))

    @app.errorhandler(RefusedError)
    async def by_a_route(error: RefusedError) -> Answered:
        return _sent(refused(error))

    @app.errorhandler(Exception)
    async def by_us(error: Exception) -> Answered:
        LOGGER.error("request_failed: %s %s", request.method, request.path, exc_info=error)
        return _sent(problem(500, "internal_error", "the service failed to handle this; its log says more"))

    return app


class _Routes:
    """What is answered, each under its own name. Raise ``RefusedError``."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def ping(self) -> Response:
        return success(200, {"status": "ok", "acts": self._driver.service.leading})

    async def ready(self) -> Response:
        if self._driver.service.leading:
            return success(200, {"ready": True})
        return problem(503, "not_leading", "another instance acts, or the store cannot be reached")

    async def metrics(self) -> Response:
        body, media_type = self._driver.exposition.render(request.headers.get("accept", ""))
        return Response(200, (("content-type", media_type),), body)

    async def status(self) -> Response:
        return await self._ordered("status")

    async def orders(self) -> Response:
        try:
            word, fields = _fields(json.loads(await request.get_data()))
        except (ValueError, RecursionError) as error:
            raise RefusedError(400, "bad_order", f"an order is a JSON object: {error}") from None
        if word not in LOOKING:
            refusal = self._driver.trust.refusal(ADMIN, request.headers.get("authorization", ""))
            if refusal is not None:
                return refusal
            place = request.remote_addr or "nowhere known"
            fields["by"] = f"{fields['by']} from {place}" if fields["by"] else f"somebody at {place}"
            fields["at"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return await self._ordered(word, **fields)

    async def _ordered(self, word: str, **fields: Any) -> Response:
        """Give the core an order, and answer what came of it."""
        try:
            answer = await self._driver.order(word, **fields)
        except TimeoutError:
            return problem(504, "timeout", "it did not come to an end in time: look whether it was done")
        if answer.ok:
            return success(200, answer.document)
        reason = str(answer.document["reason"])
        return problem(STATUSES.get(reason, 409), reason, str(answer.document["error"]))


async def _answered(answer: Callable[[], Awaitable[Response]]) -> Answered:
    return _sent(await answer())


def _sent(response: Response) -> Answered:
    body = response.body if isinstance(response.body, bytes) else b""
    return Answered(body, response.status, dict(response.headers))


def _fields(document: Any) -> tuple[str, dict[str, Any]]:
    """The word and its fields, checked. Raises ``ValueError``."""
    if not isinstance(document, dict):
        raise ValueError("this is none")
    word = document.get("word")
    if word not in WORDS or word == "init":
        raise ValueError(f'"word" is one of {", ".join(each for each in WORDS if each != "init")}')
    unknown = set(document) - {"word", "ids", "size", "address", "by"}
    if unknown:
        raise ValueError(f"there is no {', '.join(map(ascii, sorted(unknown)))}")
    ids = document.get("ids", [])
    if not isinstance(ids, list) or any(type(id_) is not int or not 0 <= id_ <= MAX_ID for id_ in ids):
        raise ValueError(f'"ids" is a list of integers from 0 to {MAX_ID}')
    size, address, by = document.get("size", 0), document.get("address", ""), document.get("by", "")
    if type(size) is not int or not 0 <= size <= MAX_MEMBERS or not isinstance(address, str):
        raise ValueError(f'"size" is an integer up to {MAX_MEMBERS}, "address" a string')
    if address:
        try:
            split_address(address)
        except SettingError as error:
            raise ValueError(f'"address": {error}') from None
    if not isinstance(by, str) or len(by) > MAX_NAME or not by.isprintable():
        raise ValueError(f'"by" is a name of at most {MAX_NAME} characters')
    return word, {"ids": tuple(ids), "size": size, "address": address, "by": by}
