"""The schemas of ``/status`` and ``/why``; ``docs/observing.md`` says the same at length."""

from __future__ import annotations

from typing import Any

from pbproto.values import MAX_ID

from .schemas import LIFE, integer, listed, or_null, record, ref, text, words

Json = dict[str, Any]

SINCE: Json = {
    "name": "since",
    "in": "query",
    "required": False,
    "description": "Leave out the events up to this number: `events.last` of the answer before.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1, "default": 0},
}


def observing(view: Json) -> Json:
    """The schemas, given the one of ``GET /view``."""
    return {"Status": _status(view), "Why": _why(view)}


def _time(description: str) -> Json:
    return text(description, format="date-time")


def _lasting(description: str) -> Json:
    return or_null(integer(f"{description} Milliseconds; `null` where it does not apply."))


def _place(description: str, properties: Json) -> Json:
    return record(
        description, {"id": integer("Its id.", 0, MAX_ID), "address": text("Where it is.")} | properties
    )


def _status(view: Json) -> Json:
    counted = {"type": "object", "additionalProperties": integer("How many.")}
    return record(
        "All that a node says of itself: what `GET /view` says, and what goes on in it.",
        view["properties"]
        | {
            "now": _time("By the node's clock, in UTC."),
            "uptime_s": {"type": "number", "minimum": 0, "description": "Seconds since it started."},
            "version": text("Of the package."),
            "ready": {"type": "boolean", "description": "As `GET /ready` says."},
            "promised": view["properties"]["synced"],
            "keys": integer("How many keys the store has."),
            "data_bytes": integer("Bytes of keys and values, and 256 for each key."),
            "max_data_bytes": integer("The bound to the data while this node leads; 0: none."),
            "log": record(
                "The operations that are kept.",
                {
                    "start": integer("The first position."),
                    "end": integer("The position after the last."),
                    "bytes": integer("Their size."),
                },
            ),
            "waiting": record(
                "What waits at the node.",
                {
                    "requests": integer("Requests of its own clients."),
                    "bytes": integer("Their size."),
                    "parked": integer("Writes that stand in no log yet."),
                    "uncommitted": integer("Operations in the log that not all members hold."),
                },
            ),
            "backups": listed("At an active primary, what it knows of each backup.", _backup()),
            "heard_ms": _lasting("At a backup: since the last word of the primary."),
            "lease_ms": _lasting("At a primary with leases: for how long it may read alone."),
            "stands_by_ms": _lasting("With leases: for how long the node promises no other primary."),
            "transfers": listed("State on its way to or from the node.", _transfer()),
            "told_ms": _lasting("For how long the view that it was told has been that one."),
            "advice": or_null(_advice()),
            "mail": listed(
                "Bytes that wait to be carried to a peer.",
                record("A queue.", {"address": text("The peer's."), "bytes": integer("How many.")}),
            ),
            "ignored": counted | {"description": "Messages of peers that changed nothing, by reason."},
            "totals": {"type": ["object", "null"], "description": "What was counted since the start."},
            "settings": {"type": "object", "description": "The settings that explain what a node does."},
            "events": _events(),
        },
    )


def _backup() -> Json:
    return _place(
        "A backup.",
        {
            "incarnation": text("The life that counts.", pattern=LIFE),
            "acked": integer("It holds all below this position."),
            "lag": integer("How many operations of the log it has not acknowledged."),
            "owes_ms": _lasting("For how long it has owed an answer without a sign of life."),
            "suspected": or_null(text("Why new writes wait for it.")),
            "suspected_ms": _lasting("For how long they do."),
            "lease_ms": _lasting("For how long it promises no other primary."),
        },
    )


def _transfer() -> Json:
    return _place(
        "State on its way between the node and another.",
        {
            "direction": words("To the other node, or from it.", "to", "from"),
            "what": words(
                "A copy for a newcomer, or what a view that is being installed begins with.",
                "copy",
                "state",
                "log",
            ),
            "unit": words("What is counted.", "operations", "items"),
            "done": integer("How many have come."),
            "total": integer("Of how many."),
            "refusal": or_null(text("Why the other does not take it.")),
        },
    )


def _events() -> Json:
    event = record(
        "Something that happened at the node.",
        {
            "number": integer("From 1 in each life of the node, without gaps.", 1),
            "time": _time("By the node's clock."),
            "event": text("Its name, as in the log."),
            "level": words("How bad it is.", "info", "warning", "error"),
            "fields": {"type": "object", "description": "As in the log."},
            "words": text("The same in a sentence."),
        },
    )
    return record(
        "The last events.",
        {
            "last": integer("The number of the newest.", 1),
            "missed": integer("How many after `since` are kept no longer."),
            "list": listed("The oldest first.", event),
        },
    )


def _why(view: Json) -> Json:
    known = view["properties"]
    at_primary = record(
        "All that waits at a primary, what its backups brought included.",
        {
            "parked": integer("Writes in no log."),
            "uncommitted": integer("Writes in the log."),
            "echoing": integer("Repetitions of these."),
            "reads": integer("Reads of its own clients."),
            "asks": integer("Backups that read."),
        },
    )
    return record(
        "What the clients of a node wait for.",
        {name: known[name] for name in ("id", "view", "epoch", "primary", "status")}
        | {
            "now": _time("By the node's clock, in UTC."),
            "summary": text("How many wait, for how long, and the oldest of them for what."),
            "waiting": listed("The oldest first, 200 at most.", _request()),
            "left_out": integer("How many more wait."),
            "at_primary": or_null(at_primary),
            "advice": or_null(_advice()),
        },
    )


def _advice() -> Json:
    return record(
        "What whoever is on call has to know, where the node does not go on by itself.",
        {
            "what": text("What is wrong, as far as this node can know it."),
            "costs": text("What that costs."),
            "remedy": text("What ends it."),
            "caution": or_null(text("What to look at before.")),
            "put": or_null(ref("NewView")),
        },
    )


def _request() -> Json:
    awaited = _place(
        "A member that keeps the request waiting.",
        {
            "reason": text("By what."),
            "silent_ms": _lasting("For how long it has owed an answer without a sign of life."),
        },
    )
    return record(
        "A request that waits.",
        {
            "operation": words("What it is.", "put", "delete", "get", "list"),
            "key": or_null(text("Of which key, cut after 256 characters; `null` for the whole store.")),
            "since_ms": integer("For how long, in milliseconds."),
            "deadline_in_ms": integer("For how much longer at most."),
            "at_timeout": words("What the client is told then.", "not_applied", "unknown"),
            "stage": words(
                "Where it stands.",
                "installing",
                "entering",
                "parked",
                "replicating",
                "echoing",
                "forwarded",
                "confirming",
            ),
            "waits_for": listed("The members that keep it waiting.", awaited),
            "words": text("The same in a sentence."),
        },
    )
