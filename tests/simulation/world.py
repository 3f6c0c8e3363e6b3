"""The event loop of a run: true time, hosts, and what happens when.

Everything that will happen is in one queue, ordered by time and then by when it was arranged. ``step`` is the
one place in which a replica is touched, and every step is checked before its effects go out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from heapq import heappop, heappush

from pbproto import (
    Batch,
    Effect,
    Event,
    Get,
    GetAll,
    InvariantError,
    Receive,
    Reject,
    Replica,
    Reply,
    Send,
    Tick,
)
from pbproto.config import MILLISECOND
from pbproto.effects import ViewAccepted
from pbproto.events import TellView
from pbproto.messages import Confirm, Confirmed
from pbproto.state import State

from . import tap
from .arrivals import requests_of
from .chance import between, stream
from .checks import Checks
from .clients import Clients
from .faults import Faults
from .host import Host, Input
from .network import Network
from .outside import Outside
from .plan import Ask, Change, Fault, Plan
from .tally import Tally
from .trace import Happening, Mail, Step, Trace
from .violation import Violation


class StoppedError(Exception):
    """The run has made as many steps as it may."""


class World:
    """A cluster, its network, its clients and its outside, as a plan says."""

    def __init__(
        self, plan: Plan, *, keep: bool = False, outside: Callable[[World], Outside] = Outside
    ) -> None:
        self.plan = plan
        self.parameters = plan.parameters
        self.now = 0
        self.steps = 0
        self.calm = False
        """The faults are over."""
        self.trace = Trace(keep)
        self.tally = Tally()
        self._queue: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._arranged = 0
        self._lives = stream(plan.seed, "lives")
        self._jitter = stream(plan.seed, "jitter")
        self.hosts = {id_: Host(id_, f"host{id_}:80") for id_ in self.parameters.ids}
        tap.take()
        self.checks = Checks(self, leases=self.parameters.config.lease > 0)
        self.network = Network(self)
        self.outside = outside(self)
        self.clients = Clients(self)
        self.faults = Faults(self)
        for host in self.hosts.values():
            self.faults.set_clock(host)
            self.start(host)
        for item in plan.items:
            self.at(item.at, self._begin, item)

    # Time.

    def at(self, time: int, function: Callable[..., None], *arguments: object) -> None:
        """Arrange that something happens."""
        self._arranged += 1
        heappush(self._queue, (max(time, self.now), self._arranged, function, arguments))

    def run(self, end: int, until: Callable[[], bool] | None = None) -> bool:
        """Let happen what happens up to ``end``; whether ``until`` became true, at which it stops."""
        while self._queue and self._queue[0][0] <= end:
            if until is not None and until():
                return True
            self.now, _, function, arguments = heappop(self._queue)
            function(*arguments)
        self.now = max(self.now, end)
        return until is not None and until()

    def _begin(self, item: Ask | Fault | Change) -> None:
        match item:
            case Ask():
                self.clients.ask(item)
            case Fault():
                if not self.calm:
                    self.faults.begin(item)
            case Change():
                if not self.calm:
                    self.outside.change(item)

    def note(self, what: str, text: str, *nodes: int) -> None:
        """Write down what happened outside the replicas."""
        if self.trace.keep:
            self.trace.add(Happening(self.now, what, text, nodes))

    # Hosts.

    def start(self, host: Host) -> None:
        """A node starts, and has forgotten everything."""
        host.life = self._lives.getrandbits(64) | 1
        config = self.parameters.config
        if host.id in self.parameters.rounds:
            config = replace(config, lease=0)
        host.replica = Replica(host.id, host.life, config)
        host.wake_at = -1
        host.paused = 0
        host.busy_until = self.now
        self.note("start", f"node {host.id} starts at {host.address}", host.id)

    def crash(self, host: Host) -> None:
        """A node is gone, with everything it knew and everyone who was connected."""
        if host.replica is None:
            return
        self.checks.ended(host)
        self.outside.gone(host.id)
        host.replica = None
        host.inbox.clear()
        host.wake_at = -1
        self.note("crash", f"node {host.id} crashes", host.id)
        self.clients.reset(host)

    def host_at(self, address: str) -> Host | None:
        """Who listens at an address now."""
        for host in self.hosts.values():
            if host.address == address and host.up:
                return host
        return None

    def deliver(self, host: Host, event: Event, life: int = 0, mail: Mail | None = None) -> None:
        """Something reaches a host: it happens now, or when the node gets round to it."""
        host.inbox.append(Input(event, life, mail))
        if requests_of(event):
            self.at(self.now, self.drain, host)  # after whoever else arrives at this moment
        else:
            self.drain(host)

    def drain(self, host: Host, scheduled: bool = False) -> None:
        """Let the node do what has piled up."""
        if scheduled:
            host.draining = False
        while host.inbox and host.up and not host.paused:
            if host.busy_until > self.now:
                if not host.draining:
                    host.draining = True
                    self.at(host.busy_until, self.drain, host, True)
                return
            waiting = host.inbox.popleft()
            if waiting.life in (0, host.life):
                self.step(host, self._together(host, waiting.event), waiting.mail)

    def _together(self, host: Host, event: Event) -> Event:
        """All clients that have arrived by now go on in one step, as in a frontend."""
        requests = requests_of(event)
        while requests and host.inbox and (more := requests_of(host.inbox[0].event)):
            requests += more if host.inbox.popleft().life in (0, host.life) else ()
        if len(requests) < 2:
            return event
        self.tally.faults["together"] += 1
        return Batch(requests)

    def _wake(self, host: Host, life: int, time: int) -> None:
        if host.life == life and host.wake_at == time:
            host.wake_at = -1
            self.deliver(host, Tick(), life)

    # Steps.

    def step(self, host: Host, event: Event, mail: Mail | None = None) -> None:
        """One step of a replica, checked; its effects are carried out."""
        replica = host.replica
        assert replica is not None
        if self.plan.limit is not None and self.steps >= self.plan.limit:
            raise StoppedError
        self.steps += 1
        local = host.clock.read(self.now)
        before = self.checks.before(host)
        try:
            effects = replica.step(event, now=local)
        except InvariantError as error:
            self._record(host, local, event, mail, (), ())
            raise Violation("core", f"node {host.id} stops rather than lie: {error}") from error
        self.trace.digest_step(self.now, host.id, event, effects)
        self.tally.step(event, effects)
        host.busy_until = self.now + host.cost
        sent = tuple(self.network.stamp(effect) for effect in effects if isinstance(effect, Send))
        if self.trace.keep:
            self._record(host, local, event, mail, effects, sent)
        self.checks.after(host, event, effects, before)
        self._count_leased(host, event, effects)
        self._carry_out(host, event, effects, sent)
        self._arrange_wake(host)
        self.outside.after_step(host)
        self.faults.after_step(host)

    def _count_leased(self, host: Host, event: Event, effects: tuple[Effect, ...]) -> None:
        lead = self.state(host.id).lead
        if lead is None or not lead.backups:
            return
        if isinstance(event, Get | GetAll):
            self.tally.faults["leased_read"] += any(isinstance(effect, Reply) for effect in effects)
        elif isinstance(event, Receive) and isinstance(event.message, Confirm):
            said = (effect.message for effect in effects if isinstance(effect, Send))
            self.tally.faults["leased_answer"] += any(isinstance(message, Confirmed) for message in said)

    def _carry_out(
        self, host: Host, event: Event, effects: tuple[Effect, ...], sent: tuple[Mail, ...]
    ) -> None:
        for mail in sent:
            self.network.post(host, mail)
        for effect in effects:
            if isinstance(effect, Reply | Reject):
                self.clients.answered(host, effect)
            elif isinstance(effect, ViewAccepted) and isinstance(event, TellView):
                self.outside.accepted(host, event.view)

    def _arrange_wake(self, host: Host) -> None:
        replica = host.replica
        assert replica is not None
        if replica.deadline is None:
            host.wake_at = -1
            return
        # Timers fire late, never early: by up to a millisecond here.
        time = max(host.clock.when(replica.deadline), self.now) + between(self._jitter, 0, MILLISECOND)
        if host.wake_at == -1 or time < host.wake_at:
            host.wake_at = time
            self.at(time, self._wake, host, host.life, time)

    def clock_changed(self, host: Host) -> None:
        """A deadline lies elsewhere in true time now."""
        host.wake_at = -1
        if host.up:
            self._arrange_wake(host)

    def _record(
        self,
        host: Host,
        local: int,
        event: Event,
        mail: Mail | None,
        effects: tuple[Effect, ...],
        sent: tuple[Mail, ...],
    ) -> None:
        state = self.state(host.id)
        role = (
            "primary"
            if state.lead
            else "proposing"
            if state.proposal
            else "backup"
            if state.follow
            else "idle"
        )
        status = f"{role} {state.promised} log {state.log.end} commit {state.commit}"
        self.trace.add(
            Step(self.steps, self.now, local, host.id, host.life, event, mail, effects, sent, status)
        )

    def at_rest(self) -> bool:
        """Whether no request waits at any node, not even one whose client has hung up."""
        return not any(host.up and self.state(host.id).waiting.clients for host in self.hosts.values())

    # What the watch looks at.

    def state(self, id_: int) -> State:
        replica = self.hosts[id_].replica
        assert replica is not None
        return replica.state

    def state_if_up(self, id_: int) -> State | None:
        replica = self.hosts[id_].replica
        return None if replica is None else replica.state
