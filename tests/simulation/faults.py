"""Faults that last: each begins when its time comes and is undone when it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pbproto import Close
from pbproto.config import MILLISECOND
from pbproto.state import State

from .host import MILLION, Host
from .network import Link
from .plan import Change, Fault, Told

if TYPE_CHECKING:
    from .world import World

Undo = Callable[[], None]

MOMENTS: dict[str, Callable[[State], bool]] = {
    "promised": lambda state: state.follow is not None and not state.active,
    "proposing": lambda state: state.proposal is not None and len(state.proposal.promises) > 1,
    "fetching": lambda state: state.staging is not None and state.staging.thaw is not None,
    "a source": lambda state: state.frozen is not None,
    "forwarding": lambda state: state.follow is not None and bool(state.follow.forwarded),
    "uncommitted": lambda state: state.lead is not None and len(state.lead.uncommitted) > 1,
    "parking": lambda state: state.lead is not None and bool(state.lead.parked),
    "synced": lambda state: state.proposal is not None and len(state.proposal.adopted) > 1,
}
"""What an ambush waits for, at any node."""


class Faults:
    """Begins faults, and undoes those that are not over when the calm begins."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._undo: dict[int, Undo] = {}
        self._begun = 0
        self._ambushes: list[Fault] = []

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
            self._world.note("fault", f"{fault.kind} of {' '.join(map(str, fault.nodes))} is over", *fault.nodes)
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
                return self._pause(host)
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

    def _links(self, fault: Fault) -> tuple[Link, ...]:
        ids = self._world.parameters.ids
        if fault.kind in ("split", "isolate"):
            inside = fault.nodes
            outside = [id_ for id_ in ids if id_ not in inside]
            return tuple(
                link for one in inside for other in outside for link in ((one, other), (other, one))
            )
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
        if not host.up or host.paused or not world.outside.may_restart(host.id):
            return None
        replica = host.replica
        assert replica is not None
        if replica.state.staging is not None:
            world.tally.faults["crash_while_fetching"] += 1
        if replica.state.frozen is not None:
            world.tally.faults["crash_of_a_source"] += 1
        if fault.kind == "stop":
            world.step(host, Close())
        world.crash(host)
        world.outside.gone(host.id)

        def undo() -> None:
            if fault.kind == "move":
                self._move(host)
            world.start(host)
            if fault.amount % 4 and not world.calm:
                world.outside.retell(host.id, fault.amount * MILLISECOND // 10)

        return undo

    def _move(self, host: Host) -> None:
        """The node comes back at another address: that of a node that is down, if there is one."""
        others = [each for each in self._world.hosts.values() if not each.up and each is not host]
        if others:
            host.address, others[0].address = others[0].address, host.address
        else:
            host.address = f"{host.address.partition(':')[0]}:{81 + self._begun}"

    def _pause(self, host: Host) -> Undo:
        host.paused += 1

        def undo() -> None:
            host.paused -= 1
            self._world.drain(host)

        return undo

    def _slow(self, host: Host, cost: int) -> Undo:
        host.cost += cost

        def undo() -> None:
            host.cost -= cost

        return undo

    def _drift(self, host: Host, amount: int) -> Undo:
        """From a third slower to half as fast again."""
        rate = MILLION + (amount - 400) * 800
        host.clock.change(self._world.now, rate)
        self._world.clock_changed(host)

        def undo() -> None:
            host.clock.change(self._world.now, MILLION)
            self._world.clock_changed(host)

        return undo

    def _jump(self, host: Host, jump: int) -> Undo:
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
            if host.up and MOMENTS[moment](self._world.state(host.id)):
                self._ambushes.remove(fault)
                # Not within this step: what it has sent is on its way first.
                self._world.at(self._world.now, self._spring, host.id, moment, fault)
                return

    def _spring(self, id_: int, moment: str, fault: Fault) -> None:
        world = self._world
        if world.calm:
            return
        world.tally.faults[f"ambush while {moment}"] += 1
        if fault.amount % 3:
            until = world.now + (1 + fault.amount % 50) * MILLISECOND
            self.begin(Fault(world.now, until, "crash", (id_,), fault.amount | 1))
        else:
            members = tuple(each for each in world.parameters.ids if fault.amount >> each & 1 or each == id_)
            puts = tuple(Told(each, 0) for each in world.parameters.ids)
            world.outside.change(Change(world.now, members, puts))

    def _storm(self) -> Undo:
        network = self._world.network
        network.storm += 1

        def undo() -> None:
            network.storm -= 1

        return undo
