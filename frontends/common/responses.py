"""HTTP answers, whatever they are about: JSON, and errors as ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

from pbproto import Kind, Reason, Reject

from .listing import Stream, to_json
from .request_ids import HEADER as REQUEST_ID

RETRY_AFTER = "1"

Headers = tuple[tuple[str, str], ...]


class Response(NamedTuple):
    """An HTTP answer. ``body`` is whole, or in pieces for a long listing."""

    status: int
    headers: Headers
    body: bytes | Stream
    reason: str = ""
    """Of a problem, the machine's word for it."""


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
    headers = (("content-type", "application/problem+json"), *headers)
    return Response(status, headers, to_json(document), reason)


def refused(error: RefusedError) -> Response:
    """The answer to a request that was refused."""
    return problem(error.status, error.reason, error.detail)


def too_slow(detail: str) -> Response:
    """The answer to a client that did not go on, and the end of its connection: more of it may come still."""
    return problem(408, "too_slow", detail, (("connection", "close"),))


def internal_error() -> Response:
    """The answer where our own code failed: no trace leaves the node."""
    return problem(500, "internal_error", "the node failed to handle this request; its log says more")


def framework_error(status: int | None, description: str | None) -> Response:
    """The answer to what the web framework refused before it came to us."""
    if status is None or status >= 500:
        return internal_error()
    if status == 408:
        return too_slow("the body did not come in time")
    if status == 404:  # of what is no request to us: we look up paths before it does
        return problem(404, "no_such_resource", "there is nothing of this kind here")
    return problem(status, "bad_request", description or "the request is malformed")


def two_lengths() -> Response:
    """The answer to a body that has a length and comes in chunks: a proxy may have seen another body.

    Whatever follows on that connection may be anybody's (RFC 9112, section 6.1).
    """
    detail = "a request has Content-Length or Transfer-Encoding, not both"
    return problem(400, "bad_request", detail, (("connection", "close"),))


WRITTEN = {Kind.CREATED.value: 201, Kind.UPDATED.value: 200, Kind.DELETED.value: 200}
"""The status of the answer to a write, by the value of what it did; of anything else the key was missing."""
JSON = ("content-type", "application/json")
NOTHING = to_json({})


def with_request_id(response: Response, request_id: str) -> Response:
    """The same with the id of its request: in a header, and in the problem document of a 5xx."""
    body = response.body
    if response.status >= 500 and isinstance(body, bytes) and body.endswith(b"}"):
        body = b'%b,"request_id":%b}' % (body[:-1], to_json(request_id))
    return response._replace(headers=(*response.headers, (REQUEST_ID, request_id)), body=body)


def written_out(response: Response, *, close: bool) -> bytes:
    """A response whose body is whole as it stands on the wire, from behind its status line on."""
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("only listings have a body in pieces")
    lines = ""
    for name, value in response.headers:
        lines += f"{name}: {value}\r\n"
    if "content-length: " not in lines:  # the answer to a HEAD says its length itself
        lines += f"content-length: {len(body)}\r\n"
    if close and "connection: " not in lines:
        lines += "connection: close\r\n"
    return (lines + "\r\n").encode("latin-1") + body


def success(status: int, document: object, headers: Headers = ()) -> Response:
    """A document as JSON; ``{}`` where there is nothing to say."""
    return Response(status, (JSON, *headers), to_json(document) if document else NOTHING)


def head(method: str, response: Response) -> Response:
    """A HEAD has the headers of the GET and no body."""
    if method != "HEAD" or response.status == 304:  # which has no body, and not the length of the GET's
        return response
    length: Headers = ()
    if isinstance(response.body, bytes) and response.status != 304:
        length = (("content-length", str(len(response.body))),)
    return response._replace(headers=(*response.headers, *length), body=b"")


def rejection(answer: Reject) -> Response:
    """The answer to a client whom the replica turned away: certainly, or not knowing."""
    if answer.reason is Reason.KEY_REUSED:
        return problem(422, answer.reason.value, answer.detail, outcome="not_applied")
    if answer.reason is Reason.STORE_FULL:
        # No Retry-After: it takes somebody who deletes, not time.
        return problem(507, answer.reason.value, answer.detail, outcome="not_applied")
    if answer.certain:
        return problem(503, answer.reason.value, answer.detail, outcome="not_applied")
    return problem(504, answer.reason.value, answer.detail, outcome="unknown")


def too_many_clients() -> Response:
    """The answer where the frontend itself can let nobody else wait."""
    return too_many("too many clients wait at this node")


def too_many_bytes() -> Response:
    """The answer where a long body finds no room; of a request it was not read."""
    return too_many("too many bytes are on their way at this node")


def too_many(detail: str) -> Response:
    """The answer where something of which there is a limited amount is used up."""
    return problem(503, Reason.OVERLOADED.value, detail, outcome="not_applied")
