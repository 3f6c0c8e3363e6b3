"""The form of every note: the fields of its code, in order, and what each may look like.

Operators read notes as log lines. They are made in many rooms, so they are held to one table, whichever test
makes them (``conftest.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pbproto import Note, Reason
from pbproto.base import LOST, SPLIT
from pbproto.effects import Code
from pbproto.proposing import REFUSALS

from .cluster import MESSAGES

Form = Callable[[object], bool]


def number(value: object) -> bool:
    return type(value) is int and value >= 0


def text(pattern: str) -> Form:
    return lambda value: type(value) is str and re.fullmatch(pattern, value) is not None


def one_of(*values: str | int) -> Form:
    return lambda value: any(type(value) is type(known) and value == known for known in values)


BALLOT = r"\d+\.\d+@\d+"
ballot = text(BALLOT)
ids = text(r"\d+(,\d+)*")
node_at = text(r"node \d+ answers at its address")
promised = text(f"it has promised ballot {BALLOT}")


def refusal(value: object) -> bool:
    """The words of a refusal; those of two kinds name a node, and a ballot."""
    return value in REFUSALS.values() or node_at(value) or promised(value)


def refused_copy(value: object) -> bool:
    """A newcomer that does not want the copy, and why."""
    match = re.fullmatch(r"node \d+: (.+)", value) if isinstance(value, str) else None
    return match is not None and refusal(match[1])


FILLED = (
    "all learners are close",
    "the present view can commit nothing",
    "the log grew too long meanwhile",
)
"""Why newcomers are filled no longer, where it is not one of them."""

IGNORED = (
    "beyond_the_log",
    "beyond_the_state",
    "former_life",
    "leased",
    "not_a_backup",
    "not_a_learner",
    "not_a_member",
    "not_a_source",
    "not_a_view_of_ours",
    "not_an_epoch",
    "not_asked_for",
    "nothing_to_offer",
    "not_in_ballot",
    "not_its_own_ballot",
    "not_its_own_request",
    "not_synced",
    "not_the_primary",
    "not_told",
    "other_ballot",
    "other_history",
    "out_of_order",
    "promised_higher",
    "repeated",
    "settled",
    "told_other_view",
    "wrong_incarnation",
    "wrong_node",
)
"""Why messages change nothing, by name; ``State.ignored`` counts by the same names."""

ROOM: Mapping[str, Form] = {"data_bytes": number, "max_data_bytes": number}
FORMS: Mapping[Code, Mapping[str, Form]] = {
    Code.VIEW_TOLD: {
        "members": text(r"nobody|\d+=\w+:\d+(,\d+=\w+:\d+)*"),
        "epoch": lambda value: value == "unnumbered" or (number(value) and value != 0),
    },
    Code.VIEW_LEARNED: {"epoch": number, "members": ids},
    Code.FILLING: {"learners": ids},
    Code.FILLED: {
        "reason": lambda value: (
            value in FILLED or text(r"node \d+ does not answer")(value) or refused_copy(value)
        )
    },
    Code.PROPOSED: {"ballot": ballot, "members": ids},
    Code.PROMISED: {"ballot": ballot, "synced": text(f"None|{BALLOT}"), "log_end": number},
    Code.POSTPONED: {"ballot": ballot, "until": number},
    Code.BASE_CHOSEN: {"ballot": ballot, "source": number, "end": number},
    Code.STARTED_EMPTY: {"ballot": ballot},
    Code.BLOCKED: {
        "ballot": ballot,
        "reason": text(f"{re.escape(SPLIT)}|{re.escape(LOST)}|a member has promised the later epoch \\d+"),
    },
    Code.INSTALLED: {"ballot": ballot, "role": one_of("backup"), "commit": number},
    Code.BECAME_PRIMARY: {"ballot": ballot, "commit": number, "backups": number},
    Code.STOPPED_SERVING: {"reason": text(f"outside the told view|promised {BALLOT}")},
    Code.SUSPECTED: {
        "backup": number,
        "reason": lambda value: value == "it does not answer" or refusal(value),
    },
    Code.RECOVERED: {"backup": number},
    Code.STATE_SENT: {"to": number, "what": one_of("log", "snapshot", "copy"), "end": number},
    Code.STATE_RECEIVED: {"source": number, "what": one_of("log", "snapshot", "copy"), "end": number},
    Code.DROPPED: {"member": number, "first": number, "end": number},
    Code.REFUSED_BY: {"member": number, "reason": refusal},
    Code.IGNORED: {
        "reason": one_of(*IGNORED),
        "message": one_of(*(kind.__name__ for kind in MESSAGES)),
        "sender": number,
    },
    Code.REJECTED: {
        "reason": one_of(*(reason.value for reason in Reason)),
        "certain": one_of(0, 1),
        "waited_for": text(r"|[a-z].*"),
    },
    Code.STORE_NEARLY_FULL: ROOM,
    Code.STORE_FULL: ROOM,
    Code.STORE_HAS_ROOM: ROOM,
    Code.CLOSED: {},
}


def check(note: Note) -> None:
    """Raises ``AssertionError`` unless the note fits the table."""
    form = FORMS[note.code]
    assert tuple(name for name, _ in note.fields) == tuple(form), note
    for name, value in note.fields:
        assert form[name](value), f"{name} of {note}"
