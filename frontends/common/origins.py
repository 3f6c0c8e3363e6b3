"""Which pages of other origins may read what a node says of itself: those that a member of its view serves.

The page at ``/ui`` asks each member for its own word, so its browser asks across origins (Fetch standard,
"CORS protocol"). A node answers such a page only if its told view has a member at the page's very address,
and only where nothing is changed and no data is shown. There is no answer for everybody (``*``), ever.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pbproto import View

from .responses import Headers, Response
from .settings import split_address

SHARED = frozenset((b"/status", b"/why", b"/view"))
"""The paths that may be read across origins."""
_METHODS = "GET, HEAD"
_MAX_AGE = "600"
_PORTS = {"http": 80, "https": 443}

Place = tuple[str, int]


def shared(response: Response, method: str, origin: str | None, told: View | None) -> Response:
    """The answer with what a browser has to know of it, to a request on one of the paths ``SHARED``."""
    # Also where it does not say "allowed": a cache must not give one origin's answer to another.
    headers: Headers = (("vary", "Origin"),)
    if origin is not None and method in ("GET", "HEAD", "OPTIONS") and _is_member(origin, told):
        headers += (("access-control-allow-origin", origin),)
        if method == "OPTIONS":
            headers += (
                ("access-control-allow-methods", _METHODS),
                ("access-control-allow-headers", "authorization"),
                ("access-control-max-age", _MAX_AGE),
            )
    return response._replace(headers=(*response.headers, *headers))


def _is_member(origin: str, told: View | None) -> bool:
    if told is None:
        return False
    try:
        place = _of_origin(origin)
    except ValueError:
        return False
    return any(_of_address(member.address) == place for member in told.members)


def _of_origin(origin: str) -> Place:
    """Host and port of ``http(s)://host[:port]``. Raises ``ValueError`` for any other text."""
    parts = urlsplit(origin)
    port = _PORTS.get(parts.scheme)
    alone = origin == f"{parts.scheme}://{parts.netloc}" and "@" not in origin
    if port is None or parts.hostname is None or not alone:
        raise ValueError(f"{origin!r} is not an origin")
    return _canonical(parts.hostname, parts.port or port)


def _of_address(address: str) -> Place | None:
    try:
        return _canonical(*split_address(address))
    except ValueError:
        return None  # a peer may have named a member as no outside could


def _canonical(host: str, port: int) -> Place:
    """Neither case nor how an IPv6 address is written tells two places apart."""
    return (str(ipaddress.IPv6Address(host)) if ":" in host else host.lower()), port
