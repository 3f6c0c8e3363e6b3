"""Holds every world that is met to the properties, each for each value of what it reads, once."""

from __future__ import annotations

from collections.abc import Iterator

from . import always
from .nodes import Step
from .world import Action, Universe, World


class Inspector:
    """Remembers what was found right."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self._nodes: dict[tuple[int, int], None] = {}
        self._pairs: dict[tuple[int, int], None] = {}
        self._mail: dict[tuple[int, int], None] = {}
        self._keepers: dict[tuple[int, int], None] = {}
        self._looked: dict[tuple[int, int], None] = {}

    def check(self, world: World) -> None:
        """All 'always' properties of a world. Raises ``ViolationError``."""
        nodes = world[:-2:2]
        keepers = self._believed(world)
        for at, node in enumerate(nodes):
            if keepers >> at & 1 and (node, world[-2]) not in self._keepers:
                self._check_keeper(node, world[-2])
                self._keepers[(node, world[-2])] = None
            if (node, world[-2]) not in self._nodes:
                self._check_node(node, world[-2])
                self._nodes[(node, world[-2])] = None
            for other in nodes[at + 1 :]:
                if (node, other) not in self._pairs:
                    facts = self.universe.nodes.facts
                    always.two_nodes(facts[node], facts[other], self.universe.scope.one_history)
                    self._pairs[(node, other)] = None
            for inbox in world[1:-2:2]:
                if (node, inbox) not in self._mail:
                    self._check_mail(node, inbox)
                    self._mail[(node, inbox)] = None

    def _believed(self, world: World) -> int:
        """On whom the outside counts, which keeps its contract unless it splits the cluster."""
        universe = self.universe
        return universe.views.met[world[-1]].keepers if universe.scope.one_history else 0

    def _check_keeper(self, node: int, history: int) -> None:
        histories = self.universe.histories
        always.keeper_and_history(self.universe.nodes.facts[node], histories.asks, histories.met[history])

    def _check_mail(self, node: int, inbox: int) -> None:
        universe = self.universe
        mail = [universe.nodes.events[event] for event in universe.inboxes[inbox]]
        always.node_and_mail(universe.nodes.facts[node], mail)

    def _check_node(self, node: int, history: int) -> None:
        universe = self.universe
        facts = universe.nodes.facts[node]
        always.one_node(facts)
        last = universe.views.views[-1]
        joined = not universe.scope.one_history
        if joined and (last is None or facts.leads is None or facts.members != last.members):
            return
        histories = universe.histories
        always.node_and_history(
            facts, histories.asks, histories.met[history], histories.refused[history], joined
        )

    def seen(self, before: World, action: Action, step: Step | None, world: World) -> Iterator[str]:
        """'Sometimes' properties of an action, and of the world after it, that no step shows by itself."""
        universe = self.universe
        history = world[-2]
        for node in world[:-2:2]:
            if (node, history) in self._looked:
                continue
            self._looked[(node, history)] = None
            met = universe.histories.met[history]
            yield from always.took_effect(universe.nodes.facts[node], universe.histories.asks, met)
            if not universe.scope.one_history and len(always.writers(met[len(universe.scope.before) :])) > 1:
                yield "both_halves_wrote"
        if step is not None and step.answers and self._cannot_confirm(before, step, action.node):
            yield "refused_stale_read"

    def _cannot_confirm(self, world: World, step: Step, id_: int) -> bool:
        """A primary turns a read away while another one leads a later ballot."""
        facts = [self.universe.nodes.facts[node] for node in world[:-2:2]]
        asks = self.universe.histories.asks
        return (
            facts[id_].leads is not None
            and any(answer == ("not applied",) and not asks[token].writes for token, answer in step.answers)
            and any(other.leads is not None and other.promised > facts[id_].promised for other in facts)
        )
