"""The way past WSGI under waitress, over real connections: who takes it, and that no client can tell."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from waitress import create_server, wasyncore

from frontends.common import api
from frontends.common.budget import SHORT
from frontends.wsgi_app.lean import WayIn
from frontends.wsgi_app.waitress_direct import Direct
from pbproto import Delete, Get, Put

from .prompt_node import Node, put_body

PATIENCE = 20.0
THREADS = 2


class Server:
    """A waitress with the direct way; the application says how long the body was that came the usual way."""

    def __init__(self) -> None:
        self.node = Node()
        node: Any = self.node
        self.mapping = api.Api(node)
        self.passed_on: list[str] = []
        self.turns: list[int] = []
        """How many requests were admitted together, turn by turn."""
        self._server: Any = create_server(self._application, listen="127.0.0.1:0", threads=THREADS)
        self._direct = Direct(WayIn(self.mapping, self._together), self._server)
        self._clients: list[socket.socket] = []
        self._ended = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        self.passed_on.append(f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']}")
        body = b"%d" % len(environ["wsgi.input"].read())
        start_response("200 OK", [("content-length", str(len(body)))])
        return [body]

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        before = len(self.node.asked)
        yield
        self.turns.append(len(self.node.asked) - before)

    def _run(self) -> None:
        while not self._ended:
            wasyncore.poll2(timeout=PATIENCE, map=self._server._map)
            self._direct.turn()

    def connect(self) -> Client:
        wire = socket.create_connection(("127.0.0.1", self._server.effective_port), timeout=PATIENCE)
        self._clients.append(wire)
        return Client(wire)

    def stop(self) -> None:
        self._ended = True
        self._server.pull_trigger()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        for wire in self._clients:
            wire.close()
        self._server.task_dispatcher.shutdown(timeout=PATIENCE)
        wasyncore.close_all(self._server._map)


class Client:
    """One connection, spoken to in bytes."""

    def __init__(self, wire: socket.socket) -> None:
        self.wire = wire
        self._file = wire.makefile("rb")

    def send(self, method: str, target: str, body: bytes = b"", *lines: str, version: str = "1.1") -> None:
        self.wire.sendall(request(method, target, body, *lines, version=version))

    def answer(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """The next answer to a request with this method."""
        status = int(self._file.readline().split()[1])
        headers = {name.lower(): value for name, value in http.client.parse_headers(self._file).items()}
        length = 0 if method == "HEAD" else int(headers["content-length"])
        return status, headers, self._file.read(length)

    def line(self) -> bytes:
        return self._file.readline()

    def is_closed(self) -> bool:
        return self._file.read(1) == b""


def request(method: str, target: str, body: bytes = b"", *lines: str, version: str = "1.1") -> bytes:
    head = [f"{method} {target} HTTP/{version}", "host: localhost", f"content-length: {len(body)}", *lines]
    return "\r\n".join([*head, "", ""]).encode() + body


def until(condition: Callable[[], object]) -> None:
    """Wait until it is so."""
    moment = threading.Event()
    for _ in range(int(PATIENCE / 0.005)):
        if condition():
            return
        moment.wait(0.005)
    raise AssertionError("it never came to pass")


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


def test_short_requests_go_straight_to_the_node(server: Server) -> None:
    """Every method on a key, and mail, over one connection: none reaches the application."""
    client = server.connect()
    client.send("PUT", "/data/a%20b?x=1", put_body(5), "Idempotency-Key: n1")
    status, headers, body = client.answer()
    assert (status, headers["msg-num"], body) == (201, "7", b"{}")
    assert headers["content-type"] == "application/json"
    assert "date" in headers
    client.send("GET", "/data/k")
    assert client.answer()[2] == b'{"value":"value"}'
    client.send("HEAD", "/data/k")
    assert client.answer("HEAD")[1]["content-length"] == "17"
    client.send("DELETE", "/data/k")
    client.answer()
    client.send("POST", "/peer", b"abc", "PBProto-Wire: 1-7")
    status, headers, body = client.answer()
    assert (status, headers["content-type"], body) == (200, "application/vnd.pbproto", b"cba")
    assert (headers["pbproto-wire"], server.node.headers) == ("1-2", ["1-7"])
    asked = [asked for asked, _ in server.node.asked]
    assert asked == [Put(0, b"a b", b"v" * 5, b"n1"), Get(1, b"k"), Get(2, b"k"), Delete(3, b"k")]
    assert server.passed_on == []


def test_what_the_mapping_turns_away(server: Server) -> None:
    """Errors come the same way and leave the connection usable; one to a HEAD has no body."""
    client = server.connect()
    wrong = [
        ("PUT", "/data/%zz", put_body(1), 400),
        ("HEAD", "/data/%zz", b"", 400),
        ("PATCH", "/data/k", b"", 405),
        ("PUT", "/data/k", b"{", 400),
        ("HEAD", "/peer", b"", 405),
    ]
    for method, target, body, expected in wrong:
        client.send(method, target, body)
        assert client.answer(method)[0] == expected
    client.send("GET", "/data/k")
    assert client.answer()[0] == 200
    assert len(server.node.asked) == 1
    assert server.passed_on == []


def test_a_body_above_the_limit_is_turned_away(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit below what counts as short: a body above it never reaches the node."""
    monkeypatch.setattr(type(server.node.settings), "client_body_limit", 20)
    client = server.connect()
    client.send("PUT", "/data/k", put_body(50))
    status, _, body = client.answer()
    assert (status, json.loads(body)["reason"]) == (413, "body_too_large")
    assert server.node.asked == []


