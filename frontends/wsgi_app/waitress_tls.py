"""Connections of waitress that may speak TLS, which waitress leaves to a proxy in front of it.

A proxy would have to tell who has shown a certificate, and be kept running beside each node. All that it
takes here is that a socket which has nothing to read or no room to write says so in another way.
"""

from __future__ import annotations

import ssl
import threading
import time
from functools import partial
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import WSGITask

from frontends.common.tls import Contexts, has_shown

from .answering import CERTIFIED, TURNED_AWAY
from .waitress_parser import Parser

_NOT_YET = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class _Task(WSGITask):  # type: ignore[misc]
    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[CERTIFIED] = self.channel.certified
        admission = self.request.admission
        environ[TURNED_AWAY] = None if admission is None else admission.turned_away
        return environ


class Channel(HTTPChannel):  # type: ignore[misc]
    """One connection."""

    task_class = _Task
    request: Parser | None

    def __init__(self, server: Any, sock: Any, addr: Any, adj: Any, map: Any = None) -> None:
        tls: Contexts | None = getattr(server, "tls", None)
        self.shaking = tls is not None
        """The handshake has not ended."""
        self._writes = False
        """The handshake waits until it can write."""
        self.certified = False
        self.parser_class = partial(Parser, self)
        # OpenSSL's connections are not for two threads at once, and a worker may send while the loop reads.
        # Whoever has it takes no other lock: who sends has that of the output, which closing takes as well.
        self._turn = threading.Lock()
        if tls is not None:
            sock.setblocking(False)
            sock = tls.server.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        super().__init__(server, sock, addr, adj, map=map)

    def readable(self) -> bool:
        return self.shaking or bool(super().readable())

    def writable(self) -> bool:
        return self._writes if self.shaking else bool(super().writable())

    def _shake(self) -> None:
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self._writes = False
        except ssl.SSLWantWriteError:
            self._writes = True
        except OSError:
            self.handle_close()
        else:
            self.shaking = self._writes = False
            self.certified = has_shown(self.socket)

    def handle_read(self) -> None:
        if self.shaking:
            self._shake()
            return
        if not isinstance(self.socket, ssl.SSLSocket):
            super().handle_read()
            return
        try:
            with self._turn:
                # Records are shorter than this, so that nothing is left behind of which no poll tells.
                data = self.socket.recv(self.adj.recv_bytes)
        except _NOT_YET:
            return
        except OSError:
            data = b""
        if data:
            self.last_activity = time.time()
            self.received(data)
        else:
            self.handle_close()

    def handle_write(self) -> None:
        if self.shaking:
            if self._writes:
                self._shake()
            elif self.will_close:
                self.handle_close()
            return
        super().handle_write()

    def send(self, data: bytes, do_close: bool = True) -> int:
        if not isinstance(self.socket, ssl.SSLSocket):
            return int(super().send(data, do_close))
        try:
            with self._turn:
                return self.socket.send(data)
        except _NOT_YET:
            return 0
        except OSError:
            if do_close:
                self.handle_close()
            return 0

    def handle_close(self) -> None:
        super().handle_close()
        if self.request is not None:
            self.request.let_go()
