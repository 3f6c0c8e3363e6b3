"""The mapping between HTTP and the node, once for every frontend: routes, bodies, statuses, headers.

A frontend asks ``plan`` what a request is, reads a body of at most ``plan.body_limit`` bytes, and calls
``Api.start``: the answer is either there at once or comes to a callback later. Paths are taken raw and
decoded here exactly once: a key decoded twice is another key.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from pbproto import (
    CodecError,
    Delete,
    Get,
    GetAll,
    Kind,
    Listing,
    Put,
    Reason,
    Reject,
    VersionError,
    View,
    ViewRefused,
    Written,
)
from pbproto.codec import MEDIA_TYPE
from pbproto.events import Request as CoreRequest
from pbproto.values import MAX_EPOCH, MAX_ID, MAX_IDEMPOTENCY_KEY_BYTES, MAX_KEY_BYTES, MAX_MEMBERS

from .budget import SHORT, Budget
from .listing import Stream, to_json
from .logs import LOGGER, logfmt
from .node import Answer, Node
from .settings import MAX_MAIL_BYTES, SettingError, Settings, split_address

MAX_VIEW_BYTES = 1_048_576
PEER = b"/peer"
RETRY_AFTER = "1"

Headers = tuple[tuple[str, str], ...]


class Response(NamedTuple):
    """An HTTP answer. ``body`` is whole, or in pieces for a long listing."""

    status: int
    headers: Headers
    body: bytes | Stream


class Route(Enum):
    """What a request asks for."""

    PING = "ping"
    READY = "ready"
    VIEW = "view"
    DATA = "data"
    KEY = "key"
    PEER = "peer"


class _Resource(NamedTuple):
    """What is at a path."""

    route: Route
    allow: str
    """The methods, as ``Allow`` lists them."""
    methods: frozenset[str]


def _resource(route: Route, *methods: str) -> _Resource:
    return _Resource(route, ", ".join(methods), frozenset(methods))


_RESOURCES = {
    b"/ping": _resource(Route.PING, "GET", "HEAD", "OPTIONS"),
    b"/ready": _resource(Route.READY, "GET", "HEAD", "OPTIONS"),
    b"/view": _resource(Route.VIEW, "GET", "HEAD", "OPTIONS", "PUT"),
    b"/data": _resource(Route.DATA, "GET", "HEAD", "OPTIONS"),
    PEER: _resource(Route.PEER, "OPTIONS", "POST"),
}
_A_KEY = _resource(Route.KEY, "DELETE", "GET", "HEAD", "OPTIONS", "PUT")
_KEY_PREFIX = b"/data/"
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_LIFE = re.compile(r"[0-9a-f]{16}")
_VISIBLE = re.compile(rf"[\x21-\x7e]{{1,{MAX_IDEMPOTENCY_KEY_BYTES}}}")


class Plan(NamedTuple):
    """What a request is, known before its body is read."""

    route: Route
    method: str
    key: bytes = b""
    body_limit: int = 0
    """How many bytes of body to read; more is 413. 0: the body is of no interest."""

    @property
    def waits(self) -> bool:
        """Whether the answer may take as long as the request timeout."""
        return self.route is Route.KEY or self.route is Route.DATA


class RefusedError(Exception):
    """The request is answered with a problem; nothing has changed."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail


def problem(status: int, reason: str, detail: str, headers: Headers = (), outcome: str = "") -> Response:
    """An error as ``application/problem+json`` (RFC 9457); ``reason`` is the machine's word for it."""
    document: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "reason": reason,
    }
    if outcome:
        document["outcome"] = outcome
    if status in (503, 504):
        headers = (*headers, ("retry-after", RETRY_AFTER))
    return Response(status, (("content-type", "application/problem+json"), *headers), to_json(document))


def refused(error: RefusedError) -> Response:
    """The answer to a request that was refused."""
    return problem(error.status, error.reason, error.detail)


def internal_error() -> Response:
    """The answer where our own code failed: no trace leaves the node."""
    return problem(500, "internal_error", "the node failed to handle this request; its log says more")


def framework_error(status: int | None, description: str | None) -> Response:
    """The answer to what the web framework refused before it came to us."""
    if status is None or status >= 500:
        return internal_error()
    return problem(status, "bad_request", description or "the request is malformed")


_JSON = ("content-type", "application/json")
_NOTHING = to_json({})


