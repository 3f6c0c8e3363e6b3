"""The whole world of a scope as a few small numbers, and everything that can happen to it.

A world is ``(node, inbox) * nodes, history, outside``: numbers of states that are kept once each. An inbox is
the set of all messages ever sent to a node; a delivery does not take a message out of it. So a message may be
late, arrive often, or never, without another action for any of that.

**Echoes are taken at once.** Where a delivery leaves the node as it is and answers no client, all it does is
to put more messages into inboxes (most are refusals). More messages never take a possibility away, since
nothing has to be delivered; so each world is taken together with all that its echoes put there, and no order
of them is tried. ``plain`` switches this off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from pbproto import Close, TellView
from pbproto.values import RequestId

from .histories import Histories
from .nodes import Nodes, Sends, Step
from .outside import Act, Views
from .scope import Scope

World = tuple[int, ...]


class Action(NamedTuple):
    """What happens."""

    what: Literal["deliver", "timer", "pass", "ask", "order", "tell", "crash", "close"]
    node: int
    number: int
    """Of the event, the request, the view, the way in which time passes, or the life that begins; of a stop,
    0."""


class Edge(NamedTuple):
    """One action and the world after it."""

    action: Action
    step: Step | None
    world: World


class Deliveries(NamedTuple):
    """What the messages in an inbox do to a node in one of its states."""

    changes: tuple[tuple[int, Step], ...]
    echoes: tuple[tuple[int, Step], ...]
    spread: Sends
    """What all echoes together send."""


def merged(all_sends: Iterable[Sends]) -> Sends:
    """Several sends as one."""
    together: dict[int, dict[int, None]] = {}
    for sends in all_sends:
        for to, numbers in sends:
            together.setdefault(to, {}).update(dict.fromkeys(numbers))
    return tuple((to, tuple(sorted(numbers))) for to, numbers in sorted(together.items()))


class Universe:
    """All that is known about the worlds of a scope."""

    def __init__(self, scope: Scope, plain: bool = False) -> None:
        self.scope = scope
        self.plain = plain
        self.nodes = Nodes(scope)
        self.views = Views(scope)
        self.histories = Histories(scope)
        self.cut = 0
        """How many steps went beyond a cap."""
        self.noticed: dict[str, None] = {}
        """'Sometimes' properties that echoes showed."""
        self.inboxes: list[tuple[int, ...]] = [()]
        self.masks = [0]
        """The inboxes as bit masks."""
        self._inbox_numbers: dict[tuple[int, ...], int] = {(): 0}
        self._added: dict[tuple[int, tuple[int, ...]], int] = {}
        self._deliveries: dict[tuple[int, int], Deliveries] = {}
        self._asks = [self.nodes.event(ask.event(index)) for index, ask in enumerate(self.histories.asks)]
        # Where a scope has no first view, nobody is ever told it.
        self._tells = [-1 if told is None else self.nodes.event(TellView(told)) for told in self.views.views]
        self._close = self.nodes.event(Close()) if scope.closes else -1
        self._H = 2 * scope.nodes
        self._O = self._H + 1

    # The start.

    def start(self, echoes: bool = True) -> World:
        """The first view is active, what came before is answered; all mail of that may still come again."""
        scope = self.scope
        world: World = (0,) * self._H + (self.histories.empty, self.views.start)
        for id_ in range(scope.nodes):
            world = self._with(world, 2 * id_, self.nodes.start(id_, 0))
        if scope.first:
            for id_ in scope.first:
                world = self._stepped(world, id_, self.nodes.step(world[2 * id_], self._tells[0]))
            world = self._settle(world)
        for index, ask in enumerate(scope.before):
            edge = self.take(world, Action("ask", ask.node, index), echoes=False)
            assert edge is not None
            world = self._settle(edge.world)
        return self.echoed(world) if echoes else world

    def _settle(self, world: World) -> World:
        """Deliver everything, each once, in the order of sending, until nothing is left."""
        done: dict[tuple[int, int], None] = {}
        for _ in range(10_000):
            for id_ in range(self.scope.nodes):
                fresh = [event for event in self.inboxes[world[2 * id_ + 1]] if (id_, event) not in done]
                if fresh:
                    done[(id_, fresh[0])] = None
                    world = self._stepped(world, id_, self.nodes.step(world[2 * id_], fresh[0]))
                    break
            else:
                return world
        raise AssertionError("the start does not come to rest")

    # What can happen.

    def edges(self, world: World) -> Iterator[Edge]:
        """Everything that can happen to a world and changes it. Raises ``ViolationError``."""
        for id_ in range(self.scope.nodes):
            found = self.deliveries(world[2 * id_], world[2 * id_ + 1])
            for event, step in found.changes:
                yield Edge(Action("deliver", id_, event), step, self.echoed(self._stepped(world, id_, step)))
            if self.plain:
                for event, step in found.echoes:
                    yield Edge(Action("deliver", id_, event), step, self._stepped(world, id_, step))
        for action in self.others(world):
            edge = self.take(world, action)
            if edge is not None:
                yield edge

    def actions(self, world: World) -> Iterator[Action]:
        """Everything that can happen to a world, whatever it does."""
        for id_ in range(self.scope.nodes):
            for event in self.inboxes[world[2 * id_ + 1]]:
                yield Action("deliver", id_, event)
        yield from self.others(world)

    def deliveries(self, node: int, inbox: int) -> Deliveries:
        """What the messages that do anything do to a node in this state."""
        known = self._deliveries.get((node, inbox))
        if known is None:
            changes, echoes = [], []
            for event in self.inboxes[inbox]:
                step = self.nodes.step(node, event)
                if step.cut:
                    self.cut += 1
                elif step.node != node or step.answers:
                    changes.append((event, step))
                elif step.sends:
                    echoes.append((event, step))
                    self.noticed.update(dict.fromkeys(step.seen))
            known = Deliveries(tuple(changes), tuple(echoes), merged(step.sends for _, step in echoes))
            self._deliveries[(node, inbox)] = known
        return known

    def echoed(self, world: World) -> World:
        """The world with all that echoes put into its inboxes."""
        while not self.plain:
            after = list(world)
            for place in range(0, self._H, 2):
                self._send(after, self.deliveries(after[place], after[place + 1]).spread)
            if world == tuple(after):
                break
            world = tuple(after)
        return world

    def others(self, world: World) -> Iterator[Action]:
        """Whatever can happen but deliveries."""
        outside = self.views.met[world[self._O]]
        for index in self.histories.wishes[world[self._H]]:
            ask = self.histories.asks[index]
            if outside.ordered >= ask.after:
                yield Action("ask", ask.node, index)
        for act in self.views.acts(world[self._O]):
            yield Action(*act)
        if outside.timers:
            for id_ in range(self.scope.nodes):
                if not self.nodes.facts[world[2 * id_]].sleeps:
                    for event in self.nodes.timers:
                        yield Action("timer", id_, event)
            for number in range(len(self.nodes.passes)):
                yield Action("pass", -1, number)

    def take(self, world: World, action: Action, echoes: bool = True) -> Edge | None:
        """Let one thing happen; ``None`` if it goes beyond a cap. Raises ``ViolationError``."""
        edge = self._take(world, action)
        return edge._replace(world=self.echoed(edge.world)) if edge is not None and echoes else edge

    def _take(self, world: World, action: Action) -> Edge | None:
        what, id_, number = action
        if what == "ask":
            facts = self.nodes.facts[world[2 * id_]]
            request = RequestId(id_, facts.incarnation, facts.next_counter)
            world = self._with(world, self._H, self.histories.ask(world[self._H], number, request))
            event = self._asks[number]
        elif what == "timer":
            world = self._with(world, self._O, self.views.timer(world[self._O]))
            event = number
        elif what == "pass":
            return self._passed(world, action)
        elif what == "deliver":
            event = number
        else:
            world = self._with(world, self._O, self.views.after(world[self._O], Act(what, id_, number)))
            if what == "order":
                return Edge(action, None, world)
            if what == "crash":
                return Edge(action, None, self._crashed(world, id_, number))
            event = self._tells[number] if what == "tell" else self._close
        step = self.nodes.step(world[2 * id_], event)
        if step.cut:
            self.cut += 1
            return None
        return Edge(action, step, self._stepped(world, id_, step))

    def _passed(self, world: World, action: Action) -> Edge | None:
        """Time passes everywhere: each node does what is due, and nothing that is said meanwhile arrives."""
        world = self._with(world, self._O, self.views.timer(world[self._O]))
        steps = []
        for id_, event in enumerate(self.nodes.passes[action.number]):
            step = self.nodes.step(world[2 * id_], event)
            if step.cut:
                self.cut += 1
                return None
            steps.append(step)
            world = self._stepped(world, id_, step)
        sends = merged(step.sends for step in steps)
        answers = tuple(answer for step in steps for answer in step.answers)
        seen = tuple(dict.fromkeys(name for step in steps for name in step.seen))
        return Edge(action, Step(steps[-1].node, sends, answers, seen, cut=False), world)

    def _crashed(self, world: World, id_: int, life: int) -> World:
        incarnation = self.nodes.facts[world[2 * id_]].incarnation
        world = self._with(world, self._H, self.histories.crash(world[self._H], id_, incarnation))
        return self._with(world, 2 * id_, self.nodes.start(id_, life))

    # What it makes of the world.

    @staticmethod
    def _with(world: World, place: int, number: int) -> World:
        return (*world[:place], number, *world[place + 1 :])

    def _stepped(self, world: World, id_: int, step: Step) -> World:
        """Carry out what a node has done."""
        after = list(world)
        after[2 * id_] = step.node
        self._send(after, step.sends)
        facts = self.nodes.facts[step.node]
        if step.answers:
            after[self._H] = self.histories.answer(after[self._H], step.answers, facts.promised)
        if facts.says_active is not None:
            after[self._O] = self.views.look(after[self._O], facts)
        return tuple(after)

    def _send(self, world: list[int], sends: Sends) -> None:
        for to, numbers in sends:
            place = 2 * to + 1
            key = (world[place], numbers)
            inbox = self._added.get(key)
            world[place] = self._add(*key) if inbox is None else inbox

    def _add(self, inbox: int, numbers: tuple[int, ...]) -> int:
        union = tuple(sorted({*self.inboxes[inbox], *numbers}))
        number = self._inbox_numbers.get(union)
        if number is None:
            number = self._inbox_numbers[union] = len(self.inboxes)
            self.inboxes.append(union)
            self.masks.append(sum(1 << event for event in union))
        self._added[(inbox, numbers)] = number
        return number
