"""Every state of every node that was met, by number, and what each event does to it, computed once.

A step of a replica is a function of its state and the event, so a transition that was taken once is looked
up ever after: most of the search never runs the replica. Nothing of the outcome is modelled; it is what
``Replica.step`` did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pbproto import (
    Config,
    Effect,
    Envelope,
    Event,
    Listing,
    Message,
    Receive,
    Reject,
    Replica,
    Reply,
    Send,
    TellView,
    Tick,
    Value,
    Written,
    decode,
    encode,
)
from pbproto.config import MILLISECOND
from pbproto.messages import Adopted, Promise, Replicated

from .copies import dump, load
from .facts import Facts, facts_of
from .freeze import freeze, times
from .scope import LIVES, TIMERS, Pass, Scope, Timer, address
from .sometimes import seen_in_step

Answer = tuple[int, tuple[object, ...]]
"""A token, and what its client was told: ``("written", kind, position)``, ``("value", value, position)``,
``("listing", items, position)``, ``("not applied",)`` or ``("unknown",)``."""


class ViolationError(Exception):
    """Something that must always be true is not. ``check`` names the property."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(text)
        self.check = check
        self.text = text


Happening = Event | Timer | Pass
Sends = tuple[tuple[int, tuple[int, ...]], ...]
"""Per receiver the numbers of the messages."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one event does to one state of one node."""

    node: int
    """The number of the state after it."""
    sends: Sends
    answers: tuple[Answer, ...]
    seen: tuple[str, ...]
    """'Sometimes' properties that this step shows."""
    cut: bool
    """It goes beyond a cap of the scope."""


class Nodes:
    """The states, events and steps of one scope, each with a number."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        settings = {
            name: value * MILLISECOND if name in _TIMES else value for name, value in scope.settings.items()
        }
        self.config = Config(**settings)
        self.facts: list[Facts] = []
        self.events: list[Happening] = []
        self.computed = 0
        self._numbers: dict[bytes, int] = {}
        self._copies: list[bytes] = []
        self._live: tuple[int, Replica] | None = None
        """The last state that made a step and is as it was, and the replica that did: most events in an inbox
        change nothing, and the next one can have it, too."""
        self._steps: list[dict[int, Step | ViolationError]] = []
        self._event_numbers: dict[Happening, int] = {}
        self._addresses = {address(id_): id_ for id_ in range(scope.nodes)}
        self.timers = () if scope.passes else tuple(self.event(timer) for timer in TIMERS)
        self.passes = tuple(tuple(self.event(Pass(time)) for time in each) for each in scope.passes)

    def start(self, id_: int, life: int) -> int:
        """A node starts, with nothing."""
        return self.intern(Replica(id_, LIVES[life] + id_, self.config))

    def intern(self, replica: Replica, before: int | None = None) -> int:
        """The number of a replica's state. ``before``: a state that it may well be in still."""
        # Many events are refused or ignored, and change nothing but this count; then the bytes are equal,
        # and nothing has to be walked.
        replica.state.ignored.clear()
        copy = dump(replica)
        if before is not None and copy == self._copies[before]:
            self._live = before, replica
            return before
        frozen = freeze(replica.state)
        number = self._numbers.get(frozen)
        if number is None:
            number = self._numbers[frozen] = len(self.facts)
            self.facts.append(facts_of(replica))
            self._copies.append(copy)
            self._steps.append({})
        return number

    def replica(self, node: int) -> Replica:
        """A live copy of a state."""
        return load(self._copies[node])

    def event(self, event: Happening) -> int:
        """The number of an event."""
        number = self._event_numbers.get(event)
        if number is None:
            number = self._event_numbers[event] = len(self.events)
            self.events.append(event)
        return number

    def is_mail(self, number: int, kinds: tuple[type[Message], ...]) -> bool:
        """Whether an event is a message of one of these kinds."""
        event = self.events[number]
        return isinstance(event, Receive) and isinstance(event.message, kinds)

    def step(self, node: int, event: int) -> Step:
        """What the event does to the state. Raises ``ViolationError``."""
        steps = self._steps[node]
        step = steps.get(event)
        if step is None:
            try:
                step = self.compute(node, event)
            except ViolationError as violation:
                step = violation
            steps[event] = step
        if isinstance(step, ViolationError):
            raise ViolationError(step.check, step.text)
        return step

    def compute(self, node: int, number: int) -> Step:
        """Let the real replica make the step."""
        self.computed += 1
        before, event = self.facts[node], self.events[number]
        live, self._live = self._live, None
        replica = live[1] if live is not None and live[0] == node else self.replica(node)
        effects = happen(replica, event)
        state = replica.state
        if state.promised < before.promised:
            raise ViolationError(
                "seal", f"node {before.id} went back from {before.promised} to {state.promised}"
            )
        number = self.intern(replica, before=node)
        after = self.facts[number]
        keeps_out(before, after)
        obeys(before, event, after)
        return Step(
            number,
            self._sends(before, effects),
            answers_in(effects),
            seen_in_step(before, event, effects, after),
            self._beyond(after),
        )

    def _sends(self, before: Facts, effects: Iterable[Effect]) -> Sends:
        sent: dict[int, dict[int, None]] = {}
        for effect in effects:
            if not isinstance(effect, Send):
                continue
            message = effect.message
            if isinstance(message, Replicated | Adopted | Promise) and message.ballot < before.promised:
                raise ViolationError(
                    "seal", f"node {before.id} promised {before.promised} and said {message}"
                )
            # Without an address it is the answer to a connection, and reaches whoever opened that.
            to = self._addresses[effect.address or address(effect.envelope.receiver)]
            sent.setdefault(to, {})[self._mail(effect.envelope, message)] = None
        return tuple((to, tuple(sorted(numbers))) for to, numbers in sorted(sent.items()))

    def _mail(self, envelope: Envelope, message: Message) -> int:
        event = Receive(envelope, message)
        if event not in self._event_numbers:
            try:
                again = decode(encode([(envelope, message)]))
            except ValueError as error:
                raise ViolationError("codec", f"{message} does not pass the codec: {error}") from error
            if again != [(envelope, message)]:
                raise ViolationError("codec", f"{message} comes out of the codec as {again}")
        return self.event(event)

    def _beyond(self, facts: Facts) -> bool:
        scope = self.scope
        return (
            facts.promised.epoch > scope.max_epoch
            or facts.promised.attempt > scope.max_attempt
            or facts.round > scope.max_round
        )


