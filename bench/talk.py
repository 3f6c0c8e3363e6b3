"""Requests of the benchmark itself, one at a time: views, states, loading. Nothing here is measured."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .processes import BenchError

TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The document in the body."""
        return json.loads(self.body)


def call(address: str, method: str, path: str, document: object = None, timeout: float = TIMEOUT) -> Answer:
    """One request on a connection of its own. Raises ``OSError`` where there is no answer."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        return _exchange(connection, method, path, document)
    finally:
        connection.close()


def demand(address: str, method: str, path: str, document: object = None, timeout: float = TIMEOUT) -> Any:
    """One request that has to succeed; the document it is answered with. Raises ``BenchError``."""
    answer = call(address, method, path, document, timeout)
    if answer.status >= 300:
        raise BenchError(f"{method} {path} at {address} was answered {answer.status}: {answer.body[:200]!r}")
    return answer.json()


def _exchange(connection: http.client.HTTPConnection, method: str, path: str, document: object) -> Answer:
    body = None if document is None else json.dumps(document)
    headers = {} if body is None else {"content-type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
    except http.client.HTTPException as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    named = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, named, content)


def call_all(address: str, requests: Sequence[tuple[str, str, object]], connections: int = 16) -> None:
    """Many requests (method, path, document) over some kept connections; each has to succeed.

    Raises ``BenchError`` for the first that does not.
    """

    def run(part: Sequence[tuple[str, str, object]]) -> None:
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
        try:
            for method, path, document in part:
                answer = _exchange(connection, method, path, document)
                if answer.status >= 300:
                    raise BenchError(f"{method} {path} at {address} was answered {answer.status}")
        finally:
            connection.close()

    with ThreadPoolExecutor(connections) as pool:
        parts = [requests[start::connections] for start in range(min(connections, len(requests)))]
        for done in [pool.submit(run, part) for part in parts]:
            done.result()
