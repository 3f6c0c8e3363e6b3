"""Faults of the bound of the data: it is passed, it locks clients in, and the size drifts."""

from __future__ import annotations

from .bugs import Bug, bug

QUOTA: tuple[Bug, ...] = (
    bug(
        "log_takes_no_room",
        "what stands in the log counts against the bound before it is committed",
        ("quota.py", "    return lead.uncommitted_bytes + EXTRA * len(lead.uncommitted)\n", "    return 0\n"),
    ),
    bug(
        "keys_take_no_room_in_the_log",
        "a write in the log counts as much as its key will",
        (
            "quota.py",
            "    return lead.uncommitted_bytes + EXTRA * len(lead.uncommitted)\n",
            "    return lead.uncommitted_bytes\n",
        ),
    ),
    bug(
        "room_given_twice",
        "what got its place has taken of the room that is left in the step",
        ("ordering.py", "    lead.room_left -= room\n", ""),
        explored=False,
    ),
    bug(
        "size_of_what_was_overwritten",
        "a value that is overwritten counts no more",
        (
            "buckets.py",
            "            self.content_bytes += len(value) - len(before)\n",
            "            self.content_bytes += len(value)\n",
        ),
    ),
    bug(
        "size_of_what_was_deleted",
        "a key that is deleted counts no more",
        (
            "buckets.py",
            "        self.content_bytes -= len(key) + len(bucket.pop(key))\n",
            "        bucket.pop(key)\n",
        ),
    ),
    bug(
        "full_store_keeps_all",
        "what makes the data no larger is done in a full store",
        ("quota.py", "    return growth(state, operation) > max(0, room)\n", "    return True\n"),
        beyond_scopes="nobody is told anything wrong, and the bound holds",
    ),
    bug(
        "full_store_forgets_answers",
        "who repeats what was applied gets the answer, full or not",
        (
            "ordering.py",
            "    if operation.idempotency_key and _repeats(state, lead, operation, out):\n"
            "        return\n"
            "    room = operation.size + quota.EXTRA\n"
            "    if room > lead.room_left and quota.refuses(state, lead, operation):\n",
            "    room = operation.size + quota.EXTRA\n"
            "    full = quota.refuses(state, lead, operation)\n"
            "    if not full and operation.idempotency_key and _repeats(state, lead, operation, out):\n"
            "        return\n"
            "    if full:\n",
        ),
        beyond_scopes="a repeat that is refused was not applied, whatever became of the first",
    ),
    bug(
        "refused_as_full_and_kept",
        "a write that found no room gets no place",
        (
            "ordering.py",
            "        quota.refused(state, lead, out)\n        return\n",
            "        quota.refused(state, lead, out)\n",
        ),
    ),
)
