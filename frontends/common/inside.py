"""What the application around a node may ask of it: what ``pbkv``'s clients offer, without HTTP in between.

What may be asked, when a call is repeated, and which error it ends with are the client's own rules
(``pbkv/calls.py``, ``pbkv/judging.py``): a node's answer in HTTP and the one here are the same to them. So
code can move between the two. There is only one node to ask, and its answer is taken as it is: nothing is
written out and parsed again, unless it is a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from time import perf_counter
from typing import Any, NoReturn, TypeVar

from pbkv import requests
from pbkv.calls import check_seconds
from pbkv.errors import Unknown
from pbkv.requests import Request
from pbkv.results import Deleted, Read, Status, Written
from pbproto import Delete, Get, GetAll, Kind, Put, ViewRefused
from pbproto import Listing as Snapshot

from .bodies import check_value, parse_value, parse_view
from .calling import Calling, Here, Operation, name_of
from .node import Answer, Node
from .responses import RefusedError, Response, refused, too_many_clients
from .routes import plan
from .settings import SettingError
from .status_page import of_view
from .tally import Tally
from .waits import Waits

T = TypeVar("T")

TIMEOUT = 30.0
"""Seconds for a whole call, as the clients have it."""
AT_A_TIME = 1024
"""Items of a listing that are made in one go."""
_ANY_SIZE = 2**62


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
        self._here = Here(name_of(node.id))
        self._waits = Waits(node, clock)
        self._tally = Tally(node.meters)

    def calling(self, operation: Operation[T], timeout: float | None) -> Calling[T]:
        """A call that begins now. Raises ``ValueError``."""
        if timeout is not None:
            check_seconds("timeout", timeout)
        seconds = self._timeout if timeout is None else timeout
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


def check_timeout(seconds: float) -> float:
    """The seconds of a whole call, as a setting. Raises ``SettingError``."""
    try:
        check_seconds("timeout", seconds)
    except (TypeError, ValueError) as error:
        raise SettingError(f"timeout is a number of seconds above 0, not {seconds!r}") from error
    return seconds


def pieces_of(snapshot: Snapshot) -> Iterator[dict[str, str]]:
    """The items of a listing, some at a time: a million in one go would stop an event loop for a second."""
    items = iter(snapshot.items.items())
    while part := {key.decode(): value.decode() for key, value in islice(items, AT_A_TIME)}:
        yield part


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
