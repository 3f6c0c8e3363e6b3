"""What is going to happen in a run: drawn whole from the seed before it begins, so that it can be shrunk.

A plan is a list of items with times: what clients ask, what goes wrong and for how long, which views the
outside sends. What depends on how the run goes is decided when an item's time comes, by rules without chance:
a crash that would leave nobody to carry the data over is left out, a view gets the member that it must have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from pbproto.config import MILLISECOND, SECOND
from tests.checker.history import What

from .chance import between, chance, pick, some, steep, stream
from .limits import USUAL
from .parameters import Parameters, draw


@dataclass(frozen=True, slots=True)
class Ask:
    """A client asks a node, as soon as its earlier requests are over and ``at`` has come."""

    at: int
    client: int
    node: int
    what: What
    key: str = ""
    value: str = ""
    name: str = ""
    """The Idempotency-Key; what is not answered is then repeated at other nodes."""
    patience: int = 0
    """Nanoseconds after which the client hangs up."""
    repeats: tuple[int, ...] = ()
    """The nodes at which it is repeated."""
    answer_lost: bool = False
    """The first answer does not reach the client."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something goes wrong at ``at`` and is over at ``until``."""

    at: int
    until: int
    kind: str
    nodes: tuple[int, ...]
    amount: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """One PUT of a view: to which node, and how long it is under way; copies go again, later."""

    node: int
    delay: int
    again: int = 0
    empty: bool = False
    """This node alone is told the empty view, where views are not numbered: to stop serving."""


@dataclass(frozen=True, slots=True)
class Change:
    """The outside sends a view, or sends the present one again (no members)."""

    at: int
    members: tuple[int, ...]
    puts: tuple[Told, ...]


Item = Ask | Fault | Change


@dataclass(frozen=True, slots=True)
class Plan:
    """A run. The same plan gives the same run, to the byte."""

    seed: int
    parameters: Parameters
    items: tuple[Item, ...]
    message_faults: frozenset[str] | None = None
    """What happens to single messages, by name: these faults and no others. ``None``: as chance has it."""
    limit: int | None = None
    """End after this many steps, without the calm phase."""


def make(seed: int, parameters: Parameters | None = None) -> Plan:
    """The plan of a seed; the parameters are drawn from it, too, if not given."""
    parameters = parameters or draw(seed)
    items: list[Item] = [*_asks(seed, parameters), *_faults(seed, parameters), *_changes(seed, parameters)]
    items.sort(key=lambda item: item.at)
    return Plan(seed, parameters, tuple(items))


def _asks(seed: int, parameters: Parameters) -> list[Ask]:
    random = stream(seed, "asks")
    asks = []
    for number in range(parameters.prefill):
        key = f"p{number}"
        at = 50 * MILLISECOND + number * MILLISECOND // 4
        value = f"prefill{number}" + "x" * steep(random, 40)
        node, patience = pick(random, parameters.first), 2 * parameters.patience
        asks.append(Ask(at, -1 - number % 64, node, "put", key, value, patience=patience))
    for number in range(parameters.asks):
        at = between(random, 100 * MILLISECOND, parameters.length)
        client = between(random, 0, parameters.clients - 1)
        ask = Ask(at, client, pick(random, parameters.ids), "get", pick(random, parameters.keys))
        dice = random.random()
        long = "y" * steep(random, parameters.value_bytes) if chance(random, 0.2) else ""
        if dice < parameters.puts:
            ask = replace(ask, what="put", value="" if number % 29 == 0 else f"v{number}{long}")
        elif dice < parameters.puts + parameters.deletes:
            ask = replace(ask, what="delete")
        elif dice < parameters.puts + parameters.deletes + parameters.lists:
            ask = replace(ask, what="list", key="")
        named, hurry, lost = random.random(), random.random(), random.random()
        if ask.what in ("put", "delete") and named < parameters.named:
            # A few names are used by several clients, some of them for different requests.
            few = parameters.limits.names < USUAL.names
            name = f"n{number}" if few or named < parameters.named * 0.7 else f"shared{number % 5}"
            value = "" if ask.what == "delete" else f"{name}{'b' if chance(random, 0.2) else ''}"
            repeats = tuple(pick(random, parameters.ids) for _ in range(between(random, 1, 6)))
            repeats = () if few else repeats
            ask = replace(ask, name=name, value=value, repeats=repeats)
        patience = steep(random, parameters.patience) if hurry < 0.3 else 2 * parameters.patience
        asks.append(replace(ask, patience=max(MILLISECOND, patience), answer_lost=lost < 0.03))
    for burst in range(parameters.bursts):
        at = between(random, 200 * MILLISECOND, parameters.length)
        node = pick(random, parameters.ids)
        for number in range(between(random, 4, 14)):
            client = 1000 + 100 * burst + number
            key, value = pick(random, parameters.keys), f"b{burst}.{number}"
            patience = 2 * parameters.patience
            asks.append(Ask(at + number, client, node, "put", key, value, patience=patience))
        if parameters.named and parameters.limits.names >= USUAL.names:
            # Several use one name at once, at several nodes, and not all for the same request.
            name, key = f"burst{burst}", pick(random, parameters.keys)
            for number in range(between(random, 2, 6)):
                value = f"{name}{'b' if chance(random, 0.3) else ''}"
                ask = Ask(
                    at + number, 1050 + 100 * burst + number, pick(random, parameters.ids), "put", key, value
                )
                asks.append(replace(ask, name=name, patience=2 * parameters.patience))
    return asks


