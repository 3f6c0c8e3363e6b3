"""The parts of a virtual cluster, put together: time, hosts, the network, clients, and a transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from itertools import count
from random import Random

from frontends.common.responses import Response
from frontends.common.settings import PREFIX, SettingError, Settings, from_environment
from pbproto.values import MAX_MEMBERS

from .errors import ClusterError
from .host import Host
from .network import CLIENTS, Call, End, Failure, Network
from .timeline import Timeline, ticks
from .transcript import Transcript

PATIENCE = 600.0
"""Virtual seconds after which a request without a timeout counts as one that would wait for ever."""
SHOWN_BYTES = 80
_NOT_HERE = (
    *("id", "bind", "server", "threads", "lean", "log_level"),
    *("tokens", "tls_cert", "tls_key", "tls_ca", "insecure"),
)
_RECORDING = "record"


class World:
    """One virtual cluster. Whoever calls anything here holds ``timeline.turns``."""

    def __init__(self, nodes: int, seed: int, latency: float, settings: Mapping[str, object]) -> None:
        if type(nodes) is not int or not 1 <= nodes <= MAX_MEMBERS:
            raise ClusterError(f"nodes has to be an integer from 1 to {MAX_MEMBERS}, not {nodes!r}")
        if not 0 < latency <= 1:
            raise ClusterError(f"latency has to be more than 0 and at most 1 second, not {latency!r}")
        self.timeline = Timeline()
        self.transcript = Transcript(self.timeline)
        self.network = Network(self.timeline, Random(f"{seed} network"), ticks(latency))
        self.hosts = self.network.hosts
        self._lives = Random(f"{seed} lives")
        self._numbers = count(1)
        self.lost_answers: list[LostAnswer] = []
        """The answers that are going to be lost."""
        for id_ in range(1, nodes + 1):
            made = _settings(id_, settings)
            self.hosts[id_] = Host(made, self.network, self.transcript.note)
            self.start(id_)
        self.patience = max(PATIENCE, 2 * made.request_timeout)

    def start(self, id_: int) -> None:
        """A node starts, empty, as a life that there was not before."""
        self.hosts[id_].start(self._lives.getrandbits(64) | 1)

    def host(self, id_: int, what: str) -> Host:
        """A host with a node that runs. Raises ``ClusterError`` that names ``what`` was wanted."""
        host = self.known(id_)
        if not host.up:
            raise ClusterError(f"cannot {what} node {id_}: it is not running")
        return host

    def known(self, id_: int) -> Host:
        """A host. Raises ``ClusterError``."""
        host = self.hosts.get(id_) if type(id_) is int else None
        if host is None:
            raise ClusterError(f"there is no node {id_!r}; there are {list(self.hosts)}")
        return host

    def ask(
        self,
        source: End,
        id_: int,
        request: Request,
        timeouts: tuple[float | None, float | None],
        ended: Callable[[Call[Response]], None],
    ) -> Call[Response]:
        """A request over HTTP; ``ended`` is called once, later, unless the call is abandoned.

        ``timeouts``: seconds to wait for a connection, and for the answer.
        """
        number, began = next(self._numbers) if source == CLIENTS else 0, self.timeline.seconds
        if number:
            self.transcript.add(f"request {number} to node {id_}: {request}")

        def serve(host: Host, done: Callable[[Response], None]) -> None:
            def answered(response: Response) -> None:
                response = _whole(response)
                lost = self._lose(id_, request, response) if number else None
                if lost is None:
                    done(response)
                    return
                self.transcript.add(f"request {number}: the answer is lost: {_described(response)}")
                if lost.reset:
                    host.break_off(call)

            host.respond(request.method, request.target, request.headers, request.body, answered)

        def over(finished: Call[Response]) -> None:
            if number:
                what = _described(finished.answer) if finished.answer is not None else _failed(finished)
                self.transcript.add(f"request {number}: {what}, after {self.timeline.seconds - began:.4f} s")
            ended(finished)

        connect, read = (ticks(self.patience if each is None else each) for each in timeouts)
        call: Call[Response] = self.network.call(source, id_, serve, over, connect, read)
        return call

    def _lose(self, id_: int, request: Request, response: Response) -> LostAnswer | None:
        """Whether this answer is one that is to be lost."""
        if request.is_write and response.status < 300:
            for lost in self.lost_answers:
                if lost.node in (None, id_):
                    self.lost_answers.remove(lost)
                    return lost
        return None


class Request:
    """What a client sends."""

    def __init__(self, method: str, target: bytes, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        """By lower-case name."""
        self.body = body

    @property
    def is_write(self) -> bool:
        """Whether it changes what is stored, if it succeeds."""
        return self.method in ("PUT", "DELETE") and self.target.startswith(b"/data/")

    def __str__(self) -> str:
        return f"{self.method} {_shown(self.target)} {_shown(self.body)}".rstrip()


class LostAnswer:
    """The next write at ``node`` (at any, if ``None``) takes effect, and nobody hears of it."""

    def __init__(self, node: int | None, reset: bool) -> None:
        self.node = node
        self.reset = reset
        """The client is told at once that the connection broke, instead of waiting for nothing."""


def _settings(id_: int, given: Mapping[str, object]) -> Settings:
    """The settings of one node, checked as those of a real one are."""
    known = {each.name for each in fields(Settings)}
    for name in given:
        if name not in known:
            raise ClusterError(f"there is no setting {name!r}")
        if name in _NOT_HERE or name.startswith(_RECORDING):
            raise ClusterError(f"the setting {name!r} means nothing in virtual time")
    environ = {f"{PREFIX}{name.upper()}": str(value) for name, value in given.items()}
    try:
        made = from_environment(
            {**environ, "NODE_IDENTIFIER": str(id_), f"{PREFIX}BIND": address_of(id_), f"{PREFIX}LEAN": "on"}
        )
    except SettingError as error:
        raise ClusterError(str(error)) from error
    # It is asked by names that mean something here alone, and there is nobody else who could ask.
    return replace(made, insecure=True)


def address_of(id_: int) -> str:
    """Where a node listens."""
    return f"node{id_}:80"


def _whole(response: Response) -> Response:
    """The answer as it is on the wire: a long one in one piece, the length of a short one said."""
    body = response.body
    if not isinstance(body, bytes):
        return response._replace(body=b"".join(body))
    if any(name == "content-length" for name, _ in response.headers):
        return response
    return response._replace(headers=(*response.headers, ("content-length", str(len(body)))))


def _described(response: Response) -> str:
    numbers = [f", Msg-Num {value}" for name, value in response.headers if name == "msg-num"]
    body = response.body if isinstance(response.body, bytes) else b""
    return f"{response.status}{''.join(numbers)} {_shown(body)}".rstrip()


def _failed(call: Call[Response]) -> str:
    failure = call.failure or Failure.NO_ANSWER
    return failure.value


def _shown(data: bytes) -> str:
    text = ascii(data[:SHOWN_BYTES].decode("utf-8", "replace"))[1:-1]
    return f"{text}… ({len(data)} bytes)" if len(data) > SHOWN_BYTES else text


def listed(ids: Iterable[object]) -> str:
    """Ids for people."""
    return ", ".join(map(str, ids)) or "nobody"
