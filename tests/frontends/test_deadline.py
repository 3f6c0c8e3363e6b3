"""The threaded frontend's mail to somebody who answers without an end: a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from frontends.common.settings import Settings
from frontends.common.wire import LOST, Peers, Range
from frontends.wsgi_app.deadline import answer_within
from frontends.wsgi_app.driver import _Carrier

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n"
ENDLESS = {
    "a head": (b"HTTP/1.1 200 OK\r\nx: ", b"x"),
    "a body": (HEAD + b"\r\n", b"x"),
    "one answer before the answer after another": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "pieces": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@pytest.fixture
def stranger(request: pytest.FixtureRequest) -> Iterator[HTTPConnection]:
    """A connection to somebody who answers with a beginning, and then the same piece again and again."""
    beginning, piece = ENDLESS[request.param]
    over = threading.Event()

    def answer() -> None:
        with suppress(OSError), listener.accept()[0] as connection:
            connection.sendall(beginning)
            while not over.wait(0.01):
                connection.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        # A piece comes long before this is over, each time.
        asked = HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=20)
        yield asked
        over.set()
        asked.close()
        thread.join()


@pytest.mark.parametrize("stranger", ENDLESS, indirect=True)
def test_an_answer_without_an_end_ends(stranger: HTTPConnection) -> None:
    """Goal: nobody keeps the thread that carries a peer's mail for longer than a POST may take. Method: an
    answer of which a piece comes every 10 ms, for as long as somebody listens."""
    began = monotonic()
    stranger.connect()
    answer_within(stranger, 0.15)
    stranger.request("POST", "/peer", b"mail")
    with pytest.raises(TimeoutError):
        stranger.getresponse().read(1000)
    assert monotonic() - began >= 0.15


@pytest.mark.parametrize("stranger", ["a body"], indirect=True)
def test_mail_to_an_answer_without_an_end_is_lost(stranger: HTTPConnection) -> None:
    """Goal: so it is for the mail of a node. Method: the carrier itself, of a node that was given 0.1 s."""
    node: Any = SimpleNamespace(id=1, access=None, tls=None, peers=Peers(Range(1, 2)))
    address = f"127.0.0.1:{stranger.port}"
    carrier = _Carrier(node, Settings(id=1, peer_timeout=0.1), address)
    assert carrier.post(b"mail") == LOST
