"""Every problem that an answer can be: its status, its word in ``reason``, and what it means for a client.

A test looks for the words in the code: none may be answered that is not here, and none be here that is not.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, NamedTuple

from pbproto import Reason


class Problem(NamedTuple):
    """One way in which a request is not done."""

    status: int
    reason: str
    meaning: str
    outcome: str = ""
    """``not_applied`` is certain; ``unknown``: it may still take effect, once. Empty: not said."""


NOT_APPLIED = "not_applied"
UNKNOWN = "unknown"

BAD_REQUEST = Problem(400, "bad_request", "the request is malformed as HTTP")
BAD_KEY = Problem(400, "bad_key", "the key is not 1 to 4,096 bytes of UTF-8 after percent-decoding")
BAD_BODY = Problem(
    400, "bad_body", "the body is not the JSON object that is asked for, or shorter than announced"
)
BAD_NAME = Problem(400, "bad_idempotency_key", "the Idempotency-Key is not 1 to 255 visible ASCII characters")
BAD_QUERY = Problem(400, "bad_query", "`since` is not the number of an event")
BAD_VIEW = Problem(400, "bad_view", "the view is malformed, or names an id or an address twice")
BAD_MAIL = Problem(400, "bad_mail", "the mail of a peer cannot be decoded")
OTHER_VERSION = Problem(
    400, "other_version", "the peer speaks a version of the protocol that this node does not"
)
UNAUTHENTICATED = Problem(
    401, "unauthenticated", "the node asks for a token, and the request has no valid one"
)
FORBIDDEN = Problem(403, "forbidden", "the token is valid, and its role does not allow this request")
INSECURE = Problem(403, "insecure", "the node has no tokens, and the request comes from another machine")
NOT_A_PEER = Problem(401, "not_a_peer", "the mail does not prove that it comes from a node")
NO_KEY = Problem(404, "no_such_key", "the key is not in the store")
NO_RESOURCE = Problem(404, "no_such_resource", "there is nothing at this path")
NOT_ALLOWED = Problem(
    405, "method_not_allowed", "the resource does not know the method; `Allow` says which it knows"
)
LATE_BODY = Problem(408, "too_slow", "the body did not come in time")
STALE_EPOCH = Problem(409, Reason.STALE_EPOCH.value, "the node knows a view with a higher epoch")
EPOCH_TAKEN = Problem(409, Reason.EPOCH_TAKEN.value, "the epoch names a view with other members")
OTHER_LIFE = Problem(409, Reason.OTHER_LIFE.value, "the view is meant for another life of this node")
LONG_BODY = Problem(413, "body_too_large", "the body is longer than any legal one")
LONG_VALUE = Problem(413, "value_too_large", "the value has more bytes of UTF-8 than this node takes")
KEY_REUSED = Problem(
    422, Reason.KEY_REUSED.value, "the Idempotency-Key was used for a different request", NOT_APPLIED
)
LONG_HEAD = Problem(431, "head_too_large", "request line and headers are too long")
INTERNAL = Problem(
    500, "internal_error", "the node failed; its log says more, and a write may have taken effect"
)
NOT_READY = Problem(
    503, "not_ready", "the node cannot answer data requests now; `detail` says for whom it waits"
)
FORKED = Problem(503, "forked_copy", "the server forked the node, which is one process; a fault of the setup")
NO_VIEW = Problem(503, Reason.NO_VIEW.value, "the node was never told a view", NOT_APPLIED)
OUTSIDE = Problem(503, Reason.OUTSIDE.value, "the node is not a member of the view it was told", NOT_APPLIED)
OVERLOADED = Problem(
    503, Reason.OVERLOADED.value, "too much waits or is on its way at this node", NOT_APPLIED
)
CLOSING = Problem(503, Reason.CLOSING.value, "the node is stopping", NOT_APPLIED)
TIMEOUT = Problem(
    503, Reason.TIMEOUT.value, "it could not be done in time, and will not be done", NOT_APPLIED
)
STORE_FULL = Problem(
    507,
    Reason.STORE_FULL.value,
    "the data may not become larger; what does not make it larger is still done",
    NOT_APPLIED,
)
MAYBE_OUTSIDE = Problem(
    504, Reason.OUTSIDE.value, "the node left the view while the write was under way", UNKNOWN
)
MAYBE_CLOSING = Problem(
    504, Reason.CLOSING.value, "the node is stopping while the write is under way", UNKNOWN
)
MAYBE_TIMEOUT = Problem(
    504, Reason.TIMEOUT.value, "the write was not acknowledged by all members in time", UNKNOWN
)

ALL = tuple(each for each in tuple(globals().values()) if isinstance(each, Problem))

EVERYWHERE = (BAD_REQUEST, LONG_HEAD, INTERNAL, FORKED)
"""What any request may meet."""
AUTHORIZATION = (UNAUTHENTICATED, FORBIDDEN)
"""What a request with a role may meet besides."""
READING = (NO_VIEW, OUTSIDE, OVERLOADED, CLOSING, TIMEOUT)
WRITING = (*READING, KEY_REUSED, BAD_NAME, MAYBE_OUTSIDE, MAYBE_CLOSING, MAYBE_TIMEOUT)
KEYED = (BAD_KEY,)
WITH_BODY = (BAD_BODY, LATE_BODY, LONG_BODY)


def example(problem: Problem) -> dict[str, Any]:
    """A document as it comes."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.meaning.replace("`", ""),
        "reason": problem.reason,
    }
    return document | ({"outcome": problem.outcome} if problem.outcome else {})
