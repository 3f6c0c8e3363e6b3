"""What a redacted recording hides, and that equal stays equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import product
from typing import Any

import pytest

from pbproto import (
    Batch,
    Delete,
    Envelope,
    Event,
    Get,
    GetAll,
    Kind,
    Listing,
    Note,
    Operation,
    Put,
    Receive,
    Reply,
    Result,
    Send,
    Tick,
    Value,
    Written,
)
from pbproto.effects import Code
from pbproto.messages import Forward, KeyRecord, LogChunk, Replicate, SnapshotChunk, Told
from pbproto.redaction import Redactor, operations_of
from pbproto.store import fingerprint
from pbproto.values import NO_BALLOT

from .cluster import Cluster, of

SALT = bytes(range(32))
VALUES = Redactor(SALT, keys=False)
ALL = Redactor(SALT, keys=True)
ENVELOPE = Envelope(1, 2, 3, 4, 5)
SECRET, KEY, ONCE = b"secret-value-of-a-client", b"secret-key-of-a-client", b"secret-idempotency"
TRACE = b"secret-trace-context"
PUT = Operation(1, 2, 3, 3, KEY, SECRET, ONCE)
DELETE = Operation(1, 2, 4, 3, KEY, None, b"")


def every_bytes(value: Any) -> Iterator[bytes]:
    """All byte strings anywhere in a value."""
    if isinstance(value, bytes):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from every_bytes(getattr(value, field.name))
    elif isinstance(value, dict):
        yield from every_bytes(tuple(value.items()))
    elif isinstance(value, tuple | list):
        for item in value:
            yield from every_bytes(item)


@pytest.mark.parametrize("size", [1, 2])
def test_short_strings_are_permuted(size: int) -> None:
    """Different values stay different however short they are: hide all of a length, and find all again."""
    everything = [bytes(each) for each in product(range(256), repeat=size)]
    hidden = dict.fromkeys(ALL.hide(each) for each in everything)
    assert len(hidden) == len(everything)
    assert all(len(each) == size for each in hidden)
    assert sum(one == other for one, other in zip(everything, hidden, strict=True)) < len(everything) / 20


@pytest.mark.parametrize("size", [0, 1, 3, 9, 10, 11, 63, 64, 65, 1000, 100_000])
def test_length_stays_and_content_goes(size: int) -> None:
    """Of a value only its length is left: hide three of each length, twice, and with another salt."""
    values = [bytes(size), b"\1" * size, bytes(size)[:-1] + b"\1"]
    hidden = [VALUES.hide(value) for value in values]
    assert [len(each) for each in hidden] == [len(value) for value in values]
    assert hidden == [VALUES.hide(value) for value in values]
    assert len(dict.fromkeys(hidden)) == len(dict.fromkeys(values))
    if size > 2:
        assert all(one != other for one, other in zip(values, hidden, strict=True))
        assert hidden != [Redactor(bytes(32), keys=False).hide(value) for value in values]


def test_a_salt_has_a_size() -> None:
    """A salt that can be guessed hides nothing: give ones that are too short and too long."""
    for salt in (b"", bytes(15), bytes(65)):
        with pytest.raises(ValueError, match="16 to 64"):
            Redactor(salt, keys=False)


EVENTS: list[Event] = [
    Put(1, KEY, SECRET, ONCE, TRACE),
    Delete(1, KEY, ONCE, TRACE),
    Get(1, KEY),
    Batch((Put(1, KEY, SECRET, ONCE), Get(2, KEY), GetAll(3), Delete(4, KEY, ONCE), Put(5, KEY, SECRET))),
    Receive(ENVELOPE, Replicate(NO_BALLOT, 0, (PUT, DELETE), 0, 0)),
    Receive(ENVELOPE, LogChunk(NO_BALLOT, 0, (PUT, DELETE))),
    Receive(ENVELOPE, Forward(NO_BALLOT, 0, 0, PUT, TRACE)),
    Receive(
        ENVELOPE,
        SnapshotChunk(
            NO_BALLOT,
            0,
            0,
            0,
            2,
            ((KEY, SECRET),),
            (),
            (KeyRecord(ONCE, fingerprint(PUT), Result(Kind.CREATED, 0)),),
        ),
    ),
]
EFFECTS = [
    Reply(1, Value(SECRET, 1)),
    Reply(1, Listing({KEY: SECRET}, 1)),
    *(Send("a:1", each.envelope, each.message) for each in EVENTS if isinstance(each, Receive)),
]


@pytest.mark.parametrize("redactor", [VALUES, ALL], ids=["values", "all"])
@pytest.mark.parametrize("what", [*EVENTS, *EFFECTS], ids=lambda what: type(what).__name__)
def test_nothing_secret_is_left(redactor: Redactor, what: Any) -> None:
    """Wherever a value travels it is hidden, keys as well if asked for: look at all byte strings."""
    hidden = redactor.event(what) if isinstance(what, Event) else redactor.effect(what)
    secrets = [SECRET, fingerprint(PUT), *((KEY, ONCE, TRACE) if redactor.keys else ())]
    before, after = list(every_bytes(what)), list(every_bytes(hidden))
    assert any(each in secrets for each in before) or not redactor.keys
    assert not [each for each in after if each in secrets]
    assert [len(each) for each in after] == [len(each) for each in before]
    kept = [each for each in before if each not in secrets]
    assert [each for each in after if each in kept] == kept


def test_what_has_nothing_to_hide_stays() -> None:
    """Most of a recording needs no change: hide some of it."""
    for event in (GetAll(1), Batch((GetAll(1),)), Tick(), Receive(ENVELOPE, Told((), 0))):
        assert ALL.event(event) == event
    for effect in (
        Reply(1, Value(None, 1)),
        Reply(1, Written(Result(Kind.CREATED, 1))),
        Send("a:1", ENVELOPE, Told((), 0)),
        Note(Code.CLOSED),
    ):
        assert ALL.effect(effect) == effect
    assert ALL.operation(DELETE).value is None
    assert ALL.operation(PUT._replace(idempotency_key=b"")).idempotency_key == b""


def test_equal_operations_have_equal_hidden_fingerprints() -> None:
    """What the replica compares stays comparable: name an operation as a client's and on its way."""
    put = Put(9, KEY, SECRET, ONCE)
    forwarded = Receive(ENVELOPE, Forward(NO_BALLOT, 0, 0, PUT))
    batch = Receive(ENVELOPE, Replicate(NO_BALLOT, 0, (DELETE, PUT), 0, 0))
    names = [ALL.fingerprint(fingerprint(PUT))]
    assert ALL.named(put) == ALL.named(forwarded) == ALL.named(batch) == names != [fingerprint(PUT)]
    assert ALL.named(Delete(9, KEY, ONCE)) != names
    together = Batch((Get(8, KEY), put, Put(9, KEY, SECRET), Delete(10, KEY, ONCE)))
    assert ALL.named(together) == names + ALL.named(Delete(9, KEY, ONCE))
    assert ALL.named(Put(9, KEY, SECRET)) == ALL.named(Get(9, KEY)) == ALL.named(Tick()) == []


