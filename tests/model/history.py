"""What the clients asked and were told, as part of a state; and the exact judge of it.

A history is one entry per request of the script, in the script's order. Real time is kept as it matters: an
entry knows which requests were answered before it was asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pbproto import Ballot
from pbproto.values import NO_BALLOT, Kind, RequestId

from .scope import Ask

State = Literal["waits", "lost", "written", "value", "listing", "not applied", "unknown"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request that was asked."""

    state: State
    before: int
    """Bit mask of the requests that were answered with a result before this one was asked."""
    request: RequestId
    """The request id that the node gave it (without meaning for a read)."""
    seen: object = None
    """What was read."""
    kind: Kind = Kind.CREATED
    """What was written: what it did."""
    position: int = 0
    """``Msg-Num``."""
    ballot: Ballot = NO_BALLOT
    """Where it was written: in which ballot it was acknowledged."""

    @property
    def answered(self) -> bool:
        return self.state not in ("waits", "lost")

    @property
    def succeeded(self) -> bool:
        return self.state in ("written", "value", "listing")


History = tuple[Entry | None, ...]
"""``None`` where a request was not asked yet."""


def judge(asks: tuple[Ask, ...], history: History) -> str:
    """What is wrong with a history, or nothing.

    By definition: some order of the requests is searched for that keeps real time, in which each answer is
    what a plain map would answer, and in which ``Msg-Num`` is the number of writes before. A request answered
    'not applied' is not in the order; one without a result is, or is not; equal requests with one
    ``Idempotency-Key`` are one write with one answer, and of different ones only one takes effect.
    """
    if _order(asks, history, numbers=True) is not None:
        return ""
    if _order(asks, history, numbers=False) is not None:
        return "no order of the requests gives these answers with these numbers"
    return "no order of the requests gives these answers"


Order = tuple[int, ...]


def _order(asks: tuple[Ask, ...], history: History, *, numbers: bool) -> Order | None:
    """An order that explains the answers."""
    must = 0
    open_ = []
    for index, entry in enumerate(history):
        if entry is None or entry.state == "not applied":
            continue
        if entry.succeeded:
            must |= 1 << index
        elif not asks[index].writes:
            continue  # a read without an answer tells nothing
        open_.append(index)
    return _search(asks, history, tuple(open_), must, (), (), (), numbers)


Store = tuple[tuple[str, str], ...]
Named = tuple[tuple[Ask, Kind, int], ...]
"""Per ``Idempotency-Key`` that was applied: the request, what it did, and its number."""


def _search(
    asks: tuple[Ask, ...],
    history: History,
    left: tuple[int, ...],
    must: int,
    done: Order,
    store: Store,
    named: Named,
    numbers: bool,
    count: int = 0,
) -> Order | None:
    if not any(must >> index & 1 for index in left):
        return done
    waiting = sum(1 << index for index in left) & must
    for index in left:
        entry = history[index]
        assert entry is not None
        if entry.before & waiting:
            continue  # one that was answered before this one was asked has no place yet
        others = tuple(other for other in left if other != index)
        for after in _place(asks[index], entry, store, named, count, numbers):
            found = _search(
                asks, history, others, must, (*done, index), after[0], after[1], numbers, after[2]
            )
            if found is not None:
                return found
    return None


def _place(
    ask: Ask, entry: Entry, store: Store, named: Named, count: int, numbers: bool
) -> Iterator[tuple[Store, Named, int]]:
    """What the map is after the request, if the answer fits there."""
    contents = dict(store)
    if not ask.writes:
        if ask.what == "list":
            right = entry.seen == tuple((key.encode(), value.encode()) for key, value in store)
        else:
            value = contents.get(ask.key)
            right = entry.seen == (None if value is None else value.encode())
        if right and (not numbers or entry.position == count):
            yield store, named, count
        return
    known = next((first for first in named if first[0].name == ask.name), None)
    if known is not None:
        first, kind, number = known
        if (first.what, first.key, first.value) != (ask.what, ask.key, ask.value):
            return
    else:
        number = count
        kind = _apply(ask, contents)
    if entry.state == "written" and (entry.kind != kind or (numbers and entry.position != number)):
        return
    if known is not None:
        yield store, named, count
    else:
        more = ((ask, kind, number),) if ask.name else ()
        yield tuple(sorted(contents.items())), named + more, count + 1


def _apply(ask: Ask, contents: dict[str, str]) -> Kind:
    if ask.what == "delete":
        return Kind.MISSING if contents.pop(ask.key, None) is None else Kind.DELETED
    kind = Kind.UPDATED if ask.key in contents else Kind.CREATED
    contents[ask.key] = ask.value
    return kind
