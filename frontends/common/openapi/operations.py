"""What each operation does, for whom, with what it can be answered: the words beside the table of routes."""

from __future__ import annotations

from typing import Any, NamedTuple

from frontends.common.routes import Route
from pbproto.codec import MEDIA_TYPE

from . import problems
from .problems import Problem

Json = dict[str, Any]


class Success(NamedTuple):
    """An answer that is no problem."""

    status: int
    meaning: str
    schema: str = "Empty"
    """Of ``components.schemas``; empty: no body, or one that is not JSON."""
    headers: tuple[str, ...] = ()
    media: str = "application/json"
    example: object = None


class Operation(NamedTuple):
    """One method of one route."""

    name: str
    """The ``operationId``."""
    tag: str
    summary: str
    description: str
    successes: tuple[Success, ...]
    problems: tuple[Problem, ...] = ()
    body: str = ""
    """The schema of the body that it takes."""
    named: bool = False
    """Whether it takes an ``Idempotency-Key``."""
    cached: bool = False
    """Whether it takes ``If-None-Match``."""
    since: bool = False
    """Whether it takes ``since``."""
    numbered_404: bool = False
    """Whether its 404 carries ``Msg-Num``."""


TAGS = {
    "data": "Keys and values. Any node takes any request.",
    "view": "Which nodes replicate, as told from outside.",
    "health": "Whether a node serves.",
    "observing": "What goes on in a node. Nothing of it waits for another node.",
    "documents": "What you are reading.",
    "internal": "What nodes say to each other. Not for clients; it may change with any version.",
}

NUMBER = ("Msg-Num",)
WRITE_NOTE = (
    " Answered when every member of the view has it. `503` is certain: it was not applied; after `504` it "
    "may still take effect, once: repeat it with the same `Idempotency-Key`."
)
NOT_MODIFIED = Success(304, "the document is the one that the client has", "", ("ETag",))