def _success(status: int, document: object, headers: Headers = ()) -> Response:
    return Response(status, (_JSON, *headers), to_json(document) if document else _NOTHING)


def is_lean(target: bytes) -> bool:
    """Whether a request with this raw target needs no web framework: nearly all requests do not."""
    return target.startswith(_KEY_PREFIX) or target == PEER


def plan(method: str, target: bytes, settings: Settings) -> Plan | Response:
    """What a request is, from its method and its raw target; or the answer to what is none of ours."""
    found = _plan(method, target, settings)
    return _head(method, found) if isinstance(found, Response) else found


def _plan(method: str, target: bytes, settings: Settings) -> Plan | Response:
    path = _path(target)
    resource = _A_KEY if path.startswith(_KEY_PREFIX) else _RESOURCES.get(path)
    if resource is None:
        return problem(404, "no_such_resource", "there is nothing at this path")
    route, allow, methods = resource
    if method not in methods:
        return problem(405, "method_not_allowed", f"allowed here: {allow}", (("allow", allow),))
    if method == "OPTIONS":
        return _success(200, {}, (("allow", allow),))
    if route is not Route.KEY:
        limit = 0
        if method in ("PUT", "POST"):
            limit = MAX_VIEW_BYTES if route is Route.VIEW else MAX_MAIL_BYTES
        return Plan(route, method, body_limit=limit)
    try:
        key = _key(path[len(_KEY_PREFIX) :])
    except RefusedError as error:
        return refused(error)
    return Plan(route, method, key, settings.client_body_limit if method == "PUT" else 0)


def _path(target: bytes) -> bytes:
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


