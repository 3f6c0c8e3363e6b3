"""``GET /``: where everything is. A browser is sent on to the page, a program gets a document of links."""

from __future__ import annotations

from pbproto import __version__

from .responses import Headers, Response, success

_PATHS = ("ui", "docs", "openapi.json", "data", "view", "status", "why", "ready", "ping", "metrics")
_VARY: Headers = (("vary", "accept"),)


def answer(node: int, below: str, accept: str) -> Response:
    """What is said at the root.

    ``below``: what stands before each path in a reference from here; empty where the root ends with a slash.
    References are relative: nobody here knows what a proxy, or the application around, has cut off.
    """
    if wants_page(accept):
        return success(307, {}, (("location", f"{below}ui"), *_VARY))
    links = {path.removesuffix(".json"): f"{below}{path}" for path in _PATHS}
    return success(200, {"name": "pbproto", "version": __version__, "id": node, "links": links}, _VARY)


def wants_page(accept: str) -> bool:
    """Whether ``Accept`` names HTML, and JSON not before it, as browsers do. ``*/*`` alone is a program's."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for part in accept.lower().split(","):
        name, _, parameters = part.partition(";")
        if name.strip() in weights:
            weights[name.strip()] = _weight(parameters)
    return weights["text/html"] > weights["application/json"]


def _weight(parameters: str) -> float:
    """``q`` (RFC 9110, section 12.4.2), 1 where it is not said, 0 where it is nonsense."""
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value) if 0 <= float(value) <= 1 else 0.0
            except ValueError:
                return 0.0
    return 1.0
