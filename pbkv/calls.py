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

**Following the view.** The nodes that were given may all leave the view while the store lives on at others.
So a call looks at the view (``GET /view``, a ``Look``) on two occasions, unless its ``Nodes`` do not follow:

* When nobody is left who has not failed, at the nodes that did answer: one that is outside says whose view it
  was told. Those members are asked next.
* Now and then after a result, at the node that gave it, so that members are known when that node dies and
  nobody is left to ask. The call has its result by then, and no word of that node changes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import Attempt, Denied, NotApplied, Refused, Unavailable, Unknown
from .judging import Failure, Fate, Verdict, judge
from .nodes import Nodes
from .requests import Answer, Request, view

T = TypeVar("T")

FIRST_PAUSE = 0.05
"""Seconds for which a node that failed is left alone; doubled each time."""
LONGEST_PAUSE = 1.0
KEPT = 64
"""Attempts that an exception carries."""
LOOK_PATIENCE = 1.0
"""Seconds for a look at the view, which a node answers at once or not at all."""
LOOK = view()
"""What a ``Look`` sends."""


@dataclass(frozen=True, slots=True)
class Try:
    """Send the request to a node."""

    node: str
    timeout: float
    """Seconds for the head of the answer, and for each piece of its body."""
    deadline: float
    """When the body has to be there, by the clock of the caller."""


@dataclass(frozen=True, slots=True)
class Look(Try):
    """Send ``LOOK`` to a node, in place of the request. Never an attempt of the call."""


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
    def shortest(self) -> float:
        """Seconds below which a further attempt is not begun: cut off so soon, it would most likely only turn
        a certain "not applied" into an unknown."""
        return min(1.0, self.timeout / 10)


def check_seconds(name: str, seconds: float) -> None:
    """Raises ``ValueError``, or ``TypeError``, for what is no length of time."""
    if not 0 < seconds < math.inf:
        raise ValueError(f"{name} is a number of seconds above 0, not {seconds!r}")


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
        self._looking = ""
        """The node that is asked for its view."""
        self._done: Done[T] | None = None
        self._talkers: dict[str, None] = {}
        """Nodes that answered in this call, but not as they should."""

    def step(self, now: float, heard: Answer | Failure | None = None) -> Try | Pause | Done[T]:
        """What to do next. ``heard``: what came of the ``Try`` before. Raises ``StoreError``."""
        if self._looking:
            self._learn(heard)
            if self._done is not None:
                return self._done
        elif heard is not None:
            verdict = judge(self._request, heard)
            if verdict.fate is Fate.DONE:
                self._nodes.answered(self._asked)
                assert verdict.result is not None
                return self._end(Done(verdict.result), now)
            self._note(verdict, now)
            self._go_on(verdict, now)
        return self._next(now)

    def _end(self, done: Done[T], now: float) -> Look | Done[T]:
        if not self._nodes.follows or self._deadline - now < LOOK_PATIENCE or not self._nodes.due(now):
            return done
        self._done = done
        return self._look(self._asked, now)

    def _look(self, node: str, now: float) -> Look:
        self._looking = node
        patience = min(LOOK_PATIENCE, self._policy.attempt_timeout, max(0.001, self._deadline - now))
        return Look(node, patience, now + patience)

    def _learn(self, heard: Answer | Failure | None) -> None:
        """Take members from a view, if a node has told one: it knew the token, or wants none."""
        teller, self._looking = self._looking, ""
        status = LOOK.parse(heard) if isinstance(heard, Answer) else None
        if status is None or not status.view:
            return
        serves = self._done is not None and status.status == "active"
        self._nodes.learn(teller, (member.address for member in status.view), serves=serves)

    def _join_learned(self) -> None:
        """Ask whom this call or another has learned of: before those that have failed already."""
        known = {*self._queue, *self._strangers}
        new = [node for node in self._nodes.learned if node not in known]
        at = next((at for at, node in enumerate(self._queue) if node in self._failures), len(self._queue))
        self._queue[at:at] = new

    def _go_on(self, verdict: Verdict[T], now: float) -> None:
        """Set the node that gave this aside, if there may be another one. Raises ``StoreError`` if not."""
        fate = verdict.fate
        if fate in (Fate.REFUSED, Fate.DENIED) and not verdict.own_words and self._was_learned():
            # Somebody else lives at the address of a former member: he does not speak for the store.
            fate = Fate.STRANGER
        if fate in (Fate.REFUSED, Fate.DENIED):
            self._nodes.answered(self._asked)
            raise self._refusal(fate)
        if fate is Fate.FULL:
            self._nodes.answered(self._asked)
            raise self._failure("the store is full")
        self._nodes.failed(self._asked)
        self._set_aside(fate, verdict.retry_after, now)
        if verdict.status is not None and fate is not Fate.STRANGER:
            self._talkers[self._asked] = None

    def _was_learned(self) -> bool:
        return self._nodes.follows and self._asked not in self._nodes.urls

    def _note(self, verdict: Verdict[T], now: float) -> None:
        self._count += 1
        self._exposed = self._exposed or verdict.may_take_effect
        after = now - self._began
        self._attempts.append(
            Attempt(self._asked, verdict.detail, verdict.may_take_effect, verdict.status, after)
        )
        del self._attempts[:-KEPT]

    def _set_aside(self, fate: Fate, retry_after: float, now: float) -> None:
        node = self._asked
        if fate is Fate.STRANGER:
            self._strangers.add(node)
            self._queue.remove(node)
            return
        failures = self._failures[node] = self._failures.get(node, 0) + 1
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 10))
        # Retry-After speaks of the node that says it: the others can be asked at once. Never earlier than it
        # says, and not all who were told so at the same moment.
        wait = retry_after * (1 + self._draw() / 4) or pause * (1 + self._draw()) / 2
        self._not_before[node] = now + wait

    def _next(self, now: float) -> Try | Pause | Done[T]:
        left = self._deadline - now
        if self._failures and self._nodes.follows:
            self._join_learned()
        if not self._queue or (self._count and left < self._policy.shortest):
            raise self._failure()
        node = next((each for each in self._queue if self._not_before.get(each, now) <= now), None)
        if self._nodes.follows and (node is None or node in self._failures):
            for talker in self._talkers:
                if self._nodes.may_look(talker, now):
                    del self._talkers[talker]
                    return self._look(talker, now)
        if node is None:
            wait = min(self._not_before[each] for each in self._queue) - now
            if left - wait < self._policy.shortest:
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
