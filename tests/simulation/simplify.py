"""Plans that are plainer than a given one: what shrinking tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from itertools import pairwise

from pbproto import Config
from pbproto.config import MILLISECOND, SECOND

from .limits import USUAL
from .parameters import Shape
from .plan import Ask, Change, Fault, Item, Plan, Told

DURATIONS = (MILLISECOND, 20 * MILLISECOND, 200 * MILLISECOND, SECOND)
"""How short a fault is tried to be."""
CAPS = (MILLISECOND, 30 * MILLISECOND, 300 * MILLISECOND, SECOND)
"""To how little idle time is squeezed."""
MOST_GAPS = 60


def without_node(plan: Plan, node: int) -> Plan | None:
    """The plan of a cluster that lacks a node; ``None`` if nothing would be left."""
    parameters = plan.parameters
    ids = tuple(id_ for id_ in parameters.ids if id_ != node)
    first = tuple(id_ for id_ in parameters.first if id_ != node)
    if not ids:
        return None
    items: list[Item] = []
    for item in plan.items:
        if isinstance(item, Ask):
            repeats = tuple(id_ for id_ in item.repeats if id_ != node)
            if item.node != node:
                items.append(replace(item, repeats=repeats))
        elif isinstance(item, Fault):
            nodes = tuple(id_ for id_ in item.nodes if id_ != node)
            if len(nodes) == len(item.nodes) or (nodes and item.kind == "split"):
                items.append(replace(item, nodes=nodes))
        else:
            members = tuple(id_ for id_ in item.members if id_ != node)
            puts = tuple(put for put in item.puts if put.node != node)
            if members or not item.members:
                items.append(Change(item.at, members, puts))
    if not any(isinstance(item, Change) for item in items):
        return None
    return replace(plan, items=tuple(items), parameters=replace(parameters, ids=ids, first=first or ids))


def simpler(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Plainer plans, each with a name of what was made plainer, from the coarse to the fine."""
    parameters = plan.parameters
    for name, value in (
        ("shape", Shape.USUAL),
        ("numbered", False),
        ("limits", USUAL),
        ("delay", MILLISECOND),
    ):
        yield name, replace(plan, parameters=replace(parameters, **{name: value}))  # type: ignore[arg-type]
    for each in fields(Config):
        config = replace(parameters.config, **{each.name: each.default})  # type: ignore[arg-type]
        yield f"config {each.name}", replace(plan, parameters=replace(parameters, config=config))
    plain = tuple(_plain(item, plan) for item in plan.items)
    yield "all items", replace(plan, items=plain)
    for number, item in enumerate(plan.items):
        for name, one in _plainer(item, plan):
            yield f"{name} {number}", replace(plan, items=_with(plan.items, number, one))


def _with(items: tuple[Item, ...], number: int, item: Item) -> tuple[Item, ...]:
    return (*items[:number], item, *items[number + 1 :])


def _plain(item: Item, plan: Plan) -> Item:
    if isinstance(item, Ask):
        patience = max(item.patience, 2 * plan.parameters.patience)
        value = item.value.rstrip("xy") or item.value
        return replace(item, value=value, name="", repeats=(), patience=patience, answer_lost=False)
    if isinstance(item, Change):
        return replace(item, puts=tuple(Told(put.node, 0) for put in item.puts))
    return item


def _plainer(item: Item, plan: Plan) -> Iterator[tuple[str, Item]]:
    """The item with one thing plainer."""
    if isinstance(item, Fault):
        for duration in DURATIONS:
            if duration < item.until - item.at:
                yield f"lasts {duration}", replace(item, until=item.at + duration)
        return
    yield "plain", _plain(item, plan)
    if isinstance(item, Ask):
        yield "unnamed", replace(item, name="", repeats=())
        yield "not repeated", replace(item, repeats=())
        yield "patient", replace(item, patience=max(item.patience, 2 * plan.parameters.patience))
        yield "answered", replace(item, answer_lost=False)
        return
    for put in item.puts:
        rest = tuple(other for other in item.puts if other is not put)
        yield f"not told {put.node}", replace(item, puts=rest)
        told = tuple(Told(put.node, 0) if other is put else other for other in item.puts)
        yield f"told at once {put.node}", replace(item, puts=told)
    for member in item.members if len(item.members) > 1 else ():
        yield f"without {member}", replace(item, members=tuple(id_ for id_ in item.members if id_ != member))


# Time.


def squeezed(plan: Plan) -> Iterator[tuple[str, Plan]]:
    """Plans with less time between what is planned: all gaps made short, or one."""
    times = sorted({time for item in plan.items for time in _times(item)} | {0, plan.parameters.length})
    for cap in CAPS:
        yield f"all {cap}", _moved(plan, _squeeze(times, dict.fromkeys(range(len(times)), cap)))
    gaps = sorted(range(1, len(times)), key=lambda number: times[number - 1] - times[number])
    for number in gaps[:MOST_GAPS]:
        for cap in CAPS[:3]:
            if times[number] - times[number - 1] > cap:
                yield f"gap {number} of {len(times)} to {cap}", _moved(plan, _squeeze(times, {number: cap}))


def _times(item: Item) -> tuple[int, ...]:
    return (item.at, item.until) if isinstance(item, Fault) else (item.at,)


def _squeeze(times: list[int], caps: dict[int, int]) -> Callable[[int], int]:
    """A map of times in which the gap before the n-th time is at most ``caps[n]``."""
    moved = {times[0]: times[0]}
    for number, (earlier, later) in enumerate(pairwise(times), 1):
        gap = later - earlier
        moved[later] = moved[earlier] + min(gap, caps.get(number, gap))
    return lambda time: moved[time]


def _moved(plan: Plan, move: Callable[[int], int]) -> Plan:
    items: list[Item] = []
    for item in plan.items:
        if isinstance(item, Fault):
            items.append(replace(item, at=move(item.at), until=move(item.until)))
        else:
            items.append(replace(item, at=move(item.at)))
    length = move(plan.parameters.length)
    return replace(plan, items=tuple(items), parameters=replace(plan.parameters, length=length))
