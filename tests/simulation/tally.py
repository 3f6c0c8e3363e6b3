"""What a run has met, counted: faults by message kind, notes, reasons, and what the clients were told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pbproto import Code, Effect, Event, Note, Reject, Reply
from pbproto.effects import ViewRefused
from pbproto.events import Receive


@dataclass(slots=True)
class Tally:
    """Counters that add up over runs."""

    suffered_by: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(fault, message kind)."""
    received: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    ignored: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(reason, message kind) of the messages that changed nothing."""
    rejected: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(reason, certain or unknown); ``view`` for a PUT of a view."""
    faults: Counter[str] = field(default_factory=Counter)
    """Faults that lasted, views, and what else the run did to the cluster."""
    answers: Counter[str] = field(default_factory=Counter)
    message_faults: list[str] = field(default_factory=list)
    """The names of the faults of single messages, in order: what shrinking may spare."""

    def suffered(self, fault: str, kind: str) -> None:
        self.suffered_by[(fault, kind)] += 1

    def step(self, event: Event, effects: tuple[Effect, ...]) -> None:
        if isinstance(event, Receive):
            self.received[type(event.message).__name__] += 1
        for effect in effects:
            if isinstance(effect, Note):
                self.notes[effect.code.value] += 1
                if effect.code is Code.IGNORED:
                    fields = dict(effect.fields)
                    self.ignored[(str(fields["reason"]), str(fields["message"]))] += 1
            elif isinstance(effect, Reject):
                self.rejected[(effect.reason.value, "certain" if effect.certain else "unknown")] += 1
            elif isinstance(effect, ViewRefused):
                self.rejected[(effect.reason.value, "view")] += 1
            elif isinstance(effect, Reply):
                self.answers[type(effect.outcome).__name__] += 1

    def add(self, other: Tally) -> None:
        """Take in what another run has met (its single message faults are its own)."""
        for name in ("suffered_by", "received", "notes", "ignored", "rejected", "faults", "answers"):
            getattr(self, name).update(getattr(other, name))
