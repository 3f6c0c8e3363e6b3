"""Calls of the application around a node: what ``pbkv``'s clients offer, without HTTP in between.

What may be asked, when a call is repeated, and which error it ends with are the client's own rules
(``pbkv/calls.py``, ``pbkv/judging.py``): a node's answer in HTTP and the one here are the same to them. So
code can move between the two. There is only one node to ask, and its answer is taken as it is: nothing is
written out and parsed again, unless it is a refusal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from time import perf_counter
from typing import Any, Generic, NoReturn, TypeVar

from pbkv import requests
from pbkv.calls import Call, Done, Pause, Policy, Try
from pbkv.errors import Unknown
from pbkv.judging import Failure
from pbkv.nodes import Nodes
from pbkv.requests import Request
from pbkv.results import Deleted, Listing, Read, Status, Written
from pbproto import Delete, Get, GetAll, Kind, Put, Reason, Reject, Reply, ViewRefused
from pbproto import Listing as Snapshot
from pbproto.events import Request as CoreRequest

from .bodies import check_value, parse_value, parse_view
from .node import Answer, Node
from .responses import RefusedError, Response, refused, rejection, too_many_clients
from .routes import plan
from .settings import SettingError
from .status_page import of_view
from .tally import Tally
from .waits import Waits

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds for a whole call, as the clients have it."""
PATIENCE = 2.0
"""Seconds for which a call waits without a word in the log: a failover takes less, and so does a start."""
AT_A_TIME = 1024
"""Items of a listing that are made in one go."""
_ANY_SIZE = 2**62


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


class _Here(Nodes):
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


