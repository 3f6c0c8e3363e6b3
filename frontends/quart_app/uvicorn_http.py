"""uvicorn's faster HTTP/1.1 protocol with what it lacks: a bound on a request's head and on what stands
beside its body, requests that offer another protocol, and our own errors.

Its parser (llhttp, through httptools) costs a fifth of h11's in Python, but it keeps a head and trailers of
any length and turns methods that it has not heard of away as malformed. Behind the head of a request with
``Upgrade`` it expects the other protocol, and uvicorn goes on as if the next piece were a request: a body
that comes later would be one that no proxy has seen.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from frontends.common import responses, routes
from frontends.common.asgi import CERTIFIED
from frontends.common.listen import MAX_HEAD
from frontends.common.settings import Settings
from frontends.common.tls import has_shown


class BoundedProtocol(HttpToolsProtocol):
    """One connection; a node's own class of it has the node's settings."""

    settings: ClassVar[Settings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = False
        self._head = 0
        """Bytes of the head so far, without the piece in which it began."""
        self._beside = 0
        """Bytes since any of the body came, with which none did: extensions of a chunk, and trailers."""
        self._moved = False
        """Whether a head, some of a body or a request came to its end in the piece at hand."""
        self._offered = False
        """Whether the request at hand offers another protocol: it is read a second time, without that."""
        self._again = b""
        self._data = b""
        self._waiting: asyncio.TimerHandle | None = None
        """For a head that is not complete."""
        self._taking: asyncio.TimerHandle | None = None
        """For a client to take more of an answer."""
        self._idle: asyncio.TimerHandle | None = None
        """For another request to begin."""
        self._answered_at = 0.0

    def data_received(self, data: bytes) -> None:
        self._moved = False
        if self._in_head:
            room = MAX_HEAD - self._head
            self._head += len(data)
            if self._head > MAX_HEAD:
                # It may end in this piece, and what follows is a body, or other requests.
                self._read(data[:room])
                if not self._moved:
                    self._turn_away(
                        responses.problem(431, "head_too_large", f"a head may have {MAX_HEAD} bytes")
                    )
                if self.transport.is_closing():
                    return
                data = data[room:]
        self._read(data)
        if self._in_head:
            if self._waiting is None:
                self._wait_for_head()
        elif not self._moved:
            self._beside += len(data)
            if self._beside > MAX_HEAD:
                self._end_beside()

    def _read(self, data: bytes) -> None:
        self._again = data
        while self._again:  # no recursion: one piece may have a thousand requests that are read again
            self._data, self._again = self._again, b""
            super().data_received(self._data)
        self._data = b""

    def _end_beside(self) -> None:
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete or cycle.response_started:
            self.transport.abort()  # it has its answer, or some of it
            return
        detail = f"beside its chunks a body may have {MAX_HEAD} bytes"
        self._turn_away(responses.problem(431, "head_too_large", detail))

    def _wait_for_head(self) -> None:
        self._waiting = self.loop.call_later(self.settings.client_timeout, self._give_up)

    def _give_up(self) -> None:
        self._waiting = None
        if not self.transport.is_closing():
            self._turn_away(responses.too_slow("the head did not come in time"))

    def _end_head(self) -> None:
        self._on_move()
        self._in_head = False
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()
        if len(self.connections) > self.settings.max_connections:
            self._turn_away(responses.too_many("too many connections are open at this node"))
        if has_shown(transport.get_extra_info("ssl_object")):
            # Its own copy: the parent's is the state of the application, for every connection.
            self.app_state = {**self.app_state, CERTIFIED: True}

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin_head()

    def _begin_head(self) -> None:
        self._in_head = True
        self._head = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # Behind the head the parser calls trailers headers. A proxy in front looks at headers only: in the
        # list of the request they would be some that it has never seen. And there may be any number.
        if self._in_head:
            # As the parent does it, whose call would cost each request as much again.
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._end_head()
        if not self._is_offer():
            super().on_headers_complete()
            self.headers = []

    def on_body(self, body: bytes) -> None:
        self._on_move()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._on_move()
        if not self._offered:
            super().on_message_complete()

    def _on_move(self) -> None:
        self._moved = True
        self._beside = 0

    def _is_offer(self) -> bool:
        """Whether the request whose head is complete offers another protocol; none is taken."""
        self._offered = self.parser.should_upgrade()
        return self._offered

    def _unsupported_upgrade_warning(self) -> None:
        """Called where uvicorn handles the parser's exception: read that request as one that offers nothing.

        A server may ignore an offer (RFC 9110, section 7.8); Java's client makes one with its first request.
        """
        self._offered = False
        method = self.parser.get_method()
        if method == b"CONNECT":
            # What would follow is the tunnel's.
            unknown = responses.problem(400, "bad_request", "this is no proxy")
            self._turn_away(_none_of_ours(method.decode(), self.url, self.settings) or unknown)
            return
        upgrade: Any = sys.exc_info()[1]
        (offset,) = upgrade.args
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b\r\n" % (method, self.url, version)]
        lines += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self._again = b"".join([*lines, b"\r\n", self._data[offset:]])
        # The old one may be in the middle of something.
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        # The parent sets a timer here and takes it back with the next request. This one looks when it fires.
        self._answered_at = self.loop.time()
        if self._idle is None:
            self._idle = self.loop.call_later(self.timeout_keep_alive, self._look_whether_idle)

    def _look_whether_idle(self) -> None:
        self._idle = None
        cycle: Any = self.cycle
        if self._in_head or (cycle is not None and not cycle.response_complete):
            return  # the end of that request's answer looks again
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idle = self.loop.call_later(left, self._look_whether_idle)
        else:
            self.timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look_at_taking(2**63)

    def _look_at_taking(self, before: int) -> None:
        """Give a client up that has taken nothing since there were ``before`` bytes for it."""
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.transport.abort()
        else:
            self._taking = self.loop.call_later(self.settings.client_timeout, self._look_at_taking, left)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_looking()

    def _stop_looking(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_head()
        self._stop_looking()
        if self._idle is not None:
            self._idle.cancel()

    def send_400_response(self, msg: str) -> None:
        """Called where uvicorn handles the parser's error."""
        response = responses.problem(400, "bad_request", msg)
        if isinstance(sys.exc_info()[1], httptools.HttpParserInvalidMethodError):
            response = _unknown_method(self._data, self.settings) or response
        self._turn_away(response)

    def _turn_away(self, response: responses.Response) -> None:
        self.transport.write(STATUS_LINE[response.status] + responses.written_out(response, close=True))
        self.transport.close()


class Beginnings:
    """The first lines of the answers of one server: the status, and the headers that it gives to all."""

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._by_status: dict[int, bytes] = {}

    def of(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        """``headers`` is another list each second, when the date has changed."""
        if headers is not self._headers:
            self._headers = headers
            self._by_status = {}
        found = self._by_status.get(status)
        if found is None:
            lines = b"".join([b"%b: %b\r\n" % header for header in headers])
            found = self._by_status[status] = STATUS_LINE[status] + lines
        return found


def _unknown_method(data: bytes, settings: Settings) -> responses.Response | None:
    """The answer to a request with a method of which the parser knows nothing, if it begins with ``data``."""
    words = data.partition(b"\r\n")[0].split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1.") or not words[0].isalpha():
        return None
    return _none_of_ours(words[0].decode(), words[1], settings)


def _none_of_ours(method: str, target: bytes, settings: Settings) -> responses.Response | None:
    plan = routes.plan(method, target, settings)
    return plan if isinstance(plan, responses.Response) else None
