"""A small HTTP client on a plain socket, for what a well-behaved client library refuses to send.

Client libraries repair what they are given: they resolve ``..`` in a path, escape what is not ASCII, refuse a
method they do not know and send a true Content-Length. The tests of the HTTP contract need the opposite: the
bytes of the request exactly as written down, and the bytes of the answer exactly as they came.

Reading the answer is left to the standard library (``http.client.HTTPResponse``).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

# No test asserts how long an answer takes. This only ends a test whose answer never comes.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole HTTP answer: names of headers in lower case, repeated headers joined by a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, which must be JSON (every body of the API is)."""
        return json.loads(self.body)


class Wire:
    """One connection to a node, on which a test sends any bytes at any pace."""

    def __init__(self, address: str, patience: float = PATIENCE) -> None:
        """Connect to ``host:port``."""
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=patience)
        # Without this the kernel may hold back the second part of a request that is sent in parts.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        """Use as a context manager, so that no test leaks a connection."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send all of ``data``; False if the node hung up before it took everything.

        A node may refuse a request before it has read all of it, so that is no failure of a test by itself.
        """
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def end_of_sending(self) -> None:
        """Tell the node that nothing follows, while its answer can still be read."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def interim_status(self) -> int:
        """Read one head of an interim answer (1xx) and return its status.

        Read byte by byte, so that nothing of the answer behind it is taken away.
        """
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise AssertionError(f"the node hung up; until then it sent {head!r}")
            head += byte
        return int(head.split(b" ", 2)[1])

    def answer(self, method: str = "GET") -> Answer | None:
        """Read the next answer, or None if the node hung up before it was whole.

        ``method`` is that of the request: an answer to HEAD has no body, whatever its Content-Length says.
        """
        try:
            response = http.client.HTTPResponse(self.socket, method=method)
            response.begin()
            body = response.read()
        except (ConnectionError, http.client.IncompleteRead):
            return None
        headers: dict[str, str] = {}
        for name, value in response.getheaders():
            known = headers.get(name.lower())
            headers[name.lower()] = value if known is None else f"{known}, {value}"
        return Answer(response.status, headers, body)

    def everything(self) -> bytes:
        """Read until the node hangs up, and return all of it as it came."""
        parts = []
        with contextlib.suppress(ConnectionError):
            while part := self.socket.recv(2**16):
                parts.append(part)
        return b"".join(parts)


def request_bytes(
    method: str,
    target: str | bytes,
    body: bytes | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> bytes:
    """Build a request whose target and headers are taken as they are.

    A body gets a true Content-Length, unless the headers say something about the length themselves.
    """
    raw_target = target if isinstance(target, bytes) else target.encode("ascii")
    lines = [method.encode("ascii") + b" " + raw_target + b" HTTP/1.1"]
    given = list(headers)
    names = {name.lower() for name, _ in given}
    if "host" not in names:
        given.insert(0, ("Host", "127.0.0.1"))
    if "connection" not in names:
        given.append(("Connection", "close"))
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        given.append(("Content-Length", str(len(body))))
    lines += [f"{name}: {value}".encode("latin-1") for name, value in given]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def call(
    address: str,
    method: str,
    target: str | bytes,
    body: bytes | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """Send one request on a connection of its own and return its answer, which must come."""
    with Wire(address) as wire:
        wire.send(request_bytes(method, target, body, headers))
        answer = wire.answer(method)
    assert answer is not None, f"{method} {target!r}: the node hung up without a whole answer"
    return answer


def chunked(*parts: bytes) -> bytes:
    """Encode ``parts`` as a body with ``Transfer-Encoding: chunked``, a chunk each."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"
