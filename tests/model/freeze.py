"""A replica's state as a canonical value: equal values behave equally from here on.

The walk is generic: a field that is not named below goes in as it is, with the order of every dict, so a new
field makes more states, never wrong ones. What is named is left out or made relative, for these reasons:

- *times* are taken relative to the node's clock. The core only adds to times, subtracts and compares them,
  and messages carry durations, so a state behaves like its copy a second later.
- *words* and *counts for those who look in* (``ignored``, ``heard_at``, reasons in words) go into notes, the
  status and the detail of a rejection, which no property reads and no peer gets.
- *repetitions* (``resends``, ``nudges``, ``offers``) act through ``min(repetitions, MAX_DOUBLINGS)`` only.

``test_freeze.py`` holds the walk to its promise on samples of explored states.
"""

from __future__ import annotations

import marshal
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum, IntEnum
from typing import Any

from pbproto import leases
from pbproto.answers import Answers
from pbproto.buckets import BucketMap, Snapshot
from pbproto.log import Log
from pbproto.state import FOREVER, State
from pbproto.store import Frozen, Store, Thaw

Plain = Any
"""What ``marshal`` can write: ``None``, bools, ints, bytes, text, and tuples of them."""

ENOUGH = 4
"""More repetitions than any ``MAX_DOUBLINGS`` of the core."""

Treat = Callable[[Any, int], Plain]


def relative(time: int, now: int) -> int:
    """A time as seen from the node's clock; for ever is for ever."""
    return time if time >= FOREVER else time - now


def _at(place: int) -> Treat:
    """Pairs with a time at ``place``."""

    def treat(pairs: Any, now: int) -> Plain:
        return tuple(
            tuple(relative(item, now) if at == place else _walk(item, now) for at, item in enumerate(pair))
            for pair in pairs
        )

    return treat


def _few(count: int, _now: int) -> int:
    return min(count, ENOUGH)


def _left(time: int, now: int) -> int:
    """How much of a lease, or of a pause, is left; whether it ran out long ago does not matter."""
    return max(0, time - now)


def _whether(words: str, _now: int) -> bool:
    return bool(words)


def _left_out(_value: Any, _now: int) -> None:
    return None


SPECIAL: dict[tuple[str, str], Treat] = {
    ("State", "now"): _left_out,
    ("State", "config"): _left_out,  # the same for all nodes of a scope
    ("State", "told_since"): _left_out,
    ("State", "nudge_at"): relative,
    ("State", "nudges"): _few,
    ("State", "lease_until"): _left,
    ("State", "nudge_refusal"): _left_out,
    ("State", "ignored"): _left_out,
    ("Waiter", "deadline"): relative,
    ("Waiting", "arrivals"): _at(1),
    ("Backup", "owed_since"): relative,
    ("Backup", "resend_at"): relative,
    ("Backup", "beat_at"): relative,
    ("Backup", "resends"): _few,
    ("Backup", "suspected"): _whether,
    ("Backup", "suspected_since"): _left_out,
    ("Backup", "leased_until"): _left,
    ("Backup", "offered_at"): relative,
    ("Learner", "owed_since"): relative,
    ("Learner", "offer_at"): relative,
    ("Learner", "offers"): _few,
    ("Learner", "refusal"): _whether,
    ("Learner", "next_at"): _left,
    ("Seeking", "until"): relative,
    ("Parked", "deadline"): relative,
    ("Lead", "expiries"): _at(0),
    ("Lead", "leased_until"): _left,
    ("Lead", "round_at"): lambda time, now: time == now,
    ("Follow", "heard_at"): _left_out,
    ("Follow", "ask_resend_at"): relative,
    ("Follow", "forwarded"): _at(0),
    ("Staging", "refetch_at"): relative,
    ("Staging", "refetches"): _few,
    ("Proposal", "resend_at"): relative,
    ("Proposal", "resends"): _few,
    ("Proposal", "refusals"): _left_out,
}
"""The fields that are not taken as they are."""

