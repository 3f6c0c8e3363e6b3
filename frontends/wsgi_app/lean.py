"""Keys and peers' mail, straight from the server to the mapping: the WSGI callable in front of Flask's own.

A web framework's handling of a request costs several times what the store's does (docs/benchmarks.md), and
these two routes make nearly all requests. Everything else goes on to Flask. It stands at the place that Flask
documents for it: ``app.wsgi_app``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from frontends.common import api
from frontends.common.logs import LOGGER, logfmt

from .answering import Answering, Environ, target_of

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class Lean:
    """``/data/<key>`` and ``/peer`` by ``answering``; all else by ``application``."""

    def __init__(self, application: Any, answering: Answering) -> None:
        self._application = application
        self._answering = answering

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        target = target_of(environ)
        if not (target.startswith(b"/data/") or target == b"/peer"):
            found: Iterable[bytes] = self._application(environ, start_response)
            return found
        try:
            response = self._answering.respond(environ)
        except Exception:
            LOGGER.exception("%s", logfmt(self._answering.node_id, "request_failed"))
            response = api.internal_error()
        body = response.body
        if not isinstance(body, bytes):
            raise TypeError("only listings have a body in pieces")
        headers = list(response.headers)
        if not any(name == "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(body))))
        start_response(_LINES[response.status], headers)
        # The mapping gives a HEAD of what is there no body; of what is wrong with it, it knows no difference.
        return (body if environ["REQUEST_METHOD"] != "HEAD" else b"",)
