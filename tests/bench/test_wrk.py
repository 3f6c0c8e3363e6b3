"""The requests that wrk makes, as they come to a server."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bench import wrk
from bench.work import WORKS, key_name

pytestmark = [
    pytest.mark.skipif(not wrk.available(), reason=wrk.HOW_TO_GET),
    pytest.mark.xdist_group("bench"),
]
Request = tuple[str, str, bytes]


@pytest.fixture
def asked() -> Iterator[tuple[str, list[Request]]]:
    """An address, and all requests that came to it."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            requests.append((self.command, self.path, body))
            self.send_response(404 if self.command == "DELETE" else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_PUT = do_POST = do_DELETE = _take  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}", requests
    server.shutdown()
    server.server_close()


def drive(address: str, work: str, dialect: str) -> wrk.Load:
    """A second of some work at a modest rate."""
    arguments = wrk.command(
        f"http://{address}",
        WORKS[work],
        dialect=dialect,
        connections=2,
        seconds=1,
        keys=3,
        size=5,
        seed=1,
        think=8,
    )
    return wrk.run(arguments)


def test_wrk_writes_reads_and_deletes_in_the_dialect_of_a_node(asked: tuple[str, list[Request]]) -> None:
    """Goal: the requests are those of the API, and a 404 is an error only where it is not expected. Method: a
    server that keeps what comes, and answers each DELETE with 404."""
    address, requests = asked
    load = drive(address, "delete", "rest")
    assert load.errors == 0
    assert load.requests <= len(requests) <= load.requests + 2
    assert load.statuses["404"] + load.statuses["200"] == load.requests
    puts = [path for method, path, body in requests if (method, body) == ("PUT", b'{"value":"vvvvv"}')]
    deletes = [path for method, path, body in requests if (method, body) == ("DELETE", b"")]
    assert len(puts) + len(deletes) == len(requests)
    assert {*puts, *deletes} == {f"/data/d{index:07d}" for index in range(3)}
    requests.clear()
    drive(address, "mixed-50-50", "rest")
    assert {method for method, _, _ in requests} == {"GET", "PUT"}
    assert {path for _, path, _ in requests} == {f"/data/{key_name(index)}" for index in range(3)}


def test_wrk_writes_and_reads_in_the_dialect_of_etcd(asked: tuple[str, list[Request]]) -> None:
    """Goal: the same keys and values, in etcd's form. Method: decode what comes."""
    address, requests = asked
    drive(address, "mixed-50-50", "etcd")
    seen = set()
    for method, path, body in requests:
        document = {
            name: base64.b64decode(text, validate=True).decode() for name, text in json.loads(body).items()
        }
        seen.add((method, path, document.get("value"), tuple(document)))
        assert document["key"] in {key_name(index) for index in range(3)}
    assert seen == {
        ("POST", "/v3/kv/put", "vvvvv", ("key", "value")),
        ("POST", "/v3/kv/range", None, ("key",)),
    }
