"""The store for coroutines in the process of a node: ``pbkv.AsyncClient`` without HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import TypeVar

from frontends.common.calling import Calling, Heard, Late, Operation, name_of
from frontends.common.inside import TIMEOUT, Inside, check_timeout, pieces_of
from frontends.common.node import Node
from pbkv.calls import Done, Pause
from pbkv.errors import Unknown
from pbkv.results import Deleted, Listing, Read, Status, Written

T = TypeVar("T")


class Store:
    """What an application asks of its own node. To be used on the event loop that the node lives on.

    Methods, results and errors are those of ``pbkv.AsyncClient``, and so is the rule that a call is repeated
    under one idempotency key until it is answered or its time is up; but there is one node to ask, and it is
    asked without HTTP and without tokens. A node that is no member of an active view, or is ending, answers
    no more than it would over HTTP.

    A task that is cancelled while it awaits a call cancels nothing in the store: ``CancelledError`` is
    raised, and if it was a write its outcome is unknown. Give it an ``idempotency_key`` to go on with it
    later.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        """``timeout``: seconds for a whole call. Raises ``SettingError``."""
        self._timeout = check_timeout(timeout)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._node: Node | None = None
        self._inside: Inside | None = None

    def _open(self, node: Node) -> None:
        """From now on ``node``, of the running loop, answers."""
        loop = asyncio.get_running_loop()
        self._loop, self._node = loop, node
        self._inside = Inside(node, self._timeout, loop.time, random.Random().random)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The one node that is asked, by a name for messages."""
        return () if self._node is None else (name_of(self._node.id),)

    async def put(
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
        return await self._run(operation, timeout)

    async def delete(
        self,
        key: str,
        *,
        idempotency_key: str | None = None,
        first_use: bool = False,
        timeout: float | None = None,
    ) -> Deleted:
        """Delete a key; see ``put``. That it was missing is a result, not an error."""
        return await self._run(self._asked().delete(key, idempotency_key, first_use=first_use), timeout)

    async def get(self, key: str, *, timeout: float | None = None) -> Read:
        """Read a value; ``None`` for a missing key. Raises ``Unavailable``, ``Refused``."""
        return await self._run(self._asked().get(key), timeout)

    async def items(self, *, timeout: float | None = None) -> Listing:
        """The whole store at one point of the order. Raises ``Unavailable``."""
        snapshot = await self._run(self._asked().items(), timeout)
        items: dict[str, str] = {}
        for piece in pieces_of(snapshot):
            items |= piece
            await asyncio.sleep(0)
        return Listing(items, snapshot.position)

    async def resolve(self, unknown: Unknown, *, timeout: float | None = None) -> Written | Deleted:
        """Repeat a write whose outcome is unknown, here or at a client; see ``pbkv.Client.resolve``."""
        return await self._run(self._asked().resumed(unknown), timeout)

    def status(self) -> Status:
        """How this node sees itself. Waits for nothing; any thread may ask."""
        return self._running().status()

    async def tell_view(
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

    def _running(self) -> Inside:
        if self._inside is None:
            raise RuntimeError("the node does not run: it lives while the application is served")
        return self._inside

    def _asked(self) -> Inside:
        inside = self._running()
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("the node lives on another event loop")
        return inside

    async def _run(self, operation: Operation[T], timeout: float | None) -> T:
        calling = self._asked().calling(operation, timeout)
        step = calling.begin()
        while not isinstance(step, Done):
            heard = None
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                heard = await self._ask(calling, operation, step.timeout)
            step = calling.step(asyncio.get_running_loop().time(), heard)
        return step.result

    async def _ask(self, calling: Calling[T], operation: Operation[T], seconds: float) -> Heard:
        loop, inside = self._loop, self._inside
        if loop is None or inside is None:
            raise RuntimeError("the node does not run")
        answer: asyncio.Future[Heard] = loop.create_future()

        def done(heard: Heard) -> None:
            if not answer.done():  # nobody waits any more; the operation goes on
                answer.set_result(heard)

        quiet = calling.quiet(seconds)
        timer: asyncio.TimerHandle

        def wait_on() -> None:
            nonlocal timer
            calling.slow()
            timer = loop.call_later(seconds - quiet, done, Late.LATE)

        timer = loop.call_later(quiet, wait_on)  # asyncio.timeout costs more than the rest of it
        try:
            inside.ask(operation, done)
            return await answer
        finally:
            timer.cancel()
