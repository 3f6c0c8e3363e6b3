"""One call from its beginning to its end: which node is asked, what that means, how long to wait, when to
give up.

A pure state machine: ``Call.step`` is told the time and what was heard, and says what to do next. The sync
and the async client carry that out and decide nothing (``client.py``, ``aio.py``).

**The rule of certainty.** An answer speaks of the attempt that it answers. So a call is not applied only if
*every* attempt says so; if one of them may have taken effect, no later answer but the result itself makes
the call certain again.

    put k=1 to A: A sends it to the primary, and dies before it answers    -> this attempt may take effect
    put k=1 to B, same key: B cannot reach the primary, 503 not_applied    -> this attempt will not
    the primary commits the first one.

``NotApplied`` would be a lie here, though the last word was "not applied". The same holds for refusals: a
400, 401 or 422 to the second attempt takes nothing back. Not even 422, "this key was used for another
request": that other one may stand uncommitted in a log that the next view drops, and the first attempt,
which waits at a backup, takes the key then. And it holds across calls: who gives an idempotency key goes on
with a call of which this one knows nothing, unless he says that it is the first (``first_use``).

**Once.** All attempts carry one ``Idempotency-Key``, so the store applies one of them and gives its answer to
all, while it remembers the key: 65,536 keys long. The last attempt has to get its place before that, and it
may wait at a node for as long as that lets requests wait: with more than 65,536 / (``timeout`` + the nodes'
request timeout) keyed writes a second a repetition may come too late and be a second write. If all nodes
were restarted between two attempts, the store is another one: the answer, number included, is of that one,
which holds the write once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import Attempt, Denied, NotApplied, Refused, Unavailable, Unknown
from .judging import Failure, Fate, Verdict, judge
from .nodes import Nodes
from .requests import Answer, Request

T = TypeVar("T")

FIRST_PAUSE = 0.05
"""Seconds for which a node that failed is left alone; doubled each time."""
LONGEST_PAUSE = 1.0
KEPT = 64
"""Attempts that an exception carries."""


@dataclass(frozen=True, slots=True)
class Try:
    """Send the request to a node."""

    node: str
    timeout: float
    """Seconds for the head of the answer, and for each piece of its body."""
    deadline: float
    """When the body has to be there, by the clock of the caller."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The call is over."""

    result: T


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a call is. Seconds."""

    timeout: float
    """For the whole call."""
    attempt_timeout: float
    """For one attempt."""

    @property
    def floor(self) -> float:
        """A further attempt is not begun with less time than this: cut off so soon, it would most likely only
        turn a certain "not applied" into an unknown."""
        return min(1.0, self.timeout / 10)


class Call(Generic[T]):
    """One call. Not safe for threads; ``draw`` gives numbers from 0 to 1 for the jitter."""

    def __init__(
        self, request: Request[T], nodes: Nodes, policy: Policy, now: float, draw: Callable[[], float]
    ) -> None:
        self._request = request
        self._nodes = nodes
        self._policy = policy
        self._draw = draw
        self._began = now
        self._deadline = now + policy.timeout
        self._queue = nodes.order()
        """Who is asked next; who was asked goes to the end."""
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._strangers: set[str] = set()
        self._attempts: list[Attempt] = []
        self._count = 0
        self._exposed = False
        """Whether some attempt may have taken effect."""
        self._asked = ""

    def step(self, now: float, heard: Answer | Failure | None = None) -> Try | Pause | Done[T]:
        """What to do next. ``heard``: what came of the ``Try`` before. Raises ``StoreError``."""
        if heard is not None:
            verdict = judge(self._request, heard)
            if verdict.fate is Fate.DONE:
                self._nodes.answered(self._asked)
                assert verdict.result is not None
                return Done(verdict.result)
            self._note(verdict, now)
            if verdict.fate in (Fate.REFUSED, Fate.DENIED):
                self._nodes.answered(self._asked)
                raise self._refusal(verdict.fate)
            if verdict.fate is Fate.FULL:
                self._nodes.answered(self._asked)
                raise self._failure("the store is full")
            self._nodes.failed(self._asked)
            self._set_aside(verdict, now)
        return self._next(now)

    def _note(self, verdict: Verdict[T], now: float) -> None:
        self._count += 1
        self._exposed = self._exposed or verdict.may_take_effect
        after = now - self._began
        self._attempts.append(
            Attempt(self._asked, verdict.detail, verdict.may_take_effect, verdict.status, after)
        )
        del self._attempts[:-KEPT]

    def _set_aside(self, verdict: Verdict[T], now: float) -> None:
        node = self._asked
        if verdict.fate is Fate.STRANGER:
            self._strangers.add(node)
            self._queue.remove(node)
            return
        failures = self._failures[node] = self._failures.get(node, 0) + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10))
        # Retry-After speaks of the node that says it: the others can be asked at once. Never earlier than it
        # says, and not all who were told so at the same moment.
        wait = verdict.retry_after * (1 + self._draw() / 4) or pause * (1 + self._draw()) / 2
        self._not_before[node] = now + wait

    def _next(self, now: float) -> Try | Pause | Done[T]:
        left = self._deadline - now
        if not self._queue or (self._count and left < self._policy.floor):
            raise self._failure()
        node = next((each for each in self._queue if self._not_before.get(each, now) <= now), None)
        if node is None:
            wait = min(self._not_before[each] for each in self._queue) - now
            if left - wait < self._policy.floor:
                raise self._failure()
            return Pause(wait)
        self._queue.remove(node)
        self._queue.append(node)
        self._asked = node
        return Try(node, max(0.001, min(self._policy.attempt_timeout, left)), self._deadline)

    def _refusal(self, fate: Fate) -> Exception:
        if self._exposed:
            return self._unknown("and was then refused")
        kind, word = (Denied, "denied") if fate is Fate.DENIED else (Refused, "refused")
        return kind(f"{self._request.what}: {word}", self._attempts, self._count)

    def _failure(self, why: str = "") -> Exception:
        what = self._request.what
        if not self._request.writes:
            return Unavailable(f"{what}: no node could answer", self._attempts, self._count)
        if self._exposed or self._request.resumed:
            return self._unknown(f"and {why or 'no node could say'}")
        return NotApplied(f"{what}: not applied{why and f', {why}'}", self._attempts, self._count)

    def _unknown(self, why: str) -> Unknown:
        what = self._request.what
        summary = f"{what}: it may have taken effect or still may, {why}; idempotency key "
        summary += self._request.idempotency_key or "none"
        return Unknown(summary, self._attempts, self._count, self._request.again())
