"""Events, effects and states in words and as plain values."""

from __future__ import annotations

import json
from collections import deque
from enum import Enum
from typing import Any

import pytest

from pbproto import (
    Batch,
    Effect,
    Envelope,
    Event,
    Get,
    GetAll,
    Kind,
    Listing,
    Member,
    Note,
    Operation,
    Put,
    Reason,
    Receive,
    Reject,
    Reply,
    Result,
    Send,
    Tick,
    Value,
    View,
    ViewAccepted,
    Written,
)
from pbproto.effects import Code
from pbproto.messages import Refusal, Told
from pbproto.showing import did_text, effect_text, event_text, plain, plain_did, state_lines, text
from pbproto.state import FOREVER
from pbproto.store import Frozen
from pbproto.summary import Did, summary
from pbproto.values import NO_BALLOT

from .cluster import active
from .test_checkpoint import snapshot_arriving, source


class Mood(Enum):
    GLAD = 1


TEXTS: list[tuple[Any, str]] = [
    (None, "None"),
    (7, "7"),
    (True, "True"),
    (FOREVER, "never"),
    (FOREVER + 15, "800000000000000f"),
    (2**56, "0100000000000000"),
    (2**56 - 1, str(2**56 - 1)),
    (b"key", "'key'"),
    (b"\xff\x00", "x'ff00'"),
    (bytes(100), "'" + r"\x00" * 9 + r"\x" + "…(100 bytes)"),
    ("it's\n", '"it\'s\\n"'),
    ("x" * 100, "'" + "x" * 38 + "…(100 characters)"),
    (Mood.GLAD, "glad"),
    (Refusal.NOT_TOLD, "not_told"),
    (NO_BALLOT._replace(epoch=3, primary=2), "3.0@2"),
    (Member(1, "a:1"), "1=a:1"),
    (View.of([(2, "b:2"), (1, "a:1")]), "{1=a:1, 2=b:2}"),
    (View.of([], epoch=4), "{} epoch 4"),
    (Operation(1, 2, 3, 3, b"k", b"v", b""), "<put 'k'='v' of 1/3>"),
    (Operation(1, 2, 3, 3, b"k", None, b"i"), "<delete 'k' once 'i' of 1/3>"),
    (Result(Kind.UPDATED, 5), "updated at 5"),
    ({b"a": 1, b"b": 2}, "{'a': 1, 'b': 2}"),
    (dict.fromkeys(range(9)), "{0: None, 1: None, 2: None, 3: None, 4: None, 5: None, … 9 in all}"),
    ((1, 2), "[1, 2]"),
    (deque(range(8)), "[0, 1, 2, 3, 4, 5, … 8 in all]"),
    (Get(1, b"k"), "Get(token=1, key='k')"),
]


@pytest.mark.parametrize(("value", "expected"), TEXTS, ids=str)
def test_a_value_in_words(value: Any, expected: str) -> None:
    """Each kind of value is said shortly: compare with what a reader wants to see."""
    assert text(value) == expected


EVENT_TEXTS: list[tuple[Event, str]] = [
    (Tick(), "Tick()"),
    (Put(1, b"k", b"v"), "Put(token=1, key='k', value='v', idempotency_key='', trace='')"),
    (Batch((Get(1, b"k"), GetAll(2))), "Batch(requests=[Get(token=1, key='k'), GetAll(token=2)])"),
    (Receive(Envelope(9, 2, 3, 4, 5), Told((), 0)), "Receive from 9: Told(members=[], epoch=0)"),
]


@pytest.mark.parametrize(("event", "expected"), EVENT_TEXTS, ids=str)
def test_an_event_in_words(event: Event, expected: str) -> None:
    """An event is one line: compare."""
    assert event_text(event) == expected


