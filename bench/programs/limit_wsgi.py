"""The limit of a WSGI server with Flask: the HTTP work of a node and nothing else.

The server is set up as a node sets it up. Under waitress a node's keys go past WSGI, so they do here: with a
dict where a node has its replica.

python -m bench.programs.limit_wsgi --server waitress --bind 127.0.0.1:9001 --keys 1000 --size 100
"""

from __future__ import annotations

import json
import threading
from contextlib import nullcontext
from types import SimpleNamespace
from typing import cast

from flask import Flask, Response, request

from bench.programs.dict_node import DictNode
from bench.programs.limit_options import limit_options
from frontends.common.api import Api
from frontends.common.listen import listen
from frontends.common.node import Node
from frontends.wsgi_app import servers
from frontends.wsgi_app.lean import WayIn

MISSING = (
    '{"type":"about:blank","title":"Not Found","status":404,'
    '"detail":"the key is not in the store","reason":"no_such_key"}'
)


def application(data: dict[str, str]) -> Flask:
    """A Flask application with the routes of a node on a dict."""
    app = Flask("limit", static_folder=None)
    # The server's set-up tells the node that it ends; there is none here.
    app.extensions["pbproto"] = SimpleNamespace(node=SimpleNamespace(close=lambda: None, tls=None))
    lock = threading.Lock()
    written = len(data)

    def answer(status: int, body: str, number: int) -> Response:
        headers = {"content-type": "application/json", "msg-num": str(number)}
        return Response(body, status, headers)

    def compact(document: object) -> str:
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    @app.get("/ping")
    def ping() -> Response:
        return answer(200, "{}", written)

    @app.get("/data")
    def listing() -> Response:
        return answer(200, compact(data), written)

    @app.get("/data/<path:key>")
    def get(key: str) -> Response:
        value = data.get(key)
        return (
            answer(404, MISSING, written)
            if value is None
            else answer(200, compact({"value": value}), written)
        )

    @app.put("/data/<path:key>")
    def put(key: str) -> Response:
        nonlocal written
        value = json.loads(request.get_data())["value"]
        with lock:
            status = 200 if key in data else 201
            data[key] = value
            written += 1
        return answer(status, "{}", written)

    @app.delete("/data/<path:key>")
    def delete(key: str) -> Response:
        nonlocal written
        with lock:
            written += 1
            found = data.pop(key, None)
        return answer(404, MISSING, written) if found is None else answer(200, "{}", written)

    return app


def main() -> None:
    """Serve until told to end."""
    settings, data = limit_options("limit_wsgi")
    app = application(data)
    if settings.server == "waitress" and settings.lean == "on":
        mapping = Api(cast(Node, DictNode(settings, data)))
        app.extensions["pbproto_way_in"] = WayIn(mapping, nullcontext)
    # The frontend's own set-up of its servers makes its application by this name.
    servers.create_app = lambda *_: app  # type: ignore[attr-defined]
    servers.run(listen(settings, "limit_wsgi"), settings, "")


if __name__ == "__main__":
    main()
