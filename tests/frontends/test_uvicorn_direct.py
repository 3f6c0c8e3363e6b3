"""The way past ASGI under uvicorn, over a real connection: who takes it, and that no client can tell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from frontends.common import api, routes
from frontends.common.budget import SHORT
from frontends.common.listen import MAX_HEAD
from frontends.quart_app.uvicorn_direct import DirectProtocol, protocol
from pbproto import Delete, Get, Put

from .prompt_node import SETTINGS, Node, put_body
from .streams import answer, application


class Server:
    """A server with the direct way; what takes the usual one is answered with how long its body was."""

    def __init__(self) -> None:
        self.node = Node()
        node: Any = self.node
        self.mapping: api.Api | None = api.Api(node)
        self.passed_on: list[str] = []
        self.protocols: list[DirectProtocol] = []
        self._class = protocol(SETTINGS, lambda: self.mapping)
        self._config = uvicorn.Config(
            self._application, http=self._class, lifespan="off", log_config=None, interface="asgi3"
        )
        self._config.load()
        self._state = uvicorn.server.ServerState()
        self._writers: list[asyncio.StreamWriter] = []

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        self.passed_on.append(f"{scope['method']} {scope['path']}")
        await application(scope, receive, send)

    def _protocol(self) -> asyncio.Protocol:
        made = self._class(self._config, self._state, {})
        self.protocols.append(made)
        return made

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0)

    async def connect(self, limit: int = 65_536) -> Client:
        address = self._server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*address, limit=limit)
        self._writers.append(writer)
        return Client(reader, writer)

    def stop(self) -> None:
        for writer in self._writers:
            writer.close()
        self._server.close()


class Client:
    """One connection, spoken to in bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, method: str, target: str, body: bytes = b"", *lines: str, version: str = "1.1") -> None:
        self.writer.write(self.request(method, target, body, *lines, version=version))

    @staticmethod
    def request(method: str, target: str, body: bytes = b"", *lines: str, version: str = "1.1") -> bytes:
        head = [
            f"{method} {target} HTTP/{version}",
            "host: localhost",
            f"content-length: {len(body)}",
            *lines,
        ]
        return "\r\n".join([*head, "", ""]).encode() + body

    async def answer(self, *, bodiless: bool = False) -> tuple[int, dict[str, str], bytes]:
        return await answer(self.reader, bodiless=bodiless)

    async def is_closed(self) -> bool:
        async with asyncio.timeout(20):
            return await self.reader.read(1) == b""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    server.stop()


async def until(condition: Any) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


async def test_short_requests_go_straight_to_the_node(server: Server) -> None:
    """Write, read, look, delete: the node gets them as they were, and ASGI hears of nothing."""
    client = await server.connect()
    client.send("PUT", "/data/a%2Fb", put_body(3), "Idempotency-Key: once")
    status, headers, body = await client.answer()
    assert (status, headers["msg-num"], body) == (201, "7", b"{}")
    client.send("GET", "/data/k?x=1")
    assert await client.answer() == (200, headers | {"content-length": "17"}, b'{"value":"value"}')
    client.send("HEAD", "/data/k")
    status, headers, _ = await client.answer(bodiless=True)
    assert (status, headers["content-length"]) == (200, "17")
    client.send("DELETE", "/data/k")
    assert (await client.answer())[0] == 200
    client.send("POST", "/peer", b"mail", "PBProto-Wire: 1-7")
    _, headers, body = await client.answer()
    assert (headers["pbproto-wire"], body, server.node.headers) == ("1-2", b"liam", ["1-7"])
    requests = [request for request, _ in server.node.asked]
    assert requests == [Put(0, b"a/b", b"vvv", b"once"), Get(1, b"k"), Get(2, b"k"), Delete(3, b"k", b"")]
    assert server.passed_on == []


async def test_what_the_mapping_turns_away(server: Server) -> None:
    """A bad key, a bad method, a bad body: the mapping's answers; that to a HEAD has no body."""
    client = await server.connect()
    cases = [
        ("GET", "/data/%zz", b"", 400),
        ("HEAD", "/data/%zz", b"", 400),
        ("POST", "/data/k", b"", 405),
        ("HEAD", "/peer", b"", 405),
        ("PUT", "/data/k", b"{}", 400),
        ("PUT", "/data/k", b"", 400),
    ]
    for method, target, body, status in cases:
        client.send(method, target, body)
        assert (await client.answer(bodiless=method == "HEAD"))[0] == status
    client.send("OPTIONS", "/data/k")
    assert (await client.answer())[1]["allow"] == "delete, get, head, options, put"
    assert (server.passed_on, server.node.asked) == ([], [])


