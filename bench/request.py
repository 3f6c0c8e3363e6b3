"""`python -m bench request`: the CPU time of one request, with three nodes in one process and no sockets.

As many clients as are told send a request each, in the bytes that come over the wire, to the primary's way
past ASGI under uvicorn; they are admitted together, as by one turn of its event loop, and mail is carried as
POSTs from node to node until all have their answer. What is left out is the kernel, the loop and the carrier:
what is measured is the Python of this store, all three nodes together. It moves by a percent where requests
per second move by ten, so it shows what a change costs on a machine that others use as well.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from typing import Any

import uvicorn
import uvloop
from uvicorn.server import ServerState

from frontends.common import api
from frontends.common.node import Node
from frontends.common.settings import Settings
from frontends.common.wire import HEADER, Posted
from frontends.quart_app.uvicorn_direct import DirectProtocol, protocol
from pbproto import View
from pbproto.codec import MEDIA_TYPE

from .figures import Spread
from .options import counts, publishing
from .processes import BenchError
from .report import Report
from .rounds import steps
from .tables import spread, table

HELP = "the CPU time of one request, without sockets"
MEMBERS = (1, 2, 3)
FIRST_PORT = 9001
VALUE = b"v" * 16
WARM_UP = 200
WORKS = ("put", "get")
_DATE = [(b"date", b"Thu, 01 Jan 1970 00:00:00 GMT")]


class _Transport(asyncio.Transport):
    """Keeps the last answer."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = b""

    def write(self, data: Any) -> None:
        self.answer = bytes(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in ("peername", "sockname") else default

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


Connection = tuple[DirectProtocol, _Transport]


class _Node:
    """One node and the connections to it; ``others`` are all nodes by their address."""

    def __init__(self, id_: int, others: dict[str, _Node]) -> None:
        self.address = f"127.0.0.1:{FIRST_PORT + id_}"
        self._others = others
        settings = Settings(id=id_, bind=self.address)
        self.node = Node(settings, self._wake_peer, lambda _: None, self._gather)
        mapping = api.Api(self.node)
        self._class = protocol(settings, lambda: mapping)
        self._config = uvicorn.Config(_nothing, log_config=None, ws="none", interface="asgi3")
        self._config.load()
        self._state = ServerState()
        self._state.default_headers = _DATE
        self._gathering = False
        self._woken: dict[str, None] = {}
        self._from: dict[str, Connection] = {}

    def connect(self) -> Connection:
        connection: Any = self._class(self._config, self._state, {}, asyncio.get_running_loop())
        transport = _Transport()
        connection.connection_made(transport)
        return connection, transport

    def _wake_peer(self, address: str) -> None:
        self._woken[address] = None

    def _gather(self) -> None:
        self._gathering = True

    def go_on(self) -> bool:
        """Admit who has arrived and carry what mail there is; whether there was anything."""
        if not (self._gathering or self._woken):
            return False
        if self._gathering:
            self._gathering = False
            self.node.admit()
        woken, self._woken = self._woken, {}
        for address in woken:
            while mail := self.node.take_mail(address):
                self._post(self._others[address], mail)
        return True

    def _post(self, other: _Node, mail: bytes) -> None:
        if self.address not in other._from:
            other._from[self.address] = other.connect()
        connection, transport = other._from[self.address]
        head = (
            f"POST /peer HTTP/1.1\r\nhost: {other.address}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"{HEADER}: {self.node.peers.header}\r\ncontent-length: {len(mail)}\r\n\r\n"
        )
        connection.data_received(head.encode() + mail)
        body = transport.answer.partition(b"\r\n\r\n")[2]
        self.node.posted(other.address, Posted(200, other.node.peers.header, body))


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """What is behind the direct way: nothing of this gets there."""


class Cluster:
    """Three nodes with one view. To be made on a running event loop."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        for id_ in MEMBERS:
            node = _Node(id_, self._nodes)
            self._nodes[node.address] = node
        view = View.of([(node.node.id, node.address) for node in self._nodes.values()])
        for node in self._nodes.values():
            node.node.tell_view(view)
        self._settle()
        self._primary = next(iter(self._nodes.values()))
        if not self._primary.node.status().ready:
            raise BenchError("the view did not become active")

    def _settle(self) -> None:
        busy = True
        while busy:
            busy = False
            for node in self._nodes.values():
                busy |= node.go_on()

    def turns(self, work: str, connections: int) -> Callable[[int], None]:
        """A function that serves so many turns: in each, every connection has one request.

        Raises ``BenchError`` for an answer that is none of a success.
        """
        clients = [self._primary.connect() for _ in range(connections)]
        requests = [_request(work, number) for number in range(connections)]

        def run(turns: int) -> None:
            for _ in range(turns):
                for (connection, _), request in zip(clients, requests, strict=True):
                    connection.data_received(request)
                self._settle()
            for _, transport in clients:
                if not transport.answer.startswith(b"HTTP/1.1 20"):
                    raise BenchError(f"a {work} was answered {transport.answer[:200]!r}")

        return run


def _request(work: str, number: int) -> bytes:
    head = f"{work.upper()} /data/key{number} HTTP/1.1\r\nHost: 127.0.0.1:{FIRST_PORT}\r\n".encode()
    if work == "get":
        return head + b"\r\n"
    body = b'{"value":"%b"}' % VALUE
    return head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def costs(connections: Sequence[int], rounds: int, requests: int) -> dict[tuple[str, int], Spread]:
    """Microseconds of CPU time of a request, by kind of work and connections; all of them once in a round."""
    cluster = Cluster()
    cells = {(work, count): cluster.turns(work, count) for work in WORKS for count in connections}
    for count in connections:
        cluster.turns("put", count)(1)  # what is read is there
    for (_, count), run in cells.items():
        run(max(1, WARM_UP // count))
    taken: dict[tuple[str, int], list[float]] = {}
    with steps(rounds, still=True) as bar:
        for round_ in range(rounds):
            bar.tell(f"request: round {round_ + 1}/{rounds}")
            for cell, run in cells.items():
                turns = max(1, requests // cell[1])
                gc.collect()
                gc.disable()  # its pauses are many turns long, and come in any round
                begin = time.process_time()
                run(turns)
                passed = time.process_time() - begin
                gc.enable()
                taken.setdefault(cell, []).append(passed / (turns * cell[1]) * 1e6)
                bar.advance(1 / len(cells))
    return {cell: Spread.of(values) for cell, values in taken.items()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much of it."""
    parser.add_argument(
        "--connections", type=counts, default=[1, 32, 128], help="clients at a time; default 1,32,128"
    )
    parser.add_argument("--requests", type=int, default=6_000, help="of one round; default 6000")
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    measured = uvloop.run(costs(options.connections, options.rounds, options.requests))
    rows = [[work, str(count), spread(values)] for (work, count), values in measured.items()]
    text = (
        "Three nodes in one process, one core, without sockets, low / median / high over the rounds:\n\n"
        f"{table(['request', 'connections', 'CPU µs of all nodes'], rows)}"
    )
    data = [
        {"work": work, "connections": count, "low": it.low, "median": it.middle, "high": it.high}
        for (work, count), it in measured.items()
    ]
    return Report("request", text, {"cpu_microseconds": data}, {})
