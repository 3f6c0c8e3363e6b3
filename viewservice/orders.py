"""What a person may order, and what they are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pbproto import Member

from .choosing import Proposal, dry_run, floor_with, following, made
from .codec import listed
from .events import Order
from .judging import Sight, suspected_members, unfit_members
from .record import Record

WORDS = ("status", "plan", "init", "switchover", "add", "remove", "size", "pause", "resume", "force")
MAX_NAME = 100
"""Characters of the name that who orders something goes by."""
LOOKING = ("status", "plan")
"""These (the second is a dry run) change nothing; the others write."""


def describe(record: Record) -> dict[str, Any]:
    """What is written down."""
    return {
        "version": record.version,
        "epoch": record.epoch,
        "members": listed(record.members),
        "primary": record.ids[0] if record.ids else None,
        "nodes": listed(record.nodes),
        "size": record.size,
        "floor": record.floor,
        "kept_out": list(record.kept_out),
        "notice": record.notice or None,
        "paused": record.paused,
        "paused_by": record.paused_by or None,
        "why": record.why,
        "cause": record.cause or None,
    }


def status(sight: Sight, trouble: str) -> dict[str, Any]:
    """What is written down, and how everybody is."""
    record, now = sight.record, sight.now
    unfit = unfit_members(sight)
    carriers = sight.carriers()
    suspected = suspected_members(sight)
    nodes = []
    for node in record.nodes:
        watched = sight.watched[node.id]
        report = sight.current(node.id)
        place = "spare" if node.id not in record.ids else "primary" if node.id == record.ids[0] else "backup"
        nodes.append(
            {
                "id": node.id,
                "address": node.address,
                "place": place,
                "says": report.status if report is not None else None,
                "commit": report.commit if report is not None else None,
                "incarnation": f"{report.incarnation:016x}" if report is not None else None,
                "carries": node.id in carriers,
                "unfit": unfit.get(node.id),
                "suspected_ms": max(0, now - suspected[node.id]) // 10**6 if node.id in suspected else None,
                "trouble": watched.trouble.value if watched.trouble is not None else None,
                "silent_ms": max(0, watched.silent_for(now)) // 10**6,
                "strikes": watched.strikes,
                "out_for_ms": max(0, watched.out_until - now) // 10**6,
            }
        )
    return describe(record) | {"nodes": nodes, "active": sight.active, "trouble": trouble or None}


def plan(sight: Sight, order: Order) -> dict[str, Any]:
    """A dry run of a view of ``order.ids``."""
    return dry_run(sight, tuple(sorted(set(order.ids))))


def carry_out(sight: Sight, order: Order) -> Record | str:
    """The record that an order makes, or why it is not possible."""
    record = sight.record
    match order.word:
        case "init":
            return _init(record, order)
        case "pause" | "resume":
            return _pause(record, order)
        case "size":
            return _next(record, size=order.size) if order.size > 0 else "a view has one member at least"
        case "add":
            return _add(record, order)
        case "remove":
            return _remove(sight, order)
        case "switchover":
            return _switch_over(sight, order)
        case "force":
            return _force(sight, order)
    return f"there is no word {order.word!r}; there are {', '.join(WORDS)}"


def _next(record: Record, **changes: Any) -> Record:
    changed = replace(record, **changes)
    return record if changed == record else replace(changed, version=record.version + 1)


def in_words(order: Order) -> str:
    """What is ordered, by whom, and when."""
    what = " ".join(
        filter(None, (order.word, ",".join(map(str, order.ids)), order.address, str(order.size or "")))
    )
    return f"{what}, {_by(order)}"


def _by(order: Order) -> str:
    return f"ordered by {order.by or 'a person'}" + (f" at {order.at}" if order.at else "")


def _pause(record: Record, order: Order) -> Record:
    if order.word == "pause":
        return record if record.paused else _next(record, paused=True, paused_by=_by(order))
    return _next(record, paused=False, paused_by="")


def _init(record: Record, order: Order) -> Record | str:
    """What a new service begins with; what an old one knows stays as it is."""
    if record.version:
        return record
    nodes = tuple(sorted(Member(id_, address) for id_, address in order.nodes))
    if not nodes:
        return "there are no nodes"
    return _next(record, nodes=nodes, size=order.size or len(nodes), why="a new service")


def _add(record: Record, order: Order) -> Record | str:
    """A node more, or one at another address; one that is known, or was, stays where it is."""
    if len(order.ids) != 1:
        return "add takes the id of one node, and its address if that is not known"
    (id_,) = order.ids
    known = record.node(id_)
    if known is None and not order.address:
        return f"node {id_} was never known here: add takes its address as well (add {id_} HOST:PORT)"
    address = order.address or (known.address if known is not None else "")
    if id_ in record.ids and known is not None and known.address != address:
        return f"node {id_} is a member at {known.address}; remove it first"
    other = next((node.id for node in record.nodes if node.address == address and node.id != id_), None)
    if other is not None:
        return f"node {other} is at {address}; two nodes cannot have one address"
    nodes = tuple(sorted((*(node for node in record.nodes if node.id != id_), Member(id_, address))))
    leaving = tuple(node for node in record.leaving if node.id != id_)
    # Whoever adds a node wants it: it may come in although it is below the one that was switched to.
    return _next(record, nodes=nodes, leaving=leaving, floor=min(record.floor, id_))


def _remove(sight: Sight, order: Order) -> Record | str:
    record = sight.record
    gone = record.node(order.ids[0]) if len(order.ids) == 1 else None
    if gone is None or gone not in record.nodes:
        return "remove takes the id of a node that is known"
    nodes = tuple(node for node in record.nodes if node != gone)
    leaving = (*(node for node in record.leaving if node.id != gone.id), gone)
    if gone.id not in record.ids or record.epoch == 0:
        return _next(record, nodes=nodes, leaving=leaving)
    ids = tuple(each for each in record.ids if each != gone.id)
    found = made(sight, Proposal(ids, f"node {gone.id} was removed, {_by(order)}", "remove"))
    return found if isinstance(found, str) else replace(found, nodes=nodes, leaving=leaving)


def _switch_over(sight: Sight, order: Order) -> Record | str:
    """The member with the lowest id is the primary, so those below the wanted one leave, and stay outside."""
    record = sight.record
    if len(order.ids) != 1 or order.ids[0] not in record.ids:
        return "switchover takes the id of a member"
    (id_,) = order.ids
    if id_ == record.ids[0]:
        return _next(record, floor=min(record.floor, id_))
    if id_ not in sight.carriers():
        return f"node {id_} is not proven to hold the data"
    ids = tuple(each for each in record.ids if each >= id_)
    return made(sight, Proposal(ids, f"switchover to node {id_}, {_by(order)}", "switchover", floor=id_))


def _force(sight: Sight, order: Order) -> Record | str:
    """A view of these nodes, whatever is lost: for when nobody is proven to hold the data, or comes back."""
    record = sight.record
    ids = tuple(sorted(set(order.ids)))
    if not ids or not set(ids) <= {node.id for node in record.nodes}:
        return "force takes the ids of nodes that are known"
    if record.epoch == 0:
        return "there was no view yet"
    carriers = {}
    for id_ in ids:
        report = sight.current(id_)
        if report is None:
            return f"node {id_} does not answer"
        if report.holds:
            carriers[id_] = report.incarnation
    if not carriers:
        return (
            "none of them holds anything, and only a new service starts an empty store: end this one, remove"
            " its store, and begin anew"
        )
    members = tuple(node for node in record.nodes if node.id in ids)
    changed = replace(record, floor=min(floor_with(record, ids), ids[0]), cause="force")
    return following(sight, changed, members, carriers, f"a view of {list(ids)} was forced, {_by(order)}")
