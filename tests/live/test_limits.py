"""What a node bears of its clients, under every server: how many, how slow, how much they send and take."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from .harness import Cluster, Node, wait_until
from .raw_http import Wire, call, request_bytes
from .test_process import SERVERS

PATIENT = {"PBPROTO_CLIENT_TIMEOUT": "60"}
HASTY = {"PBPROTO_CLIENT_TIMEOUT": "0.3"}
FEW = 12


@contextlib.contextmanager
def running(server: str, folder: Path, environment: dict[str, str]) -> Iterator[Node]:
    """One node that serves, under this server, with these settings."""
    kind = SERVERS[server]
    with Cluster(folder, kind, 1, env=environment, servers={kind: server}) as cluster:
        cluster.start_all()
        cluster.install([1])
        yield cluster.node(1)
        cluster.assert_none_died()


def is_closed(wire: Wire) -> bool:
    """Whether the node has hung up; what it said before is taken in."""
    wire.socket.settimeout(0.05)
    try:
        while wire.socket.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def drip(wire: Wire, piece: bytes) -> bool:
    """Send a little more; whether the node has hung up."""
    with contextlib.suppress(OSError):
        wire.socket.sendall(piece)
    return is_closed(wire)


# granian has its own five seconds for a head and none for a body; gunicorn, which is to have a proxy in front
# of it, gives the time to each piece.
DRIPPED = [name for name in SERVERS if name not in ("granian", "gunicorn")]


@pytest.mark.parametrize("server", DRIPPED)
def test_a_head_that_comes_byte_by_byte_is_given_up(server: str, tmp_path: Path) -> None:
    """Goal: slow clients cost a connection for a time, not for ever.

    Method: send the head of a request, then one more header now and then; on a new connection, and on one
    that has been of use. The node hangs up, and serves others all along.
    """
    with running(server, tmp_path, HASTY) as node, Wire(node.address) as new, Wire(node.address) as used:
        used.socket.sendall(request_bytes("GET", "/ping"))
        assert b"200" in used.socket.recv(65_536)
        for wire in (new, used):
            wire.socket.sendall(b"GET /ping HTTP/1.1\r\nhost: localhost\r\n")
            wait_until(partial(drip, wire, b"a: b\r\n"), "the node hangs up")
        assert node.request("GET", "/ping").status_code == 200


def test_http_2_without_a_request_is_given_up(tmp_path: Path) -> None:
    """Goal: no connection is for ever, whatever it began with.

    Method: the first bytes of HTTP/2 to hypercorn, and then a frame now and then that asks for nothing.
    """
    with running("hypercorn", tmp_path, HASTY) as node, Wire(node.address) as wire:
        wire.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        settings = b"\0\0\0\x04\0\0\0\0\0"
        wait_until(partial(drip, wire, settings), "the node hangs up")
        assert node.request("GET", "/ping").status_code == 200


@pytest.mark.parametrize("server", DRIPPED)
def test_a_body_that_comes_byte_by_byte_is_given_up(server: str, tmp_path: Path) -> None:
    """The same with a body: it is answered 408, or the connection ends."""
    with running(server, tmp_path, HASTY) as node, Wire(node.address) as wire:
        wire.socket.sendall(b"PUT /data/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n")
        wait_until(lambda: drip(wire, b" "), "the node hangs up")
        assert node.get("k").status_code == 404


@pytest.mark.parametrize("server", ["gunicorn"])
def test_a_silent_client_does_not_keep_a_thread(server: str, tmp_path: Path) -> None:
    """Half a head, half a body, and then nothing: the thread has to come back."""
    with running(server, tmp_path, HASTY) as node, Wire(node.address) as head, Wire(node.address) as body:
        head.socket.sendall(b"GET /ping HTTP/1.1\r\nhost: localhost\r\n")
        body.socket.sendall(b"PUT /data/k HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n{")
        for wire in (head, body):
            wait_until(partial(is_closed, wire), "the node hangs up")
        assert "level=error" not in node.log_text()


@pytest.mark.parametrize("server", [name for name in SERVERS if name != "granian"])
def test_an_answer_that_nobody_takes_is_given_up(server: str, tmp_path: Path) -> None:
    """Goal: long answers to clients that take nothing do not use up the room for all others.

    Method: a value larger than all buffers on the way; ask for it and read nothing. With room for one long
    answer only, the next one must be possible after a while.
    """
    environment = {"PBPROTO_CLIENT_TIMEOUT": "2", "PBPROTO_MAX_BODY_BYTES": "1000"}
    environment["PBPROTO_MAX_VALUE_BYTES"] = "64000000"
    with running(server, tmp_path, environment) as node:
        assert node.put("long", "x" * 30_000_000).status_code == 201
        with contextlib.ExitStack() as stack:
            wire = stack.enter_context(Wire(node.address))
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            wire.socket.sendall(request_bytes("GET", "/data/long"))
            assert wire.socket.recv(12).startswith(b"HTTP/1.1 200")
            wait_until(lambda: node.get("long").status_code == 200, "the next long answer is possible")


@pytest.mark.parametrize("server", SERVERS)
def test_a_head_has_a_length(server: str, tmp_path: Path) -> None:
    """A head above the limit is answered 4xx, or the connection ends; the node goes on."""
    with running(server, tmp_path, PATIENT) as node:
        for head in (b"a: " + b"b" * 2_000_000, b"a: b\r\n" * 400_000):
            with Wire(node.address) as wire:
                with contextlib.suppress(OSError):
                    wire.socket.sendall(b"GET /ping HTTP/1.1\r\nhost: localhost\r\n" + head)
                heard = b""
                with contextlib.suppress(OSError):
                    while piece := wire.socket.recv(65_536):
                        heard += piece
                assert not heard or re.match(rb"HTTP/1\.[01] 4", heard), heard[:200]
        assert call(node.address, "GET", "/ping").status == 200


@pytest.mark.parametrize("server", DRIPPED)  # gunicorn hangs up on idle connections when others want in
def test_there_are_only_so_many_connections(server: str, tmp_path: Path) -> None:
    """Goal: a flood of connections neither takes the node down nor outlives itself.

    Method: open many more than there may be; at most so many are served; when they are gone, others are.
    """
    environment = PATIENT | {"PBPROTO_MAX_CONNECTIONS": str(FEW), "PBPROTO_THREADS": "8"}
    with running(server, tmp_path, environment) as node:
        node.close_client()
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(Wire(node.address)) for _ in range(FEW + 4)]
            assert 0 < sum([serves(wire) for wire in wires]) <= FEW
        wait_until(lambda: newly_served(node.address), "others are served again")


def serves(wire: Wire) -> bool:
    """Whether a request on this connection is answered at once, if at all."""
    wire.socket.settimeout(0.3)
    try:
        wire.socket.sendall(b"GET /ping HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return wire.socket.recv(12).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def newly_served(address: str) -> bool:
    """Whether one more connection is served."""
    with Wire(address) as wire:
        return serves(wire)
