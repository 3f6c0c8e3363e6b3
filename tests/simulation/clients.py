"""The clients: each asks one thing after another, hangs up when its patience ends, and repeats what has a
name.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbproto import Delete, Get, GetAll, Put, Reason, Reject, Reply
from pbproto.config import MILLISECOND, SECOND
from pbproto.effects import Listing, Value, Written
from pbproto.values import Kind
from tests.checker.history import Call

from .chance import between, stream
from .host import Host
from .plan import Ask
from .violation import demand

if TYPE_CHECKING:
    from .world import World

Request = Put | Delete | Get | GetAll


@dataclass(slots=True)
class Attempt:
    """One request under way."""

    token: int
    client: int
    ask: Ask
    number: int
    """0 for the first; then it is a repeat."""
    node: int
    start: int
    event: Request
    over: bool = False
    """The client knows the outcome, or has hung up."""
    entered: bool = False
    """The node has taken it in."""
    answer: Reply | Reject | None = None
    """What the node has said."""


@dataclass(slots=True)
class Client:
    """One client and what it still wants."""

    asks: deque[Ask] = field(default_factory=deque)
    attempt: Attempt | None = None


class Clients:
    """All clients, and the history that they write."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = stream(world.plan.seed, "clients")
        self._clients: dict[int, Client] = {}
        self.attempts: dict[int, Attempt] = {}
        self.calls: list[Call] = []
        self.served_at: int | None = None
        """In the calm: since when the view is active everywhere."""

    @property
    def idle(self) -> bool:
        """Whether nobody waits for anything."""
        return all(not client.asks and client.attempt is None for client in self._clients.values())

    @property
    def waiting(self) -> list[Attempt]:
        """Who still waits for an answer."""
        return [client.attempt for client in self._clients.values() if client.attempt is not None]

    def ask(self, ask: Ask) -> None:
        """A client gets something to ask."""
        client = self._clients.setdefault(ask.client, Client())
        client.asks.append(ask)
        if client.attempt is None:
            self._next(ask.client, client)

    def _next(self, name: int, client: Client) -> None:
        if client.asks:
            ask = client.asks.popleft()
            self._try(name, client, ask, 0, ask.node)

    def _try(self, name: int, client: Client, ask: Ask, number: int, node: int) -> None:
        world = self._world
        token = len(self.attempts)
        attempt = Attempt(token, name, ask, number, node, world.now, _event(token, ask))
        self.attempts[token] = attempt
        client.attempt = attempt
        host = world.hosts[node]
        if not host.up:
            # A refused connection: nobody has heard of it.
            self._finish(attempt, "not_applied", world.now)
            return
        world.at(world.now + between(self._random, 0, MILLISECOND), self._enter, attempt, host, host.life)
        world.at(world.now + ask.patience, self._hang_up, attempt)

    def _enter(self, attempt: Attempt, host: Host, life: int) -> None:
        if host.up and host.life == life:
            attempt.entered = True
            self._world.deliver(host, attempt.event, life)
        elif not attempt.over:
            self._finish(attempt, "unknown", None)

    def _hang_up(self, attempt: Attempt) -> None:
        if not attempt.over:
            self._world.note("hang_up", f"the client of ({attempt.token}) hangs up", attempt.node)
            self._world.tally.faults["client_hung_up"] += 1
            self._finish(attempt, "unknown", None)

    def reset(self, host: Host) -> None:
        """A node is gone: its clients see their connections end."""
        for client in list(self._clients.values()):
            attempt = client.attempt
            if attempt is not None and attempt.node == host.id and attempt.entered and not attempt.over:
                self._finish(attempt, "unknown", None)

    def answered(self, host: Host, answer: Reply | Reject) -> None:
        """The node has answered; the client hears of it soon, or never."""
        attempt = self.attempts[answer.token]
        assert attempt.answer is None, f"({answer.token}) is answered twice"
        attempt.answer = answer
        self._not_late(answer)
        if attempt.over:
            return
        if attempt.ask.answer_lost and attempt.number == 0 and not self._world.calm:
            self._world.tally.faults["answer_lost"] += 1
            self._world.note("lost", f"the answer to ({attempt.token}) is lost", host.id)
            self._finish(attempt, "unknown", None)
            return
        self._world.at(self._world.now + between(self._random, 0, MILLISECOND), self._hear, attempt)

    def _not_late(self, answer: Reply | Reject) -> None:
        """Where the view is active and nothing is wrong, nobody's time runs out."""
        if self.served_at is None or not isinstance(answer, Reject) or answer.reason is not Reason.TIMEOUT:
            return
        late, world = self._world.now - self.served_at, self._world
        parameters = world.parameters
        if parameters.config.max_data_bytes and answer.certain:
            return  # so it is told at a node of the old release that there is no room
        # Where little fits into a message, a store is filled write by write, and each takes a round trip.
        backlog = 2 * parameters.delay * parameters.prefill if parameters.config.batch_bytes < 10**6 else 0
        demand(
            late < SECOND + backlog or len(world.hosts) > parameters.limits.origins,
            "liveness",
            f"({answer.token}) is not served {late} ns after the view has become active: {answer}",
        )

    def _hear(self, attempt: Attempt) -> None:
        if attempt.over or attempt.answer is None:
            return
        if isinstance(attempt.answer, Reply):
            self._finish(attempt, "ok", self._world.now)
        else:
            outcome = "not_applied" if attempt.answer.certain else "unknown"
            self._finish(attempt, outcome, self._world.now)

    def _finish(self, attempt: Attempt, outcome: str, end: int | None) -> None:
        attempt.over = True
        self.calls.append(call_of(attempt, outcome, end))
        client = self._clients[attempt.client]
        client.attempt = None
        ask = attempt.ask
        refused = isinstance(attempt.answer, Reject) and attempt.answer.reason.name == "KEY_REUSED"
        if outcome != "ok" and not refused and attempt.number < len(ask.repeats):
            again = self._world.now + between(self._random, 0, 100 * MILLISECOND)
            self._world.tally.faults["repeated"] += 1
            client.attempt = attempt  # busy until then
            node = ask.repeats[attempt.number]
            self._world.at(again, self._try, attempt.client, client, ask, attempt.number + 1, node)
        else:
            self._world.at(self._world.now, self._go_on, attempt.client, client)

    def _go_on(self, name: int, client: Client) -> None:
        if client.attempt is None:
            self._next(name, client)


