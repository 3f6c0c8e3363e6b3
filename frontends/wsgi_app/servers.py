"""Runs the Flask application on waitress or gunicorn's threaded worker."""

from __future__ import annotations

import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from frontends.common import logs, tls
from frontends.common.life import NAME
from frontends.common.listen import KEEP_ALIVE, MAX_HEAD
from frontends.common.recorder import finish_all
from frontends.common.settings import MAX_MAIL_BYTES, Settings

from . import create_app
from .extension import WAY_IN

GRACE = 1.5
"""Seconds that requests in flight get to end after they were answered."""


def _waitress(listener: socket.socket, settings: Settings, scope: str) -> None:
    from waitress import create_server, wasyncore

    from .waitress_direct import Direct
    from .waitress_tls import Channel

    app = create_app(settings, scope)
    # Waitress says so each time a request waits for a thread, which is not news under load.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server: Any = create_server(
        app,
        sockets=[listener],
        threads=settings.threads,
        connection_limit=settings.max_connections,
        asyncore_use_poll=True,
        channel_timeout=KEEP_ALIVE,
        ident=None,
        max_request_header_size=4 * MAX_HEAD,
        max_request_body_size=MAX_MAIL_BYTES + 1,
        inbuf_overflow=1024 * 1024,  # longer bodies wait for their thread in a file
        recv_bytes=262_144,
        outbuf_high_watermark=1024 * 1024,  # the thread of a long listing then waits for its client
        expose_tracebacks=False,
    )
    node = app.extensions[NAME].node
    server.tls = node.tls
    server.mapping = app.extensions[NAME].rest
    server.channel_class = Channel
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True
        server.pull_trigger()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    watch = _Watch(settings.client_timeout)
    way_in = app.extensions.get(WAY_IN)
    direct = Direct(way_in, server) if way_in is not None else None
    _stay_open(server)

    def turn(timeout: float) -> None:
        wasyncore.poll2(timeout=timeout, map=server._map)
        if direct is not None:
            direct.turn()

    while not stopping:
        turn(1.0)
        watch.look(server.active_channels.values(), time.monotonic())
    node.close()
    # Stop accepting, but go on sending: closing the server itself would close its connections' wake-up.
    server.accepting = False
    wasyncore.dispatcher.close(server)
    end = time.monotonic() + GRACE
    while time.monotonic() < end and any(
        channel.requests or channel.total_outbufs_len for channel in list(server.active_channels.values())
    ):
        turn(0.05)
    # Before the map is closed: a worker that ends its answer now still wakes the loop through it.
    server.task_dispatcher.shutdown(timeout=1)
    wasyncore.close_all(server._map)


def _stay_open(server: Any) -> None:
    """A client that is gone when it is accepted takes nothing along: TLS says so by an exception.

    Waitress would believe it to be about the listening socket, and close that.
    """
    accept = server.handle_accept

    def handle_accept() -> None:
        try:
            accept()
        except OSError:
            pass
        except Exception:
            logs.LOGGER.exception("%s", logs.logfmt(server.mapping.node_id, "accept_failed"))

    server.handle_accept = handle_accept


class _Watch:
    """Closes connections whose client goes on with nothing: a thread may wait for it, and for ever."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._coming: dict[Any, tuple[Any, float]] = {}
        """Per connection the request that has come in part, or the handshake, and since when."""
        self._waits: dict[Any, tuple[float, float]] = {}
        """Per connection that has something to send when it last sent or got anything, as of which time."""

    def look(self, channels: Iterable[Any], now: float) -> None:
        """To be called now and then, by the thread that sends. ``now`` in seconds of a monotonic clock."""
        before, self._waits = self._waits, {}
        begun, self._coming = self._coming, {}
        for channel in list(channels):
            coming = channel.request or (channel if channel.shaking else None)
            if coming is not None:
                known, since = begun.get(channel, (None, now))
                since = since if known is coming else now
                # As a whole: whoever sends a byte now and then has gone on each time.
                patience = min(self._patience, tls.HANDSHAKE_TIMEOUT) if channel.shaking else self._patience
                if now - since > patience:
                    channel.handle_close()
                    continue
                self._coming[channel] = (coming, since)
            if channel.total_outbufs_len:
                active, since = before.get(channel, (0.0, now))
                if active != channel.last_activity:
                    since = now
                if now - since > self._patience:
                    channel.handle_close()
                else:
                    self._waits[channel] = (channel.last_activity, since)


def _gunicorn(listener: socket.socket, settings: Settings, scope: str) -> None:
    from gunicorn import sock, util
    from gunicorn.app.base import BaseApplication
    from gunicorn.http import message
    from gunicorn.workers import gthread

    # How long the worker keeps idle connections open after it was told to stop.
    gthread.STOP_KEEPALIVE_LINGER = 0.2
    # How long it waits, in the one thread that hands out the work, for a client to hang up as well: with the
    # two seconds it takes by itself, thirty clients that do not would stop the node for a minute.
    util.close_graceful = partial(util.close_graceful, timeout=0.02)

    # It knows no limit between 8,190 bytes and none, and a key of 4,096 bytes has 12 KiB when it is encoded.
    message.MAX_REQUEST_LINE = MAX_HEAD + 1

    begin = gthread.TConn.init

    def init(connection: Any) -> None:
        begin(connection)
        # Of each read and write, which would wait for ever.
        connection.sock.settimeout(settings.client_timeout)

    gthread.TConn.init = init
    # It has a handler of its own, which says each bad request.
    for calm in (_not_slow, logs.Calm()):
        logging.getLogger("gunicorn.error").addFilter(calm)

    class Application(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            options = {
                "bind": f"fd://{listener.detach()}",
                "workers": 1,  # one process is one node
                "worker_class": "gthread",
                "threads": settings.threads,
                "keepalive": KEEP_ALIVE,
                "graceful_timeout": 4,
                "timeout": 0,  # a paused node is paused, not dead
                "worker_connections": max(settings.max_connections, settings.threads + 1),
                "limit_request_line": MAX_HEAD,
                # Together a megabyte at most, which each connection may have in memory.
                "limit_request_fields": 100,
                "limit_request_field_size": 8190,
                "loglevel": "warning",
                "control_socket_disable": True,
                # Not used (see above), and what makes it speak TLS.
                "certfile": settings.tls_cert or None,
                "keyfile": settings.tls_key or None,
            }
            for name, value in options.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> object:
            # In the worker: threads and locks do not survive the fork.
            app = create_app(settings, scope)
            contexts = app.extensions[NAME].node.tls
            if contexts is not None:
                sock.ssl_wrap_socket = partial(_secured, contexts.server)
            return app

    Application().run()


def _not_slow(record: logging.LogRecord) -> bool:
    """A client that was given up is no error of the node's."""
    return record.exc_info is None or not isinstance(record.exc_info[1], TimeoutError)


def _secured(context: ssl.SSLContext, connection: socket.socket, _: object) -> ssl.SSLSocket:
    # A worker's thread waits for the handshake, and would do so for ever.
    connection.settimeout(tls.HANDSHAKE_TIMEOUT)
    return context.wrap_socket(connection, server_side=True)


Runner = Callable[[socket.socket, Settings, str], None]
SERVERS: dict[str, Runner] = {"waitress": _waitress, "gunicorn": _gunicorn}
"""The first is the default."""


def run(listener: socket.socket, settings: Settings, scope: str) -> None:
    """Serve until SIGTERM or SIGINT."""
    logs.set_up(settings)
    SERVERS[settings.server](listener, settings, scope)
    finish_all()
    sys.stderr.flush()
