"""The checker's judge: every order of a tiny history is tried, by the rules of the API and nothing else.

It shares no code and no idea with the checker. It works on single calls, as a server sees them: an attempt
either takes effect, or finds its Idempotency-Key in the table and repeats the answer that stands there.
Exponential: for a handful of calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .history import Call

Table = dict[str, tuple[tuple[str, str, str | None], bool, int]]
"""By Idempotency-Key: the request, whether the key existed, and its number."""


def brute_force(
    history: Iterable[Call],
    *,
    numbers: bool = True,
    initial: Mapping[str, str] | None = None,
    first_number: int = 0,
) -> bool:
    """Whether some order of the calls explains every answer."""
    must = [call for call in history if call.outcome == "ok"]
    may = [call for call in history if call.outcome == "unknown" and call.what in ("put", "delete")]
    return _any_order(must, may, dict(initial or {}), {}, first_number, numbers)


def _any_order(
    must: list[Call], may: list[Call], store: dict[str, str], table: Table, count: int, numbers: bool
) -> bool:
    """Whether all of ``must`` and some of ``may`` can follow, one at a time."""
    if not must:
        return True
    for call in must + may:
        # Whoever has ended before this call started has to be first.
        if any(other.end is not None and other.end < call.start for other in must):
            continue
        after = _at_a_server(call, store, table, count, numbers)
        if after is None:
            continue
        must_later = [other for other in must if other is not call]
        may_later = [other for other in may if other is not call]
        if _any_order(must_later, may_later, *after, numbers):
            return True
    return False


def _at_a_server(
    call: Call, store: dict[str, str], table: Table, count: int, numbers: bool
) -> tuple[dict[str, str], Table, int] | None:
    """What a single server holds after this call; ``None`` if it would have answered something else."""
    if call.what in ("get", "list"):
        seen = store if call.what == "list" else store.get(call.key)
        right = seen == (call.items if call.what == "list" else call.value)
        return (store, table, count) if right and (not numbers or call.number == count) else None
    request = (call.what, call.key, call.value)
    if call.name and call.name in table:
        known, existed, number = table[call.name]
        if known != request:
            return None  # 422
    else:
        existed, number = call.key in store, count
        store, table, count = dict(store), dict(table), count + 1
        if call.what == "put":
            store[call.key] = str(call.value)
        else:
            store.pop(call.key, None)
        if call.name:
            table[call.name] = (request, existed, number)
    if call.outcome == "ok":
        if call.existed is not None and call.existed != existed:
            return None
        if numbers and call.number != number:
            return None
    return store, table, count
