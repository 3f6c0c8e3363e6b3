"""uvicorn's native protocol with our bounds: heads without end, methods it has not heard of, no HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn

from frontends.common.listen import MAX_HEAD
from frontends.common.settings import Settings
from frontends.quart_app.uvicorn_direct import protocol

from .streams import answer, application

SETTINGS = Settings(id=1)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
async def streams() -> AsyncIterator[Streams]:
    """A connection to a server with this protocol."""
    config = uvicorn.Config(application, http=protocol(SETTINGS, None), lifespan="off", log_config=None)
    config.load()
    state = uvicorn.server.ServerState()

    def make() -> asyncio.Protocol:
        return protocol(SETTINGS, None)(config, state, {})

    loop = asyncio.get_running_loop()
    server = await loop.create_server(make, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    yield reader, writer
    writer.close()
    server.close()


async def test_a_head_that_does_not_end_is_cut_off(streams: Streams) -> None:
    """Send header after header, a piece at a time, until it ends: it is told why, or finds nobody there."""
    reader, writer = streams
    writer.write(b"GET /ping HTTP/1.1\r\n")
    answered = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    sent = 0
    while not answered.done():
        assert sent < 100 * MAX_HEAD
        writer.write(b"x: " + b"y" * 997 + b"\r\n")
        sent += 1_002
        with suppress(ConnectionError):
            await writer.drain()
        await asyncio.sleep(0)
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        assert (await answered).startswith(b"HTTP/1.1 431 ")


async def test_a_long_body_is_no_head(streams: Streams) -> None:
    """A body of many times the bound, and then another request, are taken in."""
    reader, writer = streams
    size = 5 * MAX_HEAD
    writer.write(b"PUT /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"b" * size)
    assert (await answer(reader))[::2] == (200, b"%d" % size)
    writer.write(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
    assert (await answer(reader))[::2] == (200, b"0")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"FOO /data/k HTTP/1.1", 405),
        (b"FOO /nowhere HTTP/1.1", 404),
        (b"FOO /data/k", 400),
        (b"F\xff /data/k HTTP/1.1", 400),
        (b"GET /data/k NONSENSE", 400),
        (b"\x16\x03\x01", 400),
    ],
)
async def test_what_the_parser_does_not_know_gets_our_answer(
    streams: Streams, line: bytes, status: int
) -> None:
    """Methods of others are known to be none of ours, the rest is malformed: always JSON, then the end."""
    reader, writer = streams
    writer.write(line + b"\r\nhost: x\r\n\r\n")
    found, headers, body = await answer(reader)
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == status
    assert ("allow" in headers) == (status == 405)
    assert await reader.read() == b""