async def test_a_body_above_the_limit_is_turned_away(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that came whole, and is longer than its route allows."""
    monkeypatch.setattr(routes, "_MAIL", routes._MAIL._replace(body_limit=10))
    client = await server.connect()
    client.send("POST", "/peer", b"x" * 11)
    assert (await client.answer())[0] == 413


@pytest.mark.parametrize(
    ("target", "lines"),
    [("/data", ()), ("/ping", ()), ("/peers", ()), ("/data/k", ("expect: 100-continue",))],
    ids=["listing", "ping", "peers", "expect"],
)
async def test_the_rest_goes_the_usual_way(server: Server, target: str, lines: tuple[str, ...]) -> None:
    """What is not ours, and what needs a word in between."""
    client = await server.connect()
    client.send("PUT", target, b"four", *lines)
    if lines:
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await client.answer())[2] == b"4"
    assert server.passed_on == [f"PUT {target}"]


async def test_before_there_is_a_node_all_goes_the_usual_way(server: Server) -> None:
    """The server takes connections before the lifespan has begun: the mapping is asked for each time."""
    client = await server.connect()
    mapping, server.mapping = server.mapping, None
    client.send("GET", "/data/k")
    assert (await client.answer())[2] == b"0"
    server.mapping = mapping
    client.send("GET", "/data/k")
    assert (await client.answer())[2] == b'{"value":"value"}'
    assert server.passed_on == ["GET /data/k"]


async def test_a_request_in_pieces_goes_the_usual_way(server: Server) -> None:
    """Cut one before its body and one within it; then send a whole one."""
    client = await server.connect()
    whole = client.request("PUT", "/data/k", put_body(5))
    head = whole.index(b"{")
    for number, cut in enumerate((head, head + 4)):
        client.writer.write(whole[:cut])
        await until(lambda n=number: len(server.passed_on) > n)
        client.writer.write(whole[cut:])
        status, _, body = await client.answer()
        assert (status, body) == (200, b"%d" % len(put_body(5)))
    assert server.passed_on == ["PUT /data/k"] * 2
    client.writer.write(whole)
    assert (await client.answer())[0] == 201


async def test_a_head_in_pieces_takes_the_direct_way(server: Server) -> None:
    """Only its end comes with all the rest, and that is enough."""
    client = await server.connect()
    whole = client.request("PUT", "/data/k", put_body(5))
    client.writer.write(whole[:10])
    await until(lambda: server.protocols and getattr(server.protocols[0], "url", b"") == b"/data/")
    client.writer.write(whole[10:])
    assert (await client.answer())[0] == 201
    assert server.passed_on == []


async def test_who_does_not_wait_for_answers_gets_them_in_order(server: Server) -> None:
    """Three requests at once, and the first takes long: nothing overtakes it, and direct ones come after."""
    client = await server.connect()
    server.node.waits = True
    client.writer.write(
        client.request("GET", "/data/k")
        + client.request("PUT", "/data/k", b"12")
        + client.request("GET", "/ping")
    )
    await until(lambda: server.node.asked)
    assert server.passed_on == []
    server.node.answer(0)
    assert (await client.answer())[2] == b'{"value":"value"}'
    assert [(await client.answer())[2], (await client.answer())[2]] == [b"2", b"0"]
    assert server.passed_on == ["PUT /data/k", "GET /ping"]
    client.send("GET", "/data/k")
    await until(lambda: len(server.node.asked) == 2)
    server.node.answer(1)
    assert (await client.answer())[2] == b'{"value":"value"}'


@pytest.mark.parametrize(("version", "lines"), [("1.0", ()), ("1.1", ("connection: close",))])
async def test_the_connection_ends_where_it_has_to(
    server: Server, version: str, lines: tuple[str, ...]
) -> None:
    """A client of HTTP/1.0, and one that wants no more: both are told."""
    client = await server.connect()
    client.send("GET", "/data/k", b"", *lines, version=version)
    status, headers, _ = await client.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await client.is_closed()


async def test_the_end_of_the_server_waits_for_the_answer(server: Server) -> None:
    """uvicorn shuts down while the node has the request: it is answered, and then the connection ends."""
    client = await server.connect()
    server.node.waits = True
    client.send("GET", "/data/k")
    await until(lambda: server.node.asked)
    server.protocols[0].shutdown()
    server.node.answer(0)
    assert (await client.answer())[1]["connection"] == "close"
    assert await client.is_closed()


async def test_a_client_that_hangs_up_is_not_answered(server: Server) -> None:
    """It goes while the node has its request; the answer comes all the same, and nobody fails."""
    client = await server.connect()
    server.node.waits = True
    client.send("PUT", "/data/k", put_body(3))
    await until(lambda: server.node.asked)
    client.writer.close()
    await until(lambda: server.protocols[0].cycle.disconnected)
    server.node.answer(0)
    server.node.waits = False
    other = await server.connect()
    other.send("GET", "/data/k")
    assert (await other.answer())[0] == 200


async def test_a_connection_on_which_nothing_happens_ends(server: Server) -> None:
    """Goal: keep-alive ends a connection that is idle, and no other. Method: look before its time, while a
    request waits, in the middle of a head, and after its time.
    """
    client = await server.connect()
    await until(lambda: server.protocols)
    (connection,) = server.protocols
    connection.timeout_keep_alive = 10_000
    client.send("GET", "/data/k")
    await client.answer()
    armed = connection._idle
    client.send("GET", "/data/k")
    await client.answer()
    assert connection._idle is armed is not None  # no timer for each request
    connection._look_whether_idle()
    assert connection._idle is not None
    connection.timeout_keep_alive = 0
    server.node.waits = True
    client.send("GET", "/data/k")
    await until(lambda: len(server.node.asked) == 3)
    connection._look_whether_idle()
    server.node.answer(2)
    connection.timeout_keep_alive = 10_000
    assert (await client.answer())[0] == 200
    client.writer.write(b"GET /data")
    await until(lambda: connection._in_head)
    connection.timeout_keep_alive = 0
    connection._look_whether_idle()
    server.node.waits = False
    client.writer.write(b"/k HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert (await client.answer())[0] == 200
    assert await client.is_closed()


async def test_an_error_of_ours_is_a_500(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """No trace leaves the node, and the connection goes on."""
    client = await server.connect()
    monkeypatch.setattr(server.node, "request", None)
    client.send("GET", "/data/k")
    status, _, body = await client.answer()
    assert (status, json.loads(body)["reason"]) == (500, "internal_error")
    monkeypatch.undo()
    client.send("GET", "/data/k")
    assert (await client.answer())[0] == 200


async def test_long_answers_that_nobody_takes_share_a_bound(server: Server) -> None:
    """A client asks for more than is buffered and does not read: its answers count until it goes."""
    server.node.value = b"v" * (2 * SHORT)
    lazy = await server.connect(limit=1)
    await until(lambda: server.protocols)
    connection = server.protocols[0]
    for number in range(1_000):  # what the system buffers comes first
        lazy.send("GET", "/data/k")
        await until(lambda n=number: len(server.node.asked) > n)
        if connection.flow.write_paused:
            break
    assert connection.flow.write_paused
    other = await server.connect()
    other.send("GET", "/data/k")
    status, _, body = await other.answer()
    assert (status, json.loads(body)["reason"]) == (503, "overloaded")
    lazy.writer.transport.abort()
    await until(lambda: connection.parser is None)
    other.send("GET", "/data/k")
    assert (await other.answer())[0] == 200


async def test_offers_of_another_protocol_are_requests_like_others(server: Server) -> None:
    """Goal: what follows on an offer is read as if there was none, however much there is of it at once.

    Method: two thousand of them in one piece, with bodies and without, then one whose body comes later, and
    one that asks for a tunnel, which ends the connection.
    """
    offer = ("Connection: Upgrade", "Upgrade: another/1")
    client = await server.connect()
    pair = client.request("PUT", "/data/k", put_body(3), *offer) + client.request("GET", "/x", b"", *offer)
    client.writer.write(pair * 1000)
    length = b"%d" % len(put_body(3))
    for _ in range(1000):
        status, _, body = await client.answer()
        assert (status, body) in ((201, b"{}"), (200, length))  # as it is alone on its connection, or not
        assert (await client.answer())[::2] == (200, b"0")
    request = client.request("PUT", "/data/k", put_body(3), *offer)
    client.writer.write(request[:-5])
    await until(lambda: "PUT /data/k" in server.passed_on[-1])
    client.writer.write(request[-5:])
    assert (await client.answer())[::2] == (200, length)
    client.writer.write(b"CONNECT /data/k HTTP/1.1\r\nhost: x\r\n\r\n" + request)
    assert (await client.answer())[0] == 405
    assert await client.is_closed()


async def test_what_follows_on_a_head_in_two_pieces_is_no_head(server: Server) -> None:
    """Goal: a head counts by itself. Method: when the first lines are in, the last one comes with a body of
    many times the bound."""
    client, size = await server.connect(), 3 * MAX_HEAD
    client.writer.write(b"PUT /x HTTP/1.1\r\nhost: x\r\n")
    await until(lambda: server.protocols and server.protocols[-1]._in_head)
    client.writer.write(b"content-length: %d\r\n\r\n" % size + b"b" * size)
    assert (await client.answer())[::2] == (200, b"%d" % size)
