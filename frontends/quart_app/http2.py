"""Takes the rest of a body in HTTP/2 that comes after its request was answered, as hypercorn does not.

It forgets a stream whose answer is complete, and ends the whole connection, with all that waits on it, when a
piece of that stream's body still arrives. So the last piece of an answer is held back until the body is over.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .lean import Message, Receive, Scope, Send


class WholeRequests:
    """The ASGI callable in front of ``application``."""

    def __init__(self, application: Any, patience: float) -> None:
        self._application = application
        self._patience = patience
        """Seconds that a body may take."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["http_version"] != "2":
            await self._application(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._patience)
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
        if self._over.is_set() or message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        await self._take_the_rest()
        await self._send({"type": "http.response.body", "body": b""})

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
