"""The schemas of bodies, parameters and headers, with the limits that the code checks."""

from __future__ import annotations

from typing import Any

from frontends.common.settings import Settings
from pbproto.values import MAX_EPOCH, MAX_ID, MAX_IDEMPOTENCY_KEY_BYTES, MAX_KEY_BYTES, MAX_MEMBERS

from . import problems

Json = dict[str, Any]

_PORT = r"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ADDRESS = rf"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{{1,253}}):{_PORT}$"
"""What it cannot say: the address in brackets is a real one."""
LIFE = "^[0-9a-f]{16}$"
MEMBERS = [{"address": "10.0.0.1:8081", "id": 1}, {"address": "10.0.0.2:8081", "id": 2}]


def ref(name: str) -> Json:
    """A reference to one of ``schemas``."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(description: str, properties: Json, optional: tuple[str, ...] = ()) -> Json:
    """An object with these members, all there unless ``optional``. More may come with a later version."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def integer(description: str, low: int = 0, high: int | None = None) -> Json:
    """An integer within bounds. (JSON Schema takes 1.0 for one; the code does not.)"""
    bounds = {"minimum": low} if high is None else {"minimum": low, "maximum": high}
    return {"type": "integer", "description": description, **bounds}


def text(description: str, **more: Any) -> Json:
    """A string."""
    return {"type": "string", "description": description, **more}


def words(description: str, *each: str) -> Json:
    """One of these strings."""
    return text(description, enum=list(each))


def listed(description: str, of: Json, **more: Any) -> Json:
    """An array."""
    return {"type": "array", "description": description, "items": of, **more}


def or_null(schema: Json) -> Json:
    """It, or ``null``."""
    if "type" in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"oneOf": [schema, {"type": "null"}]}


def schemas(settings: Settings) -> Json:
    """``components.schemas`` for a node with these settings."""
    return {
        "Empty": {
            "type": "object",
            "description": "An empty object: there is nothing more to say.",
            "additionalProperties": False,
        },
        "Value": _value(settings),
        "Everything": {
            "type": "object",
            "description": "Every key of the store with its value.",
            "additionalProperties": {"type": "string"},
        },
        "Ping": record(
            "The process serves requests.", {"status": words("", "ok"), "id": integer("The node's id.")}
        ),
        "Ready": record("Data requests are answered.", {"ready": {"type": "boolean", "const": True}}),
        "Member": _member(),
        "NewView": _new_view(),
        "Root": _root(),
        "View": _view(),
        "Problem": _problem(),
    }


def _value(settings: Settings) -> Json:
    limit = settings.max_value_bytes
    return record(
        "The value of a key. Other members are ignored.",
        {
            "value": text(
                f"Any text, the empty one too, of at most {limit:,} bytes in UTF-8 (`maxLength` counts "
                "characters, of which one may have four bytes). No half of a surrogate pair.",
                maxLength=limit,
                examples=["hello"],
            )
        },
    )


def _root() -> Json:
    links = {"type": "object", "additionalProperties": {"type": "string", "format": "uri-reference"}}
    return record(
        "A node, and where its resources are.",
        {
            "name": text("Of the program."),
            "version": text("Of the package."),
            "id": integer("The node's.", 0, MAX_ID),
            "links": links | {"description": "By name, relative to the path that was asked for."},
        },
    )


def _member() -> Json:
    return record(
        "A node of a view.",
        {
            "address": text(
                "Where the other nodes reach it: `host:port` or `[ipv6]:port`, the port from 1 to 65535.",
                pattern=ADDRESS,
                examples=["10.0.0.1:8081"],
            ),
            "id": integer(
                "The id it was started with, not 1.0. The lowest id of a view is its primary.", 0, MAX_ID
            ),
        },
    )


def _new_view() -> Json:
    schema = record(
        "A view to be told to a node. Other members are ignored.",
        {
            "view": listed(
                "The members, in any order. No id and no address may be there twice.",
                ref("Member"),
                maxItems=MAX_MEMBERS,
                uniqueItems=True,
                examples=[MEMBERS],
            ),
            "epoch": integer(
                "The number of the view, if the outside numbers them: higher ones win. Not 7.0.", 1, MAX_EPOCH
            ),
            "incarnation": text(
                "The life of the node that the view is meant for, as `GET /view` shows it, not all zeros. In "
                "any other life the node refuses it with `other_life`.",
                pattern=LIFE,
                # A pattern alone would let all zeros pass.
                **{"not": {"const": "0" * 16}},
            ),
        },
        optional=("epoch", "incarnation"),
    )
    return schema | {"examples": [{"view": MEMBERS}]}


