"""The Flask application that is nothing but a node; extension.py is the other file that knows Flask."""

from __future__ import annotations

from flask import Flask, request
from flask import Response as FlaskResponse
from werkzeug.exceptions import HTTPException

from frontends.common import logs, responses
from frontends.common.settings import Settings

from .answering import Answering
from .extension import PbProto
from .lean import hot


def create_app(settings: Settings | None = None, scope: str | None = None) -> Flask:
    """A node as a WSGI application; it lives from this call to the end of the process.

    Without ``settings`` they come from the environment (``NODE_IDENTIFIER``, ``PBPROTO_…``) and the logs are
    set up, which is what a stock server needs: ``gunicorn -k gthread --threads 128
    'frontends.wsgi_app:create_app()'`` with ``PBPROTO_THREADS=128``. ``scope`` names what this node must be
    alone in; by default the server that this process works for. Raises ``SettingError`` for a bad setting
    and ``SecondProcessError`` in a second worker.
    """
    settings = settings or logs.for_stock_server()
    app = Flask("pbproto", static_folder=None)
    node = PbProto(settings=settings, scope=scope)
    node.attach(app, hot if settings.lean == "on" else None, alone=True)
    _Framework(app, node.answering)
    return app


class _Framework:
    """What of an application that is nothing but a node goes through Flask."""

    def __init__(self, app: Flask, answering: Answering) -> None:
        self._answering = answering
        # Before routing: the paths and the methods are the mapping's business, whatever they are.
        app.before_request(self._handle)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(500, self._server_error)

    def _handle(self) -> FlaskResponse:
        return _convert(self._answering.respond(request.environ))

    def _http_error(self, error: HTTPException) -> FlaskResponse:
        return _convert(
            self._answering.unplanned(
                request.environ, responses.framework_error(error.code, error.description)
            )
        )

    def _server_error(self, _: Exception) -> FlaskResponse:
        return _convert(self._answering.unplanned(request.environ, responses.internal_error()))


def _convert(response: responses.Response) -> FlaskResponse:
    answer = FlaskResponse(response.body, response.status)
    del answer.headers["content-type"]
    for name, value in response.headers:
        answer.headers[name] = value
    return answer
