"""The scopes. Those called ``fast-`` run with the tests, those called ``big-`` by hand."""

from __future__ import annotations

from .scope import Ask, Order, Scope

PATIENT = {"request_timeout": 10_000, "suspect_after": 1_000, "resend_after": 250, "heartbeat": 400}
"""Nodes ask again, then suspect, then give up, as in real life."""
HASTY = {"request_timeout": 10, "suspect_after": 1_000, "resend_after": 250, "heartbeat": 400}
"""The first thing that time does is to turn clients away."""
SUSPICIOUS = {"request_timeout": 20, "suspect_after": 10, "resend_after": 1_000, "heartbeat": 1_000}
"""The first thing is suspicion, the second that clients are turned away."""
TINY = {**PATIENT, "chunk_bytes": 1, "batch_bytes": 1, "log_keep_bytes": 0}
"""State moves item by item, as a snapshot whenever it can."""


def put(node: int, value: str, *, name: str = "", after: int = 0, key: str = "k") -> Ask:
    return Ask(node, "put", key, value, name, after)


def get(node: int, *, after: int = 0, key: str = "k") -> Ask:
    return Ask(node, "get", key, after=after)


def delete(node: int, *, after: int = 0, key: str = "k") -> Ask:
    return Ask(node, "delete", key, after=after)


def everything(node: int, *, after: int = 0) -> Ask:
    return Ask(node, "list", "", after=after)


FAST = (
    Scope(
        "fast-failover",
        "A write, then the backup alone: does what was acknowledged stay, and what was not fit?",
        nodes=2,
        first=(0, 1),
        clients=((put(0, "1"), get(1, after=1)), (get(0),)),
        orders=(Order((1,), (0, 1)),),
        timers=1,
        settings=HASTY,
        must_see=("read_after_view_change", "unknown_took_effect", "turned_away_outside", "recovered"),
    ),
    Scope(
        "fast-stale-read",
        "The old primary hears nothing of the new view: does it ever answer from the past?",
        nodes=2,
        first=(0, 1),
        before=(put(0, "old"),),
        clients=((put(1, "new", after=1),), (get(0), everything(0))),
        orders=(Order((1,), (1,)),),
        timers=1,
        settings=HASTY,
        must_see=("refused_stale_read", "commit_after_view_change", "answered_from_results"),
    ),
    Scope(
        "fast-backup",
        "Writes and reads through the backup, at a primary that is left behind; a view is told once more.",
        nodes=2,
        first=(0, 1),
        clients=((put(1, "1"), get(1)),),
        orders=(Order((1,), (1,)),),
        again=1,
        settings=PATIENT,
        must_see=("read_at_backup", "answered_from_results", "commit_after_view_change", "recovered"),
    ),
    Scope(
        "fast-suspicion",
        "Backups that are silent, then not: is every 'not applied' true, and every write done once?",
        nodes=2,
        first=(0, 1),
        clients=((put(0, "1"), get(0)), (delete(1),)),
        timers=2,
        settings=SUSPICIOUS,
        must_see=("recovered", "parked_not_applied", "unknown", "unknown_took_effect"),
    ),
    Scope(
        "fast-repeat",
        "A client repeats its write with the same Idempotency-Key, at the other node and in the next view.",
        nodes=2,
        first=(0, 1),
        clients=((put(0, "1", name="once"), put(1, "1", name="once"), get(1)),),
        orders=(Order((1,), (0, 1)),),
        timers=1,
        settings=HASTY,
        must_see=("repeat_by_key", "unknown_took_effect", "commit_after_view_change"),
    ),
    Scope(
        "fast-restart",
        "Any node restarts with nothing while clients write and read, and is told the view again.",
        nodes=2,
        first=(0, 1),
        before=(put(0, "0"),),
        clients=((put(1, "1"), get(0)),),
        crashes=1,
        settings=HASTY,
        max_epoch=3,
        must_see=(
            "rejoin",
            "primary_rejoin",
            "base_from_another",
            "lost_took_effect",
            "former_life",
            "outbid",
        ),
    ),
    Scope(
        "fast-told-again",
        "A view is told again after one that its primary never heard of, and then a node is lost.",
        nodes=2,
        first=(0, 1),
        clients=((put(1, "1", after=1), get(0, after=2)),),
        orders=(Order((1,), (1,)), Order((0, 1), (0, 1))),
        crashes=1,
        mortal=(1,),
        settings=HASTY,
        depth=16,
        must_see=("former_life", "base_from_another", "commit_after_view_change", "log_tail"),
    ),
    Scope(
        "fast-numbered",
        "Numbered views whose PUTs are late, missing and out of order.",
        nodes=2,
        first=(0, 1),
        first_epoch=1,
        clients=((put(1, "1"), get(0, after=2)),),
        orders=(Order((1,), (0, 1), 2), Order((0, 1), (0, 1), 3)),
        settings=HASTY,
        must_see=(
            "learned",
            "late_view_refused",
            "blocked",
            "truncated",
            "log_tail",
            "read_after_view_change",
        ),
    ),
    Scope(
        "fast-interrupted",
        "A node joins as primary, and before that view is active the next one is ordered.",
        nodes=2,
        first=(1,),
        first_epoch=1,
        before=(put(1, "0"),),
        clients=((get(0, after=1),),),
        orders=(Order((0, 1), (0, 1), 2), Order((0, 1), (0, 1), 3)),
        settings=HASTY,
        must_see=("base_from_another", "log_tail", "late_view_refused", "read_after_view_change"),
    ),
    Scope(
        "fast-verdict",
        "A write that was turned away at the primary is on its way again in the next view of the same one.",
        nodes=2,
        first=(0, 1),
        first_epoch=1,
        clients=((put(1, "1"),),),
        orders=(Order((0, 1), (0,), 2),),
        timers=3,
        settings=SUSPICIOUS,
        must_see=("parked_not_applied", "unknown_took_effect", "learned", "commit_after_view_change"),
    ),
    Scope(
        "fast-start",
        "Empty nodes become a view, and one of them restarts on the way.",
        nodes=2,
        clients=((put(0, "1"),),),
        orders=(Order((0, 1), (0, 1)),),
        crashes=1,
        settings=HASTY,
        max_epoch=3,
        must_see=("started_empty", "written", "rejoin", "lost_took_effect"),
    ),
    Scope(
        "fast-snapshot",
        "A node joins and gets the state item by item while clients write; then it is alone.",
        nodes=2,
        first=(0,),
        before=(put(0, "0"), put(0, "0", key="other", name="named")),
        clients=((put(0, "1"), get(1, after=1)), (put(1, "0", key="other", name="named", after=1),)),
        orders=(Order((0, 1), (0, 1)), Order((1,), (0, 1))),
        settings=TINY,
        must_see=("snapshot", "repeat_by_key", "read_after_view_change", "commit_after_view_change"),
    ),
    Scope(
        "fast-join",
        "Two halves, each alone, both write and are joined again: what is dropped is never dropped silently.",
        nodes=2,
        first=(0, 1),
        clients=((put(0, "1", after=1),), (put(1, "2", after=2),)),
        orders=(Order((0,), (0,)), Order((1,), (1,), free=True), Order((0, 1), (0, 1))),
        one_history=False,
        settings=HASTY,
        max_epoch=3,
        must_see=("both_halves_wrote", "dropped", "snapshot"),
    ),
    Scope(
        "fast-three",
        "Three nodes, a write at any stage, two of them go on, with the old primary still running.",
        nodes=3,
        first=(0, 1, 2),
        clients=((put(2, "1"),),),
        orders=(Order((1, 2), (1, 2)),),
        settings=HASTY,
        must_see=("base_from_another", "log_tail", "outbid", "answered_from_results"),
    ),
    Scope(
        "fast-three-reads",
        "The same with reads on both sides, and everyone told: everything up to a depth.",
        nodes=3,
        first=(0, 1, 2),
        clients=((put(0, "1"), get(1, after=1)), (get(0),)),
        orders=(Order((1, 2), (0, 1, 2)),),
        settings=HASTY,
        max_round=1,
        depth=12,
        must_see=("written", "base_from_another", "refused_stale_read", "unknown_took_effect"),
    ),
)

