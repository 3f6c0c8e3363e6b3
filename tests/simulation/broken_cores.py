"""Faults put into the core of this process, for the tests of what explains a failure."""

from __future__ import annotations

import pytest

from pbproto import Envelope, InvariantError, backup, commit, proposing, views
from pbproto.messages import Replicate
from pbproto.out import Out
from pbproto.state import FOREVER, State

from .parameters import draw
from .run import Outcome, run_seed

SEEDS = 40


def failing(*, lossy: bool = False) -> Outcome:
    """The run of the first seed (if ``lossy``, of those in which messages are lost at random) that fails
    with the fault that is in place.
    """
    for seed in range(SEEDS):
        if lossy and not draw(seed).loss:
            continue
        outcome = run_seed(seed)
        if not outcome.ok:
            return outcome
    raise AssertionError(f"none of {SEEDS} seeds fails")


def commit_on_any_ack(monkeypatch: pytest.MonkeyPatch) -> None:
    """A primary commits what one backup holds; with three members the core's own check sees it."""
    monkeypatch.setattr(commit, "min", max, raising=False)


def stop_at_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup stops when the same Replicate comes twice: one copied message is needed."""
    true = backup.on_replicate
    seen: list[Replicate] = []

    def on_replicate(state: State, envelope: Envelope, message: Replicate, out: Out) -> None:
        if any(message is known for known in seen):
            raise InvariantError("a message came twice")
        seen.append(message)
        del seen[:-50]
        true(state, envelope, message, out)

    monkeypatch.setattr(backup, "on_replicate", on_replicate)


def asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proposals and nudges are sent once: one that is lost, and the view is never installed."""
    for module in (proposing, views):
        monkeypatch.setattr(module, "on_time", lambda *_: None)
        monkeypatch.setattr(module, "deadline", lambda *_: FOREVER)
