"""Executes a node's effects on an asyncio event loop: mail by aiohttp, ticks by loop timers."""

from __future__ import annotations

import asyncio
import io
from contextlib import suppress

import aiohttp

from frontends.common.logs import LOGGER, logfmt
from frontends.common.node import Node, bad_mail
from frontends.common.settings import MAX_MAIL_BYTES, Settings
from pbproto import CodecError
from pbproto.codec import MEDIA_TYPE
from pbproto.config import MIB, SECOND

IDLE = 30.0
"""Seconds after which a peer that gets no mail has no task any more."""


class Driver:
    """One node on the running event loop. To be made, started and stopped on that loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._session: aiohttp.ClientSession | None = None
        self._carriers: dict[str, asyncio.Task[None]] = {}
        self._wakes: dict[str, asyncio.Event] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._stopped = False
        self.node = Node(settings, self._wake_peer, self._wake_timer)

    async def start(self) -> None:
        """Make ready to carry mail."""
        # One connection per peer: while one POST is under way, what queues up goes in the next.
        connector = aiohttp.TCPConnector(limit=0, limit_per_host=1, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def stop(self) -> None:
        """Carry nothing and tick no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        carriers = list(self._carriers.values())
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _wake_timer(self, deadline: int | None) -> None:
        if deadline is None or self._stopped:
            return
        if self._timer is not None:
            if self._timer_at <= deadline:
                return  # it fires early enough, and is set anew then
            self._timer.cancel()
        self._timer_at = deadline
        # The node's clock need not be the loop's.
        self._timer = self._loop.call_later((deadline - self.node.clock()) / SECOND, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self.node.tick()

    def _wake_peer(self, address: str) -> None:
        wake = self._wakes.get(address)
        if wake is not None:
            wake.set()
        elif not self._stopped:
            wake = self._wakes[address] = asyncio.Event()
            wake.set()
            self._carriers[address] = self._loop.create_task(self._carry(address, wake))

    async def _carry(self, address: str, wake: asyncio.Event) -> None:
        try:
            while True:
                try:
                    await asyncio.wait_for(wake.wait(), IDLE)
                except TimeoutError:
                    if not wake.is_set():
                        return
                wake.clear()
                try:
                    while mail := self.node.take_mail(address):
                        await self._post(address, mail)
                except Exception:
                    # A task that ended here would leave what is queued until the next message.
                    LOGGER.exception("%s", logfmt(self.node.id, "mail_failed", address=address))
        finally:
            del self._wakes[address]
            del self._carriers[address]

    async def _post(self, address: str, mail: bytes) -> None:
        """Post once, and never again by itself: what is lost is sent anew by the replica if still needed."""
        if self._session is None:
            return
        limit = self._settings.peer_timeout + len(mail) / MIB
        timeout = aiohttp.ClientTimeout(total=limit, connect=self._settings.peer_timeout)
        answers = bytearray()
        with suppress(aiohttp.ClientError, TimeoutError, OSError, ValueError):
            async with self._session.post(
                f"http://{address}/peer",
                data=io.BytesIO(mail) if len(mail) > MIB else mail,
                headers={"content-type": MEDIA_TYPE},
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                async for piece in response.content.iter_chunked(256 * 1024):
                    answers += piece
                    if len(answers) > MAX_MAIL_BYTES:
                        response.close()
                        return
                if response.status != 200:
                    return
            try:
                self.node.receive_answers(bytes(answers))
            except CodecError as error:
                bad_mail(self.node, address, error)