Walk = Callable[[Any, int], Plain]
_walks: dict[type, Walk] = {}
_known: dict[type, dict[Any, Plain]] = {}
"""What immutable values were walked into, by class: equal values of different classes are not the same."""


def _walk(value: Any, now: int) -> Plain:
    class_ = type(value)
    walk = _walks.get(class_)
    if walk is None:
        walk = _walks[class_] = _walk_for(class_)
    return walk(value, now)


def _walk_for(class_: type) -> Walk:
    if class_ in (int, bool, bytes, str, type(None)):
        return _as_it_is
    if class_ in (dict, OrderedDict, Answers, BucketMap, Snapshot):
        return _items
    if class_ in (tuple, list, deque):
        return _sequence
    if issubclass(class_, tuple):
        return _immutable(class_, _sequence)
    if issubclass(class_, IntEnum):
        return lambda value, _now: int(value)
    if issubclass(class_, Enum):
        return lambda value, _now: value.name
    if class_ is Log:
        return _log
    if is_dataclass(class_):
        walk = _fields(class_, tuple(field.name for field in fields(class_)))
        frozen = getattr(class_, "__dataclass_params__").frozen  # noqa: B009
        return _immutable(class_, walk) if frozen else walk
    if class_ in (Store, Frozen, Thaw):
        return _fields(class_, tuple(sorted(class_.__slots__)))
    raise TypeError(f"no rule says how a {class_.__name__} is frozen")


def _as_it_is(value: Any, _now: int) -> Plain:
    return value


def _items(value: Any, now: int) -> Plain:
    return ("dict", tuple([(_walk(key, now), _walk(item, now)) for key, item in value.items()]))


def _sequence(value: Any, now: int) -> Plain:
    return tuple([_walk(item, now) for item in value])


def _immutable(class_: type, walk: Walk) -> Walk:
    """Immutable values hold no times, and are walked once each."""
    known = _known.setdefault(class_, {})

    def remembered(value: Any, now: int) -> Plain:
        plain = known.get(value)
        if plain is None:
            plain = known[value] = walk(value, now)
        return plain

    return remembered


def _fields(class_: type, names: tuple[str, ...]) -> Walk:
    name_of = class_.__name__
    form = tuple((name, SPECIAL.get((name_of, name), _walk)) for name in names)

    def walk(value: Any, now: int) -> Plain:
        return (name_of, *[treat(getattr(value, name), now) for name, treat in form])

    return walk


def _log(log: Log, now: int) -> Plain:
    """A log without the operations that it has forgotten but not yet deleted, and its sums: by differences
    alone it knows them, and where they begin to count is another place in another life.
    """
    return ("Log", log.bytes, log.start, log.end, _sequence(log.between(log.start, log.end), now))


def freeze(state: State) -> bytes:
    """The canonical form. Version 2 of ``marshal`` writes no references, so equal values give equal bytes."""
    return marshal.dumps(_walk(state, state.now), 2)


def times(state: State) -> list[int]:
    """The times after the node's clock at which something of it is due, in no order."""
    found = [state.nudge_at, leases.deadline(state), *(deadline for _, deadline in state.waiting.arrivals)]
    if state.proposal is not None and not state.proposal.blocked:
        found.append(state.proposal.resend_at)
    if state.staging is not None:
        found.append(state.staging.refetch_at)
    if state.seeking is not None:
        found.append(state.seeking.until)
    if state.lead is not None:
        if state.lead.filling is not None:
            for learner in state.lead.filling.learners.values():
                found += [learner.offer_at, learner.owed_since + state.config.suspect_after, learner.next_at]
        found += [time for time, _ in state.lead.expiries]
        for backup in state.lead.backups.values():
            if backup.owed_since == FOREVER:
                found.append(backup.beat_at)
            else:
                found += [backup.resend_at, backup.owed_since + state.config.suspect_after]
    if state.follow is not None:
        found += [state.follow.ask_resend_at, *(time for time, _ in state.follow.forwarded)]
    return [time for time in found if state.now < time < FOREVER]
