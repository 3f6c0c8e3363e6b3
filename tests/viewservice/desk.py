"""A service on a desk: the test says what each node reports, and sees what the service wants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from pbproto import Member
from pbproto.config import MILLISECOND
from viewservice import (
    EMPTY,
    Answer,
    Ask,
    Config,
    Effect,
    Event,
    Lead,
    Level,
    Note,
    Order,
    Record,
    Report,
    Said,
    Saw,
    Say,
    Service,
    Stored,
    Tick,
    Trouble,
    Write,
)
from viewservice.report import Waits

CONFIG = Config()


def address(id_: int) -> str:
    return f"n{id_}:80"


def members(*ids: int) -> tuple[Member, ...]:
    return tuple(Member(id_, address(id_)) for id_ in ids)


@dataclass
class Machine:
    """A node as it shows itself: what it says, or how it does not."""

    id: int
    life: int
    status: str = "none"
    epoch: int | None = None
    view: tuple[int, ...] = ()
    waits: tuple[tuple[int, str], ...] = ()
    blocked: str = ""
    holds: bool = False
    commit: int = 0
    trouble: Trouble | None = None

    @property
    def found(self) -> Report | Trouble:
        if self.trouble is not None:
            return self.trouble
        return Report(
            self.id,
            self.life,
            self.epoch,
            members(*self.view),
            self.status,
            tuple(Waits(*wait) for wait in self.waits),
            self.blocked,
            self.holds,
            self.commit,
            self.commit,
        )


@dataclass
class Desk:
    """The service, its nodes, the register. Nodes obey, and views become active, unless a test says no."""

    ids: tuple[int, ...]
    size: int = 0
    config: Config = CONFIG
    obey: bool = True
    install: bool = True
    now: int = 1_000_000_000
    register: Record = EMPTY
    writes: list[Record] = field(default_factory=list)
    said: list[Say] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    store: str = "works"
    """``works``, ``lost`` (nobody knows whether it was written), or ``holds`` (the answer waits)."""

    def __post_init__(self) -> None:
        self.nodes = {id_: Machine(id_, 100 + id_) for id_ in self.ids}
        self.service = Service(self.config)
        self.held: list[Record] = []

    # What happens.

    def begin(self) -> None:
        """The service acts, is told its nodes, and brings them to their first view."""
        self.step(Lead(self.register))
        self.order("init", nodes=tuple((id_, address(id_)) for id_ in self.ids), size=self.size)
        self.run(1000)

    def run(self, milliseconds: int) -> None:
        """Let time pass, in steps of 10 ms."""
        for _ in range(milliseconds // 10):
            self.now += 10 * MILLISECOND
            self.step(Tick())
            self._progress()

    def step(self, event: Event) -> list[Effect]:
        effects = list(self.service.step(event, now=self.now))
        for effect in effects:
            self._carry_out(effect)
        return effects

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Ask():
                node = self.nodes.get(effect.id)
                found = node.found if node is not None else Trouble.REFUSED
                self.step(Saw(effect.id, effect.address, effect.at, found))
            case Write():
                self._write(effect.record)
            case Say():
                self.said.append(effect)
                self._tell(effect)
            case Note():
                self.notes.append(effect)
            case Answer():
                self.answers.append(effect)

    def _write(self, record: Record) -> None:
        self.writes.append(record)
        if self.store == "holds":
            self.held.append(record)
            return
        if record.version == self.register.version + 1:
            self.register = record
        self.step(Stored(None if self.store == "lost" else self.register))

    def _tell(self, say: Say) -> None:
        node = self.nodes[say.id]
        if not self.obey or node.trouble is not None:
            return
        if node.life != say.incarnation:
            self.step(Said(say.id, say.epoch, "other_life"))
            return
        if node.epoch is not None and say.epoch < node.epoch:
            self.step(Said(say.id, say.epoch, "stale_epoch"))
            return
        node.epoch, node.view = say.epoch, tuple(member.id for member in say.members)
        node.status = "installing" if say.id in node.view else "outside"
        self.step(Said(say.id, say.epoch, ""))

    def _progress(self) -> None:
        """A view whose members have all heard of it is active."""
        record = self.register
        if not self.install or not record.epoch:
            return
        group = [self.nodes[id_] for id_ in record.ids]
        if all(node.trouble is None and node.epoch == record.epoch for node in group):
            for node in group:
                if node.status == "installing":
                    node.status, node.holds = "active", True

    # What tests say.

    def order(self, word: str, *ids: int, **fields: Any) -> Answer | None:
        before = len(self.answers)
        self.step(Order(len(self.answers) + 1, word, ids, **fields))
        return self.answers[-1] if len(self.answers) > before else None

    def kill(self, id_: int) -> None:
        self.nodes[id_].trouble = Trouble.REFUSED

    def restart(self, id_: int) -> None:
        """It is back, in another life, and knows nothing."""
        self.nodes[id_] = Machine(id_, self.nodes[id_].life + 1000)

    def silence(self, id_: int) -> None:
        self.nodes[id_].trouble = Trouble.SILENT

    def another(self) -> None:
        """Another instance acts from now on; this one is gone."""
        self.service = Service(self.config)
        self.step(Lead(self.register))

    # What tests ask.

    def view(self) -> tuple[int, ...]:
        """The members of the view that is written down."""
        return self.register.ids

    def alarms(self) -> list[str]:
        return [note.code for note in self.notes if note.level is Level.ALARM]

    def codes(self) -> list[str]:
        return [note.code for note in self.notes]


def quick(**changes: Any) -> Config:
    """Settings with some changed."""
    return replace(CONFIG, **changes)
