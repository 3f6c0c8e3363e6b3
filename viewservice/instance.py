"""One instance as a process: it acts if its store lets it, and answers over HTTP until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from frontends.common.listen import make_room
from frontends.common.settings import Settings

from . import logs
from .config import PRESETS
from .core import Service
from .driver import Driver
from .logs import LOGGER
from .stores import Store, StoreError
from .stores.etcd import EtcdStore
from .stores.sqlite import SqliteStore
from .trust import Certificates, Trust, TrustError, is_local

MAX_CONNECTIONS = 256
"""Of those who talk to it. They must not take the descriptors by which it talks to nodes and its store."""


def check(options: argparse.Namespace, trust: Trust) -> None:
    """Raises ``TrustError`` where anybody could give orders and nobody said so, or a pair is half."""
    if not (is_local(options.bind) or trust.guarded or options.insecure):
        raise TrustError(
            f"{options.bind} is open to others than this machine: give --tokens or --token-file, or say"
            " --insecure"
        )
    if bool(options.tls_cert) != bool(options.tls_key):
        raise TrustError("--tls-cert and --tls-key belong together")


async def run(options: argparse.Namespace, trust: Trust) -> None:
    """Until SIGTERM or SIGINT. Raises ``StoreError`` and ``TrustError`` where it cannot begin, or go on."""
    logs.set_up()
    driver = Driver(Service(PRESETS[options.preset]), _store(options.store), trust=trust)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    serving = asyncio.create_task(_serving(driver, options, stopped))
    acting = asyncio.create_task(driver.run())
    beginning = asyncio.create_task(_begin(driver, options))
    stop = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait([acting, serving, stop], return_when=asyncio.FIRST_COMPLETED)
        if acting.done():
            acting.result()
        if serving.done():
            serving.result()
    finally:
        stopped.set()
        for task in (acting, beginning, stop):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(acting, beginning, serving, stop, return_exceptions=True)


def _store(text: str) -> Store:
    kind, _, rest = text.partition(":")
    if kind == "sqlite" and rest:
        return SqliteStore(Path(rest))
    if kind == "etcd" and rest:
        return EtcdStore(rest.split(","))
    raise StoreError(f"a store is sqlite:PATH or etcd:URL,URL, not {text!r}")


def _serving(
    driver: Driver, options: argparse.Namespace, stopped: asyncio.Event
) -> Coroutine[Any, Any, None]:
    """What serves until ``stopped``. Raises ``TrustError`` if the certificate is of no use."""
    from hypercorn.asyncio import serve

    from frontends.hypercorn_server.config import configured
    from frontends.hypercorn_server.http2 import WholeRequests

    from .web import CLIENT_TIMEOUT, create_app

    certificates = Certificates(options.tls_cert, options.tls_key) if options.tls_cert else None
    settings = Settings(
        id=0,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        max_connections=MAX_CONNECTIONS,
        client_timeout=CLIENT_TIMEOUT,
    )
    make_room(settings)
    config = configured(settings, certificates)
    config.bind = [options.bind]
    config.graceful_timeout = 1.0
    whole: Any = WholeRequests(create_app(driver), CLIENT_TIMEOUT)
    return serve(whole, config, shutdown_trigger=stopped.wait)


async def _begin(driver: Driver, options: argparse.Namespace) -> None:
    """Tell a service that was never used before which nodes there are; one that was keeps what it knows."""
    while True:
        with contextlib.suppress(TimeoutError):
            answer = await driver.order("init", nodes=options.nodes, size=options.size)
            if answer.ok:
                known = [(node["id"], node["address"]) for node in answer.document["nodes"]]
                if known != sorted(options.nodes):
                    LOGGER.warning(
                        "nodes: what is written down has other nodes; `add` and `remove` change that"
                    )
                return
            if answer.document["reason"] == "not_possible":
                LOGGER.error("init: %s", answer.document["error"])
                return
        await asyncio.sleep(0.2)
