"""The page at ``/ui``: files of this package, read once. No path that a request names ever touches a disk."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

from .responses import Headers, Response

_HTML, _CSS = "text/html; charset=utf-8", "text/css; charset=utf-8"
_JS, _SVG = "text/javascript; charset=utf-8", "image/svg+xml"

_FILES = {
    b"/ui": ("index.html", _HTML),
    **{
        b"/ui/" + name.encode(): (name, media_type)
        for name, media_type in (
            ("style.css", _CSS),
            ("icon.svg", _SVG),
            ("advice.js", _JS),
            ("cluster.js", _JS),
            ("data.js", _JS),
            ("dom.js", _JS),
            ("events.js", _JS),
            ("find.js", _JS),
            ("listing.js", _JS),
            ("main.js", _JS),
            ("members.js", _JS),
            ("net.js", _JS),
            ("poll.js", _JS),
            ("rates.js", _JS),
            ("settings.js", _JS),
            ("shape.js", _JS),
            ("state.js", _JS),
            ("waiting.js", _JS),
        )
    },
}
PATHS = tuple(_FILES)
"""All paths that there are."""

SECURITY: Headers = (
    (
        "content-security-policy",
        # The page asks the other members as well, and a member may join, or be an IPv6 address, which no
        # list in a policy can name: so it may connect by HTTP anywhere, and its scripts are what holds it.
        "default-src 'self'; connect-src 'self' http: https:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
)


class _File(NamedTuple):
    headers: Headers
    etag: str
    body: bytes


@cache
def _file(path: bytes) -> _File:
    name, media_type = _FILES[path]
    body = files(__package__).joinpath("pages", "ui", name).read_bytes()
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    # Asked for each time, and answered in a line where nothing has changed: an upgrade shows at once.
    caching: Headers = (("etag", etag), ("cache-control", "no-cache"))
    return _File((("content-type", media_type), *caching, *SECURITY), etag, body)


def answer(path: bytes, if_none_match: str | None) -> Response:
    """The file at one of ``PATHS``, or that the browser has it already (RFC 9110, section 13.1.2)."""
    headers, etag, body = _file(path)
    if if_none_match is not None and _matches(if_none_match, etag):
        return Response(304, headers[1:], b"")
    return Response(200, headers, body)


def _matches(listed: str, etag: str) -> bool:
    tags = [each.strip().removeprefix("W/") for each in listed.split(",")]
    return "*" in tags or etag in tags
