"""The Flask application of one node: the one file of this frontend that knows Flask."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import Any

from flask import Flask, request
from flask import Response as FlaskResponse
from werkzeug.exceptions import HTTPException

from frontends.common import api, logs
from frontends.common.collector import settle
from frontends.common.guard import Guard, stock_scope
from frontends.common.listing import Stream
from frontends.common.recorder import finish_all
from frontends.common.settings import Settings

from .driver import Driver

PIECE = 262_144
BODY_TIMEOUT = 10.0
"""Seconds that a client may pause within a body."""
PIECE_TIMEOUT = 30.0
"""Seconds that a client may take for one piece of a long listing; it takes up a thread."""


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
        self._pid = os.getpid()
        self._driver = Driver(settings)
        self._api = api.Api(self._driver.node)
        # Waiting clients take up threads; some threads are for what never waits: peers' mail, which is
        # what the waiting clients wait for, and the routes by which people look in.
        reserved = max(2, settings.threads // 8)
        self._seats = threading.BoundedSemaphore(settings.threads - reserved)
        self._readers = threading.BoundedSemaphore(reserved // 2)
        self.app = app = Flask("pbproto", static_folder=None)
        app.extensions["pbproto"] = self._driver.node
        # Before routing: the paths and the methods are the mapping's business, whatever they are.
        app.before_request(self._handle)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(500, self._server_error)
        settle()
        _answer_first(self._driver.node.close)

    def _handle(self) -> FlaskResponse:
        if os.getpid() != self._pid:
            detail = "this worker is a forked copy of a node (preloading?); one process is one node"
            return _convert(api.problem(503, "forked_copy", detail))
        plan = self._api.plan(request.method, _target(request.environ))
        if isinstance(plan, api.Response):
            return _convert(plan)
        if not plan.waits:
            return _convert(self._serve(plan, self._answer))
        # Taken before the body is read: slow senders must not use up the reserved threads either.
        if self._seats.acquire(blocking=False):
            try:
                return _convert(self._serve(plan, self._answer))
            finally:
                self._seats.release()
        # Nobody else can wait; but whether the request is bad is found out first, by a few at a time.
        if self._readers.acquire(blocking=False):
            try:
                return _convert(self._serve(plan, self._api.overloaded))
            finally:
                self._readers.release()
        return _convert(api.overloaded(plan))

    def _serve(
        self, plan: api.Plan, answer: Callable[[api.Plan, dict[str, str], bytes], api.Response]
    ) -> api.Response:
        body = b""
        if plan.body_limit:
            length = request.content_length
            if length is not None and length > plan.body_limit:
                return self._api.too_large(plan)
            try:
                body = _read(request.environ, plan.body_limit)
            except OSError:
                return api.problem(400, "bad_body", "the body did not come", (("connection", "close"),))
            if len(body) > plan.body_limit:
                return self._api.too_large(plan)
            if length is not None and len(body) < length:
                return api.problem(400, "bad_body", "the body is shorter than its Content-Length")
        return answer(plan, {name.lower(): value for name, value in request.headers.items()}, body)

    def _answer(self, plan: api.Plan, headers: dict[str, str], body: bytes) -> api.Response:
        answer: Future[api.Response] = Future()
        self._api.start(plan, headers, body, answer.set_result)
        return answer.result()

    def _http_error(self, error: HTTPException) -> FlaskResponse:
        return _convert(api.framework_error(error.code, error.description))

    def _server_error(self, _: Exception) -> FlaskResponse:
        return _convert(api.internal_error())


def _target(environ: dict[str, Any]) -> bytes:
    """The raw request target: PATH_INFO is decoded already, and which bytes it was is lost."""
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if raw is None:
        # A server that keeps no raw target: encode what it decoded, slashes and all.
        return b"".join(
            b"%%%02X" % byte if byte in b"%?#" else bytes([byte])
            for byte in environ.get("PATH_INFO", "").encode("latin-1")
        )
    target: bytes = raw.encode("latin-1")
    return target


def _read(environ: dict[str, Any], limit: int) -> bytes:
    """At most ``limit + 1`` bytes of the body, whatever the server thinks its length is."""
    stream = environ["wsgi.input"]
    length = request.content_length
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    # gunicorn reads bodies in the worker threads and would wait for them for ever; waitress has them whole.
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return _read_stream(stream, length, limit)
    connection.settimeout(BODY_TIMEOUT)
    try:
        return _read_stream(stream, length, limit)
    finally:
        connection.settimeout(None)


def _read_stream(stream: Any, length: int | None, limit: int) -> bytes:
    wanted = limit + 1 if length is None else min(length, limit + 1)
    body = bytearray()
    while len(body) < wanted:
        piece = stream.read(min(PIECE, wanted - len(body)))
        if not piece:
            break
        body += piece
    return bytes(body)


def _convert(response: api.Response) -> FlaskResponse:
    if isinstance(response.body, Stream) and "gunicorn.socket" in request.environ:
        # It sends in the worker threads and would wait for ever; for waitress its runner watches.
        request.environ["gunicorn.socket"].settimeout(PIECE_TIMEOUT)
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
