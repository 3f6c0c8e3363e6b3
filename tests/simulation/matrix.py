"""What a set of runs has to have met, so that its silence means something: the matrix, and what is missing in
it.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pbproto
from pbproto import Code
from pbproto.messages import Refusal
from tests.core.cluster import MESSAGES as KINDS_OF_MESSAGE

from .faults import CONSEQUENCES, MOMENTS
from .parameters import KINDS
from .tally import Tally

MESSAGES = tuple(kind.__name__ for kind in KINDS_OF_MESSAGE)
SUFFERED = (
    "lost",
    "copied",
    "late",
    "stale",
    "overtaken",
    "cut",
    "held",
    "to_paused",
    "to_slow",
    "to_nobody",
    "to_stranger",
    "to_former_life",
    "from_former_life",
)
"""What can become of one message: it is lost, copied, held up, copied much later, arrives after one that was
sent later; its link is cut, or holds it back; it reaches a node that is paused, slow, down, another one at
that address, a later life of the one it was meant for, or it comes from a life that is over."""

IMPOSSIBLE = {
    ("Told", "to_former_life"): "a nudge is for whichever life runs there",
    ("Propose", "to_former_life"): "a proposal is for whichever life runs there",
    ("Seek", "to_former_life"): "who asks does not know yet which life runs there",
}
"""Cells that cannot be hit, and why."""
RARE = {
    (kind, "to_stranger"): "an answer finds a stranger only if two nodes swap addresses within one round trip"
    for kind in (
        "Promise",
        "Adopt",
        "Adopted",
        "Fetch",
        "LogChunk",
        "SnapshotChunk",
        "Replicated",
        "Forwarded",
        "Confirmed",
        "Learned",
    )
} | {("Offer", "to_stranger"): "a newcomer has to move while it is being filled"}
"""Cells that are counted and not demanded, and why."""

REJECTED = (
    ("closing", "certain"),
    ("closing", "unknown"),
    ("idempotency_key_reused", "certain"),
    ("no_view", "certain"),
    ("outside_view", "certain"),
    ("outside_view", "unknown"),
    ("overloaded", "certain"),
    ("store_full", "certain"),
    ("timeout", "certain"),
    ("timeout", "unknown"),
    ("stale_epoch", "view"),
    ("other_life", "view"),
)
"""How clients, and the outside, have to have been turned away."""
HAPPENED = (
    "answer_lost",
    "asleep",
    "client_hung_up",
    "crash_of_a_forwarder",
    "crash_of_a_source",
    "crash_while_fetching",
    "crash_while_paused",
    "halves",
    "leased_answer",
    "leased_read",
    "repeated",
    "view_called_off",
    "view_empty",
    "view_late",
    "view_lost",
    "view_numbered",
    "view_out_of_order",
    "view_told_twice",
    "view_unnumbered",
)
"""What else has to have happened."""
MOST_UNDECIDED = {"with": 0.002, "without": 0.02}
"""This share of the histories may end undecided, with their numbers and without."""

UNREACHED_REASONS = {
    "not_an_epoch": "a correct primary counts epochs from 1; hostile numbers are for the unit tests",
    "not_its_own_ballot": "a correct primary proposes its own ballots only",
    "not_a_view_of_ours": "a correct primary proposes to members only",
    "not_its_own_request": "a correct backup forwards its own clients' writes only",
    "beyond_the_state": "a correct member asks for what the source has said it has",
    "not_the_primary": "who speaks in a ballot as its primary is its primary",
    "not_synced": "a correct primary replicates when all members are synced",
    "not_a_backup": "who speaks in an active ballot is a member of it, in the life it was installed with",
    "beyond_the_log": "a correct member acknowledges and confirms what was sent",
    "other_history": "there is one cluster; another one on a reused port is for the unit tests",
}
"""Reasons for ignoring a message that the fault model does not bring about; ``tests/core`` covers each."""


def ignore_reasons() -> list[str]:
    """Every reason for which the core ignores a message, read in its source."""
    found: dict[str, None] = {}
    for path in sorted(Path(pbproto.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id == "ignore" and len(node.args) > 2 and isinstance(node.args[2], ast.Constant):
                found[str(node.args[2].value)] = None
    return [*found, *(refusal.name.lower() for refusal in Refusal)]


def holes(tally: Tally, runs: int) -> list[str]:
    """What so many runs should have met and did not."""
    excused = {**IMPOSSIBLE, **RARE}
    missing = []
    for kind in MESSAGES:
        missing += [
            f"no {kind} was ever {fault.replace('_', ' ')}"
            for fault in SUFFERED
            if not tally.suffered_by[(fault, kind)] and (kind, fault) not in excused
        ]
        if not tally.received[kind]:
            missing.append(f"no {kind} was ever received")
    missing += [f"nothing was ever noted as {code.value}" for code in Code if not tally.notes[code.value]]
    ignored = {reason for reason, _ in tally.ignored}
    missing += [
        f"no message was ever ignored as {reason}"
        for reason in ignore_reasons()
        if reason not in ignored and reason not in UNREACHED_REASONS and (reason, "") not in excused
    ]
    missing += [
        f"messages were ignored as {reason}, which is said not to happen: {UNREACHED_REASONS[reason]}"
        for reason in sorted(ignored & UNREACHED_REASONS.keys())
    ]
    missing += [
        f"nothing was rejected: {reason}, {how}"
        for reason, how in REJECTED
        if not tally.rejected[reason, how]
    ]
    missing += [f"there never was {what}" for what in (*KINDS, *HAPPENED) if not tally.faults[what]]
    missing += [
        f"there never was an ambush: {moment}, {consequence}"
        for moment in MOMENTS
        for consequence in dict.fromkeys(CONSEQUENCES)
        if not tally.faults[f"ambush: {moment}, {consequence}"] and (moment, consequence) not in excused
    ]
    for mode, most in MOST_UNDECIDED.items():
        undecided = tally.faults[f"history undecided {mode} numbers"]
        if undecided > most * runs:
            missing.append(f"{undecided} histories are undecided {mode} numbers")
    return missing


def lines(tally: Tally) -> list[str]:
    """The matrix as text: a row for each kind of message, a column for each fault."""
    width = max(map(len, MESSAGES))
    columns = [fault.replace("_", " ").replace("former life", "former") for fault in SUFFERED]
    found = [" ".join([" " * width, *(f"{column:>12}" for column in columns), "    received"])]
    for kind in MESSAGES:
        cells = [
            f"{'–' if (kind, fault) in IMPOSSIBLE else tally.suffered_by[(fault, kind)]:>12}"
            for fault in SUFFERED
        ]
        found.append(" ".join([f"{kind:<{width}}", *cells, f"{tally.received[kind]:>12}"]))
    found += [
        "(A row for each kind of message. Lost to stale: what the network did to it. Overtaken: it arrived",
        " after one that was sent later. To: one that was paused, slow or down, a stranger at its address,",
        " a later life of the one it was for; or it came from a life that was over. –: cannot be.)",
    ]
    for title, counts in (
        ("happened", tally.faults),
        ("notes", tally.notes),
        ("ignored", {f"{reason}": 0 for reason, _ in tally.ignored}),
        ("rejected", {", ".join(key): count for key, count in tally.rejected.items()}),
        ("answers", tally.answers),
    ):
        if title == "ignored":
            for (reason, _), count in tally.ignored.items():
                counts[reason] += count
        words = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        found.append(f"{title}: {words}")
    return found
