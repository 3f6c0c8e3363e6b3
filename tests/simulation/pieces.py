"""Set pieces: schedules that chance finds too seldom, written by hand, and run before any seed.

Each is a plan like that of a seed. What exactly becomes of each message is still drawn (within a
millisecond), so some come in several variants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pbproto import Config
from pbproto.config import MILLISECOND, SECOND

from .limits import USUAL
from .parameters import Parameters, Shape
from .plan import Ask, Change, Fault, Item, Plan, Told

_CALM = Parameters(
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


def _view(at: int, members: Sequence[int], told: Sequence[int] | None = None) -> Change:
    return Change(at * MILLISECOND, tuple(members), tuple(Told(id_, 0) for id_ in told or members))


def _put(at: int, node: int, value: str, client: int = 0) -> Ask:
    return Ask(at * MILLISECOND, client, node, "put", "k", value, patience=10 * SECOND)


def _fault(kind: str, at: int, until: int, *nodes: int) -> Fault:
    return Fault(at * MILLISECOND, until * MILLISECOND, kind, nodes, 0)


def _plan(parameters: Parameters, *items: Item) -> Plan:
    return Plan(1, parameters, tuple(sorted(items, key=lambda item: item.at)))


def leftover() -> Plan:
    """The log that nobody else has is the longest one, and yet it must not become the base.

    A primary takes writes that reach nobody; the others go on without it, and write less; their primary is
    restarted; all are told the view of all.
    """
    return _plan(
        _CALM,
        _view(0, (0, 1, 2)),
        _fault("cut", 500, 2000, 0, 1),
        _fault("cut", 500, 2000, 0, 2),
        *(_put(510 + number, 0, f"left{number}", number) for number in range(6)),
        _view(530, (1, 2)),
        _put(700, 2, "kept", 10),
        _fault("crash", 900, 910, 1),
        _view(2100, (0, 1, 2)),
    )


def late_verdict(release: int) -> Plan:
    """A primary's "certainly not" arrives when the write stands in the next primary's log.

    The write of a client of 2 is parked at 0, since 1 is suspected, and turned away; the verdict is held up.
    In the next view, of 1, 2 and a slow 3, it gets its place; ``release`` (milliseconds) is when the verdict
    arrives.
    """
    config = replace(
        _CALM.config, request_timeout=SECOND, suspect_after=100 * MILLISECOND, heartbeat=50 * MILLISECOND
    )
    parameters = replace(_CALM, ids=(0, 1, 2, 3), first=(0, 1, 2), config=config)
    return _plan(
        parameters,
        _view(0, (0, 1, 2)),
        _fault("cut", 300, 1400, 0, 1),
        _put(1000, 2, "late"),
        _fault("hold_one_way", 1700, release, 0, 2),
        replace(_fault("slow", 1755, 2500, 3), amount=800),
        _view(1756, (1, 2, 3)),
    )


def late_proposal() -> Plan:
    """A late copy of a proposal reaches the next life of a member whose promise the primary has.

    The primary 0 waits for 2. The promise of 1 came late, so the proposal went out again, and that copy is
    held; 1 is restarted and told the view again, its nudges are lost, and it promises what the copy says.
    """
    return _plan(
        _CALM,
        _view(0, (0, 1, 2)),
        _fault("cut", 0, 2000, 0, 2),
        _fault("hold_one_way", 0, 300, 1, 0),
        _fault("hold_one_way", 200, 600, 0, 1),
        _fault("crash", 350, 355, 1),
        _fault("cut_one_way", 356, 590, 1, 0),
        Change(400 * MILLISECOND, (), (Told(1, 0),)),
        _put(700, 1, "x"),
    )


PIECES = {
    "leftover": leftover(),
    "late_proposal": late_proposal(),
    **{f"late_verdict_{release}": late_verdict(release) for release in (1860, 1880, 1900, 1920, 1940)},
}
"""By name."""
