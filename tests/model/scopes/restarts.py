"""Two nodes, of which some crash and start again with nothing."""

from __future__ import annotations

from dataclasses import replace

from ..scope import INSTALLATION, QUESTIONS, SUSPICIOUS, Order, get, put, two

RESTART_SHOWS = (
    "rejoin",
    "primary_rejoin",
    "backup_rejoin",
    "base_from_another",
    "lost_took_effect",
    "former_life",
    "outbid",
    "commit_after_restart",
)

told_again = two(
    "fast-told-again",
    "A view is told again after one that its primary never heard of, and a node is lost: up to a depth.",
    before=(put(0, "0"),),
    clients=((put(1, "1", after=1), get(0, after=2)),),
    orders=(Order((1,), (1,)), Order((0, 1), (0, 1))),
    crashes=1,
    mortal=(1,),
    max_round=1,
    gone=QUESTIONS,
    depth=18,
    must_see=("former_life", "base_from_another", "commit_after_view_change", "log_tail"),
)
two_restarts = two(
    "fast-two-restarts",
    "A node restarts; before the view is active again it is told again; and one of them restarts.",
    before=(put(0, "0"),),
    clients=(),
    crashes=2,
    again=1,
    max_epoch=3,
    max_round=1,
    gone=INSTALLATION,
    must_see=("base_from_another", "rejoin", "outbid"),
)

SCOPES = (
    two(
        "fast-restart",
        "Any node restarts with nothing while clients write and read, and is told the view again.",
        before=(put(0, "0"),),
        clients=((put(1, "1"), get(0)),),
        crashes=1,
        max_epoch=3,
        must_see=RESTART_SHOWS,
    ),
    two(
        "big-restart",
        "Two clients, three requests, any node restarts.",
        before=(put(0, "0"),),
        clients=((put(0, "1"), get(1)), (put(1, "2"),)),
        crashes=1,
        max_epoch=3,
        must_see=RESTART_SHOWS,
    ),
    two(
        "fast-restart-timer",
        "A node restarts, and time passes before or after: suspicion, asking again, clients turned away.",
        before=(put(0, "0"),),
        clients=((put(0, "1"),),),
        crashes=1,
        timers=1,
        max_epoch=3,
        settings=SUSPICIOUS,
        must_see=(*RESTART_SHOWS, "suspected", "parked_not_applied", "unknown_took_effect", "sent_again"),
    ),
    two(
        "big-restart-timer",
        "Two clients, three requests, a restart, and time passes: up to a depth.",
        before=(put(0, "0"),),
        clients=((put(0, "1"), get(1)), (put(1, "2"),)),
        crashes=1,
        timers=2,
        max_epoch=3,
        depth=17,
        settings=SUSPICIOUS,
        must_see=(*RESTART_SHOWS, "suspected", "parked_not_applied", "unknown_took_effect", "sent_again"),
    ),
    two(
        "fast-close-restart",
        "A node stops in order, is gone, and starts again with nothing.",
        clients=((put(1, "1"), get(0)),),
        closes=1,
        crashes=1,
        max_epoch=3,
        gone=QUESTIONS,
        must_see=(*RESTART_SHOWS, "answered_at_stop", "turned_away_at_stop", "acknowledged_while_stopping"),
    ),
    told_again,
    replace(
        told_again,
        name="big-told-again",
        about="The same to the end, with more rounds.",
        max_round=2,
        depth=None,
        must_see=("rejoin", "base_from_another", "commit_after_view_change", "read_after_view_change"),
    ),
    two_restarts,
    two(
        "fast-start",
        "Empty nodes become a view, and one of them restarts on the way.",
        first=(),
        clients=((put(0, "1"),),),
        orders=(Order((0, 1), (0, 1)),),
        crashes=1,
        max_epoch=3,
        must_see=("started_empty", "written", "rejoin", "lost_took_effect"),
    ),
)
