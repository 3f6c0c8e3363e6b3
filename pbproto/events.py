"""Everything that can happen to a replica: the inputs of ``Replica.step``.

A *token* is any integer that the caller picks to recognise its client again in the effects; the core
never interprets it. Tokens of requests that wait at the same time have to differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from .messages import Envelope, Message
from .record import record
from .values import View


@record
class Put:
    """A client sets ``key`` to ``value`` (both canonical UTF-8 bytes).

    ``trace`` is the trace context of the request, such as a ``traceparent``, or empty. It goes along to the
    primary for those who look on there, and decides nothing.
    """

    token: int
    key: bytes
    value: bytes
    idempotency_key: bytes = b""
    trace: bytes = b""


@record
class Delete:
    """A client removes ``key``; ``trace`` as in ``Put``."""

    token: int
    key: bytes
    idempotency_key: bytes = b""
    trace: bytes = b""


@record
class Get:
    """A client reads ``key``."""

    token: int
    key: bytes


@record
class GetAll:
    """A client reads the whole store at one point of the total order."""

    token: int


Request = Put | Delete | Get | GetAll


@record
class Batch:
    """Several clients arrive at once: what they write goes to the backups in one message, not in two.

    Apart from that it is the same as if they had arrived one after the other. Their tokens have to differ.
    """

    requests: tuple[Request, ...]


@dataclass(frozen=True, slots=True)
class TellView:
    """The external process tells this node a view.

    ``incarnation``: it is meant for this life of the node alone; 0: for whichever is there.
    """

    view: View
    incarnation: int = 0


@record
class Receive:
    """A message from a peer."""

    envelope: Envelope
    message: Message


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; send one when ``Replica.deadline`` is reached."""


@dataclass(frozen=True, slots=True)
class Close:
    """The node is about to stop: answer everyone who waits, turn newcomers away."""


Event = Put | Delete | Get | GetAll | Batch | TellView | Receive | Tick | Close
