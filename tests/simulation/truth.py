"""The one history of a run as it truly was: every committed operation in its place, and what the map held
then.

Worked out from the operations alone, by code of its own, so that it can say when a replica is wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from pbproto import Kind, Operation
from pbproto.values import RequestId

from .tap import Applied
from .violation import demand


@dataclass(slots=True)
class Truth:
    """Grows as positions become known; the past stays."""

    operations: list[Operation] = field(default_factory=list)
    kinds: list[Kind] = field(default_factory=list)
    requests: dict[RequestId, int] = field(default_factory=dict)
    names: dict[bytes, int] = field(default_factory=dict)
    refused: dict[RequestId, int] = field(default_factory=dict)
    """Requests of which a client was told that they were certainly not applied, with their tokens."""
    _versions: dict[bytes, tuple[list[int], list[bytes | None]]] = field(default_factory=dict)
    """Per key, from which position on it had which value."""

    def learn(self, applied: Iterable[Applied]) -> None:
        """Take in what replicas have applied. Raises ``Violation`` where one strays from the one history."""
        for _, position, operation, result in applied:
            if position == len(self.operations):
                self._apply(position, operation)
            known = self.operations[position] if position < len(self.operations) else None
            demand(known is not None, "gap", f"{operation} is applied at {position}, and nothing before it")
            demand(
                known == operation,
                "one history",
                f"at {position} one replica has applied {known}, another {operation}",
            )
            kind = self.kinds[position]
            demand(
                result == (kind, position),
                "result",
                f"{operation} at {position}: in truth {kind!r}, a replica has {result}",
            )

    def _apply(self, position: int, operation: Operation) -> None:
        request = operation.request
        demand(
            request not in self.requests,
            "exactly once",
            f"{request} is committed at {self.requests.get(request)} and at {position}",
        )
        demand(
            request not in self.refused,
            "not applied",
            f"({self.refused.get(request)}), certainly not applied, is committed at {position}",
        )
        if operation.idempotency_key:
            first = self.names.setdefault(operation.idempotency_key, position)
            demand(
                first == position,
                "exactly once",
                f"{operation.idempotency_key!r} took effect at {first} and at {position}",
            )
        before = self.value(operation.key, position)
        if operation.value is None:
            kind = Kind.MISSING if before is None else Kind.DELETED
        else:
            kind = Kind.CREATED if before is None else Kind.UPDATED
        positions, values = self._versions.setdefault(operation.key, ([], []))
        positions.append(position + 1)
        values.append(operation.value)
        self.operations.append(operation)
        self.kinds.append(kind)
        self.requests[request] = position

    def kind(self, position: int) -> Kind | None:
        """What the write at a position did; ``None`` if it is not known to be committed."""
        return self.kinds[position] if position < len(self.kinds) else None

    def value(self, key: bytes, number: int) -> bytes | None:
        """The value of a key after ``number`` writes."""
        positions, values = self._versions.get(key, ([], []))
        index = bisect_right(positions, number)
        return values[index - 1] if index else None

    def contents(self, number: int) -> dict[bytes, bytes]:
        """The whole map after ``number`` writes."""
        found = {}
        for key in self._versions:
            value = self.value(key, number)
            if value is not None:
                found[key] = value
        return found
