"""How a node serves its document: made once, when it is first asked for, and named by its ``ETag``."""

from __future__ import annotations

import hashlib
from functools import cached_property

from frontends.common.responses import Headers, Response
from frontends.common.settings import Settings

from .document import build, to_bytes
from .page import policy, render

_GUARDS: Headers = (
    # Kept by browsers and asked about each time: the next version of the node has another one.
    ("cache-control", "no-cache"),
    ("x-content-type-options", "nosniff"),
)


class Documents:
    """What a node says about its REST interface. Any thread may ask; made twice it is the same."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def document(self) -> Response:
        """``GET /openapi.json``."""
        body = to_bytes(build(self._settings))
        return Response(200, (("content-type", "application/json"), ("etag", _etag(body)), *_GUARDS), body)

    @cached_property
    def page(self) -> Response:
        """``GET /docs``."""
        body = render(build(self._settings))
        headers: Headers = (
            ("content-type", "text/html; charset=utf-8"),
            ("etag", _etag(body)),
            ("content-security-policy", policy()),
            ("referrer-policy", "no-referrer"),
            *_GUARDS,
        )
        return Response(200, headers, body)


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def unless_known(response: Response, known: str | None) -> Response:
    """The response, or 304 if ``If-None-Match`` names it (RFC 9110, section 13.1.2)."""
    if known is None:
        return response
    etag = dict(response.headers)["etag"]
    names = {each.strip().removeprefix("W/") for each in known.split(",")}
    if etag not in names and known.strip() != "*":
        return response
    kept = tuple((name, value) for name, value in response.headers if name != "content-type")
    return Response(304, kept, b"")