class Inside:
    """What can be asked of a node, and is answered at once where it need not wait."""

    def __init__(
        self,
        node: Node,
        timeout: float,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self._node = node
        self._settings = node.settings
        self._timeout = timeout
        self._clock = clock
        self._draw = draw
        self._here = _Here(name_of(node.id))
        self._waits = Waits(node, clock)
        self._tally = Tally(node.meters)

    def calling(self, operation: Operation[T], timeout: float | None) -> Calling[T]:
        """A call that begins now. Raises ``ValueError``."""
        seconds = self._timeout if timeout is None else check_seconds(timeout)
        return Calling(operation, self._here, seconds, self._clock(), self._draw, self._waits)

    def ask(self, operation: Operation[T], done: Callable[[Answer], None]) -> None:
        """One attempt; ``done`` is called once, now or later, from any thread."""
        self._node.request(operation.make, self._tally.counted(operation.name, done))

    def turn_away(self, operation: Operation[T], calling: Calling[T]) -> NoReturn:
        """A call that may not even wait. Raises ``StoreError``."""
        response = too_many_clients()
        self._tally.count(operation.name, response)
        calling.turned_away(self._clock(), response)

    # What waits for other nodes. All raise ``Refused``, of which ``Invalid`` is one, and ``TypeError``.

    def put(
        self, key: str, value: str, idempotency_key: str | None, *, first_use: bool
    ) -> Operation[Written]:
        named = requests.delete(key, idempotency_key, first_use=first_use)
        name = named.idempotency_key

        def request() -> Request[Written]:
            return requests.put(key, value, name, first_use=not named.resumed)

        try:
            data = value.encode()
        except (AttributeError, UnicodeEncodeError):
            request()  # raises, in the client's own words; otherwise it is not made: it copies the value
            raise
        try:
            check_value(data, self._settings.max_value_bytes)
        except RefusedError as error:
            self._refuse("put", request(), refused(error))
        key_bytes, name_bytes = key.encode(), name.encode()
        return Operation(lambda token: Put(token, key_bytes, data, name_bytes), _written, request, "put")

    def delete(self, key: str, idempotency_key: str | None, *, first_use: bool) -> Operation[Deleted]:
        request = requests.delete(key, idempotency_key, first_use=first_use)
        key_bytes, name = key.encode(), request.idempotency_key.encode()
        return Operation(lambda token: Delete(token, key_bytes, name), _deleted, lambda: request, "delete")

    def get(self, key: str) -> Operation[Read]:
        request = requests.get(key)
        key_bytes = key.encode()
        return Operation(lambda token: Get(token, key_bytes), _read, lambda: request, "get")

    def items(self) -> Operation[Snapshot]:
        return Operation(GetAll, _snapshot, lambda: requests.items(_ANY_SIZE), "list")

    def resumed(self, unknown: Unknown) -> Operation[Written | Deleted]:
        """A write whose outcome is unknown, at whichever node or client that was."""
        request = unknown.request
        if request is None:
            raise ValueError("this outcome belongs to no request")
        kind = "delete" if request.method == "DELETE" else "put"
        found = plan(request.method, request.target.encode(), self._settings)
        if isinstance(found, Response):
            self._refuse(kind, request, found)
        name = request.idempotency_key.encode()
        if request.method == "DELETE":
            return Operation(lambda token: Delete(token, found.key, name), _deleted, lambda: request, kind)
        try:
            value = parse_value(request.body or b"", self._settings.max_value_bytes)
        except RefusedError as error:
            self._refuse(kind, request, refused(error))
        return Operation(lambda token: Put(token, found.key, value, name), _written, lambda: request, kind)

    # What a node says at once.

    def status(self) -> Status:
        return Status.parse(of_view(self._node.status()))

    def tell_view(
        self,
        members: Mapping[int, str] | Iterable[tuple[int, str]],
        epoch: int | None,
        incarnation: str | None,
    ) -> Status:
        request = requests.tell_view(members, epoch, incarnation)
        started = perf_counter()
        try:
            answer = self._node.tell_view(*parse_view(request.body or b""))
            if isinstance(answer, ViewRefused):
                raise RefusedError(409, answer.reason.value, answer.detail)
        except RefusedError as error:
            self._refuse("view", request, refused(error))
        self._tally.count("view", None, started)
        return self.status()

    def _refuse(self, name: str, request: Request[Any], response: Response) -> NoReturn:
        self._tally.count(name, response)
        operation = Operation(GetAll, _snapshot, lambda: request, name)
        calling = Calling(operation, self._here, 1.0, 0.0, self._draw, self._waits)
        calling.step(0.0, response)
        raise RuntimeError(f"status {response.status} is no refusal")


def name_of(id_: int) -> str:
    """What stands in place of a URL in the words of errors."""
    return f"node {id_} in this process"


def check_seconds(seconds: float) -> float:
    """A timeout. Raises ``ValueError``."""
    if not 0 < seconds < math.inf:
        raise ValueError(f"timeout is a number of seconds above 0, not {seconds!r}")
    return seconds


def check_timeout(seconds: float) -> float:
    """As ``check_seconds``, for a setting. Raises ``SettingError``."""
    try:
        return check_seconds(seconds)
    except (TypeError, ValueError) as error:
        raise SettingError(f"timeout is a number of seconds above 0, not {seconds!r}") from error


def pieces_of(snapshot: Snapshot) -> Iterator[dict[str, str]]:
    """The items of a listing, some at a time: a million in one go would stop an event loop for a second."""
    items = iter(snapshot.items.items())
    while part := {key.decode(): value.decode() for key, value in islice(items, AT_A_TIME)}:
        yield part


def listing(snapshot: Snapshot, items: dict[str, str]) -> Listing:
    """The listing, of whose items somebody has put the pieces together."""
    return Listing(items, snapshot.position)


def _written(outcome: Any) -> Written:
    kind, position = outcome.result
    return Written(position, kind is Kind.CREATED)


def _deleted(outcome: Any) -> Deleted:
    kind, position = outcome.result
    return Deleted(position, kind is Kind.DELETED)


def _read(outcome: Any) -> Read:
    return Read(None if outcome.value is None else outcome.value.decode(), outcome.position)


def _snapshot(outcome: Snapshot) -> Snapshot:
    return outcome
