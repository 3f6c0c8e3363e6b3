"""Judges whether a history is linearizable: whether every call seems to happen at one point of its time.

``check`` is the whole interface. See ``numbered.py`` for histories whose numbers are part of the contract,
``search.py`` for those without, ``rules.py`` for common violations in plain words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from .history import Call
from .numbered import check_numbers
from .operations import Operation, gather
from .parts import merged, parts
from .rules import check_rules
from .search import find_order
from .verdict import Budget, Contradiction, OutOfSteps, Verdict, neighbours

LIMIT = 1_000_000
"""Choices that a search may try: measured at 12 seconds and 260 MB of memory for 3,000 calls."""
PLAIN = 2_000_000
"""For how many readings of a key (a listing reads every key) a plainer story is looked for."""
EMPTY: Mapping[str, str] = MappingProxyType({})


def check(
    history: Iterable[Call],
    *,
    numbers: bool = True,
    initial: Mapping[str, str] = EMPTY,
    first_number: int = 0,
    limit: int = LIMIT,
) -> Verdict:
    """Judge a history of one store.

    ``numbers``: hold the answers to ``Msg-Num`` too. Every answer must have one; a write's is the number of
    effective writes before it, a read's the number of writes it has seen, and the first write of all has
    ``first_number``. ``initial``: what the store holds at the beginning. ``limit``: how many choices a
    search may try; when they are used up, and only then, the verdict is ``undecided``.

    Raises ``HistoryError`` for calls that make no sense.
    """
    calls = tuple(history)
    budget = Budget(limit)
    try:
        operations = gather(calls, numbers=numbers)
        if numbers:
            order = _by_numbers(calls, operations, initial, first_number, budget)
        else:
            check_rules(operations, _refused(calls), initial)
            order = _by_search(operations, initial, budget)
    except Contradiction as found:
        near = neighbours(calls, found.calls)
        return Verdict("violation", found.reason, found.calls, found.order, near, budget.steps)
    except OutOfSteps:
        return Verdict("undecided", f"no verdict after {budget.steps} steps of search", steps=budget.steps)
    return Verdict("ok", order=tuple(operation.call for operation in order), steps=budget.steps)


def _refused(calls: Iterable[Call]) -> Iterable[Call]:
    return (call for call in calls if call.outcome == "not_applied")


def _by_numbers(
    calls: Iterable[Call],
    operations: list[Operation],
    initial: Mapping[str, str],
    first_number: int,
    budget: Budget,
) -> list[Operation]:
    try:
        return check_numbers(operations, initial, first_number, budget)
    except Contradiction:
        # If the answers contradict each other without their numbers too, that is the plainer story.
        if sum(len(operation.items or "1") for operation in operations) <= PLAIN:
            check_rules(operations, _refused(calls), initial)
        raise


def _by_search(operations: list[Operation], initial: Mapping[str, str], budget: Budget) -> list[Operation]:
    """Without listings every part has an order of its own, with them the last part has the order of all."""
    orders: list[list[Operation]] = []
    for part in parts(operations, initial):
        if part.whole:
            orders.clear()
        orders.append(find_order(part, budget))
    return merged(orders)
