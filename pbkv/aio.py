"""The client for event loops. It carries out what ``calls.py`` decides, as ``client.py`` does for threads."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from . import http, requests
from .calls import LOOK, Call, Done, Look, Pause, Try
from .errors import StoreError, Unknown
from .judging import Failure
from .requests import Answer, Request, T
from .results import Deleted, Listing, NodeAnswer, Read, Status, Written
from .settings import (
    AT_ONCE,
    ATTEMPT_TIMEOUT,
    CONNECT_TIMEOUT,
    MAX_CONNECTIONS,
    MAX_LISTING_BYTES,
    TIMEOUT,
    Settings,
    problem_of,
    urls_of_members,
)


class AsyncClient:
    """``Client`` for asyncio. Its methods do the same, and are awaited.

    A call that is cancelled ends at once. If it was a write, its outcome is unknown: give it an
    ``idempotency_key`` if you want to go on with it later.
    """

    def __init__(
        self,
        nodes: Iterable[str],
        *,
        token: str | None = None,
        timeout: float = TIMEOUT,
        attempt_timeout: float = ATTEMPT_TIMEOUT,
        connect_timeout: float = CONNECT_TIMEOUT,
        verify: ssl.SSLContext | bool = True,
        spread: bool = True,
        follow_view: bool = True,
        max_connections: int = MAX_CONNECTIONS,
        max_listing_bytes: int = MAX_LISTING_BYTES,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] | None = None,
    ) -> None:
        """As ``Client``. Raises ``ValueError``."""
        self._settings = Settings.of(
            nodes,
            token,
            timeout,
            attempt_timeout,
            connect_timeout,
            spread,
            max_listing_bytes,
            clock,
            draw,
            follow_view=follow_view,
        )
        self._sleep = sleep
        self._http = httpx.AsyncClient(transport=transport, **http.options(verify, max_connections))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; see ``Client.close``."""
        await self._http.aclose()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.nodes)})"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The URLs of the nodes that were given, and of those that ``learn_nodes`` has added."""
        return self._settings.nodes.urls

    @property
    def learned(self) -> tuple[str, ...]:
        """The URLs of members of the view that are known beside ``nodes``; see ``Client.learned``."""
        return self._settings.nodes.learned

    # ---- data

    async def put(
        self,
        key: str,
        value: str,
        *,
        idempotency_key: str | None = None,
        first_use: bool = False,
        timeout: float | None = None,
    ) -> Written:
        """Write a value; see ``Client.put``."""
        request = requests.put(key, value, idempotency_key, first_use=first_use)
        return await self._run(self._settings.call(request, timeout), request)

    async def delete(
        self,
        key: str,
        *,
        idempotency_key: str | None = None,
        first_use: bool = False,
        timeout: float | None = None,
    ) -> Deleted:
        """Delete a key; see ``Client.put``. That it was missing is a result, not an error."""
        request = requests.delete(key, idempotency_key, first_use=first_use)
        return await self._run(self._settings.call(request, timeout), request)

    async def get(self, key: str, *, timeout: float | None = None) -> Read:
        """Read a value; ``None`` for a missing key. Raises ``Unavailable``, ``Refused``."""
        request = requests.get(key)
        return await self._run(self._settings.call(request, timeout), request)

    async def items(self, *, timeout: float | None = None) -> Listing:
        """The whole store at one point of the order. Raises ``Unavailable``, ``Refused``."""
        request = requests.items(self._settings.max_listing_bytes)
        return await self._run(self._settings.call(request, timeout), request)

    async def resolve(self, unknown: Unknown, *, timeout: float | None = None) -> Written | Deleted:
        """Repeat a write whose outcome is unknown; see ``Client.resolve``."""
        request: Request[Any] | None = unknown.request
        if request is None:
            raise ValueError("this outcome belongs to no request")
        result: Written | Deleted = await self._run(self._settings.call(request, timeout), request)
        return result

    # ---- nodes

    async def view(
        self, node: str | None = None, *, timeout: float | None = None
    ) -> tuple[NodeAnswer[Status], ...]:
        """How each node sees itself, or one of them; in the order of ``nodes``. No answer is one, too."""
        return await self._ask_each(requests.view(), self._settings.named(node), timeout)

    async def ready(
        self, node: str | None = None, *, timeout: float | None = None
    ) -> tuple[NodeAnswer[bool], ...]:
        """Whether each node would answer a request for data now."""
        return await self._ask_each(requests.ready(), self._settings.named(node), timeout)

    async def document(
        self, path: str, node: str | None = None, *, timeout: float | None = None
    ) -> tuple[NodeAnswer[dict[str, Any]], ...]:
        """The JSON object that each node has at a path, as ``/why`` or ``/ping``."""
        return await self._ask_each(requests.document(path), self._settings.named(node), timeout)

    async def tell_view(
        self,
        members: Mapping[int, str] | Iterable[tuple[int, str]],
        epoch: int | None = None,
        *,
        nodes: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> tuple[NodeAnswer[Status], ...]:
        """Tell a view; see ``Client.tell_view``."""
        pairs = list(members.items() if isinstance(members, Mapping) else members)
        request = requests.tell_view(pairs, epoch)
        urls = list(nodes) if nodes is not None else urls_of_members(pairs, self.nodes)
        return await self._ask_each(request, urls, timeout)

    async def learn_nodes(self) -> tuple[str, ...]:
        """Take the members of the present views for given nodes; see ``Client.learn_nodes``."""
        return self._settings.add_members(await self.view())

    # ---- carrying out

    async def _ask_each(
        self, request: Request[T], urls: Iterable[str], timeout: float | None
    ) -> tuple[NodeAnswer[T], ...]:
        answers: dict[str, NodeAnswer[T]] = {}
        at_once = asyncio.Semaphore(AT_ONCE)

        async def ask(url: str) -> None:
            async with at_once:
                call = self._settings.question(request, url, timeout)
                try:
                    answer = await self._run(call, request)
                    answers[url] = NodeAnswer(url, answer)
                except StoreError as error:
                    answers[url] = problem_of(url, error)

        http.check_open(self._http)
        wanted = list(urls)
        async with asyncio.TaskGroup() as group:
            for url in dict.fromkeys(wanted):
                group.create_task(ask(url))
        return tuple(answers[url] for url in wanted)

    async def _run(self, call: Call[T], request: Request[T]) -> T:
        http.check_open(self._http)
        step = call.step(self._settings.clock())
        while not isinstance(step, Done):
            heard = None
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
            else:
                heard = await self._exchange(LOOK if isinstance(step, Look) else request, step)
            step = call.step(self._settings.clock(), heard)
        return step.result

    async def _exchange(self, request: Request[Any], attempt: Try) -> Answer | Failure:
        settings = self._settings
        if http.closed(self._http):
            return http.CLOSED
        made = http.arguments(request, attempt, settings.headers, settings.connect_timeout)
        response = None
        trace = made["extensions"]["trace"] = http.Trace()
        try:
            try:
                async with asyncio.timeout(attempt.timeout):
                    response = await self._http.send(self._http.build_request(**made), stream=True)
            except TimeoutError:
                return http.silent(attempt, sent=trace.sent)
            reading = http.Reading(response, attempt, request.limit)
            if not reading.over:
                await self._read(response, reading, attempt)
            return reading.answer()
        except http.TROUBLE as error:
            return http.failure(error, attempt)
        except RuntimeError:
            if not http.closed(self._http):
                raise
            return http.CLOSED_MEANWHILE
        finally:
            if response is not None:
                await response.aclose()

    async def _read(self, response: httpx.Response, reading: http.Reading, attempt: Try) -> None:
        clock = self._settings.clock
        try:
            async with asyncio.timeout(attempt.deadline - clock()):
                with reading.guarded():
                    async for piece in response.aiter_bytes():
                        if not reading.take(piece, clock()):
                            break
        except TimeoutError:
            reading.late()
