"""The Flask application of one node: the one file of this frontend that knows Flask."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from flask import Flask, request
from flask import Response as FlaskResponse
from werkzeug.exceptions import HTTPException

from frontends.common import api, logs, responses
from frontends.common.collector import settle
from frontends.common.guard import Guard, stock_scope
from frontends.common.recorder import finish_all
from frontends.common.settings import Settings

from .answering import Answering
from .driver import Driver
from .lean import Lean, WayIn


def create_app(settings: Settings | None = None, scope: str | None = None) -> Flask:
    """A node as a WSGI application; it lives from this call to the end of the process.

    Without ``settings`` they come from the environment (``NODE_IDENTIFIER``, ``PBPROTO_…``) and the logs are
    set up, which is what a stock server needs: ``gunicorn -k gthread --threads 128
    'frontends.wsgi_app:create_app()'`` with ``PBPROTO_THREADS=128``. ``scope`` names what this node must be
    alone in; by default the server that this process works for. Raises ``SettingError`` for a bad setting
    and ``SecondProcessError`` in a second worker.
    """
    return _Frontend(settings or logs.for_stock_server(), scope or stock_scope()).app


class _Frontend:
    def __init__(self, settings: Settings, scope: str) -> None:
        self._settings = settings
        self._guard = Guard(settings.id, scope)
        self._driver = Driver(settings)
        mapping = api.Api(self._driver.node)
        self._answering = Answering(mapping, settings)
        self.app = app = Flask("pbproto", static_folder=None)
        if settings.lean == "on":
            lean: Any = Lean(app.wsgi_app, self._answering)
            app.wsgi_app = lean  # type: ignore[method-assign]
            app.extensions["pbproto_way_in"] = WayIn(mapping, self._driver.together)
        app.extensions["pbproto"] = self._driver.node
        # Before routing: the paths and the methods are the mapping's business, whatever they are.
        app.before_request(self._handle)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(500, self._server_error)
        settle()
        _answer_first(self._driver.node.close)

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


def _answer_first(close: Callable[[], None]) -> None:
    """On a signal to stop answer the waiting clients first; the handlers of the server run as well."""
    if threading.current_thread() is not threading.main_thread():
        return

    def install(number: signal.Signals) -> None:
        before = signal.getsignal(number)

        def close_and_end(received: int) -> None:
            close()
            finish_all()
            os.kill(os.getpid(), received)

        def handle(received: int, frame: FrameType | None) -> None:
            # Not in the handler itself: the interrupted thread may hold the node's lock.
            if before is signal.SIG_DFL:
                signal.signal(
                    received, signal.SIG_DFL
                )  # the signal ends the process, now or when it comes again
                threading.Thread(target=close_and_end, args=(received,), daemon=True).start()
                return
            threading.Thread(target=close, daemon=True).start()
            if callable(before):
                before(received, frame)

        signal.signal(number, handle)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        install(number)
