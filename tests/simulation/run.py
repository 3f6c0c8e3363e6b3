"""A whole run: first everything goes wrong, then nothing does, and all must end well."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pbproto
from pbproto import Config
from pbproto.config import MILLISECOND, SECOND
from pbproto.store import Store
from tests.checker.history import Call, History
from tests.checker.linearizability import check

from .limits import in_force
from .outside import Outside
from .parameters import Parameters
from .plan import Ask, Plan, make
from .tally import Tally
from .violation import Violation, demand
from .world import StoppedError, World

_CORE = Path(pbproto.__file__).parent
MINUTE = 60 * SECOND
RETRIES = 80
TRANSFERS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    plan: Plan
    violation: Violation | None
    steps: int
    time: int
    digest: str
    tally: Tally
    history: History
    world: World | None
    """Only if it was asked for."""

    @property
    def ok(self) -> bool:
        return self.violation is None


def run(plan: Plan, *, keep: bool = False, outside: Callable[[World], Outside] = Outside) -> Outcome:
    """Run a plan; ``keep`` the records and the world for those who explain it."""
    with in_force(plan.parameters.limits):
        return _run(plan, keep, outside)


def _run(plan: Plan, keep: bool, outside: Callable[[World], Outside]) -> Outcome:
    world = World(plan, keep=keep, outside=outside)
    violation = None
    try:
        _trouble(world)
        _calm(world)
        _judge(world)
    except StoppedError:
        pass
    except Violation as found:
        violation = found
    except Exception as error:
        # Of the core: it must not raise. A mistake of the simulation itself is no finding.
        frames = traceback.extract_tb(error.__traceback__)
        where = next((frame for frame in reversed(frames) if _CORE in Path(frame.filename).parents), None)
        if where is None:
            raise
        line = f"{Path(where.filename).name}:{where.lineno}"
        violation = Violation("crash", f"{type(error).__name__}: {error} ({line})")
    return Outcome(
        plan,
        violation,
        world.steps,
        world.now,
        world.trace.digest,
        world.tally,
        tuple(world.clients.calls),
        world if keep else None,
    )


def run_seed(seed: int, parameters: Parameters | None = None) -> Outcome:
    """Run the plan of a seed."""
    return run(make(seed, parameters))


def _trouble(world: World) -> None:
    world.run(world.parameters.length)


def _calm(world: World) -> None:
    """All faults end, all nodes run, all members are told the same view: it becomes active, all are
    answered.
    """
    world.calm = True
    world.note("calm", "the faults are over")
    world.faults.end_all()
    for host in world.hosts.values():
        if host.up:
            name = f"first{host.id}"
            world.clients.ask(Ask(world.now, -50 - host.id, host.id, "put", name, name, patience=MINUTE))
    world.outside.settle()
    _until(world, lambda: _served(world) and world.clients.idle and world.at_rest())
    _last_words(world)


def _served(world: World) -> bool:
    """Whether the view is active everywhere; from then on nobody's time may run out unserved."""
    if not world.outside.everywhere_active():
        world.clients.served_at = None
        return False
    if world.clients.served_at is None:
        world.clients.served_at = world.now
    return True


def _until(world: World, done: Callable[[], bool]) -> None:
    """Wait as long as somebody is answered now and then, or the end comes."""
    calls = -1
    while len(world.clients.calls) > calls:
        calls = len(world.clients.calls)
        if world.run(world.now + _patience(world), done):
            return
    raise Violation("liveness", _stuck(world))


def _patience(world: World) -> int:
    """How long the calm may bring nothing: for some retries, and some transfers of the largest state.

    Measured, not derived: no run in a thousand needs half of it.
    """
    config, delay = world.parameters.config, world.parameters.delay
    largest = max(_chunks(host.replica.state.store, config) for host in world.hosts.values() if host.replica)
    return (
        2 * (SECOND + config.lease)
        + RETRIES * config.resend_after
        + TRANSFERS * (largest + 1) * 2 * (delay + MILLISECOND)
    )


