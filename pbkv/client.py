"""The client for threads. It carries out what ``calls.py`` decides; ``aio.py`` is the same for event
loops."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import httpx

from . import http, requests
from .bounded import Transport, Until
from .calls import LOOK, Call, Done, Look, Pause, Try
from .errors import StoreError, Unknown
from .judging import Failure
from .mapping import StoreMapping
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


class Client:
    """A client of one store. Safe for threads; to be made anew after a fork.

    Every node takes every request, so a call that fails at one goes on at the next, until it is answered or
    its time is up. Writes are repeated safely: all attempts of a call carry one idempotency key.

    Every method raises ``StoreError`` of the kind that says what is known about the effect (``errors.py``),
    and never an exception of httpx. ``TypeError``, ``ValueError`` (of which ``Invalid`` is one) and
    ``ClientClosed`` mean that nothing was sent.
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
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] | None = None,
    ) -> None:
        """``nodes``: URLs as ``http://127.0.0.1:8081``; of ``127.0.0.1:8081`` it is ``http://``, never https.

        Raises ``ValueError``, and ``TypeError`` for one ``str`` in place of a list.

        ``timeout``: seconds for a whole call, all its attempts and pauses together. It also bounds for how
        long a write is repeated, and the store remembers 65,536 idempotency keys: with more than
        65,536 / (``timeout`` + 10) keyed writes a second, 1,638 by default, make it shorter.
        ``attempt_timeout``: seconds for one attempt, until the head of its answer. Longer than the nodes'
        ``--request-timeout`` (10 s): who hangs up earlier trades certain answers for unknown ones.
        ``connect_timeout``: seconds for a connection.
        ``token``: a bearer token. It is sent to every node, so use https outside a private network.
        ``verify``: whether certificates are checked, or the SSL context that does it.
        ``spread``: begin with a random node; otherwise with the first one.
        ``follow_view``: beside the given nodes ask members of the present view, at the addresses by which
        nodes reach each other, when no given one answers. The token goes there as well, but never by http
        where a given node has https. ``False`` where clients cannot or must not reach those addresses.
        ``max_connections``: to all nodes together.
        ``max_listing_bytes``: of the answer to ``items``.
        ``transport``, ``sleep``, ``clock`` and ``draw`` (numbers from 0 to 1) are for tests.
        """
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
        self._until = Until()
        options = http.options(verify, max_connections)
        own = transport or Transport(self._until, verify, options["limits"])
        self._http = httpx.Client(transport=own, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A later call raises ``ClientClosed``; to close again changes nothing.

        No call should be under way: it ends as one that nobody answers.
        """
        self._http.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.nodes)})"

    @property
    def nodes(self) -> tuple[str, ...]:
        """The URLs of the nodes that were given, and of those that ``learn_nodes`` has added."""
        return self._settings.nodes.urls

    @property
    def learned(self) -> tuple[str, ...]:
        """The URLs of members of the view that are known beside ``nodes``, since calls follow the view."""
        return self._settings.nodes.learned

    # ---- data

    def put(
        self,
        key: str,
        value: str,
        *,
        idempotency_key: str | None = None,
        first_use: bool = False,
        timeout: float | None = None,
    ) -> Written:
        """Write a value.

        ``idempotency_key``: to go on with an earlier call, or to be able to go on with this one after a
        restart of the program; by default a new one. What an earlier call did is not known here, so with a
        key of your own the call never ends in ``NotApplied`` but in ``Unknown``, unless you say that it is
        its ``first_use``. Raises ``NotApplied``, ``Unknown``, ``Refused``.
        """
        request = requests.put(key, value, idempotency_key, first_use=first_use)
        return self._run(self._settings.call(request, timeout), request)

    def delete(
        self,
        key: str,
        *,
        idempotency_key: str | None = None,
        first_use: bool = False,
        timeout: float | None = None,
    ) -> Deleted:
        """Delete a key; see ``put``. That it was missing is a result, not an error."""
        request = requests.delete(key, idempotency_key, first_use=first_use)
        return self._run(self._settings.call(request, timeout), request)

    def get(self, key: str, *, timeout: float | None = None) -> Read:
        """Read a value; ``None`` for a missing key. Raises ``Unavailable``, ``Refused``."""
        request = requests.get(key)
        return self._run(self._settings.call(request, timeout), request)

    def items(self, *, timeout: float | None = None) -> Listing:
        """The whole store at one point of the order. Raises ``Unavailable``, ``Refused``."""
        request = requests.items(self._settings.max_listing_bytes)
        return self._run(self._settings.call(request, timeout), request)

    def resolve(self, unknown: Unknown, *, timeout: float | None = None) -> Written | Deleted:
        """Repeat a write whose outcome is unknown, under its idempotency key, until it is answered.

        The answer is that of whichever attempt took effect. Raises ``Unknown``, ``Refused``.
        """
        request: Request[Any] | None = unknown.request
        if request is None:
            raise ValueError("this outcome belongs to no request")
        result: Written | Deleted = self._run(self._settings.call(request, timeout), request)
        return result

    def mapping(self, prefix: str = "") -> StoreMapping:
        """The store, or the keys that begin with ``prefix``, as a mapping."""
        return StoreMapping(self, prefix)

    # ---- nodes

    def view(
        self, node: str | None = None, *, timeout: float | None = None
    ) -> tuple[NodeAnswer[Status], ...]:
        """How each node sees itself, or one of them; in the order of ``nodes``. No answer is one, too."""
        return self._ask_each(requests.view(), self._settings.named(node), timeout)

    def ready(self, node: str | None = None, *, timeout: float | None = None) -> tuple[NodeAnswer[bool], ...]:
        """Whether each node would answer a request for data now."""
        return self._ask_each(requests.ready(), self._settings.named(node), timeout)

    def document(
        self, path: str, node: str | None = None, *, timeout: float | None = None
    ) -> tuple[NodeAnswer[dict[str, Any]], ...]:
        """The JSON object that each node has at a path, as ``/why`` or ``/ping``."""
        return self._ask_each(requests.document(path), self._settings.named(node), timeout)

    def tell_view(
        self,
        members: Mapping[int, str] | Iterable[tuple[int, str]],
        epoch: int | None = None,
        *,
        nodes: Iterable[str] | None = None,
        timeout: float | None = None,
    ) -> tuple[NodeAnswer[Status], ...]:
        """Tell a view: ids, and addresses as ``host:port``. What each node answered.

        It goes to ``nodes``, by default to the members at their addresses: at the URLs of given nodes
        that have them, else below the path of the first one given. Whoever tells views has duties;
        see "What the outside owes" in the protocol.
        """
        pairs = list(members.items() if isinstance(members, Mapping) else members)
        request = requests.tell_view(pairs, epoch)
        urls = list(nodes) if nodes is not None else urls_of_members(pairs, self.nodes)
        return self._ask_each(request, urls, timeout)

    def learn_nodes(self) -> tuple[str, ...]:
        """Take the members of the present views for given nodes, and return all nodes.

        Calls follow the view by themselves; this is for those who want to ask the members for ``view`` or
        ``ready``, and for clients that do not follow. The token goes to the members.
        """
        return self._settings.add_members(self.view())

    # ---- carrying out

    def _ask_each(
        self, request: Request[T], urls: Iterable[str], timeout: float | None
    ) -> tuple[NodeAnswer[T], ...]:
        def ask(url: str) -> NodeAnswer[T]:
            call = self._settings.question(request, url, timeout)
            try:
                return NodeAnswer(url, self._run(call, request))
            except StoreError as error:
                return problem_of(url, error)

        http.check_open(self._http)
        wanted = list(urls)
        if len(wanted) < 2:
            return tuple(map(ask, wanted))
        with ThreadPoolExecutor(min(AT_ONCE, len(wanted))) as threads:
            return tuple(threads.map(ask, wanted))

    def _run(self, call: Call[T], request: Request[T]) -> T:
        http.check_open(self._http)
        step = call.step(self._settings.clock())
        while not isinstance(step, Done):
            heard = None
            if isinstance(step, Pause):
                self._sleep(step.seconds)
            else:
                heard = self._exchange(LOOK if isinstance(step, Look) else request, step)
            step = call.step(self._settings.clock(), heard)
        return step.result

    def _exchange(self, request: Request[Any], attempt: Try) -> Answer | Failure:
        settings = self._settings
        if http.closed(self._http):
            return http.CLOSED
        made = http.arguments(request, attempt, settings.headers, settings.connect_timeout)
        self._until.at = time.monotonic() + attempt.timeout
        try:
            with contextlib.closing(
                self._http.send(self._http.build_request(**made), stream=True)
            ) as response:
                self._until.at = time.monotonic() + attempt.deadline - settings.clock()
                reading = http.Reading(response, attempt, request.limit)
                with reading.guarded():
                    for piece in () if reading.over else response.iter_bytes():
                        if not reading.take(piece, settings.clock()):
                            break
                return reading.answer()
        except http.TROUBLE as error:
            return http.failure(error, attempt)
        except RuntimeError:
            if not http.closed(self._http):
                raise
            return http.CLOSED_MEANWHILE
