"""What a scope is: the nodes, the clients' scripts, the views, and how often what may go wrong. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from pbproto import Delete, Get, GetAll, Member, Put, View
from pbproto.events import Request

LIVES = (50, 20, 80, 10)
"""Incarnations of a node's lives, to which its id is added: not in order, as random bits would not be."""


PATIENT = {"request_timeout": 10_000, "suspect_after": 1_000, "resend_after": 250, "heartbeat": 400}
"""Nodes ask again, then suspect, then give up, as in real life."""
HASTY = {"request_timeout": 10, "suspect_after": 1_000, "resend_after": 250, "heartbeat": 400}
"""The first thing that time does is to turn clients away."""
SUSPICIOUS = {"request_timeout": 20, "suspect_after": 10, "resend_after": 1_000, "heartbeat": 1_000}
"""The first thing is suspicion, the second that clients are turned away."""
TINY = {**PATIENT, "chunk_bytes": 1, "batch_bytes": 1, "log_keep_bytes": 0}
"""State moves item by item, as a snapshot whenever it can."""


def address(id_: int) -> str:
    return f"n{id_}:1"


def view(ids: tuple[int, ...], epoch: int | None = None) -> View:
    """A view of these nodes."""
    return View(tuple(Member(id_, address(id_)) for id_ in ids), epoch)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a client. Clients are sequential: the next one follows when this one has ended."""

    node: int
    what: Literal["put", "delete", "get", "list"]
    key: str = "k"
    value: str = ""
    name: str = ""
    """The ``Idempotency-Key``. Requests with the same one are the same request, repeated."""
    after: int = 0
    """Asked only once this many views were ordered after the first."""

    def event(self, token: int) -> Request:
        key, name = self.key.encode(), self.name.encode()
        if self.what == "put":
            return Put(token, key, self.value.encode(), name)
        if self.what == "delete":
            return Delete(token, key, name)
        return Get(token, key) if self.what == "get" else GetAll(token)

    @property
    def writes(self) -> bool:
        return self.what in ("put", "delete")

    def __str__(self) -> str:
        words = {
            "put": f"PUT {self.key}={self.value}",
            "delete": f"DELETE {self.key}",
            "get": f"GET {self.key}",
        }
        return words.get(self.what, "GET everything") + (f" ({self.name})" if self.name else "")


def put(node: int, value: str, *, name: str = "", after: int = 0, key: str = "k") -> Ask:
    return Ask(node, "put", key, value, name, after)


def get(node: int, *, after: int = 0, key: str = "k") -> Ask:
    return Ask(node, "get", key, after=after)


def delete(node: int, *, after: int = 0, key: str = "k") -> Ask:
    return Ask(node, "delete", key, after=after)


def everything(node: int, *, after: int = 0) -> Ask:
    return Ask(node, "list", "", after=after)


@dataclass(frozen=True, slots=True)
class Timer:
    """Time passes at one node: until its next deadline, or until everything it waits for is due."""

    kind: Literal["next", "all"]


TIMERS = (Timer("next"), Timer("all"))


@dataclass(frozen=True, slots=True)
class Pass:
    """So many milliseconds pass at one node, while some pass at every other as well."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Order:
    """One view that the outside orders after the one before, and the nodes that are told."""

    members: tuple[int, ...]
    to: tuple[int, ...]
    epoch: int | None = None
    free: bool = False
    """Ordered although no member carries the data over: the halves of a split."""


@dataclass(frozen=True, slots=True)
class Scope:
    """All runs of this are tried.

    The network never forgets a message: each one that was ever sent may be delivered at any later time, any
    number of times, or never. So loss, delay, reordering and duplication are all in, without a bound.
    """

    name: str
    about: str
    nodes: int
    clients: tuple[tuple[Ask, ...], ...]
    orders: tuple[Order, ...] = ()
    """The views after the first one."""
    first: tuple[int, ...] = ()
    """Members of the first view, active at the start; none: the first order is the first view."""
    first_epoch: int | None = None
    before: tuple[Ask, ...] = ()
    """Requests that were answered before the search begins, in this order."""
    timers: int = 0
    """How often some node's clock may move, to its next deadline or past all of them."""
    passes: tuple[tuple[int, ...], ...] = ()
    """Where clocks drift within bounds, all of them move at once instead: each of these is how far, per node,
    in milliseconds. Clocks that move one by one drift without any, and leases rest on a bound."""
    crashes: int = 0
    """How often some node may crash and start again with nothing."""
    mortal: tuple[int, ...] = ()
    """The nodes that may crash (all, if none is named), as long as the data has another keeper."""
    again: int = 0
    """How often a view that a node was told may be told to it again."""
    closes: int = 0
    """How often some node may be stopped in order. It goes on answering its peers; if there are crashes left,
    it may be killed and started again at any later time."""
    max_epoch: int = 4
    max_attempt: int = 3
    max_round: int = 2
    """Caps. What goes beyond is not followed further, and counted as cut: endless copies of a message to or
    from a former life can make a primary propose, or begin a round, without end."""
    depth: int | None = None
    """The number of actions after which the search ends; ``None``: when there is nothing left to try."""
    one_history: bool = True
    """Whether the outside keeps its contract; where it splits the cluster there are two histories."""
    settings: Mapping[str, int] = field(default_factory=dict)
    """Of ``Config``; times in milliseconds."""
    must_see: tuple[str, ...] = ()
    """The 'sometimes' properties of this scope."""

    @property
    def script(self) -> tuple[tuple[int, int, Ask], ...]:
        """All requests: ``(client, place in its script, request)``; those from before first, as client -1."""
        told = [(-1, place, ask) for place, ask in enumerate(self.before)]
        for client, asks in enumerate(self.clients):
            told += [(client, place, ask) for place, ask in enumerate(asks)]
        return tuple(told)


two = partial(Scope, nodes=2, first=(0, 1), settings=HASTY)
"""What most scopes begin with: an active view of two, and clients whose patience ends first."""
three = partial(Scope, nodes=3, first=(0, 1, 2), settings=HASTY)
"""The same of three."""
