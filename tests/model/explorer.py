"""Breadth-first through all worlds of a scope: the first violation that is met has a shortest path.

**Less mail is left out.** A world whose nodes, history and outside are those of a world met before, and
whose inboxes hold nothing that is not in the inboxes of that one, can do nothing that the other cannot:
messages need not be delivered. It is not followed. The other was met at the same depth or before, so shortest
paths stay the shortest. ``plain`` switches this off.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from struct import Struct
from typing import Literal

from .inspector import Inspector
from .nodes import ViolationError
from .scope import Scope
from .sometimes import SOMETIMES
from .world import Action, Universe, World

Verdict = Literal["exhausted", "bounded", "limit", "violation", "unseen"]

PROGRESS_EVERY = 1_000
"""Worlds between two calls of ``progress``."""


@dataclass(slots=True)
class Found:
    """What a search found."""

    scope: Scope
    verdict: Verdict = "exhausted"
    """``exhausted``: everything was tried; ``bounded``: everything up to the depth of the scope; ``limit``:
    the search was stopped at a number of states; ``violation``; ``unseen``: a 'sometimes' property was not
    met."""
    states: int = 0
    edges: int = 0
    depth: int = 0
    """The length of the longest of the shortest paths."""
    cut: int = 0
    """Steps of nodes that go beyond a cap of the scope."""
    frontier: int = 0
    """States that were met and not followed."""
    seen: dict[str, int] = field(default_factory=dict)
    """Per 'sometimes' property the depth at which it was met first."""
    unseen: tuple[str, ...] = ()
    check: str = ""
    text: str = ""
    path: list[Action] = field(default_factory=list)
    """Actions to the world where something went wrong; what goes wrong there may be the last of them, or an
    echo after it."""

    @property
    def pinned(self) -> tuple[str, int, int, int]:
        """What must come out the same wherever the search runs."""
        return self.verdict, self.states, self.edges, self.depth


Progress = Callable[[Found], None]


class Search:
    """One search through one scope."""

    def __init__(self, scope: Scope, progress: Progress | None = None, plain: bool = False) -> None:
        for name in scope.must_see:
            if name not in SOMETIMES:
                raise ValueError(f"scope {scope.name}: nobody knows what {name!r} is")
        self.universe = Universe(scope, plain)
        self.inspector = Inspector(self.universe)
        self.found = Found(scope)
        self._progress = progress
        self._pack = Struct(f">{2 * scope.nodes + 2}I")
        self._places: dict[bytes, int] = {}
        """Every world that was met, packed, and its place in the order of meeting."""
        self._parents = array("I")
        self._inboxes: dict[World, list[World]] = {}
        """Per state of nodes, history and outside the inboxes that it was met with."""

    @property
    def worlds(self) -> list[World]:
        """All worlds that were met, in order."""
        return [self._pack.unpack(packed) for packed in self._places]

    def run(self, max_states: int | None = None, depth: int | None = None) -> Found:
        """Search. ``depth`` replaces the scope's own bound."""
        found, scope = self.found, self.universe.scope
        bound = scope.depth if depth is None else depth
        try:
            level = [self._begin()]
            while level and (bound is None or found.depth < bound):
                after = self._level(level, max_states)
                if after is None:
                    found.verdict = "limit"
                    break
                if after:
                    found.depth += 1
                level = after
            else:
                found.frontier = len(level)
                if level:
                    found.verdict = "bounded"
        except ViolationError as violation:
            found.verdict, found.check, found.text = "violation", violation.check, violation.text
        found.cut = self.universe.cut
        found.unseen = tuple(name for name in scope.must_see if name not in found.seen)
        if found.unseen and found.verdict in ("exhausted", "bounded"):
            found.verdict = "unseen"
        return found

    def _begin(self) -> World:
        world = self.universe.start()
        self.inspector.check(world)
        self._places[self._pack.pack(*world)] = 0
        self._parents.append(0)
        self.found.states = 1
        return world

    def _level(self, level: list[World], max_states: int | None) -> list[World] | None:
        """Follow all worlds of one depth; those of the next, or ``None`` if there are too many."""
        found = self.found
        after: list[World] = []
        for at, world in enumerate(level):
            self._follow(world, after)
            found.frontier = len(level) - at - 1 + len(after)
            if max_states is not None and found.states >= max_states:
                return None
            if self._progress is not None and at % PROGRESS_EVERY == 0:
                self._progress(found)
        return after

    def _follow(self, world: World, after: list[World]) -> None:
        """Do everything that can happen to one world; what was not met before goes to ``after``."""
        found, places, pack, universe = self.found, self._places, self._pack.pack, self.universe
        place = places[pack(*world)]
        last: Action | None = None
        try:
            for action, step, child in universe.edges(world):
                found.edges += 1
                if step is not None and step.seen:
                    self._saw(step.seen)
                packed = pack(*child)
                if packed in places or self._has_less(child):
                    continue
                places[packed] = found.states
                self._parents.append(place)
                found.states += 1
                last = action
                self.inspector.check(child)
                last = None
                self._saw(self.inspector.seen(world, action, step, child))
                after.append(child)
        except ViolationError:
            found.depth += 1
            found.path = self._path(place) + self._blame(world, last)
            raise
        self._saw(universe.noticed)
        universe.noticed.clear()

    def _saw(self, names: Iterable[str]) -> None:
        for name in names:
            self.found.seen.setdefault(name, self.found.depth + 1)

    def _has_less(self, world: World) -> bool:
        """Whether a world was met that only has more mail."""
        if self.universe.plain:
            return False
        masks = self.universe.masks
        met = self._inboxes.setdefault((*world[:-2:2], *world[-2:]), [])
        own = [masks[inbox] for inbox in world[1:-2:2]]
        for other in met:
            for mask, inbox in zip(own, other, strict=True):
                if mask & ~masks[inbox]:
                    break
            else:
                return True
        met.append(world[1:-2:2])
        return False

    def _blame(self, world: World, last: Action | None) -> list[Action]:
        """The action after which something is wrong."""
        if last is not None:
            return [last]
        for action in self.universe.actions(world):
            try:
                self.universe.take(world, action)
            except ViolationError:
                return [action]
        return []

    def _path(self, place: int) -> list[Action]:
        """A shortest way from the start to a world that was met."""
        places = [place]
        while places[-1]:
            places.append(self._parents[places[-1]])
        wanted = dict.fromkeys(places)
        worlds = {at: self._pack.unpack(key) for at, key in enumerate(self._places) if at in wanted}
        path = []
        for before, after in pairwise(reversed(places)):
            edges = self.universe.edges(worlds[before])
            path.append(next(edge.action for edge in edges if edge.world == worlds[after]))
        return path
