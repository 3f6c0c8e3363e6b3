"""Clients of a real cluster, each a thread that asks one thing after another and writes down what it hears.

Some are on the hosts of nodes and reach theirs when nobody else does. What has a name and is not answered is
repeated at other nodes, as the workload says, until it is answered or the repeats are used up.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.checker.history import Call, Outcome
from tests.simulation.plan import Ask

from .ground import Ground
from .line import Answer, Line, LostError, NotConnectedError
from .workload import Load

REST = 0.1
"""Seconds a client rests after a request that came to nothing: it would only find the same again."""


class WrongAnswerError(AssertionError):
    """A node answered something that it never may."""


class Client:
    """One client: where it is, and all its calls."""

    def __init__(self, number: int, ground: Ground, home: str, load: Load) -> None:
        self.number = number
        self.home = home
        self.calls: list[Call] = []
        self.refusals: Counter[str] = Counter()
        self._load = load
        self._patience = load.longest / 1e9
        self._lines = {
            node_id: Line(ground.opener(node_id, home), self._patience) for node_id in ground.cluster.nodes
        }

    def run(self, stopped: threading.Event) -> None:
        """Ask until stopped. Raises ``WrongAnswerError``."""
        try:
            for ask in self._load.asks(self.number):
                if stopped.is_set():
                    return
                self.fulfil(ask, stopped)
                stopped.wait(self._load.rest(self.number))
        finally:
            for line in self._lines.values():
                line.close()

    def fulfil(self, ask: Ask, stopped: threading.Event) -> None:
        """Ask, and repeat it at other nodes if it has a name and no answer."""
        for attempt, node in enumerate((ask.node, *ask.repeats)):
            call, reason = self.ask(ask, node, lose=ask.answer_lost and attempt == 0)
            self.calls.append(call)
            if call.outcome == "ok" or reason == "idempotency_key_reused":
                return
            self.refusals[reason] += 1
            if stopped.wait(REST):
                return

    def ask(self, ask: Ask, node: int, *, lose: bool = False) -> tuple[Call, str]:
        """One request to one node: what became of it, and why where it came to nothing."""
        path = "/data" if ask.what == "list" else "/data/" + quote(ask.key, safe="")
        method = {"put": "PUT", "delete": "DELETE"}.get(ask.what, "GET")
        headers = {"Idempotency-Key": ask.name} if ask.name else {}
        document = {"value": ask.value} if ask.what == "put" else None
        line = self._lines[node]
        start = time.monotonic_ns()
        try:
            if lose:
                line.send(method, path, document, headers)
                return self._call(ask, node, start, None, "unknown"), "the answer was lost"
            answer = line.ask(method, path, document, headers, patience=ask.patience / 1e9 or self._patience)
        except NotConnectedError:
            return self._call(ask, node, start, time.monotonic_ns(), "not_applied"), "not connected"
        except LostError:
            return self._call(ask, node, start, None, "unknown"), "no answer"
        end = time.monotonic_ns()
        return self._answered(ask, node, start, end, answer)

    def _answered(self, ask: Ask, node: int, start: int, end: int, answer: Answer) -> tuple[Call, str]:
        document = answer.json()
        status = answer.status
        if status in (422, 503, 504):
            outcome: Outcome = "unknown" if status == 504 else "not_applied"
            if document["outcome"] != outcome or (status == 422 and not ask.name):
                raise WrongAnswerError(f"{ask} at node {node}: {status} {document}")
            return self._call(ask, node, start, end, outcome), str(document["reason"])
        if status not in _FINE[ask.what]:
            raise WrongAnswerError(f"{ask} at node {node}: {status} {document}")
        number = answer.headers["Msg-Num"]
        found: dict[str, Any] = {"number": None if number is None else int(number)}
        if ask.what == "get":
            found["value"] = document["value"] if status == 200 else None
        elif ask.what == "list":
            found["items"] = document
        else:
            found["existed"] = status == 200
        return self._call(ask, node, start, end, "ok", **found), ""

    def _call(self, ask: Ask, node: int, start: int, end: int | None, outcome: Outcome, **found: Any) -> Call:
        if ask.what == "put":
            found["value"] = ask.value
        return Call(self.number, node, ask.what, start, end, outcome, ask.key, name=ask.name, **found)


_FINE = {"put": (200, 201), "delete": (200, 404), "get": (200, 404), "list": (200,)}


class Crowd:
    """All clients of a run."""

    def __init__(self, ground: Ground, load: Load) -> None:
        """On a ground with several homes every second client is on a node's own host."""
        inner = ground.homes[1:]
        homes = [
            inner[number // 2 % len(inner)] if inner and number % 2 else ground.homes[0]
            for number in range(load.clients)
        ]
        self.clients = [Client(number, ground, home, load) for number, home in enumerate(homes)]
        self.errors: list[BaseException] = []
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(client,), name=f"client-{client.number}", daemon=True)
            for client in self.clients
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every client finish its request; safe to call twice."""
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _run(self, client: Client) -> None:
        try:
            client.run(self._stopped)
        except BaseException as error:
            self.errors.append(error)

    def calls(self) -> Iterator[Call]:
        """All calls that are over by now, of one client after the other."""
        for client in self.clients:
            yield from tuple(client.calls)
