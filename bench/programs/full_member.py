"""A member that is born with a full store, so that a million keys are loaded in seconds and not in minutes.

It is the smallest frontend that the library allows: one replica, behind the HTTP server of the standard
library. It fills itself by `Put` events, and then gives its state away as the member of a view, by the state
transfer that every joining node gets its data by. It is never a primary, so all it ever has to say is an
answer; what it would send on its own counts as lost, which the protocol allows.

    python -m bench.programs.full_member --id 9 --bind 127.0.0.1:9009 --keys 1000000 --size 100
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.work import key_name
from pbproto import (
    Effect,
    Envelope,
    Event,
    Message,
    Put,
    Receive,
    Replica,
    Send,
    TellView,
    View,
    decode,
    encode,
)
from pbproto.codec import version_of


class FullMember:
    """One replica and its lock."""

    def __init__(self, id_: int, address: str, keys: int, size: int) -> None:
        self._lock = threading.Lock()
        self._replica = Replica(id_, secrets.randbits(64) or 1)
        self._step([TellView(View.of([(id_, address)]))])
        value = b"v" * size
        self._step(Put(index, key_name(index).encode(), value) for index in range(keys))

    def _step(self, events: Iterable[Event]) -> list[Effect]:
        with self._lock:
            return [
                effect for event in events for effect in self._replica.step(event, now=time.monotonic_ns())
            ]

    def tell(self, document: object) -> None:
        """``PUT /view``."""
        assert isinstance(document, dict)
        members = [(int(each["id"]), str(each["address"])) for each in document["view"]]
        self._step([TellView(View.of(members))])

    def status(self) -> str:
        """What ``GET /view`` calls the status."""
        with self._lock:
            return self._replica.status(time.monotonic_ns()).status

    def receive(self, mail: bytes) -> bytes:
        """``POST /peer``: the answers to the sender's messages."""
        batch = decode(mail)
        answers: list[tuple[Envelope, Message]] = []
        for effect in self._step(Receive(*pair) for pair in batch):
            if isinstance(effect, Send) and effect.envelope.receiver == batch[0][0].sender:
                answers.append((effect.envelope, effect.message))
        return encode(answers, version_of(mail))


def handler(member: FullMember) -> type[BaseHTTPRequestHandler]:
    """The routes that the other members and the benchmark need."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body leave together

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self._answer(member.receive(self._body()))

        def do_PUT(self) -> None:
            member.tell(json.loads(self._body()))
            self._answer(b"{}")

        def do_GET(self) -> None:
            self._answer(json.dumps({"status": member.status()}).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing about each request."""

    return Handler


def main() -> None:
    """Fill, then serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--id", type=int, required=True)
    parser.add_argument("--bind", required=True)
    parser.add_argument("--keys", type=int, required=True)
    parser.add_argument("--size", type=int, required=True)
    options = parser.parse_args()
    host, _, port = options.bind.partition(":")
    member = FullMember(options.id, options.bind, options.keys, options.size)
    ThreadingHTTPServer((host, int(port)), handler(member)).serve_forever()


if __name__ == "__main__":
    main()