OPERATIONS: dict[tuple[Route, str], Operation] = {
    (Route.KEY, "GET"): Operation(
        "getValue",
        "data",
        "Read a key",
        "Linearizable, through any node.",
        (Success(200, "the value", "Value", NUMBER, example={"value": "hello"}),),
        (*problems.KEYED, *problems.READING, problems.NO_KEY),
        numbered_404=True,
    ),
    (Route.KEY, "PUT"): Operation(
        "putValue",
        "data",
        "Write a key",
        "The media type of the body is not looked at." + WRITE_NOTE + " `507` is as certain as `503`.",
        (
            Success(200, "the key was there and has the new value", headers=NUMBER),
            Success(201, "the key was not there", headers=NUMBER),
        ),
        (*problems.KEYED, *problems.WITH_BODY, *problems.WRITING, problems.LONG_VALUE, problems.STORE_FULL),
        body="Value",
        named=True,
    ),
    (Route.KEY, "DELETE"): Operation(
        "deleteValue",
        "data",
        "Delete a key",
        "The delete of a key that is not there takes a number, too." + WRITE_NOTE,
        (Success(200, "the key was there and is gone", headers=NUMBER),),
        (*problems.KEYED, *problems.WRITING, problems.NO_KEY),
        named=True,
        numbered_404=True,
    ),
    (Route.DATA, "GET"): Operation(
        "getEverything",
        "data",
        "Read the whole store",
        "All keys and values at one point in the total order. A long answer comes in pieces.",
        (
            Success(
                200,
                "every key with its value",
                "Everything",
                NUMBER,
                example={"greeting": "hello", "users/42": ""},
            ),
        ),
        problems.READING,
    ),
    (Route.VIEW, "GET"): Operation(
        "getView",
        "view",
        "Ask a node about its view",
        "Answered at once, by any node in any state.",
        (Success(200, "what the node knows", "View"),),
    ),
    (Route.VIEW, "PUT"): Operation(
        "putView",
        "view",
        "Tell a node its view",
        "Acknowledged at once; `GET /view` says when the view is active. Every member, and every node that "
        "is to leave, has to be told. A view is checked whole before anything changes.",
        (Success(200, "the view is told; the body is what `GET /view` shows", "View"),),
        (
            problems.BAD_VIEW,
            *problems.WITH_BODY,
            problems.STALE_EPOCH,
            problems.EPOCH_TAKEN,
            problems.OTHER_LIFE,
        ),
        body="NewView",
    ),
    (Route.PING, "GET"): Operation(
        "ping",
        "health",
        "Is the process there?",
        "200 as soon as the process serves requests, before any view too.",
        (Success(200, "it is", "Ping", example={"status": "ok", "id": 1}),),
    ),
    (Route.READY, "GET"): Operation(
        "ready",
        "health",
        "Would a data request be answered?",
        "For load balancers and for whoever waits for a view to become active.",
        (Success(200, "it would", "Ready", example={"ready": True}),),
        (problems.NOT_READY,),
    ),
    (Route.STATUS, "GET"): Operation(
        "getStatus",
        "observing",
        "All that a node says of itself",
        "View, backups, what is on its way, what waits, settings, and the last events.",
        (Success(200, "how the node is", "Status"),),
        (problems.BAD_QUERY,),
        since=True,
    ),
    (Route.WHY, "GET"): Operation(
        "getWhy",
        "observing",
        "What waits, and for what",
        "The requests of this node's clients, in words for whoever is on call. Shows keys, and no values.",
        (Success(200, "what waits", "Why"),),
    ),
    (Route.PAGE, "GET"): Operation(
        "getUi",
        "observing",
        "The same for the whole cluster, as a page",
        "A page for a browser; its parts stand below it. It asks each member of the view for its own word.",
        (Success(200, "the page", "", ("ETag",), "text/html"), NOT_MODIFIED),
        cached=True,
    ),
    (Route.ROOT, "GET"): Operation(
        "getRoot",
        "documents",
        "Where everything is",
        "Links, relative to this very path. Who names `text/html` in `Accept`, as browsers do, and "
        "`application/json` not before it, is sent to the page.",
        (
            Success(200, "the links", "Root"),
            Success(307, "a browser finds the page in `Location`", headers=("Location",)),
        ),
    ),
    (Route.METRICS, "GET"): Operation(
        "getMetrics",
        "health",
        "What a node counts and what it is like",
        "For Prometheus: its text format, or OpenMetrics where `Accept` asks for it "
        "(`application/openmetrics-text`). Answered at once, by any node in any state.",
        (Success(200, "the metrics", "", (), "text/plain"),),
    ),
    (Route.OPENAPI, "GET"): Operation(
        "getOpenapi",
        "documents",
        "This document",
        "The OpenAPI document, with the limits of the node that is asked.",
        (Success(200, "the document", "Document", ("ETag",)), NOT_MODIFIED),
        cached=True,
    ),
    (Route.DOCS, "GET"): Operation(
        "getDocs",
        "documents",
        "This document as a page",
        "A page without scripts, for people; nothing of it comes from elsewhere.",
        (Success(200, "the page", "", ("ETag",), "text/html"), NOT_MODIFIED),
        cached=True,
    ),
    (Route.PEER, "POST"): Operation(
        "mail",
        "internal",
        "Mail between nodes",
        "A batch of messages of the protocol in its own binary form; the answers ride back. Described so "
        "that whoever runs a proxy or an access list knows it is there: clients must not be let through.",
        (Success(200, "the answers", "", (), MEDIA_TYPE),),
        (
            problems.BAD_MAIL,
            problems.OTHER_VERSION,
            problems.LATE_BODY,
            problems.LONG_BODY,
            problems.BAD_BODY,
            problems.NOT_A_PEER,
            problems.FROM_A_PAGE,
        ),
        body=MEDIA_TYPE,
    ),
}
"""Of each method but HEAD and OPTIONS, which follow from the others."""
