"""Two nodes and numbered views, whose PUTs may be late, missing and out of order."""

from __future__ import annotations

from dataclasses import replace

from ..scope import INSTALLATION, QUESTIONS, SUSPICIOUS, Order, get, put, two

numbered = two(
    "fast-numbered",
    "Numbered views whose PUTs are late, missing and out of order: up to a depth.",
    first_epoch=1,
    clients=((put(1, "1"),),),
    orders=(Order((1,), (0, 1), 2), Order((0, 1), (0, 1), 3)),
    gone=INSTALLATION,
    max_round=1,
    depth=17,
    must_see=("learned", "late_view_refused", "truncated", "log_tail"),
)
numbered_restart = two(
    "fast-numbered-restart",
    "A node of a numbered view restarts: the view is installed again under its number, or the next one is.",
    first_epoch=1,
    before=(put(0, "0"),),
    clients=((put(0, "1"),),),
    orders=(Order((0, 1), (0, 1), 2),),
    crashes=1,
    mortal=(0,),
    max_attempt=1,
    max_round=1,
    must_see=("rejoin", "installed_again", "commit_after_restart", "late_view_refused", "learned"),
)

SCOPES = (
    numbered,
    replace(
        numbered,
        name="big-numbered",
        about="Two clients, two requests, numbered views told late, out of order or never: to the end.",
        clients=(*numbered.clients, (put(0, "2"),)),
        gone=QUESTIONS,
        max_round=2,
        depth=None,
    ),
    numbered_restart,
    replace(
        numbered_restart,
        name="big-numbered-restart",
        about="Two clients, three requests, a later numbered view, and any node restarts: up to a depth.",
        clients=((put(0, "1"), get(1)), (put(1, "2"),)),
        mortal=(),
        depth=18,
    ),
    two(
        "fast-interrupted",
        "A node joins as primary, and before that view is active the next one is ordered: up to a depth.",
        first=(1,),
        first_epoch=1,
        before=(put(1, "0"),),
        clients=((get(0, after=1),),),
        orders=(Order((0, 1), (0, 1), 2), Order((0, 1), (0, 1), 3)),
        max_round=1,
        depth=20,
        must_see=("base_from_another", "copied", "late_view_refused", "read_after_view_change"),
    ),
    two(
        "fast-numbered-again",
        "The same nodes are told the next number: what is late of the view before does nothing in this one.",
        first_epoch=1,
        clients=((put(0, "1"),), (put(1, "2"),)),
        orders=(Order((0, 1), (0,), 2),),
        max_round=1,
        gone=QUESTIONS,
        must_see=("learned", "truncated", "commit_after_view_change", "answered_from_results"),
    ),
    two(
        "fast-verdict",
        "A write that was turned away at the primary is on its way again in the next view of the same one.",
        first_epoch=1,
        clients=((put(1, "1"),),),
        orders=(Order((0, 1), (0,), 2),),
        timers=3,
        settings=SUSPICIOUS,
        must_see=("parked_not_applied", "unknown_took_effect", "learned", "commit_after_view_change"),
    ),
)
