"""Does what the core asks for: questions and views over HTTP, records by a store, notes to the log."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx

from pbkv.http import no_cookies
from pbproto.config import SECOND

from .codec import listed
from .core import Service
from .effects import Answer, Ask, Effect, Level, Note, Say, Write
from .events import Event, Lead, Order, Said, Saw, Stored, Tick
from .logs import LOGGER
from .meters import Meters
from .report import Report, Trouble, parse
from .stores import Store
from .trust import Trust

if TYPE_CHECKING:
    from .metrics import Exposition

_LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.ALARM: logging.CRITICAL}
STALE = SECOND
"""A record that this process did not get round to writing for so long is not written: it has been paused."""
ORDER_TIMEOUT = 10.0
DISTRUSTED_EVERY = 60.0
"""Seconds between two lines on a node whose certificate is not trusted."""
MAX_REPORT = 4 * 1024 * 1024
"""Bytes of an answer of a node; of more none are kept."""
_NO_SENSE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What is raised over an answer that is none."""


class Driver:
    """One instance of the service on the running event loop.

    ``heard`` gets every note, beside the log.
    """

    def __init__(
        self,
        service: Service,
        store: Store,
        heard: Callable[[Note], None] | None = None,
        trust: Trust | None = None,
    ) -> None:
        self.trust = trust or Trust()
        self.service = service
        self._store = store
        self._heard = heard
        self.meters = Meters()
        self._timeout = service.config.ask_timeout / SECOND
        self._verify = self.trust.verify()
        self._client = self._new_client()
        self._distrusted: dict[int, float] = {}
        """When it was last said of a node that its certificate is not trusted."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._tokens = count(1)
        self._orders: dict[int, asyncio.Future[Answer]] = {}

    def _new_client(self) -> httpx.AsyncClient:
        # A connection for each question: whether a node still listens is part of the answer.
        return httpx.AsyncClient(
            timeout=self._timeout,
            trust_env=False,
            verify=self._verify,
            limits=httpx.Limits(max_keepalive_connections=0),
            cookies=no_cookies(),
        )

    def _nodes(self) -> httpx.AsyncClient:
        """The client that talks to nodes."""
        verify = self.trust.verify()
        if verify is not self._verify:
            before, self._verify = self._client, verify
            self._client = self._new_client()
            self._start(self._retire(before))
        return self._client

    async def _retire(self, client: httpx.AsyncClient) -> None:
        await asyncio.sleep(self._timeout)  # what is under way has an end by then
        await client.aclose()

    @cached_property
    def exposition(self) -> Exposition:
        """For Prometheus, once somebody scrapes."""
        from .metrics import Exposition

        return Exposition(self.service, self.meters, self._store)

    async def run(self) -> None:
        """Act, or wait to act, until cancelled. Raises ``StoreError`` if the store is of no use any more."""
        campaign = asyncio.create_task(self._store.campaign(lambda record: self._step(Lead(record))))
        ticking = asyncio.create_task(self._tick())
        try:
            done, _ = await asyncio.wait([campaign, ticking], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (campaign, ticking, *self._tasks):
                task.cancel()
            await asyncio.gather(campaign, ticking, *self._tasks, return_exceptions=True)
            await self._store.close()
            await self._client.aclose()

    async def order(self, word: str, **fields: Any) -> Answer:
        """What a person wants; the answer. Raises ``TimeoutError``."""
        token = next(self._tokens)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._orders[token] = answer
        try:
            self._step(Order(token, word, **fields))
            async with asyncio.timeout(ORDER_TIMEOUT):
                found = await answer
        except TimeoutError:
            self.meters.ordered(word, done=False)
            raise
        finally:
            del self._orders[token]
        self.meters.ordered(word, done=found.ok)
        return found

    async def _tick(self) -> None:
        while True:
            wait = (self.service.deadline - time.monotonic_ns()) / SECOND
            await asyncio.sleep(min(max(wait, 0.001), 0.5))
            self._step(Tick())

    def _step(self, event: Event) -> None:
        before = self.service.leading
        self.meters.step(event)
        for effect in self.service.step(event, now=time.monotonic_ns()):
            self._carry_out(effect)
        if before and not self.service.leading and not isinstance(event, Lead):
            self._store.resign()  # the core has lost its footing: it begins with a fresh reading

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Ask():
                self._start(self._ask(effect))
            case Write():
                self._start(self._write(effect, time.monotonic_ns()))
            case Say():
                self._start(self._say(effect))
            case Answer():
                answer = self._orders.get(effect.token)
                if answer is not None and not answer.done():
                    answer.set_result(effect)
            case Note():
                self.meters.note(effect)
                LOGGER.log(_LEVELS[effect.level], "%s: %s", effect.code, effect.text)
                if self._heard is not None:
                    self._heard(effect)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            LOGGER.error("failed", exc_info=task.exception())

    async def _ask(self, ask: Ask) -> None:
        try:
            found = await self._look(ask)
        except Exception:
            # A node whose question never ends would never be asked again.
            LOGGER.exception("question: to node %d", ask.id)
            found = Trouble.STRANGER
        self.meters.saw(found)
        self._step(Saw(ask.id, ask.address, ask.at, found))

    async def _look(self, ask: Ask) -> Report | Trouble:
        try:
            async with asyncio.timeout(self._timeout):
                status, body = await self._exchange("GET", ask.address)
        except (httpx.HTTPError, TimeoutError, ValueError) as error:
            self._say_if_distrusted(ask, error)
            return Trouble.REFUSED if _refused(error) else Trouble.SILENT
        if status != 200:
            return Trouble.STRANGER
        try:
            return parse(json.loads(body))
        except _NO_SENSE:
            return Trouble.STRANGER

    def _say_if_distrusted(self, ask: Ask, error: Exception) -> None:
        """To the core such a node is silent: nobody knows who it is. To a person it is another matter."""
        now = time.monotonic()
        if "CERTIFICATE_VERIFY_FAILED" in str(error) and now >= self._distrusted.get(ask.id, 0.0):
            self._distrusted[ask.id] = now + DISTRUSTED_EVERY
            LOGGER.error("not_trusted: node %d at %s: %s", ask.id, ask.address, error)

    async def _exchange(self, method: str, address: str, document: object = None) -> tuple[int, bytes]:
        """The status and the body of an answer about ``/view``, as it came: nothing is unpacked.

        Empty where it is too long. Raises ``httpx.HTTPError`` and ``ValueError``.
        """
        body = bytearray()
        url = f"{self.trust.scheme}://{address}/view"
        headers = {"accept-encoding": "identity", **self.trust.headers()}
        async with self._nodes().stream(method, url, json=document, headers=headers) as response:
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_REPORT:
                    return response.status_code, b""
        return response.status_code, bytes(body)

    async def _write(self, write: Write, decided_at: int) -> None:
        if time.monotonic_ns() - decided_at > STALE:
            self._step(Stored(None))  # much may have changed since it was decided
            return
        began = time.monotonic()
        try:
            stored = await self._store.write(write.record)
        except Exception:
            LOGGER.exception("store: record %d, nobody knows whether it was written", write.record.version)
            self._store.errors += 1
            stored = None
        result = "unknown" if stored is None else "written" if stored == write.record else "overtaken"
        self.meters.wrote(result, time.monotonic() - began)
        self._step(Stored(stored))

    async def _say(self, say: Say) -> None:
        document = {
            "view": listed(say.members),
            "epoch": say.epoch,
            "incarnation": f"{say.incarnation:016x}",
        }
        refusal = ""
        try:
            async with asyncio.timeout(self._timeout):
                status, body = await self._exchange("PUT", say.address, document)
            if status != 200:
                refusal = _reason(status, body)
        except (httpx.HTTPError, TimeoutError, ValueError):
            refusal = "lost"
        self.meters.said(refusal)
        self._step(Said(say.id, say.epoch, refusal))


def _reason(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["reason"])
    except _NO_SENSE:
        return f"status {status}"


def _refused(error: BaseException | None) -> bool:
    """Whether somewhere beneath it a connection was refused, or ended without an answer."""
    while error is not None:
        if isinstance(error, ConnectionRefusedError | ConnectionResetError):
            return True
        if isinstance(error, BaseExceptionGroup):
            return any(_refused(each) for each in error.exceptions)
        error = error.__cause__ or error.__context__
    return False
