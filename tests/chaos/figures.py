"""The figures of a run, from its history and from those who took part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.checker.history import Call

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Silence:
    """The longest time without an answer that is ok, in seconds, and when it began."""

    seconds: float
    at: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What a history says without being judged. Times are seconds after the start of the run."""

    seconds: float
    calls: int
    outcomes: Mapping[str, int]
    by_kind: Mapping[str, Mapping[str, int]]
    unknown_writes: int
    rate: float
    """Answers that were ok, by second."""
    worst: Silence
    """Of all clients together."""
    worst_client: Silence
    slowest: Mapping[str, float] = field(default_factory=dict)
    """Seconds within which half, 99 % and all answers that were ok came."""


def measure(history: Iterable[Call], began: int, ended: int) -> Figures:
    """Figures of a history between two times of its clock."""
    calls = [call for call in history if began <= call.start < ended]
    seconds = max(1, ended - began) / SECOND
    outcomes: Counter[str] = Counter(call.outcome for call in calls)
    kinds: dict[str, Counter[str]] = {}
    for call in calls:
        kinds.setdefault(call.what, Counter())[call.outcome] += 1
    clients = {call.client for call in calls}
    each = [silence([call for call in calls if call.client == client], began, ended) for client in clients]
    times = sorted((call.end - call.start) / SECOND for call in calls if _ok(call) and call.end is not None)
    return Figures(
        seconds=seconds,
        calls=len(calls),
        outcomes=outcomes,
        by_kind=kinds,
        unknown_writes=sum(call.writes and call.outcome == "unknown" for call in calls),
        rate=outcomes["ok"] / seconds,
        worst=silence(calls, began, ended),
        worst_client=max(each, key=lambda one: one.seconds, default=Silence(seconds, 0.0)),
        slowest={name: times[int(share * (len(times) - 1))] for name, share in _SHARES.items() if times},
    )


_SHARES = {"half": 0.5, "99 %": 0.99, "all": 1.0}


def silence(calls: Iterable[Call], began: int, ended: int) -> Silence:
    """The longest time within which no answer came that was ok."""
    answers = sorted(call.end for call in calls if _ok(call) and call.end is not None and call.end <= ended)
    worst = Silence(0.0, 0.0)
    before = began
    for answer in (*answers, ended):
        gap = (answer - before) / SECOND
        if gap > worst.seconds:
            worst = Silence(gap, (before - began) / SECOND)
        before = answer
    return worst


def _ok(call: Call) -> bool:
    return call.outcome == "ok"
