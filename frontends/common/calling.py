"""One call of the application around a node, from its beginning to its end.

The rules are the client's (``pbkv/calls.py``), over one node that is asked without HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NoReturn, TypeVar

from pbkv import requests
from pbkv.calls import Call, Done, Pause, Policy, Try
from pbkv.judging import Failure
from pbkv.nodes import Nodes
from pbkv.requests import Request
from pbproto import Reason, Reject, Reply
from pbproto.events import Request as CoreRequest

from .node import Answer
from .responses import Response, rejection
from .waits import Waits

T = TypeVar("T")

PATIENCE = 2.0
"""Seconds for which a call waits without a word in the log: a failover takes less, and so does a start."""


class Late(Enum):
    """No answer came in time."""

    LATE = "late"


Make = Callable[[int], CoreRequest]
Heard = Answer | Response | Late
"""What came of an attempt."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """What is asked."""

    make: Make
    result: Callable[[Any], T]
    """From the outcome of a ``Reply``."""
    request: Callable[[], Request[Any]]
    """The same over HTTP: what errors speak of, and what a client can go on with."""
    name: str
    """By which it is counted."""


class Here(Nodes):
    """The one node there is."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def urls(self) -> tuple[str, ...]:
        return (self._name,)

    def order(self) -> list[str]:
        return [self._name]

    def answered(self, url: str) -> None:
        """There is no other to begin with."""

    def failed(self, url: str) -> None:
        """Nor to go on with."""

    def add(self, teller: str, addresses: Iterable[str]) -> None:
        """Nobody else is asked."""


@dataclass(frozen=True)
class _Patience(Policy):
    """At a node that is ending, or that lets nobody else wait, a further attempt is of no use."""

    over: Callable[[], bool] = bool

    @property
    def shortest(self) -> float:
        return math.inf if self.over() else super().shortest


class Calling(Generic[T]):
    """One call: ``Call``, made only when the first attempt was not answered."""

    def __init__(
        self,
        operation: Operation[T],
        here: Nodes,
        timeout: float,
        now: float,
        draw: Callable[[], float],
        waits: Waits,
    ) -> None:
        self._operation = operation
        self._here = here
        self._timeout = timeout
        self._began = now
        self._draw = draw
        self._waits = waits
        self._over = False
        self._call: Call[Any] | None = None

    def begin(self) -> Try | Pause | Done[T]:
        """The first attempt."""
        return Try(self._here.urls[0], self._timeout, self._began + self._timeout)

    def step(self, now: float, heard: Heard | None = None) -> Try | Pause | Done[T]:
        """What to do next, as ``Call.step``. Raises ``StoreError``."""
        if isinstance(heard, Reply):
            return Done(self._operation.result(heard.outcome))
        if isinstance(heard, Reject) and heard.reason is Reason.CLOSING:
            self._over = True
        if isinstance(heard, Reject) and now - self._began >= PATIENCE:
            self._waits.turned_away(heard, self._timeout)
        if self._call is None:
            patience = _Patience(self._timeout, self._timeout, lambda: self._over)
            self._call = Call(self._operation.request(), self._here, patience, self._began, self._draw)
            self._call.step(self._began)
        return self._call.step(now, None if heard is None else _in_http(heard))

    def quiet(self, seconds: float) -> float:
        """How many of ``seconds`` an attempt may wait before ``slow`` is to be called."""
        return min(seconds, PATIENCE)

    def slow(self) -> None:
        """The attempt is not answered so far."""
        self._waits.unanswered(self._timeout)

    def turned_away(self, now: float, response: Response) -> NoReturn:
        """It may not even wait. Raises ``StoreError``."""
        self._over = True
        self.step(now, response)
        raise RuntimeError("a call goes on that is over")


def _in_http(heard: Answer | Response | Late) -> requests.Answer | Failure:
    """What a client would have heard."""
    if isinstance(heard, Late):
        return Failure(sent=True, detail="no answer in time")
    if isinstance(heard, Reject):
        heard = rejection(heard)
    if not isinstance(heard, Response):
        raise TypeError("a reply is no failure")
    return _read_by_client(heard)


def _read_by_client(response: Response) -> requests.Answer:
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    return requests.Answer(response.status, dict(response.headers), body)


def name_of(id_: int) -> str:
    """What stands in place of a URL in the words of errors."""
    return f"node {id_} in this process"
