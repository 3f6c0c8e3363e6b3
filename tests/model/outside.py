"""The outside: one process that orders one view after another, and keeps its contract.

``docs/protocol.md``, "What the outside owes". It knows which members still keep the data (of the last view it
found active and of every view ordered since, not restarted since), orders no view without one, and lets no
node crash that is the last one. It is assumed to look at ``GET /view`` at every moment: that only ever adds
keepers, so whatever an outside that looks less often could do, this one does as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from pbproto import TellView, View

from .facts import Facts
from .scope import LIVES, Scope, view


@dataclass(frozen=True, slots=True)
class Outside:
    """What the outside did so far, and what may still go wrong. Sets of nodes and of views are bit masks."""

    ordered: int
    """The latest view: a place in ``Views.views``."""
    keepers: int
    fresh: int
    """Nodes that were told the latest view after it was ordered, and after the last crash: one that says
    ``active`` is believed."""
    puts: tuple[int, ...]
    """Per node the views whose PUT may still arrive at this life of it."""
    lives: tuple[int, ...]
    timers: int
    crashes: int
    again: int
    closes: int


class Act(NamedTuple):
    """Something the outside does, or that happens to a node."""

    what: Literal["order", "tell", "crash", "close"]
    node: int
    place: int
    """Of the view; of a crash, the life that begins; of a stop, 0."""


Known = dict[Act, int]
"""What can happen, each with the number of the outside's state after it."""


def mask(ids: tuple[int, ...]) -> int:
    return sum(1 << id_ for id_ in ids)


class Views:
    """The states of the outside that were met, by number, and what it can do in each."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        first = view(scope.first, scope.first_epoch) if scope.first else None
        self.views: list[View | None] = [first, *(view(order.members, order.epoch) for order in scope.orders)]
        self.to = [scope.first, *(order.to for order in scope.orders)]
        self.met: list[Outside] = []
        self._numbers: dict[Outside, int] = {}
        self._acts: dict[int, Known] = {}
        self._found: dict[tuple[int, int, object], int] = {}
        everyone = (1 << scope.nodes) - 1
        first_members = mask(scope.first) if scope.first else everyone
        self.start = self.intern(
            Outside(
                ordered=0,
                keepers=first_members,
                fresh=mask(scope.first),
                puts=(0,) * scope.nodes,
                lives=(0,) * scope.nodes,
                timers=scope.timers,
                crashes=scope.crashes,
                again=scope.again,
                closes=scope.closes,
            )
        )

    def intern(self, outside: Outside) -> int:
        number = self._numbers.get(outside)
        if number is None:
            number = self._numbers[outside] = len(self.met)
            self.met.append(outside)
        return number

    def event(self, place: int) -> TellView:
        told = self.views[place]
        assert told is not None
        return TellView(told)

    def acts(self, number: int) -> Known:
        """All that can happen now."""
        known = self._acts.get(number)
        if known is None:
            outside = self.met[number]
            known = {
                **self._orders(outside),
                **self._tells(outside),
                **self._crashes(outside),
                **self._closes(outside),
            }
            self._acts[number] = known
        return known

    def after(self, number: int, act: Act) -> int:
        """The outside's state after something that can happen now."""
        return self.acts(number)[act]

    def _orders(self, outside: Outside) -> Known:
        place = outside.ordered + 1
        if place >= len(self.views):
            return {}
        order = self.scope.orders[place - 1]
        members = mask(order.members)
        if not (order.free or outside.keepers & members):
            return {}
        # No PUT of an unnumbered view arrives after one of a later view was sent.
        kept = outside.puts if order.epoch is not None else (0,) * self.scope.nodes
        after = replace(
            outside,
            ordered=place,
            keepers=outside.keepers & members or members,
            fresh=0,
            puts=tuple(puts | (1 << place if id_ in order.to else 0) for id_, puts in enumerate(kept)),
        )
        return {Act("order", -1, place): self.intern(after)}

    def _tells(self, outside: Outside) -> Known:
        found: Known = {}
        for id_, puts in enumerate(outside.puts):
            for place in range(len(self.views)):
                latest = place == outside.ordered
                fresh = outside.fresh | (1 << id_ if latest else 0)
                if puts >> place & 1:
                    left = (*outside.puts[:id_], puts & ~(1 << place), *outside.puts[id_ + 1 :])
                    after = replace(outside, puts=left, fresh=fresh)
                elif latest and outside.again and id_ in self.to[place]:
                    after = replace(outside, again=outside.again - 1, fresh=fresh)
                else:
                    continue
                found[Act("tell", id_, place)] = self.intern(after)
        return found

    def _crashes(self, outside: Outside) -> Known:
        found: Known = {}
        for id_ in self.scope.mortal or range(self.scope.nodes):
            keepers = outside.keepers & ~(1 << id_)
            life = outside.lives[id_] + 1
            if not outside.crashes or not keepers or life >= len(LIVES):
                continue
            # A PUT reaches one life of a node. The next one is told the latest view only.
            told = self.views[outside.ordered]
            wanted = told is not None and (id_ in self.to[outside.ordered] or told.member(id_) is not None)
            puts = 1 << outside.ordered if wanted else 0
            after = replace(
                outside,
                keepers=keepers,
                fresh=0,
                puts=(*outside.puts[:id_], puts, *outside.puts[id_ + 1 :]),
                lives=(*outside.lives[:id_], life, *outside.lives[id_ + 1 :]),
                crashes=outside.crashes - 1,
            )
            found[Act("crash", id_, life)] = self.intern(after)
        return found

    def _closes(self, outside: Outside) -> Known:
        # A node that is stopping keeps the data until it is gone: it is as good a keeper as before.
        if not outside.closes:
            return {}
        after = self.intern(replace(outside, closes=outside.closes - 1))
        return {Act("close", id_, 0): after for id_ in self.scope.mortal or range(self.scope.nodes)}

    def timer(self, number: int) -> int:
        """Some node's clock moved."""
        outside = self.met[number]
        return self.intern(replace(outside, timers=outside.timers - 1))

    def look(self, number: int, facts: Facts) -> int:
        """The outside looks at ``GET /view`` of a node: does it prove that the latest view is active?"""
        key = (number, facts.id, facts.says_active)
        known = self._found.get(key)
        if known is None:
            outside = self.met[number]
            told = self.views[outside.ordered]
            known = number
            if (
                told is not None
                and outside.fresh >> facts.id & 1
                and facts.says_active == (told.members, told.epoch)
            ):
                members = mask(tuple(member.id for member in told.members))
                known = self.intern(replace(outside, keepers=members))
            self._found[key] = known
        return known
