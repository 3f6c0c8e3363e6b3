"""Faults of filling: copies that are none, and newcomers that keep others waiting."""

from __future__ import annotations

from .bugs import Bug, bug


def _bug(name: str, rule: str, *edits: tuple[str, str, str]) -> Bug:
    return bug(name, rule, *edits, explored=False)


LEARNERS: tuple[Bug, ...] = (
    _bug(
        "newcomers_get_what_is_not_committed",
        "a newcomer copies what is committed, and nothing else",
        (
            "filling.py",
            "    end_ = min(message.end, state.commit)\n",
            "    end_ = min(message.end, state.log.end)\n",
        ),
        (
            "filling.py",
            "Offer(lead.ballot, state.history, state.commit, ",
            "Offer(lead.ballot, state.history, state.log.end, ",
        ),
        ("filling.py", "    if message.end > state.commit:\n", "    if message.end > state.log.end:\n"),
    ),
    _bug(
        "copy_of_a_moving_map",
        "a snapshot is of one moment",
        (
            "filling.py",
            "        chunk = learner.frozen.chunk(",
            "        learner.frozen.map = state.store.data.snapshot()\n        chunk = learner.frozen.chunk(",
        ),
    ),
    _bug(
        "copied_twice",
        "an operation is added to a copy at its place, once",
        (
            "learning.py",
            "    if message.first != copy.applied or not message.operations:\n",
            "    if not message.operations:\n",
        ),
    ),
    _bug(
        "silent_newcomer_is_waited_for",
        "a newcomer that does not answer holds the view up no longer than a backup would",
        (
            "filling.py",
            "        if learner.owed_since + state.config.suspect_after <= state.now:\n",
            "        if False:\n",
        ),
    ),
    _bug(
        "seeks_for_ever",
        "who is offered nothing proposes at last",
        ("seeking.py", "state.seeking.until <= state.now:\n", "state.seeking.until < 0:\n"),
    ),
    _bug(
        "fills_in_a_view_that_is_cut_off",
        "a view that can commit nothing is replaced at once",
        (
            "filling.py",
            "    if not _healthy(lead):\n        return end(",
            "    if False:\n        return end(",
        ),
    ),
)
