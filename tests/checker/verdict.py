"""What the checker says of a history, in a form that people can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .history import Call

Result = Literal["ok", "violation", "undecided"]
SHOWN = 12
"""How many calls of a long list are printed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one history. Only ``result == "ok"`` says that it is linearizable."""

    result: Result
    reason: str = ""
    """Of a violation: the rule that is broken, and how, in one line. Of ``undecided``: what ran out."""
    calls: tuple[Call, ...] = ()
    """Of a violation: the calls that contradict each other, or those that cannot be ordered."""
    order: tuple[Call, ...] = ()
    """If ok: a whole order that explains the history, a witness that anyone can replay. Of a violation: the
    longest partial order that was found, empty where the rule needed none."""
    near: tuple[Call, ...] = ()
    """Of a violation: other calls that were under way at the same time."""
    steps: int = 0
    """Choices that the search tried; none if it never had to choose."""

    @property
    def ok(self) -> bool:
        return self.result == "ok"

    def explain(self) -> str:
        """The verdict as text of several lines."""
        lines = [f"{self.result}: {self.reason}" if self.reason else self.result]
        if self.result == "violation":
            lines += _section("these calls cannot be put in order", self.calls[:SHOWN], len(self.calls))
            if self.order:
                last = self.order[-SHOWN:]
                lines += _section("the longest order found ends with", last, len(self.order))
            lines += _section("at the same time", self.near[:SHOWN], len(self.near))
        return "\n".join(lines)


class Contradiction(Exception):  # noqa: N818 - not a failure of the checker: what it is there to find
    """The history breaks a rule. Raised inside the checker; ``check`` turns it into a ``Verdict``."""

    def __init__(self, reason: str, calls: Iterable[Call] = (), order: Iterable[Call] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.calls = tuple(calls)
        self.order = tuple(order)


class OutOfSteps(Exception):  # noqa: N818 - likewise
    """The search used up its budget."""


@dataclass(slots=True)
class Budget:
    """Counts the choices that a search tries, and ends it."""

    limit: int
    steps: int = 0
    whole: Budget | None = None
    """What this is a part of; pays too."""

    @property
    def left(self) -> int:
        return self.limit - self.steps

    def part(self, limit: int) -> Budget:
        """Some of this budget."""
        return Budget(min(limit, self.left), whole=self)

    def spend(self) -> None:
        """Raises ``OutOfSteps``."""
        if self.steps >= self.limit:
            raise OutOfSteps
        self.steps += 1
        if self.whole is not None:
            self.whole.steps += 1


def describe(call: Call) -> str:
    """One call in one line: when, who, what, and the answer."""
    end = "never" if call.end is None else str(call.end)
    text = f"[{call.start} .. {end}] client {call.client} at node {call.node}: {call.what}"
    if call.what != "list":
        text += f" {shown(call.key)}"
    if call.what == "put":
        text += f" = {shown(call.value)}"
    if call.name:
        text += f" (key {shown(call.name)})"
    if call.outcome != "ok":
        return f"{text} -> {call.outcome}"
    if call.what == "get":
        text += f" -> {shown(call.value)}"
    elif call.items is not None:
        pairs = sorted(call.items.items())
        inner = ", ".join(f"{shown(key)}: {shown(value)}" for key, value in pairs[:SHOWN])
        text += f" -> {{{inner}{', …' if len(pairs) > SHOWN else ''}}}"
    else:
        text += " -> " + {None: "ok", True: "existed", False: "did not exist"}[call.existed]
    return text if call.number is None else f"{text}, number {call.number}"


def shown(value: str | None) -> str:
    """A key or value as it is printed; a missing one is said so, a long one cut."""
    if value is None:
        return "nothing"
    return repr(value) if len(value) <= 40 else f"{value[:32]!r}… ({len(value)} characters)"


def neighbours(history: Sequence[Call], calls: Sequence[Call]) -> tuple[Call, ...]:
    """Other calls that overlap one of ``calls`` and may touch the same key, by start."""
    if not calls:
        return ()
    keys = {call.key for call in calls if call.what != "list"}
    first = min(call.start for call in calls)
    last = max(call.start if call.end is None else call.end for call in calls)
    own = {id(call) for call in calls}
    found = [
        call
        for call in history
        if call.start <= last
        and (call.end is None or call.end >= first)
        and (call.key in keys or call.what == "list" or not keys)
        and id(call) not in own
    ]
    return tuple(sorted(found, key=lambda call: call.start))


def _section(title: str, calls: Sequence[Call], total: int) -> list[str]:
    if not calls:
        return []
    more = f" ({total} calls, {len(calls)} shown)" if total > len(calls) else ""
    return [f"  {title}{more}:", *(f"    {describe(call)}" for call in calls)]
