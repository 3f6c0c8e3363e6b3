"""Clients with which TLS never begins, under the servers that leave it to the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from frontends.common import tls
from frontends.common.settings import Settings
from frontends.quart_app import create_app, servers

PATIENCE = 30.0


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Whatever handlers an application installs, these are here afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("server", ["hypercorn", "uvicorn"])
async def test_tls_has_to_begin_in_time(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: who says nothing does not keep a connection that no other limit counts.

    Method: with little time for it, connect and wait; the node has to hang up. uvicorn by itself takes a
    minute, after which this test would have failed.
    """
    monkeypatch.setattr(tls, "HANDSHAKE_TIMEOUT", 0.05)
    made = trustme.CA().issue_cert("127.0.0.1")
    made.private_key_and_cert_chain_pem.write_to_path(tmp_path / "pem")
    pem = str(tmp_path / "pem")
    listener = socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    settings = Settings(id=1, tls_cert=pem, tls_key=pem, server=server)
    stopped = asyncio.Event()
    with signals_kept():
        app = create_app(settings, f"a test of {server}, {tmp_path}")
        serving = asyncio.create_task(servers.SERVERS[server](app, listener, settings, stopped))
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(*address)
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                writer.close()
        finally:
            stopped.set()
            await serving
