"""The figures of a run, from its history and from those who took part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.checker.history import Call

SECOND = 1_000_000_000
LONG = 1.0
"""Seconds from which on a silence is long."""


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
    silent: float
    """Which share of the time lay in silences of all clients together that were long."""
    slowest: Mapping[str, float] = field(default_factory=dict)
    """Seconds within which half, 99 % and all answers that were ok came."""
    afterwards: Mapping[str, int] = field(default_factory=dict)
    """Outcomes of the calls of the history that began later: with these it is whole."""
    unknown_afterwards: int = 0
    """The unknown writes among them."""


def measure(history: Iterable[Call], began: int, ended: int) -> Figures:
    """Figures of a history between two times of its clock, before the first of which nobody asked."""
    calls: list[Call] = []
    afterwards: list[Call] = []
    for call in history:
        (calls if call.start < ended else afterwards).append(call)
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
        unknown_writes=_unknown_writes(calls),
        rate=outcomes["ok"] / seconds,
        worst=silence(calls, began, ended),
        worst_client=max(each, key=lambda one: one.seconds, default=Silence(seconds, 0.0)),
        silent=sum(gap.seconds for gap in _gaps(calls, began, ended) if gap.seconds >= LONG) / seconds,
        slowest={name: times[int(share * (len(times) - 1))] for name, share in _SHARES.items() if times},
        afterwards=Counter(call.outcome for call in afterwards),
        unknown_afterwards=_unknown_writes(afterwards),
    )


_SHARES = {"half": 0.5, "99 %": 0.99, "all": 1.0}


def silence(calls: Iterable[Call], began: int, ended: int) -> Silence:
    """The longest time within which no answer came that was ok."""
    return max(_gaps(calls, began, ended), key=lambda gap: gap.seconds)


def _gaps(calls: Iterable[Call], began: int, ended: int) -> Iterator[Silence]:
    """The times between one answer that was ok and the next."""
    answers = sorted(call.end for call in calls if _ok(call) and call.end is not None and call.end <= ended)
    before = began
    for answer in (*answers, ended):
        yield Silence((answer - before) / SECOND, (before - began) / SECOND)
        before = answer


def _unknown_writes(calls: Iterable[Call]) -> int:
    return sum(call.writes and call.outcome == "unknown" for call in calls)


def _ok(call: Call) -> bool:
    return call.outcome == "ok"
