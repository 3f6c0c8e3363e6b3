"""A path in words: what happened, to whom, and what clients were told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pbproto import Ballot, Delete, Get, GetAll, Operation, Put, Receive, TellView, Tick, View
from pbproto.values import Member

from .histories import outcome
from .nodes import Happening, ViolationError
from .path import replay, shortened
from .scope import Pass, Timer
from .world import Action, Universe, World


def show(value: Any) -> str:
    """A message or a part of one, short."""
    if value is None or isinstance(value, Ballot):
        return str(value)
    if isinstance(value, Operation):
        what = "delete" if value.value is None else f"={value.value.decode()}"
        name = f" ({value.idempotency_key.decode()})" if value.idempotency_key else ""
        return f"[{value.origin}/{value.incarnation}#{value.counter} {value.key.decode()} {what}{name}]"
    if isinstance(value, Member):
        return str(value.id)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return "(" + ", ".join(show(item) for item in value) + ")"
    if hasattr(value, "__dataclass_fields__"):
        fields = ", ".join(f"{name}={show(getattr(value, name))}" for name in value.__dataclass_fields__)
        return f"{type(value).__name__}({fields})"
    return str(value)


def members(view: View) -> str:
    """A view."""
    ids = ", ".join(str(member.id) for member in view.members)
    return "{" + ids + "}" + (f" of epoch {view.epoch}" if view.epoch is not None else "")


def happening(event: Happening, id_: int) -> str:
    """An event at a node."""
    match event:
        case Receive(envelope, message):
            text = (
                f"node {id_} gets from node {envelope.sender} (life {envelope.sender_incarnation}) "
                f"{show(message)}"
            )
            if envelope.receiver_incarnation:
                text += f" for life {envelope.receiver_incarnation}"
            return text
        case TellView(view):
            return f"node {id_} is told the view {members(view)}"
        case Timer("next"):
            return f"time passes at node {id_} until its next deadline"
        case Pass(milliseconds):
            return f"{milliseconds} ms pass at node {id_}"
        case Timer():
            return f"time passes at node {id_} until all its timers are due"
        case Put() | Delete() | Get() | GetAll() | Tick():
            return f"node {id_}: {event}"
    return f"node {id_}: {event}"


def describe(universe: Universe, action: Action) -> str:
    """An action."""
    what, id_, number = action
    if what == "order":
        order = universe.scope.orders[number - 1]
        told = universe.views.views[number]
        assert told is not None
        return f"the outside orders the view {members(told)}, to be told to {list(order.to)}"
    if what == "crash":
        return f"node {id_} crashes and starts again, with nothing"
    if what == "close":
        return f"node {id_} is told to stop"
    if what == "pass":
        passed = enumerate(universe.scope.passes[number])
        return "time passes: " + ", ".join(f"{time} ms at node {at}" for at, time in passed)
    if what == "ask":
        client, _, ask = universe.histories.script[number]
        return f"client {client} asks node {id_}: {ask} (request {number})"
    event = universe.views.event(number) if what == "tell" else universe.nodes.events[number]
    return happening(event, id_)


def tell(universe: Universe, path: list[Action], check: str, explain: bool = False) -> Iterator[str]:
    """A path to where ``check`` fails, numbered; with ``explain`` also the nodes after each action."""
    try:
        universe.start(echoes=False)
    except ViolationError as violation:
        yield f"     {violation.check}: {violation.text}, before anything went wrong"
        return
    for place, stop in enumerate(replay(universe, shortened(universe, path, check)), 1):
        yield f"{place:3}. {describe(universe, stop.action)}"
        if stop.edge is not None:
            before, after = (universe.histories.met[at[-2]] for at in (stop.before, stop.edge.world))
            for index, (was, now) in enumerate(zip(before, after, strict=True)):
                if now is not None and now != was and now.state != "waits":
                    yield f"       request {index} ({universe.histories.asks[index]}): {outcome(now)}"
            if explain:
                yield from (f"         {line}" for line in nodes(universe, stop.edge.world))
        if stop.violation is not None:
            yield f"     {stop.violation.check}: {stop.violation.text}"


def nodes(universe: Universe, world: World) -> Iterator[str]:
    """The nodes of a world, a line each, and the outside."""
    for node in world[:-2:2]:
        replica = universe.nodes.replica(node)
        state, facts = replica.state, universe.nodes.facts[node]
        status = replica.status(state.now)
        told = members(status.view) if status.view is not None else "nothing"
        yield (
            f"node {facts.id} (life {facts.incarnation}): told {told}, {status.status} as {status.role}, "
            f"promised {facts.promised}, synced {facts.synced}, "
            f"log {facts.start}..{facts.end} {show(facts.operations)}, commit {facts.commit}, "
            f"{status.waiting} waiting"
        )
    outside = universe.views.met[world[-1]]
    keepers = [id_ for id_ in range(universe.scope.nodes) if outside.keepers >> id_ & 1]
    yield f"outside: view {outside.ordered} ordered, keepers {keepers}"
