"""``GET /view``, ``GET /status`` and ``GET /why`` as JSON documents; ``docs/observing.md`` has each field."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from pbproto import Status, __version__
from pbproto.advice import Advice
from pbproto.config import MILLISECOND
from pbproto.inside import Inside
from pbproto.values import Ballot, View
from pbproto.why import Wait, Why

from .history import Events
from .node import Sight
from .responses import RefusedError
from .settings import Settings
from .told import words

MAX_KEY_SHOWN = 256
"""Characters of a key that ``GET /why`` shows at most."""
_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
_SHOWN = (
    "server",
    "reads",
    "request_timeout",
    "suspect_after",
    "resend_after",
    "heartbeat",
    "lease",
    "clock_drift",
    "peer_timeout",
    "fill_rate",
    "log_keep_bytes",
    "max_value_bytes",
    "max_waiting",
    "max_waiting_bytes",
)
"""The settings that one needs to understand what a node does; none of them is a secret."""
_NOT_SERVING = {
    "none": "this node has not been told a view since it started",
    "outside": "this node is not a member of the view it was told",
}


def since(query: bytes) -> int:
    """The number in ``?since=``, or 0; whatever else is asked for is ignored. Raises ``RefusedError``."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=16)
        text = dict(pairs).get("since", "0")
    except ValueError:
        text = ""
    if not _NUMBER.fullmatch(text):
        raise RefusedError(400, "bad_query", '"since" has to be the number of an event, an integer from 0')
    return int(text)


def not_serving(status: Status) -> str:
    """Why a node that is not ready is not."""
    detail = _NOT_SERVING.get(status.status) or f"status {status.status}"
    whom = "; ".join(f"node {wait.id}: {wait.reason}" for wait in status.waiting_for)
    return f"{detail} ({status.blocked or whom})" if status.blocked or whom else detail


def of_view(status: Status) -> dict[str, Any]:
    """What ``GET /view`` says."""
    return {
        "id": status.id,
        "incarnation": f"{status.incarnation:016x}",
        "view": _members(status.view),
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
        "synced": _ballot(status.synced),
        "commit": status.commit,
        "log_end": status.log_end,
    }


def _members(view: View | None) -> list[dict[str, Any]]:
    return [
        {"address": member.address, "id": member.id} for member in (view.members if view is not None else ())
    ]


def _ballot(ballot: Ballot | None) -> dict[str, Any] | None:
    if ballot is None:
        return None
    return {
        "epoch": ballot.epoch,
        "attempt": ballot.attempt,
        "primary": ballot.primary,
        "incarnation": f"{ballot.incarnation:016x}",
    }


def of_status(
    sight: Sight, settings: Settings, started: float, totals: dict[str, Any] | None
) -> dict[str, Any]:
    """What ``GET /status`` says. ``started``: when the node was, by ``time.monotonic``."""
    status, inside = sight.status, sight.inside
    return {
        **of_view(status),
        "now": stamp(time.time()),
        "uptime_s": round(time.monotonic() - started, 3),
        "version": __version__,
        "ready": status.ready,
        "promised": _ballot(status.promised),
        "keys": status.keys,
        "data_bytes": status.data_bytes,
        "max_data_bytes": status.max_data_bytes,
        "log": {"start": inside.log_start, "end": status.log_end, "bytes": inside.log_bytes},
        "waiting": {
            "requests": status.waiting,
            "bytes": inside.waiting_bytes,
            "parked": inside.parked,
            "uncommitted": inside.uncommitted,
        },
        "backups": _backups(inside),
        "heard_ms": _ms(inside.heard),
        "lease_ms": _ms(inside.lease),
        "stands_by_ms": _ms(inside.stands_by),
        "transfers": [
            {
                "id": each.id,
                "address": each.address,
                "direction": each.direction,
                "what": each.what,
                "unit": each.unit,
                "done": each.done,
                "total": each.total,
                "refusal": each.refusal or None,
            }
            for each in inside.transfers
        ],
        "told_ms": _ms(inside.told),
        "advice": _advice(inside.advice),
        "mail": [{"address": address, "bytes": size} for address, size in sight.mail.items()],
        "ignored": dict(inside.ignored),
        "totals": totals,
        "settings": {name: getattr(settings, name) for name in _SHOWN},
        "events": _events(sight.events),
    }


def _backups(inside: Inside) -> list[dict[str, Any]]:
    return [
        {
            "id": each.id,
            "address": each.address,
            "incarnation": f"{each.incarnation:016x}",
            "acked": each.acked,
            "lag": each.lag,
            "owes_ms": _ms(each.owes),
            "suspected": each.suspected or None,
            "suspected_ms": _ms(each.suspected_for),
            "lease_ms": _ms(each.lease),
        }
        for each in inside.backups
    ]


def _events(events: Events) -> dict[str, Any]:
    return {
        "last": events.last,
        "missed": events.missed,
        "list": [
            {
                "number": event.number,
                "time": stamp(event.time),
                "event": event.name,
                "level": event.level,
                "fields": dict(event.fields),
                "words": words(event),
            }
            for event in events.events
        ],
    }


def of_why(why: Why) -> dict[str, Any]:
    """What ``GET /why`` says."""
    others = why.at_primary
    return {
        "id": why.id,
        "now": stamp(time.time()),
        "view": _members(why.view),
        "epoch": why.epoch,
        "primary": why.primary,
        "status": why.status,
        "summary": why.summary,
        "waiting": [_wait(each) for each in why.waits],
        "left_out": why.left_out,
        "at_primary": None
        if others is None
        else {
            "parked": others.parked,
            "uncommitted": others.uncommitted,
            "echoing": others.echoing,
            "reads": others.reads,
            "asks": others.asks,
        },
        "advice": _advice(why.advice),
    }


def _advice(advice: Advice | None) -> dict[str, Any] | None:
    if advice is None:
        return None
    view = advice.view
    epoch = {} if view is None or view.epoch is None else {"epoch": view.epoch}
    return {
        "what": advice.what,
        "costs": advice.costs,
        "remedy": advice.remedy,
        "caution": advice.caution or None,
        "put": None if view is None else {"view": _members(view), **epoch},
    }


def _wait(wait: Wait) -> dict[str, Any]:
    key = wait.key.decode()
    return {
        "operation": wait.operation,
        "key": (key if len(key) <= MAX_KEY_SHOWN else key[:MAX_KEY_SHOWN] + "…") if key else None,
        "since_ms": _ms(wait.age),
        "deadline_in_ms": _ms(wait.left),
        "at_timeout": "unknown" if wait.exposed else "not_applied",
        "stage": wait.stage,
        "waits_for": [
            {"id": each.id, "address": each.address, "reason": each.reason, "silent_ms": _ms(each.silent)}
            for each in wait.awaited
        ],
        "words": wait.words,
    }


def _ms(nanoseconds: int | None) -> int | None:
    return None if nanoseconds is None else nanoseconds // MILLISECOND


def stamp(seconds: float) -> str:
    """A time of the wall clock as ISO 8601 has it, in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
