"""Answers the requests of a threaded server: from a WSGI environment to the mapping, in the same thread."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from werkzeug.wsgi import get_content_length

from frontends.common import api, responses, routes, wanted
from frontends.common.budget import Share
from frontends.common.door import NOBODY, Caller
from frontends.common.guard import SecondProcessError
from frontends.common.settings import Settings

PIECE = 262_144
FORKED = "this worker is a forked copy of a node (preloading?); one process is one node"

Environ = dict[str, Any]
CERTIFIED = "pbproto.certified"
"""Where an environment says that the client has shown a certificate of the peers' authority."""
Answer = Callable[[routes.Plan, dict[str, str], bytes], responses.Response]


class Answering:
    """The requests of one node. ``respond`` may be called by any thread; it keeps it until it is answered."""

    def __init__(self, mapping: api.Api, settings: Settings) -> None:
        self._api = mapping
        self._patience = settings.client_timeout
        self._pid = os.getpid()
        # Waiting clients take up threads; some threads are for what never waits: peers' mail, which is
        # what the waiting clients wait for, and the routes by which people look in.
        reserved = max(2, settings.threads // 8)
        self._seats = threading.BoundedSemaphore(settings.threads - reserved)
        self._readers = threading.BoundedSemaphore(reserved // 2)

    def check_process(self) -> None:
        """Raises ``SecondProcessError`` in a forked copy of the node's process."""
        if os.getpid() != self._pid:
            raise SecondProcessError(FORKED)

    def take_seat(self) -> bool:
        """Whether another thread may wait; then it has to ``leave_seat``."""
        return self._seats.acquire(blocking=False)

    def leave_seat(self) -> None:
        """It waits no more."""
        self._seats.release()

    def respond(self, environ: Environ, target: bytes | None = None) -> responses.Response:
        """The answer to the request of ``environ``; ``target`` if that is not all of its raw target."""
        if os.getpid() != self._pid:
            return self.unplanned(environ, responses.problem(503, "forked_copy", FORKED))
        connection = environ.get("gunicorn.socket")
        if connection is not None:
            # It reads bodies and writes answers in the worker threads, and would wait for a client for ever.
            connection.settimeout(self._patience)
        headers = wanted.of_environ(environ)
        caller = _caller(environ) if self._api.guarded else NOBODY
        target = target_of(environ) if target is None else target
        plan = self._api.plan(environ["REQUEST_METHOD"], target, headers, caller)
        if isinstance(plan, responses.Response):
            return plan
        if not plan.waits:
            return self._serve(plan, environ, headers, self._answer)
        # Taken before the body is read: slow senders must not use up the reserved threads either.
        if self.take_seat():
            try:
                return self._serve(plan, environ, headers, self._answer)
            finally:
                self.leave_seat()
        # Nobody else can wait; but whether the request is bad is found out first, by a few at a time.
        if self._readers.acquire(blocking=False):
            try:
                return self._serve(plan, environ, headers, self._api.overloaded)
            finally:
                self._readers.release()
        return self._api.refuse(plan, headers, responses.too_many_clients())

    def unplanned(self, environ: Environ, response: responses.Response) -> responses.Response:
        """What the framework answers by itself to the request of ``environ``."""
        headers = wanted.of_environ(environ)
        return self._api.unplanned(environ["REQUEST_METHOD"], target_of(environ), headers, response)

    def failed(self, environ: Environ, target: bytes) -> responses.Response:
        """The answer where ``respond`` raised; to be called by the exception's handler."""
        headers = wanted.of_environ(environ)
        return self._api.failed(environ["REQUEST_METHOD"], target, headers)

    def _serve(
        self, plan: routes.Plan, environ: Environ, headers: dict[str, str], answer: Answer
    ) -> responses.Response:
        share = Share(self._api.bodies)
        try:
            body = self._body(share, plan, environ) if plan.body_limit else b""
            if isinstance(body, responses.Response):
                return self._api.refuse(plan, headers, body)
            return answer(plan, headers, body)
        finally:
            share.end()

    def _body(self, share: Share, plan: routes.Plan, environ: Environ) -> bytes | responses.Response:
        """The whole body, or why it is not taken in."""
        length = get_content_length(environ)
        if length is not None and length > plan.body_limit:
            return self._api.too_large(plan)
        # Of a body whose length is not said the longest is expected.
        expected = plan.body_limit if length is None else length
        if plan.waits and not (self._api.has_room(expected) and share.need(expected)):
            return responses.too_many_bytes()
        try:
            body = _read(environ, length, plan.body_limit)
        except Exception:  # malformed, or late: each server has errors of its own for that
            return responses.problem(
                400, "bad_body", "the body did not come, or is malformed", (("connection", "close"),)
            )
        if len(body) > plan.body_limit:
            return self._api.too_large(plan)
        if length is not None and len(body) < length:
            return responses.problem(400, "bad_body", "the body is shorter than its Content-Length")
        return body

    def _answer(self, plan: routes.Plan, headers: dict[str, str], body: bytes) -> responses.Response:
        answer: Future[responses.Response] = Future()
        self._api.start(plan, headers, body, answer.set_result)
        return answer.result()


def _caller(environ: Environ) -> Caller:
    connection = environ.get("gunicorn.socket")
    certified = isinstance(connection, ssl.SSLSocket) and bool(connection.getpeercert())
    return Caller(environ.get("REMOTE_ADDR", ""), certified or environ.get(CERTIFIED, False))


def target_of(environ: Environ) -> bytes:
    """The raw request target: PATH_INFO is decoded already, and which bytes it was is lost."""
    raw = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if raw is None:
        # A server that keeps no raw target: encode what it decoded, slashes and all.
        path = b"".join(
            b"%%%02X" % byte if byte in b"%?#" else bytes([byte])
            for byte in environ.get("PATH_INFO", "").encode("latin-1")
        )
        query = environ.get("QUERY_STRING", "").encode("latin-1")
        return path + b"?" + query if query else path
    target: bytes = raw.encode("latin-1")
    return target


def _read(environ: Environ, length: int | None, limit: int) -> bytes:
    """At most ``limit + 1`` bytes of the body, whatever the server thinks its length is."""
    stream = environ["wsgi.input"]
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    wanted = limit + 1 if length is None else min(length, limit + 1)
    body = bytearray()
    while len(body) < wanted:
        piece = stream.read(min(PIECE, wanted - len(body)))
        if not piece:
            break
        body += piece
    return bytes(body)
