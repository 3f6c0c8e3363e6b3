"""Branches of the core that no run within the fault model takes, and why; ``tests/core`` takes each by hand.

Each entry is how the two sides of a branch's name begin, as ``--branches`` prints it: what decides (any, if
that is left out), and the arm; and the reason. A branch that begins to be taken does no harm; one that is
not taken and not listed is a hole.
"""

from __future__ import annotations

_CORRECT = "nodes that follow the protocol never send this"
_CALLER = "the caller would have to misuse the core"
_SHORT = "a run is over sooner"
_REDUNDANT = "what comes before it makes it impossible; it stays as a second lock"

UNREACHED: tuple[tuple[str, str], ...] = (
    (' → ignore(state, out, "not_the_primary"', _CORRECT),
    (' → ignore(state, out, "not_synced"', _CORRECT),
    (' → ignore(state, out, "not_a_backup"', _CORRECT),
    (' → ignore(state, out, "beyond_the_log"', _CORRECT),
    (' → ignore(state, out, "beyond_the_state"', _CORRECT),
    (' → ignore(state, out, "not_its_own_request"', _CORRECT),
    (' → ignore(state, out, "not_an_epoch"', _CORRECT),
    (' → ignore(state, out, "not_its_own_ballot"', _CORRECT),
    (' → ignore(state, out, "not_a_view_of_ours"', _CORRECT),
    ("proposing: if proposal.view.member(envelope.sender) is None: → ignore", _CORRECT),
    ("transfer: if promised is None or promised[0] != envelope.sender_incarnation: → ignore", _CORRECT),
    ("transfer: if message.applied > staging.base.end: → return ignore", _CORRECT),
    ("transfer: if message.offset != 0: → return ignore", _CORRECT),
    ("transfer: if staging.snapshot and (staging.thaw is None → return ignore", _CORRECT),
    (
        "transfer: if (envelope.sender, envelope.sender_incarnation) != (staging.source.id → return None",
        _CORRECT,
    ),
    ("store: if (chunk.applied, chunk.evicted, chunk.total) → return False", _CORRECT),
    ("store: if count == 0 and self.total: → return False", _CORRECT),
    ("store: if not self.complete or count != self.total: → return None", _CORRECT),
    ("transfer: if store is None: → staging.thaw = None", _CORRECT),
    ("backup: if message.first <= state.log.end: → else", _REDUNDANT),
    ("commit: if lead.uncommitted.pop(request, None) is not None: → else", _REDUNDANT),
    ("commit: if backup is not None and backup.incarnation == incarnation: → else", _REDUNDANT),
    ("ordering: if backup is not None and backup.incarnation == request.incarnation: → else", _REDUNDANT),
    ("ordering: if waiter.operation is not None: → else", _REDUNDANT),
    ("ordering: if write is not None: → else", _REDUNDANT),
    ("store: if operation.counter < origin.settled: → return Known.SETTLED", _REDUNDANT),
    ("forwarding: if follow is None: → return", _REDUNDANT),
    ("status: if minutes < 1: → else", _SHORT),
    ('status: if hours < 1: → return f"{minutes} min', _SHORT),
    ("status: if hours < 1: → else", _SHORT),
    ("status: if follow is not None: → else", _REDUNDANT),
    ("status: if told is None or not told.members: → return ()", _REDUNDANT),
    ('status: if staging is None: → return ""', _REDUNDANT),
    ("views: if told is None: → return", _REDUNDANT),
    ("views: if told is None or not told.members: → return", _REDUNDANT),
    ("views: elif proposal is not None: → else", _REDUNDANT),
    ("waiting: if waiter is not None: → else", _REDUNDANT),
    ("replica: if not 0 <= id_ <= MAX_ID: → raise UsageError", _CALLER),
    ("replica: if not 0 < incarnation < 2**64: → raise UsageError", _CALLER),
    ("replica: if self._broken: → raise InvariantError", _CALLER),
    ("replica: if self._busy: → raise UsageError", _CALLER),
    ("replica:  → raise UsageError", _CALLER),
    ("replica: case _: → assert_never(event)", _CALLER),
    ("replica: case _: → assert_never(message)", _CALLER),
    (
        "base: if any(history != histories[0] → return SPLIT",
        "another cluster's nodes would have to be in the view",
    ),
    (
        "gate: elif ( → reason = Refusal.OTHER_HISTORY",
        "another cluster's nodes would have to speak to this one",
    ),
    (
        "base: if numbered and proposal.ballot.epoch > 1: → return LOST",
        "all members would have to be restarted",
    ),
    ("proposing: if isinstance(base, str): → proposal.blocked", "the two cases above"),
    (
        "views: if any(members != view.members → return ViewRefused",
        "the outside would have to give one epoch to two views",
    ),
    (
        "proposing: if is_former(state, envelope.sender → return ignore",
        "a nudge or promise has to outlive its sender: some seeds in a thousand",
    ),
    (
        "gate: elif envelope.sender == state.id: → reason = Refusal.WRONG_NODE",
        "a node has to move to where an answer to its former life goes: some seeds in a thousand",
    ),
)


def explains(words: str, name: str) -> bool:
    """Whether an entry is about the branch of this name."""
    (decides, arm), (deciding, taken) = words.split(" → ", 1), name.split(" → ", 1)
    return deciding.startswith(decides) and taken.removeprefix("return ").startswith(
        arm.removeprefix("return ")
    )


def reason_for(name: str) -> str | None:
    """Why no run takes the branch of this name; ``None`` if nobody says."""
    return next((reason for words, reason in UNREACHED if explains(words, name)), None)