def _view() -> Json:
    life = text("One life of a process, from its start to its end: 16 hexadecimal digits.", pattern=LIFE)
    primary = integer("The id of the primary.", 0, MAX_ID)
    return record(
        "What a node knows about itself and its view.",
        {
            "id": integer("The node's id.", 0, MAX_ID),
            "incarnation": life,
            "view": listed(
                "The members of the view it was told last; empty before the first one.", ref("Member")
            ),
            "epoch": or_null(
                integer("The number of that view: as told, or as installed; `null` while it has none.", 1)
            ),
            "primary": or_null(primary),
            "status": words(
                "`none`: never told a view. `installing`: on its way into it. `active`: part of it, and "
                "serving. `outside`: not a member of it.",
                "none",
                "installing",
                "active",
                "outside",
            ),
            "role": words("Its part in that view.", "primary", "backup", "none"),
            "reads": words(
                "How reads are confirmed: by a message round each, or by a lease.", "confirm", "lease"
            ),
            "waiting_for": listed("The nodes that it waits for, and why.", _wait()),
            "blocked": or_null(text("Why the view cannot become active without a new word from outside.")),
            "dropped": listed("Writes that were given up when logs were joined.", _loss()),
            "synced": or_null(
                record(
                    "The installation of a view whose data it holds.",
                    {
                        "epoch": integer("The number of the view.", 0),
                        "attempt": integer("Which try at installing it.", 0),
                        "primary": primary,
                        "incarnation": life,
                    },
                )
            ),
            "commit": integer("How many writes it knows to be held by all members."),
            "log_end": integer("How many writes it holds."),
        },
    )


def _wait() -> Json:
    return record(
        "A node that is waited for.",
        {"id": integer("Its id.", 0, MAX_ID), "address": text("Where it is."), "reason": text("What for.")},
    )


def _loss() -> Json:
    return record(
        "A stretch of a log that a join has dropped; what of it was acknowledged is lost.",
        {
            "id": integer("The node whose log had it.", 0, MAX_ID),
            "from": integer("The first number."),
            "to": integer("The number after the last."),
        },
    )


def _problem() -> Json:
    reasons = sorted({each.reason for each in problems.ALL})
    return record(
        "An error (RFC 9457). `reason` is the word for programs; `detail` is for people and may change.",
        {
            "type": text("Always `about:blank`: `reason` says more.", examples=["about:blank"]),
            "title": text("The phrase of the status."),
            "status": integer("The status of the answer.", 400, 599),
            "detail": text("What is wrong, in a sentence."),
            "reason": words("What is wrong, in a word.", *reasons),
            "outcome": words(
                "What became of the request. `not_applied`: it has no effect and never will have. `unknown`: "
                "it may still take effect, once; repeat it with the same `Idempotency-Key`.",
                problems.NOT_APPLIED,
                problems.UNKNOWN,
            ),
            "request_id": text("Of a 5xx: the `X-Request-Id` of the request, as the log has it."),
        },
        optional=("outcome", "request_id"),
    )


def key() -> Json:
    """The parameter of ``/data/{key}``."""
    return {
        "name": "key",
        "in": "path",
        "required": True,
        "description": (
            f"1 to {MAX_KEY_BYTES:,} bytes of UTF-8 (`maxLength` counts characters). The key is all that "
            "follows `/data/`, percent-decoded once; nothing is normalised. OpenAPI has no parameter of "
            "several segments: a generated client sends `/` as `%2F`. A slash as it is means the same key: "
            "`/data/a/b` and `/data/a%2Fb` are one. Many clients cannot send the keys `.` and `..`, which "
            "they take for parts of a relative path, `%2E` included."
        ),
        "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_BYTES},
        "examples": {
            "plain": {"value": "greeting"},
            "slash": {"value": "users/42", "summary": "sent as `users%2F42` or `users/42`"},
        },
    }


def name_of_request() -> Json:
    """The header ``Idempotency-Key``."""
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": (
            "A name for this request, unique to it (a UUID, say). Sent again with the same name, to any "
            "node, also after a failover, the request is applied once and gets the first answer: status, "
            "body, `Msg-Num`. The last 65,536 names are remembered. "
            "A different request under the same name is 422."
        ),
        "schema": {
            "type": "string",
            "pattern": rf"^[\x21-\x7e]{{1,{MAX_IDEMPOTENCY_KEY_BYTES}}}$",
            "minLength": 1,
            "maxLength": MAX_IDEMPOTENCY_KEY_BYTES,
        },
        "example": "2b0d1c9e-6f0b-4f7e-9d53-0a8d6c1f5a77",
    }


def header(description: str, schema: Json, *, required: bool = True) -> Json:
    """A header of an answer."""
    return {"description": description, "required": required, "schema": schema}


def headers() -> Json:
    """``components.headers``."""
    return {
        "Msg-Num": header(
            "A write's own number in the total order, from 0; of a read, how many writes came before it.",
            {"type": "integer", "minimum": 0},
        ),
        "Retry-After": header("Seconds after which to try again.", {"type": "integer", "minimum": 0}),
        "Allow": header("The methods of the resource.", {"type": "string"}),
        "WWW-Authenticate": header("How to authenticate: `Bearer`.", {"type": "string"}),
        "Location": header("Where it is.", {"type": "string", "format": "uri-reference"}),
        "ETag": header("Names this very document, for `If-None-Match`.", {"type": "string"}),
    }