BIG = (
    Scope(
        "big-restart",
        "Two nodes, two clients, three requests, any node restarts.",
        nodes=2,
        first=(0, 1),
        before=(put(0, "0"),),
        clients=((put(0, "1"), get(1)), (put(1, "2"),)),
        crashes=1,
        settings=HASTY,
        max_epoch=3,
        must_see=(
            "rejoin",
            "primary_rejoin",
            "base_from_another",
            "lost_took_effect",
            "former_life",
            "outbid",
        ),
    ),
    Scope(
        "big-told-again",
        "The fast scope of the same name to its end: the view is told again, and the lone holder restarts.",
        nodes=2,
        first=(0, 1),
        clients=((put(1, "1", after=1), get(0, after=2)),),
        orders=(Order((1,), (1,)), Order((0, 1), (0, 1))),
        crashes=1,
        mortal=(1,),
        settings=HASTY,
        must_see=("rejoin", "base_from_another", "commit_after_view_change", "read_after_view_change"),
    ),
    Scope(
        "big-numbered",
        "Two clients and three numbered views, told late, out of order or never.",
        nodes=2,
        first=(0, 1),
        first_epoch=1,
        clients=((put(1, "1"), get(0, after=2)), (put(0, "2"),)),
        orders=(Order((1,), (0, 1), 2), Order((0, 1), (0, 1), 3)),
        settings=HASTY,
        must_see=(
            "learned",
            "late_view_refused",
            "blocked",
            "truncated",
            "log_tail",
            "read_after_view_change",
        ),
    ),
    Scope(
        "big-three",
        "Three nodes, two clients, three requests, two of the nodes go on: to the end.",
        nodes=3,
        first=(0, 1, 2),
        clients=((put(0, "1"), get(1, after=1)), (get(0),)),
        orders=(Order((1, 2), (0, 1, 2)),),
        settings=HASTY,
        max_round=1,
        must_see=("base_from_another", "refused_stale_read", "read_after_view_change"),
    ),
    Scope(
        "big-leftover",
        "Three nodes and two changes of view: the second one brings a leftover of the first view back.",
        nodes=3,
        first=(0, 1, 2),
        clients=((put(0, "1"),), (put(1, "2", after=1),)),
        orders=(Order((1, 2), (1, 2)), Order((0, 2), (0, 2))),
        settings=HASTY,
        max_round=1,
        depth=16,
        must_see=("truncated", "base_from_another", "commit_after_view_change"),
    ),
    Scope(
        "big-full",
        "Three nodes, two clients, three requests, two changes of view and a restart: up to a depth.",
        nodes=3,
        first=(0, 1, 2),
        clients=((put(0, "1"), get(1, after=1)), (put(2, "2"),)),
        orders=(Order((1, 2), (0, 1, 2)), Order((0, 2), (0, 2))),
        crashes=1,
        settings=HASTY,
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

SCOPES = {scope.name: scope for scope in (*FAST, *BIG)}