@pytest.mark.parametrize(
    ("method", "target", "lines", "version"),
    [
        ("GET", "/ping", (), "1.1"),
        ("GET", "/data", (), "1.1"),
        ("GET", "/data?x=/data/k", (), "1.1"),
        ("GET", "http://h/data/k", (), "1.1"),
        ("GET", "/data/k", (), "1.0"),
    ],
)
def test_the_rest_goes_the_usual_way(
    server: Server, method: str, target: str, lines: tuple[str, ...], version: str
) -> None:
    """Other resources, other forms of a target, and an older HTTP reach the application."""
    client = server.connect()
    client.send(method, target, b"", *lines, version=version)
    assert client.answer()[2] == b"0"
    assert server.passed_on == [f"{method} {target}"]
    assert server.node.asked == []


def test_long_and_chunked_bodies_go_the_usual_way(server: Server) -> None:
    """A body of one byte too many, and one whose length was not said before."""
    client = server.connect()
    client.send("PUT", "/data/k", b"x" * (SHORT + 1))
    assert client.answer()[2] == b"%d" % (SHORT + 1)
    client.wire.sendall(
        b"PUT /data/k HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    assert client.answer()[2] == b"3"
    client.send("PUT", "/data/k", put_body(SHORT - 100))
    assert client.answer()[0] == 201
    assert server.passed_on == ["PUT /data/k"] * 2


def test_a_request_may_come_in_pieces(server: Server) -> None:
    """Byte by byte, head and body: it is as good as in one piece."""
    client = server.connect()
    for byte in request("PUT", "/data/k", put_body(3)):
        client.wire.sendall(bytes([byte]))
    assert client.answer()[0] == 201
    assert [asked for asked, _ in server.node.asked] == [Put(0, b"k", b"vvv")]


def test_a_client_may_ask_before_it_sends_its_body(server: Server) -> None:
    """Expect: 100-continue, with another request still waiting for its answer before it."""
    server.node.waits = True
    client = server.connect()
    body = put_body(3)
    client.send("GET", "/data/k")
    until(lambda: server.node.asked)
    client.wire.sendall(request("PUT", "/data/k", body, "expect: 100-continue")[: -len(body)])
    server.node.answer(0)
    assert client.answer()[0] == 200
    assert client.line() == b"HTTP/1.1 100 Continue\r\n"
    assert client.line() == b"\r\n"
    client.wire.sendall(body)
    until(lambda: len(server.node.asked) == 2)
    server.node.answer(1)
    assert client.answer()[0] == 201


def test_who_does_not_wait_for_answers_gets_them_in_order(server: Server) -> None:
    """Several requests in one piece, the second for the application: answers come in the order asked."""
    client = server.connect()
    pieces = [request("GET", "/data/k"), request("GET", "/ping"), request("PUT", "/data/k", put_body(1))]
    client.wire.sendall(b"".join(pieces))
    assert [client.answer()[0] for _ in pieces] == [200, 200, 201]
    assert server.passed_on == ["GET /ping"]


def test_what_is_asked_at_once_is_answered_at_once(server: Server) -> None:
    """Goal: a request behind another one does not wait for somebody else's. Method: two direct ones in one
    piece, to a server with nothing else to do, which by itself wakes up when the client has given up."""
    client = server.connect()
    client.wire.settimeout(PATIENCE / 2)
    client.wire.sendall(request("GET", "/data/k") * 2)
    assert [client.answer()[0] for _ in range(2)] == [200, 200]
    assert server.passed_on == []


def test_more_clients_wait_than_there_are_threads(server: Server) -> None:
    """Waiting takes no thread: many wait, the application still answers, and each gets its own answer.

    The answers are found by another thread, the last first.
    """
    server.node.waits = True
    clients = [server.connect() for _ in range(20 * THREADS)]
    for number, client in enumerate(clients):
        client.send("GET", f"/data/k{number}")
    until(lambda: len(server.node.asked) == len(clients))
    assert sum(server.turns) == len(clients)
    other = server.connect()
    other.send("GET", "/ping")
    assert other.answer()[0] == 200
    for number in reversed(range(len(clients))):
        server.node.value = server.node.asked[number][0].key
        server.node.answer(number)
    for number, client in enumerate(clients):
        assert json.loads(client.answer()[2]) == {"value": f"k{number}"}


def test_the_connection_ends_where_the_client_says_so(server: Server) -> None:
    """Connection: close is kept to, and what came after that request is left alone."""
    client = server.connect()
    client.wire.sendall(request("GET", "/data/k", b"", "connection: close") + request("GET", "/data/k"))
    status, headers, _ = client.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert client.is_closed()
    assert len(server.node.asked) == 1


def test_a_client_that_hangs_up_is_not_answered(server: Server) -> None:
    """It goes while it waits; the answer is thrown away, and nobody else notices."""
    server.node.waits = True
    client = server.connect()
    client.send("GET", "/data/k")
    until(lambda: server.node.asked)
    client.wire.shutdown(socket.SHUT_RDWR)
    server.node.answer(0)
    server.node.waits = False
    other = server.connect()
    other.send("GET", "/data/k")
    assert other.answer()[0] == 200


def test_an_error_of_ours_is_a_500(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the mapping fails, the client hears of it, and the connection goes on."""
    client = server.connect()
    with monkeypatch.context() as patch:
        patch.setattr(server.mapping, "start", lambda *_: 1 // 0)
        client.send("GET", "/data/k")
        assert client.answer()[0] == 500
    client.send("GET", "/data/k")
    assert client.answer()[0] == 200


def test_who_takes_no_answers_gets_no_more_of_them_directly(server: Server) -> None:
    """Long answers are asked for and left unread: the thread that serves everybody does not wait for them."""
    server.node.value = b"v" * (8 * SHORT)
    client = server.connect()
    count = 60
    client.wire.sendall(request("GET", "/data/k") * count)
    until(lambda: server.passed_on)
    other = server.connect()
    other.send("POST", "/peer", b"abc")
    assert other.answer()[2] == b"cba"
    bodies = [client.answer()[2] for _ in range(count)]
    assert len(bodies) == len(server.node.asked) + len(server.passed_on)
