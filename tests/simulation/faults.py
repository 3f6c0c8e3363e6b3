"""Faults that last: each begins when its time comes and is undone when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pbproto import Close
from pbproto.config import MILLISECOND
from pbproto.state import State

from .chance import between, stream
from .host import MILLION, Host
from .network import Link
from .plan import Change, Fault, Told

if TYPE_CHECKING:
    from .world import World

Undo = Callable[[], None]
Moment = Callable[[State], int | None]


def _itself(condition: Callable[[State], object]) -> Moment:
    return lambda state: state.id if condition(state) else None


def _fetches(state: State) -> bool:
    """It has part of a snapshot: of the base of a view, or of a copy for the next one."""
    return any(part is not None and part.thaw is not None for part in (state.staging, state.learning))


def _gives(state: State) -> bool:
    """Somebody fetches a snapshot from it."""
    filling = state.lead.filling if state.lead is not None else None
    learners = filling.learners.values() if filling is not None else ()
    return state.frozen is not None or any(learner.frozen is not None for learner in learners)


def _promiser(state: State) -> int | None:
    """A member whose promise a primary has while it waits for another's."""
    proposal = state.proposal
    if proposal is None or proposal.base is not None:
        return None
    return next((id_ for id_ in proposal.promises if id_ != state.id), None)


def _adopter(state: State) -> int | None:
    """A member that holds the base while another does not."""
    proposal = state.proposal
    if proposal is None:
        return None
    return next((id_ for id_ in proposal.adopted if id_ != state.id), None)


MOMENTS: dict[str, Moment] = {
    "it has promised": _itself(lambda state: state.follow is not None and not state.active),
    "it proposes": _itself(lambda state: state.proposal is not None and len(state.proposal.promises) > 1),
    "it fetches": _itself(_fetches),
    "it is a source": _itself(_gives),
    "it forwards": _itself(lambda state: state.follow is not None and bool(state.follow.forwarded)),
    "its log is uncommitted": _itself(
        lambda state: state.lead is not None and len(state.lead.uncommitted) > 2
    ),
    "it parks": _itself(lambda state: state.lead is not None and bool(state.lead.parked)),
    "its promise waits for others": _promiser,
    "it waits for others to adopt": _adopter,
}
"""What an ambush waits for at any node, and whom it then hits."""


CONSEQUENCES = ("crash", "crash", "cut", "cut", "another view")
"""What an ambush does."""


