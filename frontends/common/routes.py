"""What a request is: its route, its method, its key; known before its headers and its body are looked at.

Paths are taken raw and decoded here exactly once: a key decoded twice is another key.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from pbproto.values import MAX_KEY_BYTES

from . import pages
from .responses import RefusedError, Response, head, problem, refused, success
from .settings import MAX_MAIL_BYTES, Settings

MAX_VIEW_BYTES = 1_048_576
PEER = b"/peer"
VIEW = b"/view"


class Route(Enum):
    """What a request asks for."""

    PING = "ping"
    READY = "ready"
    VIEW = "view"
    DATA = "data"
    KEY = "key"
    PEER = "peer"
    OPENAPI = "openapi"
    DOCS = "docs"
    STATUS = "status"
    WHY = "why"
    PAGE = "page"
    ROOT = "root"
    METRICS = "metrics"
    NOTHING = "nothing"
    """There is nothing at its path."""


_WAITING = (Route.KEY, Route.DATA)
_COUNTED = {Route.DATA: "list", Route.VIEW: "view", Route.PEER: "peer"}
_KEY = Route.KEY
"""By a name of its own: as an attribute of its ``Enum`` it takes ten times as long (Python 3.11)."""
_ON_KEYS = {"PUT": "put", "GET": "get", "HEAD": "get", "DELETE": "delete"}


class Plan(NamedTuple):
    """What a request is, known before its body is read."""

    route: Route
    method: str
    key: bytes = b""
    body_limit: int = 0
    """How many bytes of body to read; more is 413. 0: the body is of no interest."""
    operation: str = "other"
    """What it is counted as."""
    waits: bool = False
    """Whether the answer may take as long as the request timeout."""
    path: bytes = b""
    """Of a page, or of the root, which may come without its slash."""
    query: bytes = b""
    """What stands behind the question mark, still encoded; of ``/status`` only."""
    secret: bytes = b""
    """By which a peer's mail has proved itself, where it has to."""

    def __repr__(self) -> str:
        """Without the secret: it may stand in a message about something else."""
        return f"Plan({self.route.name}, {self.method}, key={self.key!r}, body_limit={self.body_limit})"

    @property
    def template(self) -> str:
        """Its path with the key left out, for logs and traces; empty for a path at which there is nothing."""
        return _TEMPLATES.get(self.route, "")


def _outline(route: Route, method: str) -> Plan:
    """A request as far as its path and its method say."""
    counted = _ON_KEYS.get(method, "other") if route is Route.KEY else _COUNTED.get(route, "other")
    limit = 0
    if method in ("PUT", "POST") and route is not Route.KEY:
        limit = MAX_VIEW_BYTES if route is Route.VIEW else MAX_MAIL_BYTES
    return Plan(route, method, body_limit=limit, operation=counted, waits=route in _WAITING)


class _Resource(NamedTuple):
    """What is at a path."""

    route: Route
    allow: str
    """The methods, as ``Allow`` lists them."""
    outlines: dict[str, Plan]
    """By method."""


def _resource(route: Route, *methods: str) -> _Resource:
    return _Resource(route, ", ".join(methods), {method: _outline(route, method) for method in methods})


BARE = b""
"""The target of a request for a prefix without the slash behind it (``place.py``)."""

_RESOURCES = {
    b"/": _resource(Route.ROOT, "GET", "HEAD", "OPTIONS"),
    BARE: _resource(Route.ROOT, "GET", "HEAD", "OPTIONS"),
    b"/ping": _resource(Route.PING, "GET", "HEAD", "OPTIONS"),
    b"/ready": _resource(Route.READY, "GET", "HEAD", "OPTIONS"),
    VIEW: _resource(Route.VIEW, "GET", "HEAD", "OPTIONS", "PUT"),
    b"/metrics": _resource(Route.METRICS, "GET", "HEAD", "OPTIONS"),
    b"/data": _resource(Route.DATA, "GET", "HEAD", "OPTIONS"),
    PEER: _resource(Route.PEER, "OPTIONS", "POST"),
    b"/openapi.json": _resource(Route.OPENAPI, "GET", "HEAD", "OPTIONS"),
    b"/docs": _resource(Route.DOCS, "GET", "HEAD", "OPTIONS"),
    b"/status": _resource(Route.STATUS, "GET", "HEAD", "OPTIONS"),
    b"/why": _resource(Route.WHY, "GET", "HEAD", "OPTIONS"),
    **{path: _resource(Route.PAGE, "GET", "HEAD", "OPTIONS") for path in pages.PATHS},
}
_A_KEY = _resource(Route.KEY, "DELETE", "GET", "HEAD", "OPTIONS", "PUT")
_KEY_PREFIX = b"/data/"
_PLAIN_KEY = re.compile(rb"/data/([^%%?#\x80-\xff]{1,%d})" % MAX_KEY_BYTES, re.DOTALL).fullmatch
"""The target of nearly all requests: the key stands there as it is."""
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def resources() -> dict[str, tuple[Route, tuple[str, ...]]]:
    """The path of every resource, with what it is and its methods, for whoever describes them."""
    found = {_KEY_PREFIX + b"{key}": _A_KEY, **_RESOURCES}
    del found[BARE]
    for file in pages.PATHS[1:]:
        del found[file]  # parts of the page, and nobody else's business
    return {path.decode(): (each.route, tuple(each.allow.split(", "))) for path, each in found.items()}


