"""From calls to operations: what may have had an effect, and when.

Attempts that share an ``Idempotency-Key`` and ask for the same are one operation. What certainly had no
effect and what tells nothing is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .history import Call, HistoryError, What
from .verdict import Contradiction, shown


@dataclass(slots=True, eq=False)
class Operation:
    """One effect or observation. It happens at one point from ``start`` to ``end``, both included.

    So it is before another one for certain if it ends before the other one starts; at equal times either may
    be first.
    """

    what: What
    key: str
    value: str | None
    items: Mapping[str, str] | None
    start: int
    end: float
    """Infinite for a write that nobody was told of: it may also never happen."""
    existed: bool | None
    number: int | None
    call: Call
    """What stands for it in a verdict: the attempt that was answered first, else the first one."""
    rivals: tuple[Operation, ...] = ()
    """Other requests that came under the same ``Idempotency-Key``: one of them at most takes effect."""

    @property
    def known(self) -> bool:
        """Whether it was answered, so that it has happened."""
        return self.end != math.inf

    @property
    def writes(self) -> bool:
        return self.what in ("put", "delete")

    @property
    def after(self) -> str | None:
        """What its key holds after it: of a put its value, of a delete nothing, of a get what it saw."""
        return None if self.what == "delete" else self.value


def gather(history: Iterable[Call], *, numbers: bool) -> list[Operation]:
    """The operations of a history, by start. Raises ``Contradiction``, ``HistoryError``."""
    operations: list[Operation] = []
    named: dict[str, list[Call]] = {}
    for call in history:
        _check_form(call)
        if call.writes and call.name:
            named.setdefault(call.name, []).append(call)
        elif call.outcome == "ok" or (call.writes and call.outcome == "unknown"):
            operations.append(_operation([call]))
    for name, attempts in named.items():
        operations += _one_effect(name, attempts, numbers)
    operations.sort(key=lambda operation: operation.start)
    return operations


def _check_form(call: Call) -> None:
    """Raises ``HistoryError`` for what cannot be judged, whoever wrote it."""
    if call.what not in ("put", "delete", "get", "list"):
        raise HistoryError(f"no such request: {call.what!r}")
    if call.outcome not in ("ok", "not_applied", "unknown"):
        raise HistoryError(f"no such outcome: {call.outcome!r}")
    if call.what == "put" and call.value is None:
        raise HistoryError("a put has a value")
    for field, value, kind in (
        ("start", call.start, int),
        ("end", call.end, int),
        ("key", call.key, str),
        ("value", call.value, str),
        ("existed", call.existed, bool),
        ("items", call.items, Mapping),
        ("number", call.number, int),
        ("name", call.name, str),
    ):
        if value is not None and not isinstance(value, kind):
            raise HistoryError(f"{field} is {value!r}")


def _operation(attempts: Sequence[Call]) -> Operation:
    """The operation of attempts of which each may have had the effect (one, if it has no name).

    It happens after its first attempt began and before any of them was answered, so before the first answer.
    """
    answered = min(
        (attempt for attempt in attempts if attempt.outcome == "ok"),
        key=lambda attempt: math.inf if attempt.end is None else attempt.end,
        default=None,
    )
    first = min(attempts, key=lambda attempt: attempt.start)
    call = answered or first
    return Operation(
        call.what,
        call.key,
        call.value,
        call.items,
        first.start,
        math.inf if answered is None or answered.end is None else answered.end,
        next((each.existed for each in attempts if each.outcome == "ok" and each.existed is not None), None),
        None if answered is None else answered.number,
        call,
    )


def _one_effect(name: str, attempts: Sequence[Call], numbers: bool) -> list[Operation]:
    """What may have happened under one ``Idempotency-Key``.

    The first request to take effect owns the key; another one under it is refused (422) from then on. So one
    request at most was answered, and if one was, no other one had an effect.
    """
    requests: dict[tuple[str, str, str | None], list[Call]] = {}
    for attempt in attempts:
        if attempt.outcome != "not_applied":
            requests.setdefault((attempt.what, attempt.key, attempt.value), []).append(attempt)
    answered = [
        [attempt for attempt in group if attempt.outcome == "ok"]
        for group in requests.values()
        if any(attempt.outcome == "ok" for attempt in group)
    ]
    if len(answered) > 1:
        reason = f"the Idempotency-Key {shown(name)} was answered for two different requests"
        raise Contradiction(reason, (group[0] for group in answered))
    if answered:
        _same_answers(name, answered[0], numbers)
        attempt = answered[0][0]
        return [_operation(requests[attempt.what, attempt.key, attempt.value])]
    operations = [_operation(group) for group in requests.values()]
    for operation in operations:
        operation.rivals = tuple(other for other in operations if other is not operation)
    return operations


def _same_answers(name: str, answered: Sequence[Call], numbers: bool) -> None:
    """Every answer says the same. An answer that lacks ``existed`` says nothing about it."""
    first = answered[0]
    told = next((attempt for attempt in answered if attempt.existed is not None), first)
    for other in answered:
        if other.existed not in (None, told.existed) or (numbers and other.number != first.number):
            reason = f"two answers for one Idempotency-Key, {shown(name)}"
            raise Contradiction(reason, (told if other.number == first.number else first, other))
