"""Executes a recording again, step by step, and compares with what the node did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from . import checkpoint, ordering, store
from .effects import Effect
from .errors import UsageError
from .frames import RecordingError
from .recorded import Recording
from .recording import Digests, Names, Step, error_text, name_them
from .redaction import operations_of
from .replica import Replica
from .showing import plain
from .state import State
from .summary import summary
from .values import Operation

TAKES_FINGERPRINTS = (store, ordering)
"""The modules that take the fingerprint of an operation, by this name:"""
_FINGERPRINT = "fingerprint"


@dataclass(frozen=True, slots=True)
class Done:
    """A recorded step, and what the code did in it now."""

    step: Step
    effects: tuple[Effect, ...]
    error: str
    """How the code broke, or nothing."""
    difference: str
    """What is not as the node did it, or nothing."""
    state: State
    """As it is after the step. The next step changes it."""


class Replay:
    """One execution of a recording: iterate over it once. It ends at the first difference.

    Raises ``RecordingError``, also on the way, where the recording cannot be read.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        state, self._names = recording.state()
        try:
            self._replica = Replica(state.id, state.incarnation, state.config)
        except UsageError as error:
            raise RecordingError(f"it is of no node: {error}") from error
        for field in fields(state):
            setattr(self._replica.state, field.name, getattr(state, field.name))
        self.number = recording.header.first - 1
        """The last step that was executed."""
        self.difference = ""
        """The first difference, if any so far."""
        self.failure = ""
        """How the code broke in the last step that was executed, or nothing."""
        self.compared: int | None = None
        """The last step after which the states were compared and equal."""

    @property
    def state(self) -> State:
        return self._replica.state

    def __iter__(self) -> Iterator[Done]:
        for step in self.recording.steps():
            done = self._step(step)
            self.number = step.number
            self.difference, self.failure = done.difference, done.error
            yield done
            if done.difference:
                return
        end = self.recording.end
        if end is not None and end.digests is not None:
            self.difference = self._compare_state(end.digests, self.number)

    def _step(self, step: Step) -> Done:
        effects: tuple[Effect, ...] = ()
        error = ""
        try:
            if self.recording.header.redaction == "none":
                effects = self._replica.step(step.event, now=step.now)
            else:
                self._names |= name_them(operations_of(step.event), step.names)
                effects = _step_hidden(self._replica, step, self._names)
        except Exception as problem:
            error = error_text(problem, self.recording.header.redaction)
        return Done(step, effects, error, self._compare(step, effects, error), self.state)

    def _compare(self, step: Step, effects: tuple[Effect, ...], error: str) -> str:
        if step.failure and not error:
            return f"the node stopped with {step.failure}; the code goes on"
        if error and not step.failure:
            return f"the node went on; the code stops with {error}"
        if error != step.failure:
            return f"the node stopped with {step.failure}; the code stops with {error}"
        if tuple(map(summary, effects)) != step.did:
            return "the code does something else than the node did"
        return "" if step.digests is None else self._compare_state(step.digests, step.number)

    def _compare_state(self, digests: Digests, number: int) -> str:
        """What differs in the state after this step."""
        if not self.recording.same_shape:
            return ""
        state = self.state
        names = checkpoint.different_fields(checkpoint.brief_digest(state), digests.brief)
        if not names and digests.whole not in (None, checkpoint.digest(state)):
            names = ["the contents of byte strings or long collections"]
        if not names:
            self.compared = number
            return ""
        first = self.recording.header.first if self.compared is None else self.compared + 1
        since = f"since some step from {first} to {number}" if first < number else f"since step {number}"
        return f"the code is in another state than the node was, {since}; what differs: {', '.join(names)}"


def _step_hidden(replica: Replica, step: Step, names: Names) -> tuple[Effect, ...]:
    """A redacted step. The fingerprints of its operations are those that the node knew, hidden.

    So the one thing is replaced that the core computes from what was hidden; the replica itself is as it is.
    """
    computed = store.fingerprint

    def look_up(operation: Operation) -> bytes:
        return names.get((operation.key, operation.value)) or computed(operation)

    try:
        for module in TAKES_FINGERPRINTS:
            setattr(module, _FINGERPRINT, look_up)
        return replica.step(step.event, now=step.now)
    finally:
        for module in TAKES_FINGERPRINTS:
            setattr(module, _FINGERPRINT, computed)


def continues(before: Replay, after: Recording) -> str:
    """Why a recording is not what follows another one; nothing if it is, or is of another life."""
    one, other = before.recording.header, after.header
    if (one.id, one.incarnation) != (other.id, other.incarnation):
        return ""
    if one.redaction != other.redaction:
        return "it hides other things"
    last = before.recording.last
    if other.first != last + 1:
        return f"it begins with step {other.first}, not {last + 1}"
    if before.difference or before.number < last:
        return ""  # the state that it should begin with is not known
    if after.state_digest != checkpoint.digest(before.state):
        begun, _ = after.state()
        names = [
            field.name
            for field in fields(State)
            if plain(getattr(begun, field.name)) != plain(getattr(before.state, field.name))
        ]
        return f"it begins in another state; what differs: {', '.join(names)}"
    return ""