class Api:
    """The REST interface of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._settings = node.settings
        self.bodies = Budget(self._settings.max_body_bytes)
        """For the long bodies of clients."""

    @property
    def node_id(self) -> int:
        """The id of the node."""
        return self._node.id

    def plan(self, method: str, target: bytes) -> Plan | Response:
        """What a request is; see the function of this name."""
        return plan(method, target, self._settings)

    def start(
        self, request: Plan, headers: Mapping[str, str], body: bytes, done: Callable[[Response], None]
    ) -> None:
        """Handle a request whose body was read; ``done`` gets the answer once, now or later.

        ``headers`` are looked up by lower-case name. ``done`` may be called from any thread.
        """
        try:
            if request.waits:
                make, method = self._operation(request, headers, body), request.method
                self._node.request(make, lambda answer: done(_head(method, self._written_out(answer))))
                return
            response = self._now(request, body)
        except RefusedError as error:
            response = refused(error)
        done(_head(request.method, response))

    def _written_out(self, answer: Answer) -> Response:
        try:
            return self._answer(answer)
        except Exception:
            # Whatever went wrong here, a client that got no answer at all would wait for ever.
            LOGGER.exception("%s", logfmt(self._node.id, "answer_failed"))
            return internal_error()

    def _answer(self, answer: Answer) -> Response:
        if isinstance(answer, Reject):
            return _rejection(answer)
        outcome = answer.outcome
        if isinstance(outcome, Written):
            return _written(outcome)
        number: Headers = (("msg-num", str(outcome.position)),)
        if isinstance(outcome, Listing):
            return self._listing(outcome, number)
        if outcome.value is None:
            return _missing(number)
        body = b'{"value":%b}' % to_json(outcome.value.decode())
        return Response(200, (_JSON, *number), body)

    def _listing(self, outcome: Listing, number: Headers) -> Response:
        body = self._node.listings.answer(outcome.items)
        if body is None:
            return _too_many("too many long listings are under way at this node")
        return Response(200, (("content-type", "application/json"), *number), body)

    def overloaded(self, request: Plan, headers: Mapping[str, str], body: bytes) -> Response:
        """The answer where the frontend can let nobody else wait; a bad request is bad here, too."""
        try:
            self._operation(request, headers, body)
        except RefusedError as error:
            return _head(request.method, refused(error))
        return overloaded(request)

    def has_room(self, size: int) -> bool:
        """Whether a client's body of ``size`` bytes is worth reading: there would be room for it in the node.

        A node that is full works off what it let in only if it spends next to nothing on the others: to read
        and parse a megabyte takes as long as to replicate it. Bodies that are being read count as well.
        """
        if size <= SHORT:
            return True
        # Escapes make a body longer than its value, and the longest value finds room in a node that is idle.
        return self._node.has_room(min(size, self._settings.max_value_bytes) + self.bodies.held)

    def too_large(self, request: Plan) -> Response:
        """The answer to a body above ``request.body_limit``."""
        return problem(413, "body_too_large", f"the body may have {request.body_limit} bytes")

    def _now(self, request: Plan, body: bytes) -> Response:
        if request.route is Route.PING:
            return _success(200, {"status": "ok", "id": self._node.id})
        if request.route is Route.READY:
            return self._ready()
        if request.route is Route.PEER:
            return self._mail(body)
        if request.method == "PUT":
            answer = self._node.tell_view(*parse_view(body))
            if isinstance(answer, ViewRefused):
                raise RefusedError(409, answer.reason.value, answer.detail)
        return _success(200, self._describe())

    def _ready(self) -> Response:
        status = self._node.status()
        if status.ready:
            return _success(200, {"ready": True})
        whom = "; ".join(f"node {wait.id}: {wait.reason}" for wait in status.waiting_for)
        detail = f"status {status.status}"
        if status.blocked or whom:
            detail += f" ({status.blocked or whom})"
        return problem(503, "not_ready", detail)

    def _mail(self, body: bytes) -> Response:
        try:
            answers = self._node.receive(body)
        except VersionError as error:
            raise RefusedError(400, "other_version", str(error)) from error
        except CodecError as error:
            raise RefusedError(400, "bad_mail", str(error)) from error
        return Response(200, (("content-type", MEDIA_TYPE),), answers)

    def _describe(self) -> dict[str, Any]:
        status = self._node.status()
        synced = status.synced
        return {
            "id": status.id,
            "incarnation": f"{status.incarnation:016x}",
            "view": [
                {"address": member.address, "id": member.id}
                for member in (status.view.members if status.view is not None else ())
            ],
            "epoch": status.epoch,
            "primary": status.primary,
            "status": status.status,
            "role": status.role,
            "reads": status.reads,
            "waiting_for": [
                {"id": wait.id, "address": wait.address, "reason": wait.reason} for wait in status.waiting_for
            ],
            "blocked": status.blocked or None,
            "dropped": [{"id": loss.id, "from": loss.first, "to": loss.end} for loss in status.dropped],
            "synced": None
            if synced is None
            else {
                "epoch": synced.epoch,
                "attempt": synced.attempt,
                "primary": synced.primary,
                "incarnation": f"{synced.incarnation:016x}",
            },
            "commit": status.commit,
            "log_end": status.log_end,
        }

    def _operation(
        self, request: Plan, headers: Mapping[str, str], body: bytes
    ) -> Callable[[int], CoreRequest]:
        key = request.key
        if request.route is Route.DATA:
            return GetAll
        if request.method in ("GET", "HEAD"):
            return lambda token: Get(token, key)
        name = _idempotency_key(headers.get("idempotency-key"))
        if request.method == "DELETE":
            return lambda token: Delete(token, key, name)
        value = parse_value(body, self._settings.max_value_bytes)
        return lambda token: Put(token, key, value, name)


def _head(method: str, response: Response) -> Response:
    """A HEAD has the headers of the GET and no body."""
    if method != "HEAD":
        return response
    length: Headers = ()
    if isinstance(response.body, bytes):
        length = (("content-length", str(len(response.body))),)
    return Response(response.status, (*response.headers, *length), b"")


def _idempotency_key(text: str | None) -> bytes:
    if text is None:
        return b""
    if not _VISIBLE.fullmatch(text):
        detail = f"an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters"
        raise RefusedError(400, "bad_idempotency_key", detail)
    return text.encode()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_parse = json.JSONDecoder(parse_constant=_no_constant).decode  # json.loads makes a decoder each time


def _document(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, strictly: UTF-8, no NaN, no lone surrogate anywhere, no nesting bomb."""
    if not body:
        raise RefusedError(400, "bad_body", "the body is missing")
    try:
        text = body.decode()
        document = _parse(text)
        if b"\\" in body and "\\u" in text:  # one character is found many times faster than two
            json.dumps(document, ensure_ascii=False).encode()
    except RecursionError:
        raise RefusedError(400, "bad_body", "the body is nested too deeply") from None
    except UnicodeEncodeError:
        raise RefusedError(400, "bad_body", "the body has half of a surrogate pair") from None
    except ValueError as error:
        raise RefusedError(400, "bad_body", f"the body is not JSON in UTF-8: {str(error)[:200]}") from None
    if not isinstance(document, dict):
        raise RefusedError(400, "bad_body", "the body is not a JSON object")
    return document


