"""pbproto: primary-backup replication of a key-value store as a sans-IO library.

Events go into ``Replica.step``, effects come out; nothing in this package knows a clock, a socket or a
thread. See ``docs/protocol.md`` for the rules and ``docs/architecture.md`` for the way of a request.
"""

from .codec import CodecError, VersionError, decode, encode
from .config import Config
from .effects import (
    Code,
    Effect,
    Listing,
    Note,
    Reason,
    Reject,
    Reply,
    Send,
    Value,
    ViewAccepted,
    ViewRefused,
    Written,
)
from .errors import InvariantError, UsageError
from .events import Batch, Close, Delete, Event, Get, GetAll, Put, Receive, TellView, Tick
from .gauges import Gauges
from .inside import Inside
from .messages import Envelope, Message
from .replica import Replica, check_request
from .status import Status
from .values import Ballot, Dropped, Kind, Member, Operation, Result, View
from .why import Why

__version__ = "0.1.0"

__all__ = [
    "Ballot",
    "Batch",
    "Close",
    "Code",
    "CodecError",
    "Config",
    "Delete",
    "Dropped",
    "Effect",
    "Envelope",
    "Event",
    "Gauges",
    "Get",
    "GetAll",
    "Inside",
    "InvariantError",
    "Kind",
    "Listing",
    "Member",
    "Message",
    "Note",
    "Operation",
    "Put",
    "Reason",
    "Receive",
    "Reject",
    "Replica",
    "Reply",
    "Result",
    "Send",
    "Status",
    "TellView",
    "Tick",
    "UsageError",
    "Value",
    "VersionError",
    "View",
    "ViewAccepted",
    "ViewRefused",
    "Why",
    "Written",
    "check_request",
    "decode",
    "encode",
]
