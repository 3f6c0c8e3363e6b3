"""Plays stories on real replicas: prints their effects, and holds what they do to the rules.

Two judges look at a story. What is printed is compared with the file. And whatever the file says, the
invariants must hold after every command (``checks.py``), every acknowledged write must be in the log
of the last active view, and what the clients saw must be linearizable.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pbproto import (
    Delete,
    Effect,
    Envelope,
    Event,
    Get,
    GetAll,
    InvariantError,
    Message,
    Put,
    Receive,
    Reject,
    Replica,
    Reply,
    Send,
    Status,
    decode,
    encode,
)
from pbproto.config import MILLISECOND
from pbproto.effects import Listing, Value, Written
from pbproto.errors import present
from pbproto.state import State
from pbproto.values import Ballot, Kind
from tests.checker.history import Call
from tests.checker.linearizability import check

from . import tap
from .checks import Checks
from .host import Host
from .limits import in_force
from .story import Client, Command, Crashes, Passage, Receives, Shows, Starts, Story, StoryError
from .violation import Violation
from .words import effect_text, life_text, view_text

NEVER_SENT = "this was never sent"
STOPPED = "stops rather than lie"


@dataclass(slots=True)
class Asked:
    """A request of a client in a story."""

    event: Client
    node: int
    start: int
    end: int | None = None
    answer: Reply | Reject | None = None


@dataclass(slots=True)
class Stage:
    """The replicas of a story, and what was seen of them. Shaped so that ``Checks`` can look at it."""

    story: Story
    hosts: dict[int, Host] = field(default_factory=dict)
    asked: dict[int, Asked] = field(default_factory=dict)
    lives: dict[int, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    """The rules that were broken so far, and where."""
    now: int = 0
    steps: int = 0
    lead: tuple[Ballot, int] | None = None
    """The highest ballot that became active, and the highest commit seen there."""
    _mail: dict[str, tuple[Envelope, Message]] = field(default_factory=dict)
    _counts: dict[tuple[str, int, int], int] = field(default_factory=dict)
    _checks: Checks = field(init=False)

    def __post_init__(self) -> None:
        tap.take()
        self._checks = Checks(self, leases=self.story.config.lease > 0)
        if self.story.parted:
            self._checks.histories_part()
        self.hosts = {id_: Host(id_, f"host{id_}:80") for id_ in self.story.nodes}

    def state(self, id_: int) -> State:
        """The state of a node that runs."""
        return present(self.hosts[id_].replica, "it runs").state

    # Commands.

    def do(self, command: Command) -> list[str]:
        """Let the command happen; the effects as they are printed. Raises ``StoryError``."""
        self.steps += 1
        self.now = max(self.now, command.at)
        node, doing = command.node, command.doing
        host = self.hosts.get(node)
        if host is None:
            raise StoryError(f"node {node} is not in this story")
        if isinstance(doing, Starts):
            return self._start(host, doing.life)
        if host.replica is None:
            raise StoryError(f"node {node} does not run")
        match doing:
            case Crashes():
                self._end(host)
                return []
            case Shows():
                return _status_lines(host.replica.status(command.at), self.lives)
            case Receives(name=name):
                if name not in self._mail:
                    return [NEVER_SENT]
                return self._step(host, command, Receive(*self._mail[name]))
            case Put() | Delete() | Get() | GetAll():
                if doing.token in self.asked:
                    raise StoryError(f"({doing.token}) is asked twice")
                self.asked[doing.token] = Asked(doing, node, self.steps)
        return self._step(host, command, doing)

    def _start(self, host: Host, life: int) -> list[str]:
        if life in self.lives or life == 0:
            raise StoryError(f"life {life} cannot begin again")
        self._end(host)
        self.lives[life] = host.life = life
        config = self.story.config
        if host.id in self.story.rounds:
            config = replace(config, lease=0)
        host.replica = Replica(host.id, life, config)
        return []

    def _end(self, host: Host) -> None:
        if host.replica is not None:
            self._checks.ended(host)
            host.replica = None

    def _step(self, host: Host, command: Command, event: Event) -> list[str]:
        replica, before = present(host.replica, "it runs"), self._checks.before(host)
        try:
            effects = replica.step(event, now=command.at)
        except InvariantError as error:
            self.broken.append(f"{command}: the node stops rather than lie: {error}")
            return [f"{STOPPED}: {error}"]
        lines = [self._carry_out(effect) for effect in effects]
        try:
            self._checks.after(host, event, effects, before)
        except Violation as error:
            self.broken.append(f"{command}: {error}")
        lead = replica.state.lead
        if lead is not None and (self.lead is None or (lead.ballot, replica.state.commit) > self.lead):
            self.lead = (lead.ballot, replica.state.commit)
        return lines

    def _carry_out(self, effect: Effect) -> str:
        if isinstance(effect, Send):
            ((envelope, message),) = decode(encode([(effect.envelope, effect.message)]))
            kind = type(message).__name__
            way = (kind, envelope.sender, envelope.receiver)
            self._counts[way] = self._counts.get(way, 0) + 1
            name = f"{kind} {envelope.sender}>{envelope.receiver} #{self._counts[way]}"
            self._mail[name] = (envelope, message)
            return effect_text(effect, self.lives, name)
        if isinstance(effect, Reply | Reject):
            asked = self.asked[effect.token]
            if asked.answer is not None:
                self.broken.append(f"({effect.token}) is answered twice")
            asked.answer, asked.end = effect, self.steps
        return effect_text(effect, self.lives)

    # The end.

    def judge(self) -> list[str]:
        """Every rule that the story broke, in words."""
        found = list(self.broken)
        if self.story.parted:
            return found
        last = 0
        for asked in self.asked.values():
            if isinstance(asked.answer, Reply) and isinstance(asked.answer.outcome, Written):
                last = max(last, asked.answer.outcome.result.position + 1)
        if self.lead is not None and self.lead[1] < last:
            found.append(f"{last} writes were acknowledged; ballot {self.lead[0]} has {self.lead[1]}")
        verdict = check([_call(token, asked) for token, asked in self.asked.items()])
        if not verdict.ok:
            found.append(verdict.explain())
        return found


def _status_lines(status: Status, lives: dict[int, int]) -> list[str]:
    view = "no view" if status.view is None else view_text(status.view)
    dropped = f", {len(status.dropped)} losses" if status.dropped else ""
    life = life_text(status.promised.incarnation, lives)
    ballot = f"{status.promised}/{life}" if status.promised.epoch else "none"
    lines = [
        f"is {status.status} as {status.role} in {view}; promised {ballot}, log {status.log_end},"
        f" commit {status.commit}, {status.keys} keys, {status.waiting} waiting{dropped}"
    ]
    lines += [f"waits for {wait.id} at {wait.address}: {wait.reason}" for wait in status.waiting_for]
    if status.blocked:
        lines.append(f"is blocked: {status.blocked}")
    return lines


def _call(token: int, asked: Asked) -> Call:
    """A request as a line of a history; its times are the numbers of commands."""
    event, answer = asked.event, asked.answer
    what = {Put: "put", Delete: "delete", Get: "get", GetAll: "list"}[type(event)]
    outcome, value, existed, items, number = "unknown", None, None, None, None
    if isinstance(event, Put):
        value = event.value.decode()
    if isinstance(answer, Reject) and answer.certain:
        outcome = "not_applied"
    elif isinstance(answer, Reply):
        outcome = "ok"
        match answer.outcome:
            case Written(result=result):
                number, existed = result.position, result.kind in (Kind.UPDATED, Kind.DELETED)
            case Value(value=read, position=position):
                number, value = position, None if read is None else read.decode()
            case Listing(items=listed, position=position):
                number = position
                items = {key.decode(): held.decode() for key, held in listed.items()}
    answered = outcome != "unknown" and asked.end is not None
    return Call(
        client=token,
        node=asked.node,
        what=what,  # type: ignore[arg-type]
        start=2 * asked.start * MILLISECOND,
        end=(2 * (asked.end or 0) + 1) * MILLISECOND if answered else None,
        outcome=outcome,  # type: ignore[arg-type]
        key="" if isinstance(event, GetAll) else event.key.decode(),
        value=value,
        existed=existed,
        items=items,
        number=number,
        name=event.idempotency_key.decode() if isinstance(event, Put | Delete) else "",
    )


@dataclass(frozen=True, slots=True)
class Played:
    """A story as it went, and the rules that it broke."""

    story: Story
    broken: tuple[str, ...]


def play(story: Story) -> Played:
    """The same commands with the effects that the replicas have now. Raises ``StoryError``."""
    stage = Stage(story)
    passages = []
    with in_force(story.limits):
        for passage in story.passages:
            try:
                effects = stage.do(passage.command)
            except StoryError as error:
                raise StoryError(f"line {passage.line}: {passage.command}: {error}") from error
            passages.append(Passage(passage.above, passage.command, effects, passage.line))
    return Played(replace(story, passages=passages), tuple(stage.judge()))
