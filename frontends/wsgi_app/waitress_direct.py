"""Keys and peers' mail under waitress, from its parser straight to the mapping, without a thread for each.

A thread that takes a request over and waits for its answer costs two changes of threads, which takes longer
than all that the store does; and no more clients can wait than there are threads. A short request that came
whole is brought to the node by the thread that read it, and its answer is written by the same thread, whoever
found it. Who arrives in one turn of the server's loop goes on in one step, and in one message to each backup.

To the rest of waitress such a request is one that is being served, so that keep-alive, the end of the server
and what follows on the same connection are waitress's business. Whatever is long, not alone on its connection
or not ours goes the usual way.
"""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from typing import Any

from waitress.utilities import build_http_date

from frontends.common import responses, routes, wanted
from frontends.common.budget import SHORT
from frontends.common.door import NOBODY, Caller

from .lean import LINES, WayIn
from .waitress_tls import Channel


class Direct:
    """The requests of one server that go past WSGI. All but ``_found`` is of the server's own thread."""

    def __init__(self, way_in: WayIn, server: Any) -> None:
        self._mapping, self._together = way_in
        self._server = server
        self._arrived: deque[DirectChannel] = deque()
        self._answers: deque[tuple[DirectChannel, responses.Response]] = deque()
        self._awake = False
        self._second = 0
        self._date = ""
        """Of an answer in this second."""
        self._usual = server.add_task
        server.channel_class = DirectChannel
        server.add_task = self._add

    def turn(self) -> None:
        """Begin what has arrived and write what was answered. To be called after each turn of the loop."""
        self._awake = True
        if self._arrived:
            with self._together():
                while self._arrived:
                    self._begin(self._arrived.popleft())
        # From here on whoever finds an answer wakes the loop, which may find it written already.
        self._awake = False
        while self._answers:
            channel, response = self._answers.popleft()
            channel.answer(self._written_out(response, close=channel.requests[0].connection_close))
        if self._arrived:
            # What stood behind a request that was just answered. Others get their turn before it.
            self._server.pull_trigger()

    def _add(self, channel: Any) -> None:
        """In place of the server's own ``add_task``: a channel's first request waits to be served."""
        if isinstance(channel, DirectChannel) and channel.may_go_directly():
            # Not at once: the caller holds the channel's lock. It is the loop itself, or wakes it after this.
            self._arrived.append(channel)
        else:
            self._usual(channel)

    def _begin(self, channel: DirectChannel) -> None:
        request = channel.requests[0]
        headers = wanted.of_waitress(request.headers)
        try:
            caller = Caller(channel.addr[0], channel.certified) if self._mapping.guarded else NOBODY
            plan = self._mapping.plan(request.command, request.request_uri.encode("latin-1"), headers, caller)
            if isinstance(plan, responses.Response):
                self._found(channel, plan)
            elif request.content_length > plan.body_limit > 0:
                self._found(channel, self._mapping.refuse(plan, headers, self._mapping.too_large(plan)))
            else:
                body = request.get_body_stream().read() if plan.body_limit else b""
                self._mapping.start(plan, headers, body, partial(self._found, channel))
        except Exception:
            target = request.request_uri.encode("latin-1")
            self._found(channel, self._mapping.failed(request.command, target, headers))

    def _found(self, channel: DirectChannel, response: responses.Response) -> None:
        """An answer, by whichever thread."""
        self._answers.append((channel, response))
        if not self._awake:
            self._awake = True
            self._server.pull_trigger()

    def _written_out(self, response: responses.Response, *, close: bool) -> bytes:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._date = build_http_date(now)
        first = f"HTTP/1.1 {LINES[response.status]}\r\ndate: {self._date}\r\n"
        return first.encode("latin-1") + responses.written_out(response, close=close)


class DirectChannel(Channel):
    """One connection."""

    requests: list[Any]
    total_outbufs_len: int
    current_outbuf_count: int

    def may_go_directly(self) -> bool:
        """Whether its request is short, alone, and for a key or mail. The caller holds ``requests_lock``."""
        (request, *others) = self.requests
        return (
            not others
            # A client that takes no answers gets no more of them in this way.
            and not self.total_outbufs_len
            and request.error is None
            and request.version == "1.1"
            and not request.chunked
            and request.content_length <= SHORT
            and routes.is_lean(request.request_uri.encode("latin-1"))
        )

    def answer(self, data: bytes) -> None:
        """The answer to its first request, as ``service`` of the parent ends one."""
        request = self.requests[0]
        request.close()
        with self.outbuf_lock:
            if self.connected:
                self.outbufs[-1].append(data)
                self.current_outbuf_count += len(data)
                self.total_outbufs_len += len(data)
                self._flush_exception(self._flush_some, do_close=False)
            if self.current_outbuf_count:
                # The next answer begins a buffer of its own; this one can go when it was sent.
                self.current_outbuf_count = self.adj.outbuf_high_watermark
        with self.requests_lock:
            self.requests.pop(0)
            if request.connection_close or not self.connected:
                self.close_when_flushed = True
                for later in self.requests:
                    later.close()
                self.requests = []
            elif self.requests:
                self.server.add_task(self)
            elif (
                self.request is not None
                and self.request.expect_continue
                and self.request.headers_finished
                and not self.sent_continue
            ):
                self.send_continue()
        self.last_activity = time.time()