def _chunks(store: Store, config: Config) -> int:
    """At most so many chunks make a snapshot of a store, if each has an item at least."""
    items = len(store.data) + len(store.origins) + len(store.keys)
    size = sum(len(key) + len(value) + 8 for key, value in store.data.items()) + 300 * len(store.keys)
    size += sum(40 + 17 * len(origin.results) for origin in store.origins.values())
    return min(items, size // config.chunk_bytes + 1)


DOOMED = ("", "Forward", "Forwarded", "Confirm", "Confirmed", "Replicate", "Replicated")


def _last_words(world: World) -> None:
    """At every node some clients write at once, then read; little is wrong, so all must be answered.

    Of one kind of message the first on each link is lost: it has to be sent again before anybody's time is
    up. Then two nodes are asked the same, under one key.
    """
    members, config = world.outside.told.members, world.parameters.config
    first = len(world.clients.calls)
    if config.request_timeout > 8 * config.resend_after and _remembered(world):
        world.network.doomed = DOOMED[world.plan.seed % len(DOOMED)]
    at_once = 4 if config.max_waiting >= 100 and not config.max_data_bytes else 1
    _make_room(world)
    for what in ("put", "get"):
        for member in members:
            for number in range(at_once):
                value = f"last{member.id}.{number}"
                key = "last" if config.max_data_bytes else value
                # One after the other where few may wait, or there is not room for all.
                client = -100 - (10 * member.id + number if at_once > 1 else 0)
                world.clients.ask(Ask(world.now, client, member.id, what, key, value, patience=MINUTE))
        _until(world, lambda: world.clients.idle)
    for member in members[-2:]:
        ask = Ask(world.now, -200 - member.id, member.id, "put", "once", "once", "once", patience=MINUTE)
        world.clients.ask(ask)
    _until(world, lambda: world.clients.idle)
    for call in world.clients.calls[first:]:
        forgotten = call.outcome == "unknown" and not _remembered(world)
        demand(call.outcome == "ok" or forgotten, "liveness", f"in the calm {call} is not answered")
    # A few heartbeats, so that the backups hear of the last commit; a clock may just have jumped back, and
    # then the core's time stands still for a while.
    world.run(world.now + 4 * config.heartbeat + 50 * world.parameters.delay + 4 * SECOND)
    world.checks.settled(world.outside.told)


def _make_room(world: World) -> None:
    """Where the store may be full, clients delete all that is in it: that must always go."""
    if not world.parameters.config.max_data_bytes:
        return
    members = world.outside.told.members
    for number, key in enumerate(list(world.state(members[0].id).store.data)):
        node = members[number % len(members)].id
        world.clients.ask(Ask(world.now, -300, node, "delete", key.decode(), patience=MINUTE))
    _until(world, lambda: world.clients.idle)


def _remembered(world: World) -> bool:
    """Whether a store remembers as many origins as there are nodes: otherwise answers are forgotten."""
    return len(world.hosts) <= world.parameters.limits.origins


def _stuck(world: World) -> str:
    words = [f"nothing moves any more by {world.now // MILLISECOND} ms"]
    for host in world.hosts.values():
        status = host.status(world.now)
        if status is not None:
            waits = "; ".join(f"{wait.id}: {wait.reason}" for wait in status.waiting_for)
            words.append(f"node {host.id} {status.status} ({waits or status.blocked or 'nobody'})")
    words += [f"({attempt.token}) waits at {attempt.node}" for attempt in world.clients.waiting]
    return ", ".join(words)


def _judge(world: World) -> None:
    """The history of the clients, judged without anything that the nodes know: with its numbers and without.

    Two halves that served were two stores: what they answered does not make one history. What was asked
    before does, as far as it was answered before.
    """
    calls: History = tuple(world.clients.calls)
    parted = world.checks.parted_at
    if parted is not None:
        calls = tuple(_by(parted, call) for call in calls if call.start < parted)
    for numbers in (True, False):
        verdict = check(calls, numbers=numbers)
        if verdict.result == "undecided":
            world.tally.faults[f"history undecided {'with' if numbers else 'without'} numbers"] += 1
        demand(verdict.result != "violation", "linearizability", verdict.reason)


def _by(time: int, call: Call) -> Call:
    """The call as far as anybody knew at a time."""
    if call.end is not None and call.end <= time:
        return call
    value = call.value if call.what == "put" else None
    return replace(call, outcome="unknown", end=None, value=value, existed=None, items=None, number=None)
