"""How a call ends that was not answered: each outcome is a type, and none of them is a guess.

What matters about a write that failed is whether it may still take effect, so that is what the types say:

* ``NotApplied``: it did not take effect and never will. Do what you like.
* ``Unknown``: it took effect, or will, or will not: once at most. Go on with its idempotency key.
* ``Refused`` and ``Denied``: the store does not want it as it is. Nothing of the call took effect.

A read has no effect. It is ``Unavailable`` where it could not be answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .requests import Request


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request to one node, and what became of it."""

    node: str
    """The URL of the node."""
    detail: str
    """What happened, in one line."""
    may_take_effect: bool
    """Whether this very request may have taken effect, or still may. Never true for a read."""
    status: int | None = None
    """The HTTP status; ``None`` where no answer came."""
    after: float = 0.0
    """Seconds from the beginning of the call to the end of this attempt."""

    def __str__(self) -> str:
        return f"{self.node}: {self.detail}"


class StoreError(Exception):
    """A call that was not answered as it was meant to be. ``str()`` says what each node said last."""

    def __init__(self, summary: str, attempts: Sequence[Attempt] = (), count: int | None = None) -> None:
        super().__init__(summary, tuple(attempts), len(attempts) if count is None else count)

    @property
    def summary(self) -> str:
        """One sentence."""
        return str(self.args[0])

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts in their order; the oldest are left out where there were very many."""
        attempts: tuple[Attempt, ...] = self.args[1]
        return attempts

    @property
    def count(self) -> int:
        """How many attempts there were."""
        return int(self.args[2])

    def __str__(self) -> str:
        last = {attempt.node: attempt for attempt in self.attempts}
        told = "; ".join(map(str, last.values()))
        if not told:
            return self.summary
        return f"{self.summary} ({self.count} attempt{'s' * (self.count != 1)}; {told})"


class NotApplied(StoreError):  # noqa: N818 - an outcome, not a fault
    """The write did not take effect and will not: every attempt of the call says so.

    A store that is full (the ``status`` of the last attempt is 507) says so at once: it takes a delete first.
    """


class Unavailable(StoreError):  # noqa: N818
    """The read could not be answered in time. It had no effect; ask again."""


class Refused(StoreError):  # noqa: N818
    """The request is wrong as it is (400, 413, 422, …): nothing of this call took effect.

    About an *earlier* call with the same idempotency key it says nothing.
    """

    @property
    def status(self) -> int | None:
        """The HTTP status of the refusal; ``None`` where it was refused before anything was sent."""
        return self.attempts[-1].status if self.attempts else None


class Denied(Refused):
    """The node does not know the token (401), or the token may not do this (403)."""


class Invalid(Refused, ValueError):  # noqa: N818
    """An argument that no node could accept. Nothing was sent."""


class ClientClosed(RuntimeError):  # noqa: N818
    """The client was closed before the call. Nothing was sent.

    No ``StoreError``: it says nothing of the store, and who repeats calls that failed should not repeat
    this one.
    """


class Unknown(StoreError):  # noqa: N818
    """The write may have taken effect, or may still do so, once.

    ``client.resolve(error)`` repeats it under the same idempotency key until it is answered: with the answer
    to whichever attempt took effect. So does a new call, also in another process, that is given the
    ``idempotency_key``.

    The store remembers the last 65,536 idempotency keys. When more writes than that were made under other
    keys in between, the repetition is a new write to it.
    """

    def __init__(
        self,
        summary: str,
        attempts: Sequence[Attempt] = (),
        count: int | None = None,
        request: Request[Any] | None = None,
    ) -> None:
        super().__init__(summary, attempts, count)
        self.args = (*self.args, request)

    @property
    def request(self) -> Request[Any] | None:
        """What was asked; ``client.resolve`` needs it."""
        request: Request[Any] | None = self.args[3]
        return request

    @property
    def idempotency_key(self) -> str:
        """The key to go on with."""
        return "" if self.request is None else self.request.idempotency_key
