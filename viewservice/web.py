"""How people and programs talk to an instance over HTTP: ``GET /status``, ``POST /orders``, ``GET /ping``."""

from __future__ import annotations

from typing import Any

from quart import Quart, request

from .driver import Driver
from .orders import WORDS

STATUSES = {"not_leading": 503, "busy": 503, "overtaken": 409, "not_possible": 409}
MAX_BODY = 65_536


def create_app(driver: Driver) -> Quart:
    """The application of one instance."""
    app = Quart("viewservice", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.json.sort_keys = False  # type: ignore[attr-defined]

    async def ordered(word: str, **fields: Any) -> tuple[dict[str, Any], int]:
        try:
            answer = await driver.order(word, **fields)
        except TimeoutError:
            return {"error": "it did not come to an end in time", "reason": "timeout"}, 504
        if answer.ok:
            return answer.document, 200
        return answer.document, STATUSES.get(str(answer.document["reason"]), 409)

    @app.before_request
    async def check() -> tuple[dict[str, Any], int, dict[str, str]] | None:
        if request.path == "/ping":
            return None
        if driver.trust.is_from_a_page(request.headers.get("host", ""), request.headers.get("origin")):
            error = "this may come from a web page: ask by IP address or as localhost, and without an Origin"
            return {"error": error, "reason": "from_a_page"}, 403, {}
        if driver.trust.admits(request.headers.get("authorization", "")):
            return None
        words = {"error": "this takes the token of the service", "reason": "unauthenticated"}
        return words, 401, {"www-authenticate": "Bearer"}

    @app.get("/ping")
    async def ping() -> dict[str, Any]:
        return {"status": "ok", "acts": driver.service.leading}

    @app.get("/status")
    async def status() -> tuple[dict[str, Any], int]:
        return await ordered("status")

    @app.post("/orders")
    async def orders() -> tuple[dict[str, Any], int]:
        try:
            document = await request.get_json(force=True)
            word, fields = _fields(document)
        except Exception as error:
            return {"error": f"an order is a JSON object: {error}", "reason": "bad_order"}, 400
        return await ordered(word, **fields)

    return app


def _fields(document: Any) -> tuple[str, dict[str, Any]]:
    """The word and its fields, checked. Raises ``ValueError``."""
    if not isinstance(document, dict):
        raise ValueError("this is none")
    word = document.get("word")
    if word not in WORDS or word == "init":
        raise ValueError(f'"word" is one of {", ".join(each for each in WORDS if each != "init")}')
    ids = document.get("ids", [])
    if not isinstance(ids, list) or any(type(id_) is not int for id_ in ids):
        raise ValueError('"ids" is a list of integers')
    size, address = document.get("size", 0), document.get("address", "")
    if type(size) is not int or not isinstance(address, str):
        raise ValueError('"size" is an integer, "address" a string')
    unknown = set(document) - {"word", "ids", "size", "address"}
    if unknown:
        raise ValueError(f"there is no {', '.join(sorted(unknown))}")
    return word, {"ids": tuple(ids), "size": size, "address": address}
