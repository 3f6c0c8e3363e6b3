"""Which view should be next, given what is seen; and what any view would mean. Decides nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from pbproto import Member

from .judging import Sight, unfit_members
from .record import Record
from .watch import Watched

Code = Literal[
    "blocked",
    "first_view_not_active",
    "no_spare",
    "nobody_proven",
    "not_possible",
    "other_outside",
    "paused",
    "too_few_nodes",
    "unknown_state",
    "waiting_for_nodes",
]
TROUBLES: tuple[str, ...] = get_args(Code)
"""All that can be the matter."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A view that would be better than the present one."""

    ids: tuple[int, ...]
    why: str
    cause: str = ""
    """One of ``record.CAUSES``."""
    floor: int | None = None
    """That of a switchover; otherwise the one that there is, for as long as it lasts."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why there is none, although there should be."""

    code: Code
    text: str
    alarm: bool


def choose(sight: Sight) -> Proposal | Stuck | None:
    """The next view, by the service's own judgement; nothing if the present one is good."""
    record = sight.record
    if record.version == 0:
        return None  # nobody has said yet which nodes there are
    if record.epoch == 0:
        return _first(sight)
    unfit = unfit_members(sight)
    if unfit:
        return _without(sight, unfit)
    if not sight.active:
        return _foreign(sight)
    if any(sight.current(id_) is None for id_ in record.ids):
        return None  # they are asked; nothing is changed that need not be before they have answered
    if len(record.ids) > record.size:
        ids = record.ids[: record.size]
        return Proposal(ids, f"the view has more than {record.size} members", "size")
    if len(record.ids) < record.size:
        return _with_a_spare(sight)
    return None


def _first(sight: Sight) -> Proposal | Stuck | None:
    """Of nodes that hold nothing, all of them; or the view that they serve already."""
    record = sight.record
    reports = {node.id: sight.current(node.id) for node in record.nodes}
    missing = [id_ for id_, report in reports.items() if report is None]
    if missing:
        # One of them may hold what the others have never heard of.
        return Stuck(
            "waiting_for_nodes", f"waiting for nodes {_list(missing)} to answer for the first time", False
        )
    if len(record.nodes) < record.size:
        return Stuck(
            "too_few_nodes", f"{record.size} members are wanted, {len(record.nodes)} nodes are known", True
        )
    if all(report is not None and report.fresh for report in reports.values()):
        return Proposal(tuple(reports)[: record.size], "the first view, of empty nodes", "first")
    known = [report for report in reports.values() if report is not None and report.epoch is not None]
    newest = max((report.epoch or 0 for report in known), default=0)
    serving = [report for report in known if report.epoch == newest and report.status == "active"]
    members = serving[0].members if serving else ()
    if members and all(record.node(member.id) == member for member in members):
        return Proposal(tuple(member.id for member in members), f"view {newest} is active already", "adopted")
    return Stuck("unknown_state", "nodes hold data or a view, but no view of known nodes is active", True)


def _without(sight: Sight, unfit: Mapping[int, str]) -> Proposal | Stuck | None:
    """Those who carry the data over, and nobody else: a newcomer that is not filled yet can come again."""
    if not sight.looked:
        return None
    carriers = sight.carriers()
    reasons = "; ".join(f"node {id_}: {reason}" for id_, reason in sorted(unfit.items()))
    if sight.record.epoch == 1 and not sight.started:
        # Only epoch 1 starts an empty store: no later view is told before somebody has adopted that.
        return Stuck("first_view_not_active", f"the first view cannot become active ({reasons})", True)
    if not carriers:
        text = (
            f"nobody who answers is proven to hold the data ({reasons}): it goes on when a member is back"
            " that was not restarted; `force` takes a node that holds something, which may be old; if none"
            " does, the data is gone: end the service, remove its store, and begin anew"
        )
        return Stuck("nobody_proven", text, True)
    return Proposal(tuple(carriers), reasons, "failure")


def _foreign(sight: Sight) -> Stuck | None:
    """Why a view whose members are all fit does not become active, where that is known."""
    for id_ in sight.record.ids:
        report = sight.current(id_)
        if report is None:
            continue
        if (report.epoch or 0) > sight.record.epoch:
            text = (
                f"node {id_} was told view {report.epoch}, which is not from here: somebody else sends views"
            )
            return Stuck("other_outside", text, True)
        if report.blocked:
            return Stuck("blocked", f"node {id_}: {report.blocked}", True)
    return None


def _with_a_spare(sight: Sight) -> Proposal | Stuck | None:
    record, config, now = sight.record, sight.config, sight.now
    waiting = []
    for node in record.nodes:
        if node.id in record.ids or node.id < record.floor:
            continue
        watched = sight.watched[node.id]
        report = sight.current(node.id)
        if report is None or (report.epoch or 0) > record.epoch:
            continue
        if now < watched.out_until or watched.seen_at - watched.well_since < config.stable_for:
            waiting.append(node.id)
            continue
        ids = tuple(sorted((*record.ids, node.id)))
        why = f"{len(record.ids)} of {record.size} members, and node {node.id} is a spare"
        return Proposal(ids, why, "spare")
    if waiting:
        return None  # they are watched for a while first
    text = f"the view has {len(record.ids)} of {record.size} members, and there is no spare"
    return Stuck("no_spare", f"{text}; {record.notice}" if record.notice else text, False)


