"""Keys and peers' mail, straight from the server to the mapping: the WSGI callable in front of Flask's own.

A web framework's handling of a request costs several times what the store's does (docs/benchmarks.md), and
these two routes make nearly all requests. Everything else goes on to Flask. It stands at the place that Flask
documents for it: ``app.wsgi_app``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Any, NamedTuple

from frontends.common import api, routes

from .answering import Answering, Environ, target_of

StartResponse = Callable[[str, list[tuple[str, str]]], Any]
LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class WayIn(NamedTuple):
    """What an application offers to a server that can do without WSGI."""

    mapping: api.Api
    together: Callable[[], AbstractContextManager[None]]
    """Whoever arrives from this thread within it is admitted at its end."""


class Lean:
    """``/data/<key>`` and ``/peer`` by ``answering``; all else by ``application``."""

    def __init__(self, application: Any, answering: Answering) -> None:
        self._application = application
        self._answering = answering

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not routes.is_lean(target_of(environ)):
            found: Iterable[bytes] = self._application(environ, start_response)
            return found
        try:
            response = self._answering.respond(environ)
        except Exception:
            response = self._answering.failed(environ)
        body = response.body
        if not isinstance(body, bytes):
            raise TypeError("only listings have a body in pieces")
        headers = list(response.headers)
        if not any(name == "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(body))))
        start_response(LINES[response.status], headers)
        return (body,)
