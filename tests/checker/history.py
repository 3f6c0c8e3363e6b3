"""What clients asked and what they were told: the one form in which every history is written down.

The simulation, the real clusters and anyone else write histories in this form, and the checker reads nothing
else. In a file a history is JSON Lines: one call a line, in any order (``Call.to_json``), so that another
checker can judge the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

What = Literal["put", "delete", "get", "list"]
Outcome = Literal["ok", "not_applied", "unknown"]


class HistoryError(ValueError):
    """This is not a history."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of one client to one node, and its answer. A repeated request is a call of its own."""

    client: int
    node: int
    what: What
    start: int
    """When it was sent: nanoseconds of one clock for the whole history."""
    end: int | None
    """When its answer arrived; ``None`` if none ever did. Then the outcome is unknown."""
    outcome: Outcome
    """``ok``: answered. ``not_applied``: certainly without effect. ``unknown``: it may take effect, once, at
    any time after ``start``. A read that was not answered ``ok`` tells nothing."""
    key: str = ""
    """The key; empty for a listing."""
    value: str | None = None
    """Of a put: what is written. Of a get that is ``ok``: what was read, ``None`` for a missing key."""
    existed: bool | None = None
    """Of a put or delete that is ``ok``: whether the key was there before (200, or 201 and 404)."""
    items: Mapping[str, str] | None = None
    """Of a listing that is ``ok``: the whole store."""
    number: int | None = None
    """``Msg-Num``. Of a write that is ``ok``: its own number in the total order; of a read: the number of
    writes before it. ``None`` where the answer has none."""
    name: str = ""
    """The ``Idempotency-Key``; empty for none. Calls that share it, and are the same request, are one
    operation: it takes effect once at most, and every ``ok`` among them has the same answer."""

    def __post_init__(self) -> None:
        if self.end is None and self.outcome != "unknown":
            raise HistoryError(f"a call without an answer is unknown, not {self.outcome}")
        if self.end is not None and self.end < self.start:
            raise HistoryError("a call ends before it starts")
        if self.what == "list" and self.outcome == "ok" and self.items is None:
            raise HistoryError("a listing has items")

    @property
    def writes(self) -> bool:
        return self.what in ("put", "delete")

    def to_json(self) -> str:
        """The call as one line; fields that say nothing are left out."""
        return json.dumps(
            {
                name: value
                for name, value in asdict(self).items()
                if value not in (None, "") or name in ("end", "value")
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, line: str) -> Call:
        """The call in a line. Raises ``HistoryError``."""
        try:
            document = json.loads(line)
            known = {field.name for field in fields(cls)}
            unknown = [name for name in document if name not in known]
            if unknown:
                raise HistoryError(f"a call has no {unknown[0]!r}")
            call: Any = cls(**document)
        except (TypeError, ValueError) as error:
            raise HistoryError(f"not a call: {error}") from error
        return call  # type: ignore[no-any-return]


History = tuple[Call, ...]


def save(path: Path, calls: Iterable[Call]) -> None:
    """Write a history as JSON Lines."""
    path.write_text("".join(call.to_json() + "\n" for call in calls), encoding="utf-8")


def load(path: Path) -> History:
    """Read a history from JSON Lines. Raises ``HistoryError``, which names the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HistoryError(f"not UTF-8: {error}") from error
    calls = []
    # Not splitlines, which ends lines at characters that a value may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                calls.append(Call.from_json(line))
            except HistoryError as error:
                raise HistoryError(f"line {number}: {error}") from error
    return tuple(calls)