def test_hidden_events_bring_the_same_operations() -> None:
    """A replay finds each operation's name by its place: hide the events, and count and look."""
    for event in EVENTS:
        hidden = operations_of(ALL.event(event))
        assert [operation.request for operation in hidden] == [
            operation.request for operation in operations_of(event)
        ]


def test_a_state_is_hidden() -> None:
    """A checkpoint tells no more than the steps: let requests of all kinds wait, and look."""
    cluster = Cluster((1, 2))
    cluster.install((1, 2))
    cluster.hold(of(receiver=2))
    cluster.put(1, KEY, SECRET, ONCE, TRACE)
    cluster.get(1, KEY)
    cluster.get_all(1)
    cluster.advance(1_500)
    cluster.put(1, KEY + b"2", SECRET + b"2", ONCE + b"2")
    state = cluster.state(1)
    assert cluster.lead(1).claimed
    assert cluster.lead(1).parked
    for redactor in (VALUES, ALL):
        hidden = redactor.state(state)
        assert hidden.lead is not None
        parts = list(every_bytes((hidden.waiting, hidden.lead)))
        before = list(every_bytes((state.waiting, state.lead)))
        assert [len(each) for each in parts] == [len(each) for each in before]
        assert not any(SECRET in each for each in parts)
        assert any(KEY in each or ONCE in each for each in parts) != redactor.keys
        assert (TRACE in parts) != redactor.keys
        assert fingerprint(PUT) not in parts
        assert ALL.fingerprint(fingerprint(PUT)) in parts
    assert any(SECRET in each for each in every_bytes((state.waiting, state.lead)))
    assert ALL.state(cluster.state(2)).lead is None
