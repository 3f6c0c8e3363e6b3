"""Three nodes."""

from __future__ import annotations

from dataclasses import replace

from ..scope import INSTALLATION, QUESTIONS, SUSPICIOUS, TINY, Order, get, put, three

reads = three(
    "fast-three-reads",
    "The same with reads on both sides, and everyone told: everything up to a depth.",
    clients=((put(0, "1"), get(1, after=1)), (get(0),)),
    orders=(Order((1, 2), (0, 1, 2)),),
    max_round=1,
    gone=INSTALLATION,
    depth=11,
    must_see=("written", "base_from_another", "refused_stale_read", "unknown_took_effect"),
)
restart = three(
    "fast-three-restart",
    "The primary or the backup whose client writes restarts, and time passes before or after.",
    clients=((put(2, "1"),),),
    crashes=1,
    mortal=(0, 2),
    timers=1,
    max_epoch=2,
    max_round=1,
    gone=INSTALLATION,
    settings=SUSPICIOUS,
    must_see=("rejoin_of_three", "commit_after_restart", "lost_took_effect", "former_life", "suspected"),
)
timer = three(
    "fast-three-timer",
    "Two backups, and time passes: one of them is suspected, or both, and they answer or do not.",
    clients=((put(2, "1"),),),
    timers=3,
    max_round=1,
    gone=INSTALLATION,
    settings=SUSPICIOUS,
    must_see=("suspected", "recovered", "parked_not_applied", "unknown_took_effect", "sent_again"),
)

SCOPES = (
    three(
        "fast-three",
        "Three nodes, a write at any stage, two of them go on, with the old primary still running.",
        clients=((put(2, "1"),),),
        orders=(Order((1, 2), (1, 2)),),
        gone=QUESTIONS,
        must_see=("base_from_another", "log_tail", "answered_from_results"),
    ),
    reads,
    replace(
        reads,
        name="big-three",
        about="Two clients, three requests, two of the nodes go on: to the end.",
        gone=QUESTIONS,
        depth=None,
        must_see=("base_from_another", "refused_stale_read", "read_after_view_change"),
    ),
    three(
        "fast-three-join",
        "One of three goes on alone and writes; then all three are a view again.",
        before=(put(0, "0"),),
        clients=((put(1, "1", after=1),),),
        orders=(Order((1,), (1,)), Order((0, 1, 2), (0, 1))),
        max_epoch=3,
        max_round=1,
        gone=INSTALLATION,
        must_see=("base_from_another", "log_tail"),
    ),
    three(
        "fast-three-tail",
        "A node joins, and its source holds more than it has applied: a snapshot, then the tail of the log.",
        first=(0, 1),
        before=(put(0, "0"),),
        clients=((put(0, "1"),), (get(2, after=1),)),
        orders=(Order((1, 2), (1, 2)),),
        gone=QUESTIONS,
        settings=TINY,
        must_see=("snapshot_and_tail", "read_after_view_change"),
    ),
    restart,
    replace(
        restart,
        name="big-three-restart",
        about="Two clients, a write and a read, any node restarts, and time passes.",
        clients=((put(2, "1"),), (get(0),)),
        mortal=(),
        gone=QUESTIONS,
    ),
    timer,
    replace(
        timer,
        name="big-three-timer",
        about="Two clients, three requests, and time passes three times: up to a depth.",
        clients=((put(2, "1"), get(1)), (put(0, "2"),)),
        depth=12,
    ),
    three(
        "big-leftover",
        "Two changes of view: the second one brings a leftover of the first view back: up to a depth.",
        clients=((put(0, "1"),), (put(1, "2", after=1),)),
        orders=(Order((1, 2), (1, 2)), Order((0, 2), (0, 2))),
        max_round=1,
        gone=INSTALLATION,
        depth=19,
        must_see=("truncated", "base_from_another", "commit_after_view_change"),
    ),
    three(
        "big-full",
        "Two clients, three requests, two changes of view and a restart: up to a depth.",
        clients=((put(0, "1"), get(1, after=1)), (put(2, "2"),)),
        orders=(Order((1, 2), (0, 1, 2)), Order((0, 2), (0, 2))),
        crashes=1,
        max_round=1,
        depth=11,
        must_see=(
            "written",
            "base_from_another",
            "lost_took_effect",
            "unknown_took_effect",
            "truncated",
        ),
    ),
)
