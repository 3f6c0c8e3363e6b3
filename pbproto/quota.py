"""A primary lets the data grow up to its bound, and turns writes away that might make it larger.

All members of a view hold the same data: without a bound they run out of memory together, and are killed
together, which loses everything. The bound counts before a write gets its place. What stands in a log is
applied by all, whatever their own bounds are, or replicas would drift apart.

What stands in the log and is not committed counts in full, a DELETE too, as if each operation added a key:
then no order of them makes the data larger than what was counted. Let ``m`` of a key be the largest that its
value is or is going to be. The sum of ``m`` over all keys is at most ``data_bytes + ahead``; to commit makes
it no larger, and ``refuses`` lets nothing in that makes it larger than the bound. So the data never gets
above the bound, or above what the primary began with, if that is more.
"""

from __future__ import annotations

from .effects import Code
from .out import Out
from .state import FOREVER, Lead, Room, State
from .store import KEY_BYTES
from .values import OPERATION_BYTES, Operation

EXTRA = KEY_BYTES - OPERATION_BYTES
"""What a key counts more in the data than its write does in the log."""
NEARLY = (4, 5)
"""From this share of the bound on there is little room."""
AMPLE = (3, 4)
"""Below this share there is room again: less, so that a store at the limit does not say it all the time."""


def ahead(lead: Lead) -> int:
    """Bytes by which the data grows at most when all that stands in the log is committed."""
    return lead.uncommitted_bytes + EXTRA * len(lead.uncommitted)


def growth(state: State, operation: Operation) -> int:
    """Bytes that a write adds to the data as it is committed; 0 if it adds none."""
    if operation.value is None:
        return 0
    before = state.store.data.get(operation.key)
    if before is None:
        return operation.size + EXTRA
    return max(0, len(operation.value) - len(before))


def refuses(state: State, lead: Lead, operation: Operation) -> bool:
    """Whether a new write is one too many. What does not grow the data is none: there is a way out.

    Asked where ``lead.room_left`` is not enough, which is then counted anew: as a rule once in a step.
    """
    bound = state.config.max_data_bytes
    room = lead.room_left = bound - state.store.data_bytes - ahead(lead) if bound else FOREVER
    if operation.size + EXTRA <= room:  # as a rule, and then nothing has to be looked up
        return False
    return growth(state, operation) > max(0, room)


def refused(state: State, lead: Lead, out: Out) -> None:
    """A write was turned away: say so, unless that was said. One that would only just not fit is no news."""
    if lead.room is not Room.NONE and not _below(state, AMPLE):
        lead.room = Room.NONE
        _say(state, Code.STORE_FULL, out)


def look(state: State, lead: Lead, out: Out) -> None:
    """Say it when there begins to be little room, and when there is room again. After each step."""
    lead.room_left = 0
    if not state.config.max_data_bytes:
        return
    if lead.room is Room.AMPLE:
        if not _below(state, NEARLY):
            lead.room = Room.LITTLE
            _say(state, Code.STORE_NEARLY_FULL, out)
    elif _below(state, AMPLE):
        lead.room = Room.AMPLE
        _say(state, Code.STORE_HAS_ROOM, out)


def _below(state: State, share: tuple[int, int]) -> bool:
    return state.store.data_bytes * share[1] < state.config.max_data_bytes * share[0]


def _say(state: State, code: Code, out: Out) -> None:
    out.note(code, data_bytes=state.store.data_bytes, max_data_bytes=state.config.max_data_bytes)


def words(state: State, bound: int) -> str:
    """What a client is told whose write was turned away. ``bound``: of the primary."""
    lead = state.lead
    under_way = f", and up to {ahead(lead)} are under way" if lead is not None and ahead(lead) else ""
    return f"the primary lets the data have {bound} bytes: it has {state.store.data_bytes} here{under_way}"
