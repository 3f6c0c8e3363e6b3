"""Keys and peers' mail under uvicorn, straight from its parser to the mapping, without ASGI in between.

What ASGI asks of a server for each request (a scope, a task, an event, messages to and fro) takes longer than
all that the store does. A short request that came whole needs none of it: the mapping is called from the
parser's callback, and its answer is written to the transport. To the rest of uvicorn such a request is a
cycle like any other, so that pipelining, keep-alive and the end of the server are uvicorn's business.

Whatever is not whole when the bytes at hand are used up, not short, not alone on its connection or not ours,
goes the usual way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from frontends.common import api, responses, routes, wanted
from frontends.common.asgi import CERTIFIED
from frontends.common.budget import SHORT, Share
from frontends.common.door import NOBODY, Caller
from frontends.common.settings import Settings

from .lean import length_of
from .uvicorn_http import Beginnings, BoundedProtocol

Mapping = Callable[[], api.Api | None]
_ANSWERED = asyncio.Event()
"""Nobody waits for it."""


class _Cycle:
    """A request that is answered directly: of uvicorn's own cycles, all that uvicorn's protocol looks at."""

    __slots__ = ("_connection", "counted", "disconnected", "keep_alive", "response_complete")

    message_event = _ANSWERED

    def __init__(self, connection: DirectProtocol, keep_alive: bool) -> None:
        self._connection = connection
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False
        self.counted = False
        """A long answer to it has to find room first. Mail has not: it is what the clients wait for."""

    def answer(self, response: responses.Response) -> None:
        """The one answer; nobody is there for it if the client has hung up."""
        if not (self.disconnected or self.response_complete):
            self._connection.respond(self, response)


class DirectProtocol(BoundedProtocol):
    """One connection to the node behind ``mapping()``."""

    beginnings: ClassVar[Beginnings]

    @staticmethod
    def mapping() -> api.Api | None:
        """The REST interface of the node, as soon as there is one."""
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pieces: list[bytes] | None = None
        """The body so far, of a request that may be answered directly."""
        self._lines: list[tuple[bytes, bytes]] = []
        """The headers of that request; what comes after its body are none."""
        self._api: api.Api | None = None
        self._share: Share | None = None
        """Of a long answer that the client has not taken yet."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._pieces is not None:
            # More is to come, and may take long: others watch over that.
            pieces, self._pieces = self._pieces, None
            if not self.transport.is_closing():
                self._by_asgi(self._lines)
                if pieces:
                    super().on_body(b"".join(pieces))

    def on_message_begin(self) -> None:
        # The scope, which the parent makes here, is made when it is needed.
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._begin_head()

    def on_headers_complete(self) -> None:
        self._end_head()
        if self._is_offer():
            return
        if (
            routes.is_lean(self.url)
            and self._is_alone()
            # A client that takes no answers gets no more of them; ASGI's way waits for it.
            and not self.flow.write_paused
            and not self.expect_100_continue
        ):
            self._api = self.mapping()
            if self._api is not None:
                self._pieces = []
                self._lines, self.headers = self.headers, []
                return
        self._by_asgi(self.headers)

    def _is_alone(self) -> bool:
        cycle: Any = self.cycle  # None before the first one, whatever its type says
        return cycle is None or cycle.response_complete is True

    def _by_asgi(self, lines: list[tuple[bytes, bytes]]) -> None:
        url, expect = self.url, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers.extend(lines)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._pieces is None:
            super().on_body(body)
        else:
            self._on_move()
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._pieces is None or self._api is None:
            super().on_message_complete()
            return
        self._on_move()
        pieces, self._pieces = self._pieces, None
        keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
        cycle = _Cycle(self, keep_alive)
        whatever: Any = cycle
        self.cycle = whatever
        try:
            self._begin(self._api, cycle, b"".join(pieces))
        except Exception:
            cycle.counted = False
            cycle.answer(self._failed(self._api))

    def _failed(self, mapping: api.Api) -> responses.Response:
        return mapping.failed(self.parser.get_method().decode(), self.url, wanted.of_pairs(self._lines))

    def _begin(self, mapping: api.Api, cycle: _Cycle, body: bytes) -> None:
        headers = wanted.of_pairs(self._lines)
        caller = self._caller() if mapping.guarded else NOBODY
        plan = mapping.plan(self.parser.get_method().decode(), self.url, headers, caller)
        if isinstance(plan, responses.Response):
            cycle.answer(plan)
        elif len(body) > plan.body_limit > 0:
            cycle.answer(mapping.refuse(plan, headers, mapping.too_large(plan)))
        else:
            cycle.counted = plan.waits
            mapping.start(plan, headers, body, cycle.answer)

    def _caller(self) -> Caller:
        return Caller(self.client[0] if self.client else "", CERTIFIED in self.app_state)

    def respond(self, cycle: _Cycle, response: responses.Response) -> None:
        """Write the answer to the request of ``cycle``, which has had none."""
        if cycle.counted and self._api is not None and length_of(response) > SHORT:
            self._share = Share(self._api.bodies)
            if not self._share.need(length_of(response)):
                response = self._api.withhold(response)
        cycle.response_complete = True
        first = self.beginnings.of(response.status, self.server_state.default_headers)
        self.transport.write(first + responses.written_out(response, close=not cycle.keep_alive))
        if self._share is not None and not self.flow.write_paused:
            self._end_share()
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_share()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_share()

    def _end_share(self) -> None:
        if self._share is not None:
            self._share.end()
            self._share = None


def protocol(settings_: Settings, mapping_: Mapping | None) -> type[DirectProtocol]:
    """The protocol for the node with these settings, behind ``mapping_()`` as soon as that gives one.

    Without ``mapping_`` everything goes the usual way.
    """

    class NodeProtocol(DirectProtocol):
        settings = settings_
        beginnings = Beginnings()

        @staticmethod
        def mapping() -> api.Api | None:
            return None if mapping_ is None else mapping_()

    return NodeProtocol
