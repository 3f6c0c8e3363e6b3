"""Executes a node's effects on an asyncio event loop: mail by one carrier a peer, ticks by loop timers."""

from __future__ import annotations

import asyncio

from frontends.common.node import Node
from frontends.common.settings import Settings
from frontends.common.tls import Contexts
from pbproto.config import SECOND

from .carrier import Carrier


class Driver:
    """One node on the running event loop. To be made and stopped on that loop."""

    def __init__(self, settings: Settings, contexts: Contexts | None = None) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._carriers: dict[str, Carrier] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0
        self._stopped = False
        self._gathering = False
        self.node = Node(settings, self._wake_peer, self._wake_timer, self._gather, contexts=contexts)

    def stop(self) -> None:
        """Carry nothing and tick no more."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        for carrier in self._carriers.values():
            carrier.close()
        self._carriers.clear()

    def _gather(self) -> None:
        # Whoever else is handled in this turn of the loop comes along: their requests were read together.
        if not self._gathering:
            self._gathering = True
            self._loop.call_soon(self._admit)

    def _admit(self) -> None:
        self._gathering = False
        self.node.admit()

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
        carrier = self._carriers.get(address)
        if carrier is None:
            if self._stopped:
                return
            carrier = Carrier(self.node, self._settings, address, lambda: self._carriers.pop(address))
            self._carriers[address] = carrier
        carrier.wake()
