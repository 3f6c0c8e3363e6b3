"""One connection of one client to one node, and what is known when it fails."""

from __future__ import annotations

import http.client
import json
import select
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

CONNECT_TIMEOUT = 1.0
Open = Callable[[], tuple[socket.socket, tuple[str, int]]]
"""A new socket on the client's host, not connected yet, and where the node is reached from there."""


class NotConnectedError(Exception):
    """No connection could be made: nothing of the request was sent."""


class LostError(Exception):
    """The request was sent, at least in part, and no whole answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Line:
    """A connection that is kept, and made anew when it is gone. Never sends anything twice by itself."""

    def __init__(self, open_: Open, patience: float) -> None:
        """``patience``: seconds to wait for the next bytes of an answer."""
        self._open = open_
        self._patience = patience
        self._http: http.client.HTTPConnection | None = None

    def connect(self) -> None:
        """Have a connection. Raises ``NotConnectedError``."""
        if self._http is not None and self._http.sock is not None:
            # Readable while nothing was asked: the node has closed it.
            watch = select.poll()
            watch.register(self._http.sock, select.POLLIN)
            if not watch.poll(0):
                return
        self.close()
        try:
            link, address = self._open()
        except OSError as error:
            raise NotConnectedError(error) from error
        try:
            link.settimeout(CONNECT_TIMEOUT)
            link.connect(address)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            link.close()
            raise NotConnectedError(error) from error
        self._http = http.client.HTTPConnection(*address)
        self._http.auto_open = 0
        self._http.sock = link

    def send(
        self, method: str, path: str, document: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send one request and hang up. Raises ``NotConnectedError``."""
        self.connect()
        try:
            with suppress(OSError, http.client.HTTPException):
                self._request(method, path, document, headers)
        finally:
            self.close()

    def ask(
        self,
        method: str,
        path: str,
        document: object = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
        connected: bool = False,
    ) -> Answer:
        """Send one request and wait for its answer. Raises ``NotConnectedError`` or ``LostError``.

        ``connected``: on the connection that exists, and on no other.
        """
        if not connected:
            self.connect()
        try:
            connection = self._request(method, path, document, headers, patience)
            response = connection.getresponse()
            answer = Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise LostError(repr(error)) from error
        if response.will_close:
            self.close()
        return answer

    def _request(
        self,
        method: str,
        path: str,
        document: object,
        headers: Mapping[str, str] | None,
        patience: float = 0.0,
    ) -> http.client.HTTPConnection:
        connection = self._http
        if connection is None or connection.sock is None:
            raise http.client.NotConnected
        connection.sock.settimeout(patience or self._patience)
        body = None if document is None else json.dumps(document).encode()
        connection.request(method, path, body, dict(headers or {}))
        return connection

    def close(self) -> None:
        """Hang up; the next request makes a new connection."""
        if self._http is not None:
            with suppress(OSError):
                self._http.close()
            self._http = None
