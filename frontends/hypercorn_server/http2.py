"""What hypercorn lacks in HTTP/2: it gives up no answer that nobody takes, and no body that nobody wants.

It forgets a stream whose answer is complete, and ends the whole connection, with all that waits on it, when a
piece of that stream's body still arrives. So the last piece of an answer is held back until the body is over.

And it waits for ever for a client to take an answer: one that gives no window for it takes nothing, and one
that is gone at the wrong moment neither. Meanwhile the answer takes up what there is for all of them. So an
answer goes out in pieces, and each has a time.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from frontends.common.asgi import Message, Receive, Scope, Send

PIECE = 65_536
"""Bytes of an answer that a client has to take within its time."""


class _StalledError(Exception):
    """The client takes no more of its answer."""


class WholeRequests:
    """The ASGI callable in front of ``application``."""

    def __init__(self, application: Any, patience: float) -> None:
        self._application = application
        self._patience = patience
        """Seconds that a body may take, and each piece of an answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["http_version"] != "2":
            await self._application(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._patience)
        with contextlib.suppress(_StalledError):
            await self._application(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send, patience: float) -> None:
        self._patience = patience
        self._receive = receive
        self._send = send
        self._over = asyncio.Event()
        """Nothing more of the body comes."""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._over.set()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] != "http.response.body":
            await self._send_in_time(message)
            return
        body, more = memoryview(message.get("body", b"")), message.get("more_body", False)
        while len(body) > PIECE:
            await self._send_in_time({**message, "body": bytes(body[:PIECE]), "more_body": True})
            body = body[PIECE:]
        if self._over.is_set() or more:
            await self._send_in_time({**message, "body": bytes(body)})
            return
        await self._send_in_time({**message, "body": bytes(body), "more_body": True})
        await self._take_the_rest()
        await self._send_in_time({"type": "http.response.body", "body": b""})

    async def _send_in_time(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._send(message)
        except TimeoutError:
            raise _StalledError from None

    async def _take_the_rest(self) -> None:
        # The application may be receiving at the same time, in a task of its own, and get the last piece.
        rest = asyncio.create_task(self._receive_all())
        over = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait((rest, over), timeout=self._patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()
            over.cancel()

    async def _receive_all(self) -> None:
        while not self._over.is_set():
            await self.receive()
