"""Writes a history in the form of Jepsen's, for checkers that have nothing in common with this one.

One map a line, in the order of time. An operation begins with ``:type :invoke`` and ends with ``:ok``, or
with ``:info`` if it may have happened or not, which frees its process for nobody. ``:f`` is ``:put``,
``:delete``, ``:get`` or ``:list``; ``:value`` is ``["key" "value"]``, with ``nil`` for a missing one and
for what is not known yet, and of a listing a map of all; writes that ended carry ``:existed``, everything
that ended carries ``:number``.

Attempts under one Idempotency-Key are written as the one operation that they are; processes are therefore
not the clients. What certainly did not happen is left out. Two different unanswered requests under one key
are two operations here: that one of them excludes the other cannot be said.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable

from .history import Call
from .operations import Operation, gather


def to_edn(history: Iterable[Call]) -> str:
    """The history as EDN. Raises ``Contradiction`` if what came under one Idempotency-Key is not one
    operation."""
    operations = gather(history, numbers=False)
    # What ends at the same time as another thing begins may have happened after it: so beginnings come first.
    events = [(operation.start, False, index) for index, operation in enumerate(operations)]
    events += [(int(each.end), True, index) for index, each in enumerate(operations) if each.known]
    last = max((time for time, _, _ in events), default=0)
    open_ends = [(last, True, index) for index, each in enumerate(operations) if not each.known]
    processes: dict[int, int] = {}
    free: list[int] = []
    lines = []
    for number, (time, ends, index) in enumerate([*sorted(events), *open_ends]):
        operation = operations[index]
        if not ends:
            processes[index] = heapq.heappop(free) if free else len(processes)
        elif operation.known:
            heapq.heappush(free, processes[index])
        kind = ("ok" if operation.known else "info") if ends else "invoke"
        fields = [
            f":index {number}",
            f":time {time}",
            f":process {processes[index]}",
            f":type :{kind}",
            f":f :{operation.what}",
            f":value {_value(operation, ends)}",
        ]
        if ends and operation.existed is not None:
            fields.append(f":existed {str(operation.existed).lower()}")
        if ends and operation.number is not None:
            fields.append(f":number {operation.number}")
        lines.append(f"{{{', '.join(fields)}}}\n")
    return "".join(lines)


def _value(operation: Operation, ends: bool) -> str:
    if operation.what == "list":
        if not ends or operation.items is None:
            return "nil"
        pairs = [f"{_text(key)} {_text(value)}" for key, value in sorted(operation.items.items())]
        return f"{{{', '.join(pairs)}}}"
    known = ends or operation.what == "put"
    return f"[{_text(operation.key)} {_text(operation.value if known else None)}]"


def _text(value: str | None) -> str:
    """A string; JSON's escapes are among those of EDN."""
    return "nil" if value is None else json.dumps(value, ensure_ascii=False)
