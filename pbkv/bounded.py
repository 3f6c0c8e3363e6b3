"""What a node may take of a thread's time, whatever it sends.

The timeouts of httpx are for each piece that is read. A node that sends a byte now and then, or one interim
answer after the other, or trailers without end, would keep a thread for as long as it likes. On an event loop
``asyncio.timeout`` sees to that; here every wait on a socket is cut to what is left.
"""

from __future__ import annotations

import math
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

_PIECE = 65_536
"""Bytes that are written at a time: each has what time is left."""


class Until(threading.local):
    """Until when the calling thread waits for the network."""

    at = math.inf
    """By ``time.monotonic``."""

    def left(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        """Seconds that may be waited now. Raises ``late`` if there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise late
        return min(left, math.inf if timeout is None else timeout)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, until: Until) -> None:
        self._inner = inner
        self._until = until

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._until.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        view = memoryview(buffer)
        for start in range(0, len(view), _PIECE):
            left = self._until.left(timeout, httpcore.WriteTimeout)
            self._inner.write(bytes(view[start : start + _PIECE]), left)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._until.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._until)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, until: Until) -> None:
        self._inner = httpcore.SyncBackend()
        self._until = until

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left = self._until.left(timeout, httpcore.ConnectTimeout)
        stream = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _Stream(stream, self._until)


class Transport(httpx.HTTPTransport):
    """httpx's own, on connections that wait for nothing beyond ``until``."""

    def __init__(self, until: Until, verify: ssl.SSLContext | bool, limits: httpx.Limits) -> None:
        context = httpx.create_ssl_context(verify=verify, trust_env=False)
        super().__init__(verify=context, trust_env=False)
        # httpx has no argument for this one of httpcore's.
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(until),
        )