def _faults(seed: int, parameters: Parameters) -> list[Fault]:
    random = stream(seed, "faults")
    faults = []
    for _ in range(parameters.faults if parameters.kinds else 0):
        at = between(random, 200 * MILLISECOND, parameters.length)
        until = at + 10 * MILLISECOND + steep(random, 6 * SECOND)
        kind = pick(random, parameters.kinds)
        if kind == "ambush":
            until = at + 8 * SECOND
        size = 1
        if kind in ("cut", "cut_one_way", "hold", "hold_one_way"):
            size = 2
        elif kind == "split":
            size = between(random, 1, max(1, len(parameters.ids) - 1))
        nodes = some(random, parameters.ids, size)
        amount = between(random, 1, 1000)
        faults.append(Fault(at, until, kind, nodes, amount))
    for _ in range(6 if "ambush" in parameters.kinds and parameters.faults else 0):
        # Most moments come seldom, and a crash is not always allowed: more of these lie in wait than strike.
        at = between(random, 200 * MILLISECOND, parameters.length)
        node = pick(random, parameters.ids)
        faults.append(Fault(at, at + 8 * SECOND, "ambush", (node,), between(random, 1, 1000)))
    if parameters.aftershock:
        # The last thing that happens before the calm: a restart, told at once, while little gets through.
        end = parameters.length
        node = pick(random, parameters.ids)
        faults.append(Fault(end - SECOND, end, "storm", (node,)))
        back = end - SECOND + between(random, 1, 300) * MILLISECOND
        faults.append(Fault(end - SECOND, back, "crash", (node,), between(random, 0, 333) * 3 + 1))
    return faults


def _changes(seed: int, parameters: Parameters) -> list[Change]:
    random = stream(seed, "views")
    told = some(random, parameters.first, len(parameters.first))
    apart = 20 * MILLISECOND if chance(random, 0.5) else 0
    first = Change(0, parameters.first, tuple(Told(id_, steep(random, apart)) for id_ in told))
    changes = [first]
    at = 300 * MILLISECOND
    end = parameters.length - (SECOND if parameters.aftershock else 0)
    while parameters.pause_between_views and at < end:
        at += between(random, MILLISECOND, parameters.pause_between_views)
        if chance(random, 0.15):
            at += MILLISECOND  # a change hard on the heels of the last
            changes.append(_change(random, parameters, at))
        changes.append(_change(random, parameters, at))
    return changes


def _change(random: Random, parameters: Parameters, at: int) -> Change:
    members: tuple[int, ...] = ()
    if chance(random, 0.75):
        members = tuple(id_ for id_ in parameters.ids if chance(random, 0.6))
    puts = []
    for id_ in some(random, parameters.ids, len(parameters.ids)):
        if chance(random, 0.15):
            continue  # lost, or never sent
        delay = steep(random, 2 * SECOND) if chance(random, 0.3) else between(random, 0, 5 * MILLISECOND)
        again = between(random, MILLISECOND, 3 * SECOND) if chance(random, 0.15) else 0
        puts.append(Told(id_, delay, again, empty=chance(random, 0.02)))
    return Change(at, members, tuple(puts))