EFFECT_TEXTS: list[tuple[Effect, str]] = [
    (Send("a:1", Envelope(1, 2, 9, 4, 5), Told((), 0)), "Send to 9 at a:1: Told(members=[], epoch=0)"),
    (Send("", Envelope(1, 2, 9, 4, 5), Told((), 0)), "Send to 9, as an answer: Told(members=[], epoch=0)"),
    (
        Reply(3, Written(Result(Kind.CREATED, 0))),
        "Reply to client 3: Written(result=created at 0)",
    ),
    (Reply(3, Value(None, 4)), "Reply to client 3: Value(value=None, position=4)"),
    (Reply(3, Listing({b"k": b"v"}, 4)), "Reply to client 3: Listing(items={'k': 'v'}, position=4)"),
    (
        Reject(3, Reason.TIMEOUT, True, "nobody"),
        "Reject client 3: timeout, certainly not applied: nobody",
    ),
    (Reject(3, Reason.TIMEOUT, False, "nobody"), "Reject client 3: timeout, unknown: nobody"),
    (Note(Code.PROMISED, (("ballot", "1.0@1"), ("end", 3))), "Note promised ballot=1.0@1 end=3"),
    (ViewAccepted(), "ViewAccepted()"),
]


@pytest.mark.parametrize(("effect", "expected"), EFFECT_TEXTS, ids=str)
def test_an_effect_in_words(effect: Effect, expected: str) -> None:
    """An effect is one line; of a recorded one that was not kept the kind and the digest are left."""
    assert effect_text(effect) == expected
    did = summary(effect)
    known = f"{did.kind} #{did.body.hex()}" if did.digested else expected
    assert did_text(did) == known
    as_plain = plain_did(did)
    assert as_plain["kind"] == did.kind
    assert as_plain.get("digest", did.body.hex()) == did.body.hex()
    assert as_plain.get("effect", plain(effect)) == plain(effect)


def test_an_effect_that_cannot_be_read_is_said_to_be() -> None:
    """A recorded effect may be garbled: say so in its place."""
    bad = Did("Note", False, b"\x09")
    assert did_text(bad).startswith("Note, which cannot be read: ")
    assert list(plain_did(bad)) == ["kind", "unreadable"]


PLAIN: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (Refusal.NOT_TOLD, "not_told"),
    (7, 7),
    ("x", "x"),
    (b"\xc3\xa4", "ä"),
    (b"\xff", {"hex": "ff"}),
    ({b"\xff": (1, 2)}, [[{"hex": "ff"}, [1, 2]]]),
    (deque([1]), [1]),
    (Result(Kind.CREATED, 5), {"is": "Result", "kind": "created", "position": 5}),
    (Get(1, b"k"), {"is": "Get", "token": 1, "key": "k"}),
]


@pytest.mark.parametrize(("value", "expected"), PLAIN, ids=str)
def test_a_value_for_tools(value: Any, expected: Any) -> None:
    """Tools get plain values, whole: compare, and write them as JSON."""
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value))) == expected


def test_a_state_for_tools_and_for_people() -> None:
    """All of a state can be seen: look for what the replica remembers, at every depth."""
    cluster = active(1, 2)
    cluster.put(1, b"key", b"value", b"once")
    cluster.run()
    state = cluster.state(1)
    seen = json.dumps(plain(state))
    for word in ('"log"', '"operations"', '"value"', '"once"', '"lead"', '"backups"', '"settled"'):
        assert word in seen
    lines = state_lines(state)
    assert "commit: 1" in lines
    assert "  data: {'key': 'value'}" in lines
    assert "  operations: [<put 'key'='value' once 'once' of 1/0>]" in lines
    assert "promised: 1.0@1" in lines
    assert "follow: None" in lines
    assert not any("_operations" in line or "Log(" in line for line in lines)


def test_a_state_on_its_way_can_be_seen() -> None:
    """What is being put together is shown as well: look at a node that is filled, and at its source."""
    assert any("Thaw(" in line for line in state_lines(snapshot_arriving()))
    state = source()
    assert isinstance(state.frozen, Frozen)
    assert f"  total: {state.frozen.total}" in state_lines(state)
    shown = {"is": "Frozen", "applied": state.store.applied, "total": state.frozen.total}
    assert plain(state.frozen) == shown
