"""Random histories: first from a store that does everything right, then spoiled.

The calls of an execution overlap; answers get lost; unanswered writes take effect late or never; clients
repeat requests under one Idempotency-Key, or give it to another request by mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from .history import Call, History, HistoryError, Outcome, What


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what there is in a history. Probabilities are those of one call."""

    calls: int
    clients: int
    keys: int = 2
    values: int = 0
    """How many different values there are; 0: every put has one of its own."""
    reads: float = 0.35
    listings: float = 0.1
    deletes: float = 0.15
    unknown: float = 0.15
    """That the answer is lost. Half of such writes take effect."""
    refused: float = 0.1
    named: float = 0.3
    repeated: float = 0.5
    """Of a write with a name: that another attempt follows."""
    mixed_up: float = 0.0
    """Of a write with a name: that the name is that of an earlier write."""
    longest: int = 12
    """The longest time that a call takes. Points in time are whole numbers, so that some are equal."""
    late: int = 40
    """How long a lost write may be on its way."""
    first_number: int = 0
    initial: tuple[tuple[str, str], ...] = ()


def small_plan(random: Random, longest: int) -> Plan:
    """Any kind of history, small enough to try every order."""
    return Plan(
        calls=random.randint(3, longest),
        clients=random.randint(2, 4),
        keys=random.randint(1, 3),
        values=random.choice((0, 0, 2, 3)),
        reads=random.choice((0.1, 0.3, 0.5)),
        listings=random.choice((0, 0.15, 0.3)),
        deletes=random.choice((0, 0.2)),
        unknown=random.choice((0.1, 0.3, 0.6)),
        refused=random.choice((0, 0.1)),
        named=random.choice((0, 0.3, 0.8)),
        mixed_up=random.choice((0, 0.3)),
        longest=random.choice((5, 12, 30)),
        first_number=random.choice((0, 0, 5)),
        initial=random.choice(((), (("k0", "first"),))),
    )


@dataclass(slots=True)
class Attempt:
    """One call, on its way. ``point``: when the store sees it; ``None``: never."""

    client: int
    what: What
    key: str
    value: str | None
    name: str
    start: int
    end: int | None
    point: int | None
    outcome: Outcome
    answer: dict[str, Any] = field(default_factory=dict)


def execution(random: Random, plan: Plan) -> History:
    """A linearizable history with true numbers, in an order of its own."""
    attempts = list(_attempts(random, plan))
    _serve(attempts, plan)
    return tuple(
        Call(
            attempt.client,
            random.randint(1, 3),
            attempt.what,
            attempt.start,
            attempt.end,
            attempt.outcome,
            attempt.key,
            attempt.answer.get("value", attempt.value),
            attempt.answer.get("existed"),
            attempt.answer.get("items"),
            attempt.answer.get("number"),
            attempt.name,
        )
        for attempt in attempts
    )


def _attempts(random: Random, plan: Plan) -> Iterator[Attempt]:
    """Who asks for what, and when."""
    clocks = [0] * plan.clients
    names: list[str] = []
    following: Attempt | None = None
    for number in range(plan.calls):
        if following is None:
            client = random.randrange(plan.clients)
            what, key, value = _request(random, plan, number)
            name = ""
            if what in ("put", "delete") and random.random() < plan.named:
                name = f"n{number}"
                if names and random.random() < plan.mixed_up:
                    name = random.choice(names)
                names.append(name)
        else:
            what, key, value, name = following.what, following.key, following.value, following.name
            client = random.choice((following.client, random.randrange(plan.clients)))
        start = clocks[client] + random.randint(0, 3)
        end = start + random.randint(0, plan.longest)
        clocks[client] = end + random.randint(0, 2)
        attempt = Attempt(client, what, key, value, name, start, end, random.randint(start, end), "ok")
        dice = random.random()
        if dice < plan.refused:
            attempt.outcome, attempt.point = "not_applied", None
        elif dice < plan.refused + plan.unknown:
            attempt.outcome = "unknown"
            attempt.end = random.choice((None, end))
            attempt.point = random.choice((None, start + random.randint(0, plan.late)))
        following = attempt if name and random.random() < plan.repeated else None
        yield attempt


