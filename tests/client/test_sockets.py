"""Both clients over real sockets: bodies that break off, trickle or are packed, TLS, and silence."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import time
from typing import Any

import pytest
import trustme

from pbkv import AsyncClient, Client, NotApplied, Unavailable, Unknown, Written

from .desk import (
    KINDS,
    Kind,
    listening,
)

pytestmark = pytest.mark.parametrize("kind", KINDS)


def real(kind: Kind, url: str, name: str, *arguments: str, **named: Any) -> Any:
    if kind == "sync":
        with Client([url], **named) as client:
            return getattr(client, name)(*arguments)

    async def run() -> Any:
        async with AsyncClient([url], **named) as client:
            return await getattr(client, name)(*arguments)

    return asyncio.run(run())


HEAD = b"HTTP/1.1 201 Created\r\nMsg-Num: 4\r\nContent-Length: 1000\r\n\r\n"


def test_a_body_that_breaks_off(kind: Kind) -> None:
    """Goal: the head says that the write took effect; a read needs the body. Method: half an answer."""
    with listening(HEAD + b"{}") as url:
        assert real(kind, url, "put", "k", "v") == Written(4, True)
        with pytest.raises(Unavailable):
            real(kind, url, "items", timeout=0.3)


def test_a_connection_that_is_closed_without_an_answer(kind: Kind) -> None:
    """Goal: sent and not answered is unknown. Method: a server that hangs up."""
    with listening(b"") as url, pytest.raises(Unknown):
        real(kind, url, "put", "k", "v", timeout=0.3)


def test_a_body_that_is_packed_is_not_unpacked(kind: Kind) -> None:
    """Goal: a short body does not become a long one. Method: 10 MiB of spaces, packed."""
    body = gzip.compress(b" " * 10_485_760)
    head = b"HTTP/1.1 200 OK\r\nMsg-Num: 4\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(
        body
    )
    with listening(head + body) as url:
        (answer,) = real(kind, url, "document", "/x")
        assert "an encoding that was not asked for" in answer.problem.detail


def test_a_body_that_trickles_does_not_hold_a_call(kind: Kind) -> None:
    """Goal: the time of a call is kept, whatever still comes. Method: a byte every 2 ms."""
    head = HEAD.replace(b"201 Created", b"200 OK").replace(b"1000", b"20000")
    with listening(head + b" " * 20_000, pause=0.002) as url:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            real(kind, url, "items", timeout=0.3)
        assert time.monotonic() - began < 20.0


TRICKLES = {
    "status line": b"HTTP/1.1 200 " + b"O" * 20_000,
    "headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 4_000,
    "interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000,
    "extension": b"HTTP/1.1 200 OK\r\nMsg-Num: 4\r\nTransfer-Encoding: chunked\r\n\r\n5;" + b"x" * 20_000,
}


@pytest.mark.parametrize("answer", TRICKLES.values(), ids=TRICKLES.keys())
def test_nothing_that_trickles_holds_a_call(kind: Kind, answer: bytes) -> None:
    """Goal: the time of a call is kept by a node that says nothing with many words. Method: a byte every
    2 ms, for twenty seconds at least."""
    with listening(answer, pause=0.002) as url:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            real(kind, url, "get", "k", timeout=0.2)
        assert time.monotonic() - began < 15.0


def test_cookies_are_not_kept(kind: Kind) -> None:
    """Goal: what listens at one port is not in the requests to another. Method: one node sets a cookie as
    long as a head may be; ask it, and then another one on this machine."""
    cookie = b"Set-Cookie: a=" + b"b" * 60_000 + b"\r\n"
    first = HEAD.replace(b"1000", b"2").replace(b"\r\n", b"\r\n" + cookie, 1) + b"{}"
    asked: list[bytes] = []
    with listening(first) as one, listening(HEAD.replace(b"1000", b"2") + b"{}", heard=asked) as other:

        async def run() -> None:
            async with AsyncClient([one, other], spread=False) as client:
                await client.put("k", "v")
                client._settings.nodes.failed(one)
                await client.put("k", "v")

        if kind == "async":
            asyncio.run(run())
        else:
            with Client([one, other], spread=False) as client:
                client.put("k", "v")
                client._settings.nodes.failed(one)
                client.put("k", "v")
    assert b"PUT /data/k" in asked[0]
    assert b"cookie" not in asked[0].lower()


def test_nobody_listens(kind: Kind) -> None:
    """Goal: a dead node is certain. Method: a port that nobody listens at."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{holder.getsockname()[1]}"
        with pytest.raises(NotApplied, match="no connection"):
            real(kind, url, "put", "k", "v", timeout=0.2)


def test_certificates(kind: Kind) -> None:
    """Goal: nobody talks to who cannot prove itself, and own authorities can be named. Method: a server with
    a certificate of a new authority."""
    authority = trustme.CA()
    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    ours = ssl.create_default_context()
    authority.configure_trust(ours)
    with listening(HEAD + b" " * 1000, tls=theirs) as url:
        assert url.startswith("https:")
        with pytest.raises(NotApplied, match="CERTIFICATE_VERIFY_FAILED") as caught:
            real(kind, url, "put", "k", "v")
        assert caught.value.count == 1  # the next time it is the same
        assert real(kind, url, "put", "k", "v", verify=ours) == Written(4, True)


def test_a_connection_that_is_not_there_in_time_is_certain(kind: Kind) -> None:
    """Goal: what was never sent is not called unknown, whoever's patience ends first. Method: a server that
    takes connections and says nothing to a greeting by TLS, and one that says nothing to a request."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(NotApplied, match="no connection in time"):
            real(kind, f"https://{address}", "put", "k", "v", timeout=0.2)
        with pytest.raises(Unknown, match="no answer within"):
            real(kind, f"http://{address}", "put", "k", "v", timeout=0.5)
