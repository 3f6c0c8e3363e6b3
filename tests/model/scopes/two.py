"""Two nodes that live on: views change, time passes, state moves, nodes stop in order."""

from __future__ import annotations

from ..scope import PATIENT, SUSPICIOUS, TINY, Order, delete, everything, get, put, two

SCOPES = (
    two(
        "fast-failover",
        "A write, then the backup alone: does what was acknowledged stay, and what was not fit?",
        clients=((put(0, "1"), get(1, after=1)), (get(0),)),
        orders=(Order((1,), (0, 1)),),
        timers=1,
        must_see=("read_after_view_change", "unknown_took_effect", "turned_away_outside", "recovered"),
    ),
    two(
        "fast-stale-read",
        "The old primary hears nothing of the new view: does it ever answer from the past?",
        before=(put(0, "old"),),
        clients=((put(1, "new", after=1),), (get(0), everything(0))),
        orders=(Order((1,), (1,)),),
        timers=1,
        must_see=("refused_stale_read", "commit_after_view_change", "answered_from_results"),
    ),
    two(
        "fast-backup",
        "Writes and reads through the backup, at a primary that is left behind; a view is told once more.",
        clients=((put(1, "1"), get(1)),),
        orders=(Order((1,), (1,)),),
        again=1,
        settings=PATIENT,
        must_see=("read_at_backup", "answered_from_results", "commit_after_view_change", "recovered"),
    ),
    two(
        "fast-suspicion",
        "Backups that are silent, then not: is every 'not applied' true, and every write done once?",
        clients=((put(0, "1"), get(0)), (delete(1),)),
        timers=2,
        settings=SUSPICIOUS,
        must_see=("suspected", "recovered", "parked_not_applied", "unknown", "unknown_took_effect"),
    ),
    two(
        "fast-repeat",
        "A client repeats its write with the same Idempotency-Key, at the other node and in the next view.",
        clients=((put(0, "1", name="once"), put(1, "1", name="once"), get(1)),),
        orders=(Order((1,), (0, 1)),),
        timers=1,
        must_see=("repeat_by_key", "unknown_took_effect", "commit_after_view_change"),
    ),
    two(
        "fast-key-reused",
        "Two clients use one Idempotency-Key for different writes, at different nodes.",
        clients=((put(0, "1", name="once"), get(0)), (put(1, "2", name="once"),)),
        orders=(Order((1,), (0, 1)),),
        must_see=("key_reused", "written", "unknown_took_effect"),
    ),
    two(
        "fast-close",
        "A node stops in order while two clients use one node: what they are told is true, and nobody waits.",
        clients=((put(1, "1"), get(1)), (put(1, "2"),)),
        closes=1,
        must_see=(
            "answered_at_stop",
            "turned_away_at_stop",
            "acknowledged_while_stopping",
            "unknown_took_effect",
        ),
    ),
    two(
        "fast-snapshot",
        "A node joins and gets the state item by item while clients write; then it is alone.",
        first=(0,),
        before=(put(0, "0"), put(0, "0", key="other", name="named")),
        clients=((put(0, "1"), get(1, after=1)), (put(1, "0", key="other", name="named", after=1),)),
        orders=(Order((0, 1), (0, 1)), Order((1,), (0, 1))),
        settings=TINY,
        must_see=("snapshot", "repeat_by_key", "read_after_view_change", "commit_after_view_change"),
    ),
    two(
        "fast-trimmed",
        "A node joins when the log of its source has lost its beginning, but not all.",
        first=(0,),
        before=(put(0, "0"), put(0, "1"), put(0, "2")),
        clients=((put(0, "3"),), (get(1, after=1),)),
        orders=(Order((0, 1), (0, 1)),),
        settings={**TINY, "log_keep_bytes": 164},  # two of these writes
        must_see=("snapshot", "read_at_backup"),
    ),
    two(
        "fast-join",
        "Two halves, each alone, both write and are joined again: what is dropped is never dropped silently.",
        clients=((put(0, "1", after=1),), (put(1, "2", after=2),)),
        orders=(Order((0,), (0,)), Order((1,), (1,), free=True), Order((0, 1), (0, 1))),
        one_history=False,
        max_epoch=3,
        depth=17,
        must_see=("both_halves_wrote", "dropped", "snapshot"),
    ),
)
