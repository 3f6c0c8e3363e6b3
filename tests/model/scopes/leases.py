"""Reads under leases, where clocks drift.

A lease is 100 ms, and clocks are off by a tenth at most, so that a primary counts 80 of it. When 91 ms of
true time pass, a slow clock moves by 82 and a fast one by 100: the fast one has seen the end of the lease,
and the slow one the end of what it counts. With 90 counted, or 100, it would not have.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..scope import INSTALLATION, QUESTIONS, Order, Scope, get, put

SETTINGS = {
    "request_timeout": 100_000,
    "suspect_after": 100_000,
    "resend_after": 100_000,
    "heartbeat": 100_000,
    "lease": 100,
    "clock_drift": 100_000,
}
"""Nothing but leases is ever due. The drift is in millionths."""

leased = partial(Scope, settings=SETTINGS, max_round=4)

alone = leased(
    "fast-lease",
    "A backup goes on alone while the primary, whose clock is the slower one, reads.",
    nodes=2,
    first=(0, 1),
    clients=((put(1, "1", after=1),), (get(0),)),
    orders=(Order((1,), (1,)),),
    timers=2,
    passes=((82, 100),),
    gone=QUESTIONS,
    must_see=("leased_read", "postponed", "commit_after_view_change"),
)
handover = leased(
    "fast-lease-handover",
    "A node with a lower id takes the lead over; the primary reads until it has promised: up to a depth.",
    nodes=3,
    first=(1, 2),
    clients=((get(1),),),
    orders=(Order((0, 1, 2), (0, 1, 2)),),
    timers=1,
    passes=((55, 45, 55),),
    gone=QUESTIONS,
    depth=13,
    must_see=("leased_read", "postponed", "released"),
)

SCOPES = (
    alone,
    replace(
        alone,
        name="big-lease",
        about="The same, more often, with a write before and either clock the faster one.",
        before=(put(0, "0"),),
        clients=((put(1, "1", after=1),), (get(0), get(0))),
        timers=3,
        passes=((45, 55), (55, 45)),
    ),
    leased(
        "fast-lease-backup",
        "The same with a reader at the backup, which asks the primary.",
        nodes=2,
        first=(0, 1),
        clients=((put(1, "1"),), (get(1),)),
        orders=(Order((1,), (1,)),),
        timers=1,
        passes=((45, 55),),
        gone=QUESTIONS,
        must_see=("leased_answer", "postponed", "read_at_backup"),
    ),
    handover,
    replace(
        handover,
        name="big-lease-handover",
        about="The same with a write: up to a depth.",
        clients=((put(0, "1", after=1),), (get(1),)),
        depth=27,
        must_see=("leased_read", "released", "commit_after_view_change"),
    ),
    leased(
        "big-lease-restart",
        "One backup restarts, forgets its lease, and goes on with the other, which remembers: up to a depth.",
        nodes=3,
        first=(0, 1, 2),
        clients=((put(1, "1", after=1),), (get(0, after=1),)),
        orders=(Order((1, 2), (1, 2)),),
        crashes=1,
        mortal=(1,),
        timers=1,
        passes=((82, 100, 100),),
        gone=INSTALLATION,
        max_epoch=2,
        max_round=2,
        depth=15,
        must_see=("leased_read", "commit_after_restart"),
    ),
)