_MAIL = _RESOURCES[PEER].outlines["POST"]
_TEMPLATES = {route: path for path, (route, _) in resources().items()}


def is_lean(target: bytes) -> bool:
    """Whether a request with this raw target needs no web framework: nearly all requests do not."""
    return target.startswith(_KEY_PREFIX) or target == PEER


def refused_plan(method: str, target: bytes) -> Plan:
    """What a request was about that is not carried out: to be counted and logged by, and for nothing else."""
    path = path_of(target)
    if path.startswith(_KEY_PREFIX):
        return _outline(Route.KEY, method)
    resource = _RESOURCES.get(path)
    return _outline(Route.NOTHING if resource is None else resource.route, method)


def plan(method: str, target: bytes, settings: Settings) -> Plan | Response:
    """What a request is, from its method and its raw target; or the answer to what is none of ours."""
    if target == PEER and method == "POST":
        return _MAIL
    plain = _PLAIN_KEY(target)
    if plain is not None and method in _ON_KEYS:
        return _on_key(method, plain[1], settings)
    found = _plan(method, target, settings)
    return head(method, found) if isinstance(found, Response) else found


def _plan(method: str, target: bytes, settings: Settings) -> Plan | Response:
    path = path_of(target)
    is_key = path.startswith(_KEY_PREFIX)
    resource = _A_KEY if is_key else _RESOURCES.get(path)
    if resource is None:
        return problem(404, "no_such_resource", "there is nothing at this path")
    outline = resource.outlines.get(method)
    if outline is None:
        detail = f"allowed here: {resource.allow}"
        return problem(405, "method_not_allowed", detail, (("allow", resource.allow),))
    try:
        key = _key(path[len(_KEY_PREFIX) :]) if is_key else b""
    except RefusedError as error:
        return refused(error)
    if method == "OPTIONS":
        return success(200, {}, (("allow", resource.allow),))
    if is_key:
        return _on_key(method, key, settings)
    if outline.route in (Route.PAGE, Route.ROOT):
        return outline._replace(path=path)
    return outline._replace(query=_query(target)) if outline.route is Route.STATUS else outline


def _on_key(method: str, key: bytes, settings: Settings) -> Plan:
    limit = settings.client_body_limit if method == "PUT" else 0
    return Plan(_KEY, method, key, limit, _ON_KEYS[method], True)


def _query(target: bytes) -> bytes:
    return target.partition(b"#")[0].partition(b"?")[2]


def path_of(target: bytes) -> bytes:
    """The path of a request target in any of its forms, still percent-encoded."""
    path = target.partition(b"?")[0].partition(b"#")[0]
    if not path.startswith(b"/") and b"://" in path:
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return path


def _key(encoded: bytes) -> bytes:
    key = encoded
    if b"%" in encoded:
        if _BAD_ESCAPE.search(encoded):
            raise RefusedError(400, "bad_key", "the key has a percent sign that does not begin an escape")
        key = unquote_to_bytes(encoded)
    if not 0 < len(key) <= MAX_KEY_BYTES:
        raise RefusedError(400, "bad_key", f"a key has 1 to {MAX_KEY_BYTES} bytes, this one has {len(key)}")
    try:
        key.decode()
    except UnicodeDecodeError:
        raise RefusedError(400, "bad_key", "the key is not UTF-8") from None
    return key