def made(sight: Sight, proposal: Proposal) -> Record | str:
    """The record of a proposal, or why there must be none: what the next view has to rest on is kept here."""
    record = sight.record
    members = tuple(node for node in record.nodes if node.id in proposal.ids)
    if len(members) != len(set(proposal.ids)) or not members:
        return "it has nodes that nobody knows" if proposal.ids else "a view has a member at least"
    reports = {node.id: report for node in members if (report := sight.current(node.id)) is not None}
    adopted = max((report.epoch or 0 for report in reports.values()), default=0) if not record.epoch else 0
    missing = sorted(set(proposal.ids) - set(reports))
    if missing and not adopted:
        return f"node {missing[0]} does not answer"
    if record.epoch == 0:
        carriers = {
            id_: report.incarnation
            for id_, report in reports.items()
            if not adopted or report.status == "active"
        }
    else:
        carriers = {id_: life for id_, life in sight.carriers().items() if id_ in proposal.ids}
        if not carriers:
            return "none of its members is proven to hold the data"
        if not sight.proven and record.epoch == 1 and not any(reports[id_].holds for id_ in carriers):
            return "the first view has to become active before there is another one"
    floor = floor_with(record, proposal.ids) if proposal.floor is None else proposal.floor
    why = proposal.why
    if floor < record.floor and record.kept_out:
        why += f"; the switchover to node {record.ids[0]} ends with it, and lower ids may come in again"
    changed = replace(record, floor=floor, cause=proposal.cause)
    return following(sight, changed, members, carriers, why, adopted)


def floor_with(record: Record, ids: tuple[int, ...]) -> int:
    """The floor once the view has these ids: a switchover lasts as long as the primary is a member.

    It keeps nodes with lower ids out, so that the one that was switched to goes on leading. When that one has
    left there is nothing to keep, and the others may have the only copies: then every spare is wanted.
    """
    return record.floor if not record.ids or record.ids[0] in ids else 0


def following(
    sight: Sight,
    record: Record,
    members: tuple[Member, ...],
    carriers: Mapping[int, int],
    why: str,
    epoch: int = 0,
) -> Record:
    """The record of the next view, ``epoch`` if that is another.

    It may be told everybody who is known, in the last life that was seen: those who say how they are now, and
    those who said it when the view before was decided. If they were restarted since, they refuse it.
    """
    lives = {id_: life for id_, life in record.lives if record.node(id_) is not None}
    for node in (*record.nodes, *record.leaving):
        report = sight.current(node.id)
        if report is not None:
            lives[node.id] = report.incarnation
    return replace(
        record,
        version=record.version + 1,
        epoch=epoch or record.epoch + 1,
        members=members,
        lives=tuple(sorted({**lives, **carriers}.items())),
        carriers=tuple(sorted(carriers.items())),
        why=why,
    )


def dry_run(sight: Sight, ids: tuple[int, ...]) -> dict[str, Any]:
    """What a view of these nodes would mean: who carries the data, who is filled, what would be lost."""
    record = sight.record
    carriers = sight.carriers()
    found = made(sight, Proposal(ids, ""))
    carrying = sorted(set(carriers) & set(ids))
    return {
        "epoch": record.epoch + 1,
        "members": sorted(ids),
        "primary": min(ids, default=None),
        "allowed": not isinstance(found, str),
        "why_not": found if isinstance(found, str) else None,
        "carried_by": carrying,
        "filled": sorted(set(ids) - set(carriers)),
        "leaving": sorted(set(record.ids) - set(ids)),
        "lost": "nothing" if carrying or not record.epoch else _lost(sight, ids),
    }


def _lost(sight: Sight, ids: tuple[int, ...]) -> str:
    """What a view would lose in which nobody is proven to hold everything, as far as nodes say."""
    holding = {
        node.id: report.commit
        for node in sight.record.nodes
        if (report := sight.current(node.id)) is not None and report.holds
    }
    best = max((holding.get(id_, 0) for id_ in ids), default=0)
    newest = max(holding.values(), default=0)
    if not best:
        return "everything"
    if newest > best:
        who = max(holding, key=lambda id_: holding[id_])
        return f"what node {who} has from position {best} to {newest}"
    return "perhaps the newest: nobody in it is proven to have everything"


def watched_of(nodes: tuple[Member, ...], known: Mapping[int, Watched], now: int) -> dict[int, Watched]:
    """Who is watched when these are the nodes; who is at another address is watched anew."""
    found = {}
    for node in nodes:
        watched = known.get(node.id)
        if watched is None or watched.node != node:
            watched = Watched(node, now)
        found[node.id] = watched
    return found


def _list(ids: list[int]) -> str:
    return ", ".join(map(str, ids))
