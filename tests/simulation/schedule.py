"""What schedules written by hand are made of."""

from __future__ import annotations

from collections.abc import Sequence

from pbproto import Config
from pbproto.config import MILLISECOND, SECOND

from .limits import USUAL
from .parameters import Parameters, Shape
from .plan import Ask, Change, Fault, Item, Plan, Told

CALM = Parameters(
    shape=Shape.USUAL,
    ids=(0, 1, 2),
    first=(0, 1, 2),
    numbered=False,
    length=5 * SECOND,
    asks=0,
    clients=0,
    keys=("k",),
    prefill=0,
    value_bytes=0,
    bursts=0,
    puts=0.0,
    deletes=0.0,
    lists=0.0,
    named=0.0,
    patience=3 * SECOND,
    kinds=(),
    faults=0,
    aftershock=False,
    pause_between_views=0,
    loss=0.0,
    copies=0.0,
    delay=MILLISECOND,
    late=0.0,
    stale=0.0,
    limits=USUAL,
    config=Config(request_timeout=3 * SECOND),
)


def view(at: int, members: Sequence[int], told: Sequence[int] | None = None) -> Change:
    """At ``at`` milliseconds a view is told to all of its members, or to those named."""
    return Change(at * MILLISECOND, tuple(members), tuple(Told(id_, 0) for id_ in told or members))


def put(at: int, node: int, value: str, client: int = 0) -> Ask:
    """At ``at`` milliseconds a patient client writes the one key."""
    return Ask(at * MILLISECOND, client, node, "put", "k", value, patience=10 * SECOND)


def fault(kind: str, at: int, until: int, *nodes: int) -> Fault:
    """A fault between two times in milliseconds."""
    return Fault(at * MILLISECOND, until * MILLISECOND, kind, nodes, 0)


def plan(parameters: Parameters, *items: Item, seed: int = 1, messages: Sequence[str] = ()) -> Plan:
    """What exactly becomes of each message is still drawn from the seed, within ``parameters.delay``.

    ``messages`` names what happens to single ones; without it, the rates say.
    """
    names = frozenset(messages) or None
    return Plan(seed, parameters, tuple(sorted(items, key=lambda item: item.at)), names)
