"""A desk for the clients: nodes that answer as a test has written, one real node in this process, and virtual
time. Both clients sit at it, and do what a test says in the same words."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import httpx

from frontends.common.api import Api
from frontends.common.node import Node
from frontends.common.responses import Response
from frontends.common.routes import Plan
from frontends.common.settings import Settings
from pbkv import AsyncClient, Client
from pbproto import View

Kind = Literal["sync", "async"]
KINDS: tuple[Kind, ...] = ("sync", "async")
A, B, C = (f"http://{letter}:80" for letter in "abc")

Reaction = Callable[[httpx.Request], httpx.Response]


@dataclass
class Time:
    """Time that passes only where somebody waits."""

    now: float = 1000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def problem(status: int, reason: str, outcome: str = "", retry_after: str = "1") -> Reaction:
    """A node's refusal."""
    document = {"title": "-", "status": status, "detail": f"because of {reason}", "reason": reason}
    if outcome:
        document["outcome"] = outcome
    headers = {"Content-Type": "application/problem+json"}
    if status in (503, 504):
        headers["Retry-After"] = retry_after
    return answers(status, json.dumps(document), headers)


def answers(status: int, text: str = "{}", headers: dict[str, str] | None = None) -> Reaction:
    return lambda _: httpx.Response(status, text=text, headers=headers)


def done(status: int = 201, number: int = 7, text: str = "{}") -> Reaction:
    return answers(status, text, {"Msg-Num": str(number)})


NOT_APPLIED = problem(503, "timeout", "not_applied")
UNKNOWN = problem(504, "timeout", "unknown")
PROXY = answers(502, "<html>Bad Gateway</html>", {"Content-Type": "text/html"})
REDIRECT = answers(301, "", {"Location": "https://elsewhere/"})


def no_connection(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def reset(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("", request=request)


@dataclass
class Script:
    """What each node answers, one reaction after the other; the last one for ever."""

    reactions: dict[str, list[Reaction]]
    time: Time = field(default_factory=Time)
    asked: list[tuple[float, str, httpx.Request]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        node = f"{request.url.scheme}://{request.url.host}:80"
        self.asked.append((self.time.now, node, request))
        left = self.reactions[node]
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    def hangs(self, request: httpx.Request) -> httpx.Response:
        """The whole patience of an attempt passes, and nothing comes."""
        self.time.sleep(request.extensions["timeout"]["read"])
        raise httpx.ReadTimeout("", request=request)

    @property
    def nodes(self) -> list[str]:
        """Who was asked, in order."""
        return [node for _, node, _ in self.asked]


class Desk:
    """A client of either kind; ``desk("put", "k", "v")`` does what ``client.put("k", "v")`` does."""

    def __init__(self, kind: Kind, handler: Reaction, time: Time | None = None, **arguments: Any) -> None:
        time = time or getattr(handler, "time", None) or Time()
        nodes = arguments.pop("nodes", (A, B, C))
        # What a test has written down is asked in that order, without looks at a view in between.
        common: dict[str, Any] = {"spread": False, "clock": time.clock, "draw": lambda: 0.5}
        common |= {"follow_view": False} | arguments
        own: dict[str, Any] = {"sleep": time.sleep if kind == "sync" else time.asleep}
        common = own | common | {"transport": httpx.MockTransport(handler)}
        self.client: Client | AsyncClient
        self.client = Client(nodes, **common) if kind == "sync" else AsyncClient(nodes, **common)

    def __call__(self, name: str, *arguments: Any, **named: Any) -> Any:
        result = getattr(self.client, name)(*arguments, **named)
        return asyncio.run(result) if asyncio.iscoroutine(result) else result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self("aclose" if isinstance(self.client, AsyncClient) else "close")


class OneNode:
    """A real node in this process, of a view of its own, behind the real mapping of HTTP."""

    def __init__(self, told: bool = True, **settings: Any) -> None:
        self._settings = Settings(**{"id": 1, "insecure": True} | settings)
        self._node = Node(self._settings, lambda _: None, lambda _: None)
        self._api = Api(self._node)
        self.targets: list[bytes] = []
        if told:
            self._node.tell_view(View.of([(1, "a:80")]), 0)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        target = request.extensions["target"]
        self.targets.append(target)
        plan = self._api.plan(request.method, target, request.headers)
        response = self._start(plan, request) if isinstance(plan, Plan) else plan
        body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        return httpx.Response(response.status, headers=list(response.headers), content=body)

    def _start(self, plan: Plan, request: httpx.Request) -> Response:
        found: list[Response] = []
        self._api.start(plan, request.headers, request.read(), found.append)
        (response,) = found  # a node alone answers at once
        return response


@contextlib.contextmanager
def client_of(node: OneNode) -> Iterator[Client]:
    """A client of one node."""
    with Client([A], transport=httpx.MockTransport(node)) as client:
        yield client


@contextlib.contextmanager
def listening(
    answer: bytes,
    pause: float = 0.0,
    tls: ssl.SSLContext | None = None,
    heard: list[bytes] | None = None,
) -> Iterator[str]:
    """A server that answers one request a connection with these bytes, one at a time where it pauses.

    What it ``heard`` of each is kept there.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def answer_one(link: socket.socket) -> None:
        if tls is not None:
            link = tls.wrap_socket(link, server_side=True)
        with link:
            request = link.recv(65536)
            if heard is not None:
                heard.append(request)
            for piece in [answer] if not pause else (answer[at : at + 1] for at in range(len(answer))):
                link.sendall(piece)
                if over.wait(pause):
                    break

    def serve() -> None:
        while True:
            link, _ = listener.accept()
            with link, contextlib.suppress(OSError):
                if over.is_set():
                    return
                answer_one(link)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http{'s' * (tls is not None)}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        socket.create_connection(listener.getsockname()).close()
        thread.join()
        listener.close()
