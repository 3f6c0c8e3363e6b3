"""What must be true in every state: the invariants of ``docs/protocol.md``, told by ``Facts``.

Each check names one part of the state that it reads, so it runs once for each value of that part. Invariant 4
(seal) is held against every step, in ``nodes``; 6 (linearizability) against every history, in ``history``; 7
(determinism) by stepping again, in the tests; and ``pbproto.state.check`` runs inside every step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbproto import Operation, Receive
from pbproto.messages import Replicate
from pbproto.store import KEY_BYTES
from pbproto.values import Kind, RequestId

from .facts import Facts
from .history import Entry, History
from .nodes import ViolationError
from .scope import Ask


def one_node(facts: Facts) -> None:
    """A log holds no request and no key twice (5), the store is its outcome and has room for it (9), only a
    member leads.
    """
    requests: dict[RequestId, int] = {}
    names: dict[bytes, int] = {}
    for position, operation in enumerate(facts.operations, facts.start):
        other = requests.setdefault(operation.request, position)
        if operation.idempotency_key and other == position:
            other = names.setdefault(operation.idempotency_key, position)
        if other != position:
            raise ViolationError(
                "exactly_once", f"{operation} stands at {other} and {position} at node {facts.id}"
            )
    if facts.start == 0 and dict(facts.data) != replay(facts.operations[: facts.commit])[0]:
        raise ViolationError("store", f"the store of node {facts.id} is not what its log says: {facts.data}")
    size = sum(KEY_BYTES + len(key) + len(value) for key, value in facts.data)
    if facts.size != size or (facts.bound and size > facts.bound):
        raise ViolationError(
            "bound", f"node {facts.id} has {size} bytes, counts {facts.size}, and may have {facts.bound}"
        )
    if facts.leads is not None and facts.told is not None and facts.told.member(facts.id) is None:
        raise ViolationError("serving", f"node {facts.id} leads, and was told a view without it")


def replay(operations: Iterable[Operation]) -> tuple[dict[bytes, bytes], list[Kind]]:
    """The map after these operations, and what each did."""
    data: dict[bytes, bytes] = {}
    kinds = []
    for operation in operations:
        known = operation.key in data
        if operation.value is None:
            data.pop(operation.key, None)
            kinds.append(Kind.DELETED if known else Kind.MISSING)
        else:
            data[operation.key] = operation.value
            kinds.append(Kind.UPDATED if known else Kind.CREATED)
    return data, kinds


def two_nodes(one: Facts, other: Facts, one_history: bool) -> None:
    """One log per ballot (1), commit is everywhere (2), one history."""
    first = max(one.start, other.start)
    if one.synced is not None and one.synced == other.synced:
        _same(one, other, first, min(one.end, other.end), "one_log", f"ballot {one.synced}")
        _equal(one, other)
    if one_history:
        _same(one, other, first, min(one.commit, other.commit), "committed", "what is committed")
        _equal(one, other)
    for lead, backup in ((one, other), (other, one)):
        for id_, incarnation, acked in lead.leads or ():
            if (id_, incarnation) == (backup.id, backup.incarnation):
                _holds(lead, backup, acked)
    if one.leads is not None and other.leads is not None and one.promised == other.promised:
        raise ViolationError("one_log", f"ballot {one.promised} has two primaries, {one.id} and {other.id}")


def _same(one: Facts, other: Facts, first: int, end: int, check: str, what: str) -> None:
    for position in range(first, end):
        if one.operation(position) != other.operation(position):
            raise ViolationError(
                check,
                f"{what} is, at {position}, {one.operation(position)} at node {one.id} and "
                f"{other.operation(position)} at node {other.id}",
            )


def _equal(one: Facts, other: Facts) -> None:
    if one.commit == other.commit and (one.data, one.memory) != (other.data, other.memory):
        raise ViolationError(
            "equal_stores", f"nodes {one.id} and {other.id} applied the same and hold different stores"
        )


def _holds(lead: Facts, backup: Facts, acked: int) -> None:
    if backup.synced is None or backup.synced < lead.promised:
        raise ViolationError("everywhere", f"node {backup.id} does not hold {lead.promised}, which is active")
    if backup.synced == lead.promised and not backup.end >= acked >= lead.commit:
        raise ViolationError("everywhere", f"node {backup.id} lacks what node {lead.id} counts as everywhere")


def node_and_mail(facts: Facts, mail: Iterable[object]) -> None:
    """One log per ballot (1), also over time: what was once replicated in it is what stands in it."""
    for event in mail:
        if not isinstance(event, Receive) or not isinstance(event.message, Replicate):
            continue
        message = event.message
        if message.ballot == facts.synced:
            for position, operation in enumerate(message.operations, message.first):
                held = facts.operation(position)
                if held is not None and held != operation:
                    raise ViolationError(
                        "one_log",
                        f"{message.ballot} had {operation} at {position}; node {facts.id} holds {held}",
                    )


def node_and_history(
    facts: Facts, asks: tuple[Ask, ...], history: History, refused: frozenset[RequestId], joined: bool
) -> None:
    """Acknowledged operations stay (3), 'not applied' never takes effect (6), who waits is not forgotten.

    ``joined``: the node is a member of the last view of a scope with a split; what it lacks, it must report.
    """
    for ask, entry in zip(asks, history, strict=True):
        if entry is not None and entry.state == "written" and facts.synced is not None:
            _keeps(facts, ask, entry, joined)
        if entry is not None and entry.state == "waits":
            _lets_wait(facts, ask, entry.request)
    for position in range(facts.start, facts.commit):
        operation = facts.operation(position)
        if operation is not None and operation.request in refused:
            raise ViolationError("not_applied", f"{operation} was 'not applied', and is at {position}")


def _lets_wait(facts: Facts, ask: Ask, request: RequestId) -> None:
    life, counter = request[:2], request.counter
    if facts.closing and facts.life == life:
        raise ViolationError("closing", f"node {facts.id} is stopping, and the client of {ask} waits there")
    if facts.marks.get(life, 0) > counter:
        raise ViolationError("settled", f"{ask} still waits, and node {facts.id} takes it to be answered")


def _keeps(facts: Facts, ask: Ask, entry: Entry, joined: bool) -> None:
    assert facts.synced is not None
    if facts.synced < entry.ballot:
        return
    position = entry.position
    if _has(facts, ask, position):
        return
    if joined and any(loss.first <= position < loss.end for loss in facts.dropped):
        return
    raise ViolationError(
        "dropped" if joined else "durability",
        f"{ask} was acknowledged at {position} in {entry.ballot}; node {facts.id}, synced in {facts.synced}, "
        f"holds {facts.operation(position)} there",
    )


def keeper_and_history(facts: Facts, asks: tuple[Ask, ...], history: History) -> None:
    """On whom the outside counts holds all that was acknowledged: nobody says ``active`` too early (3).

    All other members may be lost. So this is what they would be lost for, without their loss.
    """
    for ask, entry in zip(asks, history, strict=True):
        if entry is not None and entry.state == "written" and not _has(facts, ask, entry.position):
            raise ViolationError(
                "keeper",
                f"{ask} was acknowledged at {entry.position} in {entry.ballot}; the outside counts on node "
                f"{facts.id}, which lacks it",
            )


def _has(facts: Facts, ask: Ask, position: int) -> bool:
    """Whether the log has the write at its position, or had it there as far as can be told."""
    held = facts.operation(position)
    return position < facts.end and (
        held is None or (held.key == ask.key.encode() and held.value == _written(ask))
    )


def _written(ask: Ask) -> bytes | None:
    return ask.value.encode() if ask.what == "put" else None


def took_effect(facts: Facts, asks: tuple[Ask, ...], history: History) -> Iterator[str]:
    """'Sometimes' properties of what is committed at a node."""
    committed = {
        operation.request
        for position in range(facts.start, facts.commit)
        if (operation := facts.operation(position)) is not None
    }
    names: dict[str, int] = {}
    for ask, entry in zip(asks, history, strict=True):
        if entry is None or not ask.writes:
            continue
        if entry.request in committed and entry.state in ("unknown", "lost"):
            yield f"{entry.state}_took_effect"
        if entry.state == "written" and ask.name:
            if ask.name in names:
                yield "repeat_by_key"
            names[ask.name] = entry.position


def writers(history: History) -> dict[int, None]:
    """The primaries that acknowledged writes."""
    return {entry.ballot.primary: None for entry in history if entry is not None and entry.state == "written"}