def keeps_out(before: Facts, after: Facts) -> None:
    """While a backup is suspected new writes wait outside the log. Raises ``ViolationError``."""
    suspects = before.suspects and after.suspects and before.promised == after.promised
    if suspects and after.end > before.end:
        raise ViolationError(
            "suspicion", f"node {before.id} lets a write into its log while it suspects a backup"
        )


def obeys(before: Facts, event: Happening, after: Facts) -> None:
    """A node promises what it was told, and nothing before. Raises ``ViolationError``."""
    if after.promised == before.promised:
        return
    told = after.told
    if told is not None and told.epoch is None and not isinstance(event, TellView):
        told = before.told  # nobody but the outside has a say in it; a numbered one is learned from others
    if told is None or (before.told is None and not isinstance(event, TellView)):
        raise ViolationError("obedience", f"node {before.id} promises {after.promised}, and was told nothing")
    if told.members != after.members:
        raise ViolationError(
            "obedience",
            f"node {before.id} promises {after.promised} of {after.members}, not what it was told",
        )


_TIMES = ("request_timeout", "suspect_after", "resend_after", "heartbeat", "lease")


def happen(replica: Replica, event: Happening) -> tuple[Effect, ...]:
    """One step. Time stands still but for timers. Raises ``ViolationError`` where the replica gives up."""
    now = replica.state.now
    if isinstance(event, Timer):
        due = replica.deadline if event.kind == "next" else max(times(replica.state), default=now)
        now = max(now, due or 0)
        event = Tick()
    elif isinstance(event, Pass):
        now += event.milliseconds * MILLISECOND
        event = Tick()
    try:
        return replica.step(event, now=now)
    except Exception as error:
        raise ViolationError("step", f"node {replica.state.id}: {type(error).__name__}: {error}") from error


def answers_in(effects: Iterable[Effect]) -> tuple[Answer, ...]:
    """What clients were told."""
    found: list[Answer] = []
    for effect in effects:
        if isinstance(effect, Reject):
            found.append((effect.token, ("not applied",) if effect.certain else ("unknown",)))
        elif isinstance(effect, Reply):
            match effect.outcome:
                case Written(result):
                    found.append((effect.token, ("written", int(result.kind), result.position)))
                case Value(value, position):
                    found.append((effect.token, ("value", value, position)))
                case Listing(items, position):
                    found.append((effect.token, ("listing", tuple(sorted(items.items())), position)))
    return tuple(found)
