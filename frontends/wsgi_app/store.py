"""The store for threads in the process of a node: ``pbkv.Client`` without HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from frontends.common.calling import Calling, Heard, Late, Operation, name_of
from frontends.common.inside import TIMEOUT, Inside, check_timeout, pieces_of
from frontends.common.node import Node
from pbkv.calls import Done, Pause
from pbkv.errors import Unknown
from pbkv.mapping import StoreMapping
from pbkv.results import Deleted, Listing, Read, Status, Written

from .answering import Answering

T = TypeVar("T")


class Store:
    """What an application asks of its own node. Safe for threads.

    Methods, results and errors are those of ``pbkv.Client``, and so is the rule that a call is repeated under
    one idempotency key until it is answered or its time is up; but there is one node to ask, and it is asked
    without HTTP and without tokens. A node that is no member of an active view, or is ending, answers no more
    than it would over HTTP.

    **A call takes up the thread that makes it until it is answered**, and what it waits for is mail from
    peers, which takes a thread of the same server. So only so many may wait, here and over HTTP together, as
    leave one thread in eight (two at least) of ``threads`` free: the next call ends at once, as
    ``NotApplied`` or ``Unavailable``. ``threads`` has to be the number that the server has.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """``timeout``: seconds for a whole call. Raises ``SettingError``."""
        self._timeout = check_timeout(timeout)
        self._node: Node | None = None
        self._answering: Answering | None = None
        self._inside: Inside | None = None

    def _open(self, node: Node, answering: Answering) -> None:
        self._node, self._answering = node, answering
        self._inside = Inside(node, self._timeout, time.monotonic, random.Random().random)

    @property
    def node(self) -> Node:
        """The node. Raises ``RuntimeError`` while there is none."""
        if self._node is None:
            raise RuntimeError("the extension is part of no application, so there is no node")
        return self._node

    @property
    def answering(self) -> Answering:
        """Who answers requests over HTTP. Raises ``RuntimeError`` while there is nobody."""
        if self._answering is None:
            raise RuntimeError("the extension is part of no application, so there is no node")
        return self._answering

    @property
    def nodes(self) -> tuple[str, ...]:
        """The one node that is asked, by a name for messages."""
        return () if self._node is None else (name_of(self._node.id),)

    def put(
        self,
        key: str,
        value: str,
        *,
        idempotency_key: str | None = None,
        first_use: bool = False,
        timeout: float | None = None,
    ) -> Written:
        """Write a value; see ``pbkv.Client.put``. Raises ``NotApplied``, ``Unknown``, ``Refused``."""
        operation = self._asked().put(key, value, idempotency_key, first_use=first_use)
        return self._run(operation, timeout)

    def delete(
        self,
        key: str,
        *,
        idempotency_key: str | None = None,
        first_use: bool = False,
        timeout: float | None = None,
    ) -> Deleted:
        """Delete a key; see ``put``. That it was missing is a result, not an error."""
        return self._run(self._asked().delete(key, idempotency_key, first_use=first_use), timeout)

    def get(self, key: str, *, timeout: float | None = None) -> Read:
        """Read a value; ``None`` for a missing key. Raises ``Unavailable``, ``Refused``."""
        return self._run(self._asked().get(key), timeout)

    def items(self, *, timeout: float | None = None) -> Listing:
        """The whole store at one point of the order. Raises ``Unavailable``."""
        snapshot = self._run(self._asked().items(), timeout)
        items: dict[str, str] = {}
        for piece in pieces_of(snapshot):
            items |= piece
        return Listing(items, snapshot.position)

    def resolve(self, unknown: Unknown, *, timeout: float | None = None) -> Written | Deleted:
        """Repeat a write whose outcome is unknown, here or at a client; see ``pbkv.Client.resolve``."""
        return self._run(self._asked().resumed(unknown), timeout)

    def mapping(self, prefix: str = "") -> StoreMapping:
        """The store, or the keys that begin with ``prefix``, as a mapping."""
        like_a_client: Any = self
        return StoreMapping(like_a_client, prefix)

    def status(self) -> Status:
        """How this node sees itself. Waits for nothing."""
        return self._asked().status()

    def tell_view(
        self,
        members: Mapping[int, str] | Iterable[tuple[int, str]],
        epoch: int | None = None,
        *,
        incarnation: str | None = None,
    ) -> Status:
        """Tell this node a view: ids, and addresses as ``host:port``. The others have to be told as well.

        ``incarnation``: only if this is the life of the node. Whoever tells views has duties; see "What the
        outside owes" in the protocol. Raises ``Refused``.
        """
        return self._asked().tell_view(members, epoch, incarnation)

    def _asked(self) -> Inside:
        """Raises ``SecondProcessError`` in a process that was forked from the node's."""
        if self._inside is None:
            raise RuntimeError("the extension is part of no application, so there is no node")
        self.answering.check_process()
        return self._inside

    def _run(self, operation: Operation[T], timeout: float | None) -> T:
        inside = self._asked()
        calling = inside.calling(operation, timeout)
        answering = self.answering
        if not answering.take_seat():
            inside.turn_away(operation, calling)
        try:
            return self._carry_out(inside, calling, operation)
        finally:
            answering.leave_seat()

    def _carry_out(self, inside: Inside, calling: Calling[T], operation: Operation[T]) -> T:
        step = calling.begin()
        while not isinstance(step, Done):
            heard = None
            if isinstance(step, Pause):
                time.sleep(step.seconds)
            else:
                heard = self._ask(inside, calling, operation, step.timeout)
            step = calling.step(time.monotonic(), heard)
        return step.result

    def _ask(self, inside: Inside, calling: Calling[T], operation: Operation[T], seconds: float) -> Heard:
        answer: Future[Heard] = Future()
        inside.ask(operation, answer.set_result)  # also when nobody waits any more; the operation goes on
        quiet = calling.quiet(seconds)
        with suppress(TimeoutError):
            return answer.result(quiet)
        calling.slow()
        with suppress(TimeoutError):
            return answer.result(seconds - quiet)
        return Late.LATE
