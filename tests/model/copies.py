"""Live copies of replicas, kept as bytes: quick to make and quick to compare.

Immutable values inside (members, ballots, operations, ...) are kept once and named by number, so that copies
share them. Equal bytes mean equal states; the reverse does not hold, which is what ``freeze`` is for.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from collections.abc import Callable
from typing import Any

from pbproto import Ballot, Config, Dropped, Member, Operation, Replica, Result, View
from pbproto.answers import Answers, unpack
from pbproto.buckets import BucketMap, Snapshot
from pbproto.messages import KeyRecord, OriginRecord, Promise, SnapshotChunk, Verdict
from pbproto.values import RequestId

_values: list[Any] = []
_numbers: dict[tuple[type, Any], int] = {}


def kept(number: int) -> Any:
    """The immutable value with this number."""
    return _values[number]


def _reduce(value: Any) -> tuple[Callable[[int], Any], tuple[int]]:
    key = (type(value), value)
    number = _numbers.get(key)
    if number is None:
        number = _numbers[key] = len(_values)
        _values.append(value)
    return kept, (number,)


def _map(items: dict[bytes, bytes]) -> BucketMap:
    made = BucketMap()
    for key, value in items.items():
        made.put(key, value)
    return made


def _snapshot(items: dict[bytes, bytes]) -> Snapshot:
    return _map(items).snapshot()


def _items(value: BucketMap | Snapshot) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The items and nothing else: whether a bucket is shared says nothing of the state."""
    return _map if isinstance(value, BucketMap) else _snapshot, (dict(value.items()),)


def _answers(packed: list[tuple[bytes, bytes]]) -> Answers:
    made = Answers()
    for key, answer in packed:
        made[key] = unpack(answer)
    return made


def _packed(value: Answers) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    return _answers, (value.packed(),)


_TABLE: dict[type, Callable[[Any], Any]] = {
    **copyreg.dispatch_table,
    Answers: _packed,
    BucketMap: _items,
    Snapshot: _items,
    **dict.fromkeys(
        (
            Ballot,
            Config,
            Dropped,
            KeyRecord,
            Member,
            Operation,
            OriginRecord,
            Promise,
            RequestId,
            Result,
            SnapshotChunk,
            Verdict,
            View,
        ),
        _reduce,
    ),
}


def dump(replica: Replica) -> bytes:
    """A copy of a replica, as bytes that mean something in this process only."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _TABLE
    pickler.dump(replica)
    return buffer.getvalue()


def load(data: bytes) -> Replica:
    """A live replica in the state of the copy."""
    replica: Replica = pickle.loads(data)
    return replica