def _event(token: int, ask: Ask) -> Request:
    key = ask.key.encode()
    match ask.what:
        case "put":
            return Put(token, key, ask.value.encode(), ask.name.encode())
        case "delete":
            return Delete(token, key, ask.name.encode())
        case "get":
            return Get(token, key)
        case "list":
            return GetAll(token)


def call_of(attempt: Attempt, outcome: str, end: int | None) -> Call:
    """An attempt as a line of the history."""
    ask = attempt.ask
    value: str | None = ask.value if ask.what == "put" else None
    existed: bool | None = None
    items: dict[str, str] | None = None
    number: int | None = None
    if outcome == "ok":
        assert isinstance(attempt.answer, Reply)
        match attempt.answer.outcome:
            case Written(result=result):
                number, existed = result.position, result.kind in (Kind.UPDATED, Kind.DELETED)
            case Value(value=read, position=position):
                number, value = position, None if read is None else read.decode()
            case Listing(items=listed, position=position):
                number = position
                items = {key.decode(): value.decode() for key, value in listed.items()}
    return Call(
        client=attempt.client,
        node=attempt.node,
        what=ask.what,
        start=attempt.start,
        end=end,
        outcome=outcome,  # type: ignore[arg-type]
        key=ask.key,
        value=value,
        existed=existed,
        items=items,
        number=number,
        name=ask.name,
    )
