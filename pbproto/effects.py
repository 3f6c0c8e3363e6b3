"""Everything a replica can ask its caller to do: the outputs of ``Replica.step``, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .messages import Envelope, Message
from .record import record
from .values import Result


class Reason(Enum):
    """Why a client's request or a told view was turned away."""

    NO_VIEW = "no_view"
    OUTSIDE = "outside_view"
    OVERLOADED = "overloaded"
    CLOSING = "closing"
    TIMEOUT = "timeout"
    KEY_REUSED = "idempotency_key_reused"
    STORE_FULL = "store_full"
    STALE_EPOCH = "stale_epoch"
    EPOCH_TAKEN = "epoch_taken"
    OTHER_LIFE = "other_life"


@record
class Written:
    """A write took effect, once, at ``result.position``."""

    result: Result


@record
class Value:
    """A confirmed read: the value, ``None`` for a missing key, and the number of writes before it."""

    value: bytes | None
    position: int


@dataclass(frozen=True, slots=True)
class Listing:
    """A confirmed read of the whole store, a snapshot that later writes do not change.

    Any thread may read it. While it is held, writes cost a little more, and memory for what they overwrite.
    """

    items: Mapping[bytes, bytes]
    position: int


@record
class Send:
    """Replicate: carry ``message`` to the peer. ``address`` is empty where only an answer can reach it."""

    address: str
    envelope: Envelope
    message: Message


@record
class Reply:
    """Answer the client with ``token``."""

    token: int
    outcome: Written | Value | Listing


@dataclass(frozen=True, slots=True)
class Reject:
    """Turn the client with ``token`` away.

    ``certain``: the request never took and never takes effect. Otherwise a write may still take effect, once.
    """

    token: int
    reason: Reason
    certain: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ViewAccepted:
    """The told view is now this node's told view."""


@dataclass(frozen=True, slots=True)
class ViewRefused:
    """The told view changed nothing."""

    reason: Reason
    detail: str


class Code(Enum):
    """What a note is about."""

    VIEW_TOLD = "view_told"
    VIEW_LEARNED = "view_learned"
    FILLING = "filling"
    FILLED = "filled"
    PROPOSED = "proposed"
    PROMISED = "promised"
    POSTPONED = "postponed"
    BASE_CHOSEN = "base_chosen"
    STARTED_EMPTY = "started_empty"
    BLOCKED = "blocked"
    INSTALLED = "installed"
    BECAME_PRIMARY = "became_primary"
    STOPPED_SERVING = "stopped_serving"
    SUSPECTED = "suspected"
    RECOVERED = "recovered"
    STATE_SENT = "state_sent"
    STATE_RECEIVED = "state_received"
    DROPPED = "dropped"
    REFUSED_BY = "refused_by"
    IGNORED = "ignored"
    REJECTED = "rejected"
    STORE_NEARLY_FULL = "store_nearly_full"
    STORE_FULL = "store_full"
    STORE_HAS_ROOM = "store_has_room"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Note:
    """What was decided and why; changes nothing."""

    code: Code
    fields: tuple[tuple[str, str | int], ...] = ()


Effect = Send | Reply | Reject | ViewAccepted | ViewRefused | Note
