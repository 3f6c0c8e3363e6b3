"""The view service as the outside of simulated clusters: its own code, on links, stores and hosts that fail.

Some instances run on machines of their own. They ask nodes and tell them views over links that lose, delay
and double; they are killed, paused for long, and two of them may both think that they act. One register is
what is written down; a write may take long, and its answer may be lost.

What is checked here is what the service owes the protocol (docs/protocol.md, *What the outside owes*), with
all that only the simulation knows: who really led which view with whom.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbproto import Member, TellView, View
from pbproto.config import MILLISECOND, SECOND
from pbproto.status import Status
from tests.simulation.chance import between, chance, pick, some, stream
from tests.simulation.host import Host
from tests.simulation.outside import Outside
from tests.simulation.plan import Change
from tests.simulation.violation import demand
from viewservice import (
    EMPTY,
    Answer,
    Ask,
    Config,
    Effect,
    Event,
    Lead,
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

if TYPE_CHECKING:
    from tests.simulation.world import World

QUICK = Config(
    poll=100 * MILLISECOND,
    ask_timeout=400 * MILLISECOND,
    gone_after=150 * MILLISECOND,
    silent_after=1000 * MILLISECOND,
    cut_after=600 * MILLISECOND,
    resend=100 * MILLISECOND,
    stable_for=300 * MILLISECOND,
    backoff=500 * MILLISECOND,
    backoff_most=2 * SECOND,
    forgive_after=5 * SECOND,
)


@dataclass(slots=True)
class Instance:
    """One instance of the service, on a machine of its own."""

    number: int
    config: Config
    service: Service = field(init=False)
    life: int = 0
    up: bool = True
    paused: bool = False
    piled_up: list[tuple[Event, int]] = field(default_factory=list)
    cut: set[int] = field(default_factory=set)
    """Nodes that it cannot reach."""
    wake_at: int = -1

    def __post_init__(self) -> None:
        self.service = Service(self.config)


class ServiceOutside(Outside):
    """Instances of the service, the register, and a person who orders something now and then."""

    def __init__(self, world: World, make: Callable[[Config], Service] = Service) -> None:
        super().__init__(world)
        self._make = make
        self._random = stream(world.plan.seed, "service")
        self.register = EMPTY
        self.records: list[Record] = []
        self._led: tuple[int, frozenset[tuple[int, int]]] = (0, frozenset())
        """The highest epoch that any node has led, and with whom, in which lives."""
        self._views: dict[int, tuple[Member, ...]] = {}
        instances = pick(self._random, (1, 2, 2, 3))
        self.instances = [Instance(number, QUICK) for number in range(instances)]
        for instance in self.instances:
            instance.service = make(QUICK)
        self._begun = False
        self._settled = False
        """The first instance acts, and keeps doing so."""
        count = len(world.parameters.ids)
        self._size = count if chance(self._random, 0.6) else between(self._random, 1, count)
        self._tokens = 0
        self.forced = 0

    # What the world calls.

    def change(self, change: Change) -> None:
        """The plan's changes become troubles of the service, and a person's orders."""
        if not self._begun:
            self._begin()
            return
        what = pick(
            self._random,
            ("kill", "pause", "cut", "lead", "lead", "order", "order", "order", "nothing"),
        )
        instance = pick(self._random, self.instances)
        self._world.tally.faults[f"service_{what}"] += 1
        if what == "kill":
            self._kill(instance)
        elif what == "pause":
            self._pause(instance)
        elif what == "cut":
            self._cut(instance)
        elif what == "lead":
            self._let_lead(instance)
        elif what == "order":
            self._order_something(instance, change.members)

    def retell(self, restarted: int, delay: int) -> None:
        """Nobody has to: the service notices."""

    def accepted(self, host: Host, view: View) -> None:
        """A node obeys."""

    def after_step(self, host: Host) -> None:
        """Remember who leads, and with whom: that is when a view is active."""
        replica = host.replica
        if replica is None or replica.state.lead is None:
            return
        lead = replica.state.lead
        if lead.ballot.epoch >= self._led[0]:
            lives = {(id_, backup.incarnation) for id_, backup in lead.backups.items()}
            lives.add((host.id, host.life))
            self._led = (lead.ballot.epoch, frozenset(lives))

    def gone(self, node: int) -> None:
        """A node has lost its memory."""

    def may_restart(self, node: int) -> bool:
        """Whether that leaves somebody of whom the service knows, or will see, that it holds the data.

        Also where a record is on its way that counts on this node alone.
        """
        if self._led[0] == 0:
            return True
        pending = [instance.service._writing for instance in self.instances]
        records = [self.register, *(record for record in pending if record is not None)]
        return all(self._survivors(record, node) for record in records if record.epoch)

    def _survivors(self, record: Record, node: int) -> list[int]:
        lives = dict(record.lives)
        found = []
        for id_ in record.ids:
            host = self._world.hosts[id_]
            if id_ == node or not host.up or host.life != lives.get(id_) or self._world.state(id_).closing:
                continue
            if (id_, host.life) in record.carriers or self._is_active(host, record):
                found.append(id_)
        return found

    def _is_synced(self, id_: int, life: int) -> bool:
        host = self._world.hosts[id_]
        return host.life != life or not host.up or self._world.state(id_).synced is not None

    def _is_active(self, host: Host, record: Record) -> bool:
        status = host.status(self._world.now)
        return status is not None and status.status == "active" and status.epoch == record.epoch

    @property
    def told(self) -> View:
        """The view that was decided last."""
        return View(self.register.members, self.register.epoch or None)

    @told.setter
    def told(self, view: View) -> None:
        """The parent begins with none."""

    def everywhere_active(self) -> bool:
        """Whether the view is as large as it should be, every member says that it is active, and nobody else
        believes in an older one.
        """
        record = self.register
        if not record.epoch or len(record.ids) != min(record.size, len(self._eligible(record))):
            return False
        others = [node for node in (*record.nodes, *record.leaving) if node.id not in record.ids]
        return super().everywhere_active() and not any(self._believes(node) for node in others)

    def _believes(self, node: Member) -> bool:
        """Whether a node thinks that it is a member of a view, whose clients it keeps waiting."""
        host = self._world.host_at(node.address)
        status = host.status(self._world.now) if host is not None else None
        return status is not None and status.status in ("active", "installing")

    def _eligible(self, record: Record) -> list[int]:
        return [node.id for node in record.nodes if node.id in record.ids or node.id >= record.floor]

    def settle(self) -> None:
        """Everybody runs, one instance acts; the service brings the view back by itself.

        Only where too many restarts came at once for it to know who holds the data does a person have to say
        so.
        """
        for instance in self.instances:
            instance.cut.clear()
            if not instance.up:
                self._start(instance)
            self._resume(instance)
            self._lose_lead(instance)
        if not self._begun:
            self._begin()
        self._settled = True
        self._let_lead(self.instances[0])
        if not self._comes_right(15):
            self._force()
            self._comes_right(30)

    def _comes_right(self, seconds: int) -> bool:
        """Wait for that; who finds the service paused lets it go on."""
        for _ in range(seconds):
            if self.register.paused:
                self._give_order(self.instances[0], "resume")
            if self._world.run(self._world.now + SECOND, self.everywhere_active):
                return True
        return False

    def _force(self) -> None:
        """A person looks at who really holds the data."""
        holders = [
            id_
            for id_, life in self._led[1]
            if self._world.hosts[id_].up and self._world.hosts[id_].life == life
        ]
        holders = [id_ for id_ in holders if self.register.node(id_) is not None]
        if holders:
            self.forced += 1
            self._world.tally.faults["service_forced"] += 1
            self._give_order(self.instances[0], "force", (holders[0],))
        elif not self._led[0]:
            # All members of the first view were restarted before it was active: a person begins anew.
            self._world.tally.faults["service_begun_anew"] += 1
            self.register, self.records, self._views = EMPTY, [], {}
            self._step(self.instances[0], Lead(None), self.instances[0].life)
            self._let_lead(self.instances[0])

    # The service's own troubles.

    def _begin(self) -> None:
        self._begun = True
        self._let_lead(self.instances[0])

    def _kill(self, instance: Instance) -> None:
        instance.up = False
        instance.life += 1
        instance.piled_up.clear()
        wait = between(self._random, 10, 1500) * MILLISECOND
        self._world.at(self._world.now + wait, self._start, instance)

    def _start(self, instance: Instance) -> None:
        if instance.up:
            return
        instance.up = True
        instance.paused = False
        instance.service = self._make(instance.config)
        instance.wake_at = -1
        if not any(other.service.leading for other in self.instances if other.up):
            self._let_lead(instance)

    def _pause(self, instance: Instance) -> None:
        instance.paused = True
        wait = pick(self._random, (300, 2000, 9000)) * MILLISECOND
        self._world.at(self._world.now + wait, self._resume, instance)
        others = [other for other in self.instances if other is not instance and other.up]
        if others and chance(self._random, 0.7):
            self._world.at(self._world.now + 200 * MILLISECOND, self._let_lead, pick(self._random, others))

    def _resume(self, instance: Instance) -> None:
        instance.paused = False
        piled_up, instance.piled_up = instance.piled_up, []
        for event, life in piled_up:
            self._step(instance, event, life)
        self._wake_soon(instance)

    def _cut(self, instance: Instance) -> None:
        ids = self._world.parameters.ids
        instance.cut = set(some(self._random, ids, between(self._random, 1, len(ids))))
        self._world.at(self._world.now + between(self._random, 100, 4000) * MILLISECOND, instance.cut.clear)

    def _let_lead(self, instance: Instance) -> None:
        """It becomes the one that acts; who did before hears of that later, or not at all."""
        if not instance.up or (self._world.calm and instance is not self.instances[0]):
            return
        for other in self.instances:
            if other is not instance and other.service.leading and chance(self._random, 0.8):
                wait = between(self._random, 0, 2000) * MILLISECOND
                self._world.at(self._world.now + wait, self._lose_lead, other)
        self._step(instance, Lead(self.register), instance.life)
        if not self.register.version:
            self._initialise(instance)

    def _initialise(self, instance: Instance) -> None:
        """As the service's command line does, until it is written down."""
        nodes = tuple((id_, self._world.hosts[id_].address) for id_ in self._world.parameters.ids)
        self._give_order(instance, "init", nodes=nodes, size=self._size)

    def _lose_lead(self, instance: Instance) -> None:
        if instance.service.leading and not (self._settled and instance is self.instances[0]):
            self._step(instance, Lead(None), instance.life)

    # What people want.

    def _order_something(self, instance: Instance, members: tuple[int, ...]) -> None:
        random, ids = self._random, self._world.parameters.ids
        word = pick(random, ("switchover", "remove", "add", "size", "pause", "resume", "plan", "status"))
        node = pick(random, ids)
        if word == "size":
            self._give_order(instance, word, size=between(random, 1, len(ids)))
        elif word == "add":
            self._give_order(instance, word, (node,), address=self._world.hosts[node].address)
        elif word == "pause":
            self._give_order(instance, word)
            # Nobody leaves it so for long.
            self._world.at(self._world.now + SECOND, self._give_order, instance, "resume")
        elif word == "remove":
            self._give_order(instance, word, (node,))
            # By its id alone: the service knows where it was.
            self._world.at(self._world.now + SECOND, self._give_order, instance, "add", (node,))
        else:
            self._give_order(instance, word, members if word == "plan" else (node,))

    def _give_order(
        self,
        instance: Instance,
        word: str,
        ids: tuple[int, ...] = (),
        address: str = "",
        size: int = 0,
        nodes: tuple[tuple[int, str], ...] = (),
    ) -> None:
        self._tokens += 1
        order = Order(self._tokens, word, ids, address, size, nodes)
        self._step(instance, order, instance.life)

    # Steps, and what comes of them.

    def _step(self, instance: Instance, event: Event, life: int) -> None:
        if not instance.up or life != instance.life:
            return
        if instance.paused:
            instance.piled_up.append((event, life))
            return
        for effect in instance.service.step(event, now=self._world.now):
            self._carry_out(instance, effect)
        self._wake_soon(instance)

    def _wake_soon(self, instance: Instance) -> None:
        if instance.up and not instance.paused and instance.wake_at <= self._world.now:
            if not instance.service.leading:
                return
            instance.wake_at = max(instance.service.deadline, self._world.now + MILLISECOND)
            self._world.at(instance.wake_at, self._step, instance, Tick(), instance.life)

    def _carry_out(self, instance: Instance, effect: Effect) -> None:
        random, world, life = self._random, self._world, instance.life
        match effect:
            case Ask():
                self._ask(instance, effect)
            case Write():
                self._world.at(world.now + self._flight(300), self._write, instance, effect.record, life)
            case Say():
                self._check_said(effect)
                for _ in range(2 if chance(random, 0.1) else 1):
                    late = between(random, 0, 4000) * MILLISECOND if chance(random, 0.1) else 0
                    world.at(world.now + self._flight(20) + late, self._tell, instance, effect, life)
            case Answer():
                self._world.tally.faults[f"service_answered_{effect.ok}"] += 1
            case Note():
                self._check_note(instance, effect)
                self._world.tally.faults[f"service_says_{effect.code}"] += 1
                self._world.note("view", f"service {instance.number}: {effect.text}")

    def _flight(self, most: int) -> int:
        return between(self._random, 1, most * 1000) * (MILLISECOND // 1000)

    def _ask(self, instance: Instance, ask: Ask) -> None:
        world, config, sent = self._world, instance.config, ask.at
        host = world.host_at(ask.address) or world.hosts[ask.id]
        lost = ask.id in instance.cut or chance(self._random, 0.02)
        world.at(
            world.now + self._flight(20),
            self._look,
            instance,
            ask,
            host,
            sent,
            lost,
            sent + config.ask_timeout,
        )

    def _look(self, instance: Instance, ask: Ask, host: Host, sent: int, lost: bool, end: int) -> None:
        world = self._world
        found: Report | Trouble
        if lost or (host.up and host.paused):
            found, at = Trouble.SILENT, end
        elif not host.up:
            found, at = Trouble.REFUSED, world.now + self._flight(5)
        else:
            status = host.status(world.now)
            assert status is not None
            found, at = report_of(status), world.now + self._flight(20)
        world.at(at, self._step, instance, Saw(ask.id, ask.address, sent, found), instance.life)

    def _write(self, instance: Instance, record: Record, life: int) -> None:
        """Compare and set. Whoever wrote may be dead by now; the answer may be lost."""
        if record.version == self.register.version + 1:
            self._check_record(record)
            self.register = record
            self.records.append(record)
        answer = Stored(None if chance(self._random, 0.08) else self.register)
        self._world.at(self._world.now + self._flight(50), self._step, instance, answer, life)
        if answer.record is None:
            self._world.at(self._world.now + SECOND, self._let_lead, instance)

    def _tell(self, instance: Instance, say: Say, life: int) -> None:
        """A PUT arrives, however late: the node knows whether it is meant."""
        host = self._world.host_at(say.address)
        if host is None or say.id in instance.cut:
            return
        self._world.deliver(host, TellView(View(say.members, say.epoch), say.incarnation))
        status = host.status(self._world.now)
        obeyed = host.life == say.incarnation and status is not None and status.epoch == say.epoch
        said = Said(say.id, say.epoch, "" if obeyed else "lost")
        if not host.inbox and obeyed:
            self._world.at(self._world.now + self._flight(20), self._step, instance, said, life)

    # What the service owes.

    def _check_record(self, record: Record) -> None:
        before = self.register
        if record.epoch == before.epoch:
            demand(record.members == before.members, "service", f"view {record.epoch} changes its members")
            return
        demand(record.epoch == before.epoch + 1, "service", f"view {record.epoch} follows {before.epoch}")
        self._check_floor(before, record)
        led, lives = self._led
        if self.forced:
            return
        if not led:
            # The first view was adopted by somebody at least, who is in the next one.
            synced = [id_ for id_, life in record.carriers if self._is_synced(id_, life)]
            demand(record.epoch == 1 or bool(synced), "service", "a view follows one that nobody adopted")
            return
        since = [view for view in (*self.records, record) if view.epoch > led]
        keepers = {(id_, life) for id_, life in lives if all(id_ in view.ids for view in since)}
        for carrier in record.carriers:
            demand(
                carrier in keepers,
                "service",
                f"view {record.epoch} counts on node {carrier[0]} in life {carrier[1]:x}, "
                f"which does not hold what view {led} wrote",
            )
        demand(bool(record.carriers), "service", f"view {record.epoch} rests on nobody")

    def _check_floor(self, before: Record, record: Record) -> None:
        """A switchover keeps lower ids from leading by themselves, for as long as its primary is a member."""
        if record.cause in ("switchover", "force"):
            return
        came = [id_ for id_ in record.ids if id_ not in before.ids]
        demand(
            before.epoch == 0 or all(id_ >= before.floor for id_ in came),
            "service",
            f"view {record.epoch} takes in {came}, below the one that was switched to",
        )
        demand(
            record.floor == 0 or before.ids[0] in record.ids,
            "service",
            f"view {record.epoch} has lost its primary, and still keeps out who is below {record.floor}",
        )

    def _check_note(self, instance: Instance, note: Note) -> None:
        """A view that is called active has been: spares are filled, and people sent home, on its word."""
        sight = instance.service.sight()
        if note.code == "active" and sight is not None:
            epoch = sight.record.epoch
            demand(self._led[0] >= epoch, "service", f"view {epoch} is called active, and nobody has led it")

    def _check_said(self, say: Say) -> None:
        known = self._views.setdefault(say.epoch, say.members)
        demand(known == say.members, "service", f"two views are number {say.epoch}")
        written = [record for record in self.records if record.epoch == say.epoch]
        demand(bool(written), "service", f"view {say.epoch} is told before it is written down")
        meant = any((say.id, say.incarnation) in record.lives for record in written)
        demand(
            meant,
            "service",
            f"view {say.epoch} is told to a life of node {say.id} that it was not decided for",
        )


def report_of(status: Status) -> Report:
    """What ``GET /view`` would say."""
    return Report(
        id=status.id,
        incarnation=status.incarnation,
        epoch=status.epoch,
        members=status.view.members if status.view is not None else (),
        status=status.status,
        waiting_for=tuple(Waits(wait.id, wait.reason) for wait in status.waiting_for),
        blocked=status.blocked,
        holds=status.synced is not None,
        commit=status.commit,
        log_end=status.log_end,
    )