def _consequence(fault: Fault) -> str:
    return CONSEQUENCES[fault.amount // len(MOMENTS) % len(CONSEQUENCES)]


class Faults:
    """Begins faults, and undoes those that are not over when the calm begins."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._undo: dict[int, Undo] = {}
        self._begun = 0
        self._ambushes: list[Fault] = []
        self._usual: dict[int, int] = {}
        """Per node the rate of its clock when nothing is wrong, where that is not true time."""

    def begin(self, fault: Fault) -> None:
        """Let a fault begin, if the rules of the fault model allow it now."""
        world = self._world
        undo = self._start(fault)
        if undo is None:
            world.tally.faults[f"{fault.kind} left out"] += 1
            return
        world.tally.faults[fault.kind] += 1
        world.note("fault", f"{fault.kind} of {' '.join(map(str, fault.nodes))} begins", *fault.nodes)
        self._begun += 1
        self._undo[self._begun] = undo
        world.at(fault.until, self._end, self._begun, fault)

    def _end(self, number: int, fault: Fault) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            self._world.note(
                "fault", f"{fault.kind} of {' '.join(map(str, fault.nodes))} is over", *fault.nodes
            )
            undo()

    def end_all(self) -> None:
        """The calm begins."""
        for number in list(self._undo):
            self._undo.pop(number)()

    def _start(self, fault: Fault) -> Undo | None:
        host = self._world.hosts[fault.nodes[0]]
        match fault.kind:
            case "cut" | "cut_one_way" | "hold" | "hold_one_way" | "split" | "isolate":
                return self._block(fault)
            case "crash" | "stop" | "move":
                return self._crash(host, fault)
            case "pause":
                return self._pause(host, asleep=fault.amount % 3 == 0 and not self._leases)
            case "slow":
                return self._slow(host, fault.amount * MILLISECOND // 20)
            case "drift":
                return self._drift(host, fault.amount)
            case "jump":
                return self._jump(host, (fault.amount - 500) * 4 * MILLISECOND)
            case "storm":
                return self._storm()
            case "ambush":
                return self._lie_in_wait(fault)
        raise AssertionError(fault.kind)

    @property
    def _leases(self) -> int:
        """How long leases are. With any, clocks are bounded: see ``Parameters.config``."""
        return self._world.parameters.config.lease

    def _links(self, fault: Fault) -> tuple[Link, ...]:
        ids = self._world.parameters.ids
        if fault.kind in ("split", "isolate"):
            inside = fault.nodes
            outside = [id_ for id_ in ids if id_ not in inside]
            return tuple(link for one in inside for other in outside for link in ((one, other), (other, one)))
        if len(fault.nodes) < 2:
            return ()
        one, other = fault.nodes
        if fault.kind.endswith("one_way"):
            return ((one, other),)
        return ((one, other), (other, one))

    def _block(self, fault: Fault) -> Undo | None:
        links = self._links(fault)
        if not links:
            return None
        how = "hold" if fault.kind.startswith("hold") else "cut"
        network = self._world.network
        for link in links:
            network.block(link, how)

        def undo() -> None:
            for link in links:
                network.unblock(link, how)

        return undo

    def _crash(self, host: Host, fault: Fault) -> Undo | None:
        world = self._world
        if not host.up or not world.outside.may_restart(host.id):
            return None
        if host.paused:
            world.tally.faults["crash_while_paused"] += 1
        replica, life = host.replica, host.life
        assert replica is not None
        if replica.state.staging is not None:
            world.tally.faults["crash_while_fetching"] += 1
        if replica.state.frozen is not None:
            world.tally.faults["crash_of_a_source"] += 1
        if replica.state.follow is not None and replica.state.follow.forwarded:
            world.tally.faults["crash_of_a_forwarder"] += 1
        if fault.kind == "stop":
            world.outside.gone(host.id)  # it counts on this node no more
            world.step(host, Close())
            # It goes on for a while, and turns newcomers away.
            world.at(min(fault.until, world.now + 30 * MILLISECOND), self._end_of_life, host, host.life)
        else:
            world.crash(host)

        def undo() -> None:
            if host.life != life:
                return  # another fault has ended that life, and nobody asked whether this one may end
            world.crash(host)
            if fault.kind == "move":
                self._move(host)
            world.start(host)
            if fault.amount % 4 and not world.calm:
                world.outside.retell(host.id, fault.amount * MILLISECOND // 10)

        return undo

    def _may_crash(self, node: int) -> bool:
        return self._world.hosts[node].up and self._world.outside.may_restart(node)

    def _end_of_life(self, host: Host, life: int) -> None:
        if host.life == life:
            self._world.crash(host)

    def _move(self, host: Host) -> None:
        """The node comes back at another address: that of a node that is down, if there is one."""
        others = [each for each in self._world.hosts.values() if not each.up and each is not host]
        if others:
            host.address, others[0].address = others[0].address, host.address
        else:
            host.address = f"{host.address.partition(':')[0]}:{81 + self._begun}"

    def _pause(self, host: Host, *, asleep: bool) -> Undo:
        """The process stands still. If the whole machine sleeps, so does its clock."""
        life, clock, began = host.life, host.clock, host.clock.read(self._world.now)
        host.paused += 1
        self._world.tally.faults["asleep"] += asleep

        def undo() -> None:
            if host.life != life or not host.up:
                return  # it was killed meanwhile, and what runs there now does not stand still
            host.paused -= 1
            if asleep:
                clock.change(self._world.now, clock.rate, began - clock.read(self._world.now))
                self._world.clock_changed(host)
            self._world.drain(host)

        return undo

    def _slow(self, host: Host, cost: int) -> Undo:
        host.cost += cost

        def undo() -> None:
            host.cost -= cost

        return undo

    def set_clock(self, host: Host) -> None:
        """Where there are leases each clock has a rate of its own from the beginning."""
        if self._leases:
            random = stream(self._world.plan.seed, "clock", host.id)
            self._usual[host.id] = self._rate(between(random, 1, 1000))
            host.clock.change(0, self._usual[host.id])

    def _rate(self, amount: int) -> int:
        """From a third slower to half as fast again; with leases, mostly as slow or as fast as may be."""
        if not self._leases:
            return MILLION + (amount - 400) * 800
        most = self._world.parameters.config.clock_drift
        return MILLION + (-most, most, (amount - 500) * most // 500)[amount % 3]

    def _drift(self, host: Host, amount: int) -> Undo:
        host.clock.change(self._world.now, self._rate(amount))
        self._world.clock_changed(host)

        def undo() -> None:
            host.clock.change(self._world.now, self._usual.get(host.id, MILLION))
            self._world.clock_changed(host)

        return undo

    def _jump(self, host: Host, jump: int) -> Undo | None:
        if self._leases:
            return None
        host.clock.change(self._world.now, host.clock.rate, jump)
        self._world.clock_changed(host)
        return lambda: None

    # Ambushes.

    def _lie_in_wait(self, fault: Fault) -> Undo:
        self._ambushes.append(fault)

        def undo() -> None:
            if fault in self._ambushes:
                self._ambushes.remove(fault)

        return undo

    def after_step(self, host: Host) -> None:
        """See whether the moment that an ambush waits for has come."""
        for fault in self._ambushes:
            names = list(MOMENTS)
            moment = names[fault.amount % len(names)]
            victim = MOMENTS[moment](self._world.state(host.id)) if host.up else None
            if victim is not None and (_consequence(fault) != "crash" or self._may_crash(victim)):
                self._ambushes.remove(fault)
                # Not within this step: what it has sent is on its way first.
                self._world.at(self._world.now, self._spring, victim, moment, fault)
                return

    def _spring(self, id_: int, moment: str, fault: Fault) -> None:
        world = self._world
        if world.calm:
            return
        consequence = _consequence(fault)
        world.tally.faults[f"ambush: {moment}, {consequence}"] += 1
        now, others = world.now, [each for each in world.parameters.ids if each != id_]
        until = now + (1 + fault.amount % 20) * MILLISECOND
        match consequence:
            case "crash":
                # Told again in no time: what was said to its former life is still on its way.
                self.begin(Fault(now, now + 300 * MILLISECOND, "storm", (id_,)))
                self.begin(Fault(now, until, "crash", (id_,), 1))
            case "cut":
                kind = "cut_one_way" if fault.amount % 2 else "hold_one_way"
                for other in others:
                    link = (id_, other) if fault.amount & 2 else (other, id_)
                    self.begin(Fault(now, now + 400 * MILLISECOND, kind, link))
            case _:
                members = tuple(
                    each for each in world.parameters.ids if fault.amount >> each & 1 or each == id_
                )
                puts = tuple(Told(each, 0) for each in world.parameters.ids)
                world.outside.change(Change(now, members, puts))

    def _storm(self) -> Undo:
        network = self._world.network
        network.storm += 1

        def undo() -> None:
            network.storm -= 1

        return undo
