"""The outside: one process that sends one view after another, and keeps what ``docs/protocol.md`` asks of it.

*Keepers* are the members of the last view known to be active, and of every view sent after it, that were not
restarted since. Each new view has one of them, and the last one is never restarted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pbproto import Member, TellView, View
from pbproto.config import MILLISECOND

from .chance import between, pick, some, stream
from .host import Host
from .parameters import Shape
from .plan import Change

if TYPE_CHECKING:
    from .world import World


LATE = 100 * MILLISECOND
"""A PUT that takes longer is counted as late."""


class Outside:
    """What the outside has sent, and what it knows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.told = View(())
        self._epoch = 0
        self.keepers: tuple[int, ...] = ()
        self._told_at: dict[int, tuple[int, int, int]] = {}
        """Per node which view it was told last and has accepted, by number, at which step, in which life."""
        self._sent = 0
        """The number of the last view; a PUT of an unnumbered one that was overtaken is called off."""
        self._restarted_at = -1
        self.split = False
        """Two halves serve at the moment (only where the plan's shape says so)."""
        self._joined = False
        """They have served, and are one again, or on the way to it."""
        self._chance = stream(world.plan.seed, "outside")
        self._ever_active = False

    # Sending views.

    def change(self, change: Change) -> None:
        """Send a new view, or the present one again, as far as the rules allow."""
        world = self._world
        self._note_activity()
        if change.members and world.parameters.shape is Shape.HALVES:
            self._halves(change)
            return
        members = change.members
        if self.told.epoch is not None and not self._ever_active:
            members = ()  # epoch 1 alone may start empty: a later one would wait for data that never was
        if members and self.keepers and not set(members) & set(self.keepers):
            members = tuple(sorted((*members, self.keepers[0])))
        if not self.told.members:
            self.keepers = members = change.members or world.parameters.first
        if members and self._addressed(members) != self.told.members:
            self._order(members)
        for put in change.puts:
            member = self.told.member(put.node) is not None
            if put.empty and self.told.epoch is None:
                world.tally.faults["view_empty"] += 1
                self._put(put.node, put.delay, View(()))
            elif member or put.node % 2 == self._sent % 2:  # some of those outside hear of it, too
                self._put(put.node, put.delay)
                if put.again:
                    world.tally.faults["view_told_twice"] += 1
                    self._put(put.node, put.delay + put.again)
        told = {put.node for put in change.puts}
        world.tally.faults["view_lost"] += any(member.id not in told for member in self.told.members)

    def retell(self, restarted: int, delay: int) -> None:
        """A node is back: the members hear the present view again, the restarted one first or last."""
        ids = [member.id for member in self.told.members]
        for place, id_ in enumerate(sorted(ids, key=lambda id_: (id_ != restarted) == bool(delay % 2))):
            self._put(id_, delay * place)

    def _addressed(self, members: tuple[int, ...]) -> tuple[Member, ...]:
        return View.of([(id_, self._world.hosts[id_].address) for id_ in members]).members

    def _order(self, members: tuple[int, ...]) -> None:
        world = self._world
        self._sent += 1
        self._epoch += 1
        epoch = self._epoch if world.parameters.numbered else None
        self.told = View(self._addressed(members), epoch)
        self.keepers = tuple(id_ for id_ in self.keepers if id_ in members)
        world.tally.faults["view_numbered" if epoch else "view_unnumbered"] += 1
        world.note("view", f"the outside sends {members}", *members)

    def _put(self, node: int, delay: int, view: View | None = None) -> None:
        """Tell a node a view, which is the present one unless said otherwise."""
        world = self._world
        host = world.hosts[node]
        if host.up:
            world.at(world.now + delay, self._arrive, host, host.life, view or self.told, self._sent)
            world.tally.faults["view_late"] += delay > LATE

    def _arrive(self, host: Host, life: int, told: View, sent: int) -> None:
        if not host.up:
            return
        if host.life != life:
            # A PUT is said to one life of a node: to its next life an old view would be an order.
            self._world.tally.faults["view_for_a_former_life"] += 1
            self._world.deliver(host, TellView(told, life))
            return
        # An unnumbered PUT never arrives after a later view was sent; the outside calls it off.
        if told.epoch is None and sent != self._sent and not self.split:
            self._world.tally.faults["view_called_off"] += 1
            return
        if sent != self._sent:
            self._world.tally.faults["view_out_of_order"] += 1
        self._world.deliver(host, TellView(told), life)

    def accepted(self, host: Host, view: View) -> None:
        """A node says 202."""
        number = view.epoch or (self._sent if view == self.told else 0)
        self._told_at[host.id] = (number, self._world.steps, host.life)

    def after_step(self, host: Host) -> None:
        """A node has made a step: nothing that this outside looks at by itself."""

    # What the outside knows.

    def _note_activity(self) -> None:
        """Ask around: one member's "active" is enough, if it was told this view since it was sent, and since
        the last restart of any node. What a member says of an earlier order of the same members proves
        nothing.
        """
        for member in self.told.members:
            host = self._world.hosts[member.id]
            status = host.status(self._world.now)
            if status is None or host.inbox:
                continue
            number, step, _ = self._told_at.get(member.id, (0, 0, 0))
            fresh = number == self._sent and step > self._restarted_at
            if fresh and status.status == "active" and status.view == self.told:
                # Nobody counts on a node that has begun to stop.
                self.keepers = tuple(
                    each.id
                    for each in self.told.members
                    if not self._world.hosts[each.id].up or not self._world.state(each.id).closing
                )
                self._ever_active = True

    def everywhere_active(self) -> bool:
        """Whether every member says that the view sent last is active."""
        for member in self.told.members:
            status = self._world.hosts[member.id].status(self._world.now)
            if status is None or status.status != "active" or status.view != self.told:
                return False
        return True

    def may_restart(self, node: int) -> bool:
        """Whether somebody else would still carry the data over."""
        self._note_activity()
        if self.told.epoch is not None and not self._ever_active:
            return False  # the first numbered view must become active as it is, at these addresses
        if self.split or self._joined:
            return False  # what only one half holds would be lost
        return any(id_ != node for id_ in self.keepers)

    def gone(self, node: int) -> None:
        """A node has lost its memory."""
        self.keepers = tuple(id_ for id_ in self.keepers if id_ != node)
        self._restarted_at = self._world.steps

    # Two halves, and one again.

    def _halves(self, change: Change) -> None:
        """Order two views at once, each of half of the members; next time, the view of all again."""
        world = self._world
        ids = world.parameters.ids
        if not self.split and self.everywhere_active() and 0 < len(change.members) < len(ids):
            self.split = True
            world.checks.histories_part()
            world.tally.faults["halves"] += 1
            for half in (change.members, tuple(id_ for id_ in ids if id_ not in change.members)):
                self._order(half)
                self._tell_all(half)
        else:
            self._join()

    def _join(self) -> None:
        if self.split:
            self.keepers = self._world.parameters.ids
        if self._addressed(self._world.parameters.ids) != self.told.members:
            self._order(self._world.parameters.ids)
        self._joined = self._joined or self.split
        self.split = False
        self._tell_all(self._world.parameters.ids)

    def _tell_all(self, ids: tuple[int, ...]) -> None:
        """Each node once, in any order, at once or over a moment."""
        apart = pick(self._chance, (0, MILLISECOND, 300 * MILLISECOND))
        for id_ in some(self._chance, ids, len(ids)):
            self._put(id_, between(self._chance, 0, apart))

    # The end.

    def settle(self) -> None:
        """All members of the last view are told it. Half of the time that means: only those who were not yet.

        Otherwise the last view is one of all nodes, told to all of them.
        """
        if self._world.parameters.shape is Shape.HALVES:
            self._join()
            return
        self._note_activity()
        missing = [id_ for id_ in self._world.hosts if not self._was_told(id_)]
        moved = self._addressed(tuple(member.id for member in self.told.members)) != self.told.members
        if self._world.plan.seed % 2 and self.told.members and not moved:
            self._tell_all(tuple(missing))
            return
        first = self.told.epoch is not None and not self._ever_active
        if not first and self._addressed(self._world.parameters.ids) != self.told.members:
            self._order(self._world.parameters.ids)
        self._tell_all(tuple(member.id for member in self.told.members))

    def _was_told(self, node: int) -> bool:
        """Whether a PUT of the last view has reached the life that this node has now."""
        return self._told_at.get(node, (0, 0, 0))[::2] == (self._sent, self._world.hosts[node].life)
