"""From the path that a search took to one that a reader can follow: each step alone, none too many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .inspector import Inspector
from .nodes import ViolationError
from .world import Action, Edge, Universe, World


@dataclass(frozen=True, slots=True)
class Stop:
    """One action of a path: the world before it, and what it did, or what is wrong with that."""

    before: World
    action: Action
    edge: Edge | None
    violation: ViolationError | None


def replay(universe: Universe, path: list[Action]) -> Iterator[Stop]:
    """Walk a path action by action, without echoes, until something is wrong or an action is not possible."""
    inspector = Inspector(universe)
    world = universe.start(echoes=False)
    for action in path:
        if action not in dict.fromkeys(universe.actions(world)):
            return
        edge = None
        try:
            edge = universe.take(world, action, echoes=False)
            if edge is None:
                return
            inspector.check(edge.world)
        except ViolationError as violation:
            yield Stop(world, action, edge, violation)
            return
        yield Stop(world, action, edge, None)
        world = edge.world


def fails(universe: Universe, path: list[Action], check: str) -> int | None:
    """After how many actions of the path this property is broken; ``None`` if it is not."""
    length = 0
    for length, stop in enumerate(replay(universe, path), 1):
        if stop.violation is not None:
            return length if stop.violation.check == check else None
    return None


def with_echoes(universe: Universe, path: list[Action]) -> list[Action]:
    """The path with the echoes between its actions, as far as they change the world."""
    whole: list[Action] = []
    last = path[-1] if path else None
    world = universe.start(echoes=False)
    for action in (None, *path):
        if action is not None:
            whole.append(action)
            try:
                edge = universe.take(world, action, echoes=False)
            except ViolationError:
                return whole
            if edge is None:
                return whole
            world = edge.world
        changed = True
        while changed:
            changed = False
            for echo in universe.actions(world):
                if echo.what != "deliver":
                    continue
                try:
                    edge = universe.take(world, echo, echoes=False)
                except ViolationError:
                    if action is last:
                        return [*whole, echo]
                    continue
                if edge is None or edge.step is None or edge.step.node != world[2 * echo.node]:
                    continue
                if edge.world != world and edge.world[-2:] == world[-2:]:
                    whole.append(echo)
                    world = edge.world
                    changed = True
    return whole


def shortened(universe: Universe, path: list[Action], check: str) -> list[Action]:
    """A path that breaks the same property, and does not without any one of its actions."""
    whole = path
    if fails(universe, path, check) is None:
        whole = with_echoes(universe, path)
    length = fails(universe, whole, check)
    if length is None:
        return whole
    whole = whole[:length]
    at = len(whole) - 1
    while at >= 0:
        fewer = whole[:at] + whole[at + 1 :]
        length = fails(universe, fewer, check)
        if length is not None:
            whole = fewer[:length]
            at = min(at, len(whole))
        at -= 1
    return whole