def _request(random: Random, plan: Plan, number: int) -> tuple[What, str, str | None]:
    key = f"k{random.randrange(plan.keys)}"
    dice = random.random()
    if dice < plan.reads:
        return "get", key, None
    if dice < plan.reads + plan.listings:
        return "list", "", None
    if dice < plan.reads + plan.listings + plan.deletes:
        return "delete", key, None
    return "put", key, f"v{random.randrange(plan.values) if plan.values else number}"


def _serve(attempts: list[Attempt], plan: Plan) -> None:
    """Let a store that does one thing at a time answer them."""
    store = dict(plan.initial)
    table: dict[str, tuple[tuple[str, str, str | None], dict[str, Any]]] = {}
    count = plan.first_number
    arrived = [(attempt.point, index) for index, attempt in enumerate(attempts) if attempt.point is not None]
    for _, index in sorted(arrived):
        attempt = attempts[index]
        if attempt.what == "get":
            attempt.answer = {"value": store.get(attempt.key), "number": count}
        elif attempt.what == "list":
            attempt.answer = {"items": dict(store), "number": count}
        elif attempt.name in table:
            request, attempt.answer = table[attempt.name]
            if request != (attempt.what, attempt.key, attempt.value) and attempt.outcome == "ok":
                attempt.outcome = "not_applied"
        else:
            attempt.answer = {"existed": attempt.key in store, "number": count}
            count += 1
            if attempt.value is None:
                store.pop(attempt.key, None)
            else:
                store[attempt.key] = attempt.value
            if attempt.name:
                table[attempt.name] = (attempt.what, attempt.key, attempt.value), attempt.answer
    for attempt in attempts:
        if attempt.outcome != "ok":
            attempt.answer = {}


def spoiled(random: Random, history: History) -> History:
    """The history with one thing changed. It may be linearizable still."""
    for _ in range(20):
        calls = list(history)
        index = random.randrange(len(calls))
        change = random.choice(CHANGES)
        try:
            calls[index] = change(random, calls[index], calls)
        except HistoryError:
            continue
        if tuple(calls) != history:
            return tuple(calls)
    return history


def _other_value(random: Random, call: Call, calls: list[Call]) -> Call:
    """A read sees, or a put writes, another value, or nothing."""
    if call.what == "delete":
        return call
    value = random.choice([other.value for other in calls])
    if call.items is None:
        return call if value is None and call.what == "put" else replace(call, value=value)
    items = dict(call.items)
    key = random.choice([*items, "k0"])
    items.pop(key, None)
    return replace(call, items=items if value is None else items | {key: value})


def _other_answer(_random: Random, call: Call, _calls: list[Call]) -> Call:
    return call if call.existed is None else replace(call, existed=not call.existed)


def _other_number(random: Random, call: Call, _calls: list[Call]) -> Call:
    if call.number is None:
        return call
    return replace(call, number=random.choice((None, max(0, call.number - 1), call.number + 1, 0)))


def _other_outcome(random: Random, call: Call, _calls: list[Call]) -> Call:
    outcome: Outcome = random.choice(("ok", "not_applied", "unknown"))
    if call.what == "get" and call.outcome != "ok":
        return call
    return replace(call, outcome=outcome)


def _other_time(random: Random, call: Call, _calls: list[Call]) -> Call:
    start = max(0, call.start + random.randint(-15, 15))
    return replace(call, start=start, end=None if call.end is None else start + random.randint(0, 10))


def _other_key(random: Random, call: Call, calls: list[Call]) -> Call:
    return call if call.what == "list" else replace(call, key=random.choice(calls).key or call.key)


def _other_name(random: Random, call: Call, calls: list[Call]) -> Call:
    return replace(call, name=random.choice(calls).name) if call.writes else call


CHANGES: tuple[Callable[[Random, Call, list[Call]], Call], ...] = (
    _other_value,
    _other_answer,
    _other_number,
    _other_outcome,
    _other_time,
    _other_key,
    _other_name,
)
