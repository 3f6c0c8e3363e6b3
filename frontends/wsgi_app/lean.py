"""Keys and peers' mail, straight from the server to the mapping: the WSGI callable in front of Flask's own.

A web framework's handling of a request costs several times what the store's does (docs/benchmarks.md), and
these two routes make nearly all requests. Everything else goes on to Flask. It stands at the place that Flask
documents for it: ``app.wsgi_app``.

Of a node within somebody's application all requests are answered here: that application's hooks, sessions and
error handlers are not for them, and its routing has decoded the path when it hands it over.
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


Ours = Callable[[Environ], bytes | None]
"""What a request asks of the node; ``None`` where it is not for here."""


def hot(environ: Environ) -> bytes | None:
    """``/data/<key>`` and ``/peer``: in an application that is nothing but a node."""
    target = target_of(environ)
    return target if routes.is_lean(target) else None


class Lean:
    """What is ``ours`` by ``answering``; all else by ``application``."""

    def __init__(self, application: Any, answering: Answering, ours: Ours = hot) -> None:
        self._application = application
        self._answering = answering
        self._ours = ours

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        target = self._ours(environ)
        if target is None:
            found: Iterable[bytes] = self._application(environ, start_response)
            return found
        try:
            response = self._answering.respond(environ, target)
        except Exception:
            response = self._answering.failed(environ, target)
        body = response.body
        headers = list(response.headers)
        if isinstance(body, bytes) and not any(name == "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(body))))
        start_response(LINES[response.status], headers)
        return (body,) if isinstance(body, bytes) else body