def parse_value(body: bytes, max_bytes: int) -> bytes:
    """The canonical bytes of the value that a client sends. Raises ``RefusedError``."""
    document = _document(body)
    if "value" not in document:
        raise RefusedError(400, "bad_body", 'the body has no "value"')
    value = document["value"]
    if not isinstance(value, str):
        raise RefusedError(400, "bad_body", '"value" is not a string')
    data = value.encode()
    if len(data) > max_bytes:
        detail = f"a value may have {max_bytes} bytes of UTF-8, this one has {len(data)}"
        raise RefusedError(413, "value_too_large", detail)
    return data


def parse_view(body: bytes) -> tuple[View, int]:
    """The view that the outside tells, and the life that it is meant for, or 0.

    Checked whole before anything changes. Raises ``RefusedError``.
    """
    document = _document(body)
    listed = document.get("view")
    if not isinstance(listed, list):
        raise RefusedError(400, "bad_view", '"view" has to be a list of members')
    if len(listed) > MAX_MEMBERS:
        raise RefusedError(400, "bad_view", f"a view has at most {MAX_MEMBERS} members")
    epoch = None
    if "epoch" in document:
        epoch = document["epoch"]
        if type(epoch) is not int or not 1 <= epoch <= MAX_EPOCH:
            raise RefusedError(400, "bad_view", f'"epoch" has to be an integer from 1 to {MAX_EPOCH}')
    members = [_member(each) for each in listed]
    try:
        return View.of(members, epoch), _life(document)
    except ValueError as error:
        raise RefusedError(400, "bad_view", str(error)) from error


def _life(document: dict[str, Any]) -> int:
    if "incarnation" not in document:
        return 0
    text = document["incarnation"]
    if not isinstance(text, str) or not _LIFE.fullmatch(text) or not int(text, 16):
        detail = '"incarnation" has to be 16 hexadecimal digits, not all 0, as GET /view shows them'
        raise RefusedError(400, "bad_view", detail)
    return int(text, 16)


def _member(document: object) -> tuple[int, str]:
    if not isinstance(document, dict):
        raise RefusedError(400, "bad_view", 'a member is an object with "address" and "id"')
    id_, address = document.get("id"), document.get("address")
    # bool is an int in Python, and true == 1 would make two lowest ids.
    if type(id_) is not int or not 0 <= id_ <= MAX_ID:
        raise RefusedError(400, "bad_view", f'"id" has to be an integer from 0 to {MAX_ID}')
    if not isinstance(address, str):
        raise RefusedError(400, "bad_view", '"address" has to be a string')
    try:
        host, _ = split_address(address)
        if ":" in host:
            ipaddress.IPv6Address(host)
        if len(host) > 253:
            raise SettingError("the host is too long")
    except ValueError:
        raise RefusedError(400, "bad_view", f'"address" has to be host:port, not {address[:300]!r}') from None
    return id_, address


_STATUS = {Kind.CREATED: 201, Kind.UPDATED: 200, Kind.DELETED: 200, Kind.MISSING: 404}


def _written(outcome: Written) -> Response:
    kind, position = outcome.result
    number: Headers = (("msg-num", str(position)),)
    return _missing(number) if kind is Kind.MISSING else _success(_STATUS[kind], {}, number)


def _missing(number: Headers) -> Response:
    return problem(404, "no_such_key", "the key is not in the store", number)


def _rejection(answer: Reject) -> Response:
    if answer.reason is Reason.KEY_REUSED:
        return problem(422, answer.reason.value, answer.detail, outcome="not_applied")
    if answer.certain:
        return problem(503, answer.reason.value, answer.detail, outcome="not_applied")
    return problem(504, answer.reason.value, answer.detail, outcome="unknown")


def overloaded(request: Plan) -> Response:
    """The answer where the frontend itself can let nobody else wait."""
    return _head(request.method, _too_many("too many clients wait at this node"))


def too_many_bytes() -> Response:
    """The answer where a long body finds no room; of a request it was not read."""
    return _too_many("too many bytes are on their way at this node")


def _too_many(detail: str) -> Response:
    return problem(503, Reason.OVERLOADED.value, detail, outcome="not_applied")
