"""A node that answers at once, or when it is told to, behind the ways past the web frameworks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from frontends.common.budget import SHORT
from frontends.common.meters import Meters
from frontends.common.node import Answer
from frontends.common.settings import Settings
from pbproto import Kind, Put, Reply, Result, Value, Written

SETTINGS = Settings(id=1, max_value_bytes=10 * SHORT, max_body_bytes=3 * SHORT)


class Node:
    """Takes requests, and answers them when the test says so."""

    id = 1
    incarnation = 0xABC
    settings = SETTINGS
    access = None

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Callable[[Answer], None]]] = []
        self.value = b"value"
        self.waits = False
        self.meters = Meters()
        self.full = False
        self.headers: list[str | None] = []
        """The ``pbproto-wire`` of each mail."""

    def has_room(self, size: int) -> bool:
        return not self.full and size <= SETTINGS.max_waiting_bytes

    def request(self, make: Callable[[int], Any], done: Callable[[Answer], None]) -> None:
        request = make(len(self.asked))
        self.asked.append((request, done))
        if not self.waits:
            self.answer(len(self.asked) - 1)

    def answer(self, number: int) -> None:
        request, done = self.asked[number]
        written = isinstance(request, Put)
        done(Reply(number, Written(Result(Kind.CREATED, 7)) if written else Value(self.value, 7)))

    def receive(self, mail: bytes, header: str | None = None) -> bytes:
        self.headers.append(header)
        return mail[::-1]


def put_body(size: int) -> bytes:
    return json.dumps({"value": "v" * size}).encode()
