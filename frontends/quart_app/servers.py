"""Runs the Quart application under hypercorn, uvicorn or granian, each in this one process and its own loop.

All three get a socket that we bound, so that a taken port is one clear line, and a loop whose signals are
ours: on SIGTERM or SIGINT the node answers everyone who waits, then the server stops accepting and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

from quart import Quart

from frontends.common import tls
from frontends.common.life import NAME
from frontends.common.listen import BACKLOG, KEEP_ALIVE, MAX_HEAD
from frontends.common.recorder import finish_all
from frontends.common.settings import Settings, split_address

GRACE = 1.0
"""Seconds that requests in flight get to end after they were answered."""

Runner = Callable[[Quart, socket.socket, Settings, asyncio.Event], Coroutine[Any, Any, None]]


async def _hypercorn(app: Quart, listener: socket.socket, settings: Settings, stopped: asyncio.Event) -> None:
    from hypercorn.asyncio import serve

    from frontends.hypercorn_server.config import configured
    from frontends.hypercorn_server.http2 import WholeRequests

    config = configured(settings, _contexts(app, settings))
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = None
    config.graceful_timeout = GRACE
    config.keep_alive_timeout = KEEP_ALIVE
    config.keep_alive_max_requests = 10**9
    config.h11_max_incomplete_size = MAX_HEAD
    config.backlog = BACKLOG
    config.h2_max_header_list_size = MAX_HEAD
    logging.getLogger("hypercorn.error").setLevel(logging.WARNING)

    async def trigger() -> None:
        await stopped.wait()

    whole: Any = WholeRequests(app, settings.client_timeout)
    await _bounded(asyncio.create_task(serve(whole, config, shutdown_trigger=trigger)), stopped)


async def _uvicorn(app: Quart, listener: socket.socket, settings: Settings, stopped: asyncio.Event) -> None:
    import uvicorn

    from .lean import Lean
    from .uvicorn_direct import protocol

    lean = getattr(app, "asgi_app", None)  # any ASGI application can be run, also one without such a place
    mapping = lean.mapping if isinstance(lean, Lean) else None

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # the signals are ours

    contexts = _contexts(app, settings)
    if contexts is not None:
        # uvicorn has no setting for it, and asyncio's own patience is a minute.
        loop = asyncio.get_running_loop()
        hasty = partial(loop.create_server, ssl_handshake_timeout=tls.HANDSHAKE_TIMEOUT)
        vars(loop)["create_server"] = hasty
    server = Server(
        uvicorn.Config(
            app,
            ssl_context_factory=None if contexts is None else lambda *_: contexts.server,
            lifespan="on",
            log_level="warning",
            log_config=None,
            access_log=False,
            ws="none",
            http=protocol(settings, mapping),
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=round(GRACE),
            backlog=BACKLOG,
            server_header=False,
            # Who sends is who is connected; a header that says otherwise is anybody's.
            proxy_headers=False,
        )
    )
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    waiting.cancel()
    await _bounded(serving, stopped)


async def _granian(app: Quart, listener: socket.socket, settings: Settings, stopped: asyncio.Event) -> None:
    import granian.net
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.server.embed import Server

    class Embedded(Server):
        def _init_shared_socket(self) -> None:
            # Our socket instead of one bound with SO_REUSEPORT, with which two nodes could share a port.
            # (Its type stubs leave the constructor's arguments out.)
            holder: Any = granian.net
            self._shd = holder.SocketHolder(listener.fileno(), False, BACKLOG)

    host, port = split_address(settings.bind)
    listener.setblocking(False)
    server: Any = Embedded(
        app,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        backlog=BACKLOG,
        log_enabled=False,
        websockets=False,
        http1_settings=HTTP1Settings(header_read_timeout=5000, max_buffer_size=1024 * 1024),
    )
    await app.startup()
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    server.stop()
    await asyncio.wait([serving], timeout=GRACE)
    await app.shutdown()
    await _bounded(serving, stopped)


def _contexts(app: Any, settings: Settings) -> tls.Contexts | None:
    """The TLS of the node, so that files which change are read, and logged, once."""
    node = getattr(app, "extensions", {}).get(NAME)  # any ASGI application can be run
    return tls.of(settings) if node is None else node.contexts


async def _bounded(serving: asyncio.Task[None], stopped: asyncio.Event) -> None:
    """Wait for the server to end; once it was told to, not for ever: one half-sent request would hold it."""
    waiting = asyncio.create_task(stopped.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not serving.done():
        await asyncio.wait([serving], timeout=2 * GRACE)
    if serving.done():
        serving.result()
        return
    finish_all()
    sys.stderr.flush()
    os._exit(0)


SERVERS: dict[str, Runner] = {"hypercorn": _hypercorn, "uvicorn": _uvicorn, "granian": _granian}
"""The first is the default."""


def _loop_factory(server: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop under the native servers where it is installed; hypercorn runs on the standard loop."""
    if server != "hypercorn":
        with contextlib.suppress(ImportError):
            import uvloop

            return uvloop.new_event_loop
    return asyncio.new_event_loop


def run(app: Quart, listener: socket.socket, settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""

    async def main() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        await SERVERS[settings.server](app, listener, settings, stopped)

    with asyncio.Runner(loop_factory=_loop_factory(settings.server)) as runner:
        runner.run(main())
