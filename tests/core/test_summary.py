"""What is kept of an effect."""

from __future__ import annotations

import pytest

from pbproto import (
    Effect,
    Envelope,
    Kind,
    Listing,
    Note,
    Operation,
    Reason,
    Reject,
    Reply,
    Result,
    Send,
    Value,
    ViewAccepted,
    ViewRefused,
    Written,
)
from pbproto.effects import Code
from pbproto.forms import FormError, Reader
from pbproto.messages import Adopted, Forward, Told
from pbproto.redaction import Redactor
from pbproto.summary import KEPT_BYTES, LISTED, LISTED_BYTES, Did, kept, read_did, summary, write_did
from pbproto.values import NO_BALLOT

ENVELOPE = Envelope(1, 2, 3, 4, 5)
FORWARD = Forward(NO_BALLOT, 0, 5, Operation(1, 2, 3, 3, b"k", b"v", b""))
KEPT: list[Effect] = [
    Reply(1, Written(Result(Kind.CREATED, 3))),
    Reject(2**40, Reason.TIMEOUT, False, "nobody answers"),
    ViewAccepted(),
    ViewRefused(Reason.STALE_EPOCH, "too old"),
    Note(Code.PROMISED, (("ballot", "1.0@1"), ("log_end", 3))),
    Send("a:1", ENVELOPE, Told((), 0)),
    Send("", ENVELOPE, Adopted(NO_BALLOT)),
]
DIGESTED: list[Effect] = [
    Send("a:1", ENVELOPE, Forward(NO_BALLOT, 0, 5, Operation(1, 2, 3, 3, b"k", bytes(KEPT_BYTES), b""))),
    Reply(1, Value(b"v", 3)),
    Reply(1, Value(None, 3)),
    Reply(1, Listing({b"k": b"v"}, 3)),
    Note(Code.PROMISED, (("ballot", "x" * KEPT_BYTES),)),
]


def again(effect: Effect) -> Did:
    """What is kept, written and read."""
    parts: list[bytes] = []
    write_did(parts, effect)
    reader = Reader(b"".join(parts))
    did = read_did(reader)
    assert reader.at == reader.end
    return did


@pytest.mark.parametrize("effect", KEPT, ids=str)
def test_small_effects_are_kept_whole(effect: Effect) -> None:
    """What a difference is about should be seen: write and read small effects, and have them back."""
    did = again(effect)
    assert did == summary(effect)
    assert not did.digested
    assert kept(did) == effect
    assert did.kind.split()[0] == type(effect).__name__


@pytest.mark.parametrize("effect", DIGESTED, ids=lambda effect: str(effect)[:40])
def test_of_others_a_digest_is_kept(effect: Effect) -> None:
    """A recording does not grow with what a node sends: write and read effects of any size."""
    did = again(effect)
    assert did == summary(effect)
    assert did.digested
    assert len(did.body) == 8
    assert kept(did) is None


def test_every_difference_shows() -> None:
    """Two effects that differ anywhere are kept differently: change one part of each after another."""
    variants: list[Effect] = [
        *KEPT,
        *DIGESTED,
        Send("a:2", ENVELOPE, Told((), 0)),
        Send("a:1", ENVELOPE._replace(history=6), Told((), 0)),
        Send("a:1", ENVELOPE, Told((), 1)),
        Send("a:1", ENVELOPE, Adopted(NO_BALLOT)),
        Reply(2, Written(Result(Kind.CREATED, 3))),
        Reply(1, Written(Result(Kind.UPDATED, 3))),
        Reply(1, Value(b"w", 3)),
        Reply(1, Value(b"", 3)),
        Reply(1, Value(b"v", 4)),
        Reply(2, Value(b"v", 3)),
        Reply(1, Listing({b"k": b"w"}, 3)),
        Reply(1, Listing({b"k": b"v", b"l": b""}, 3)),
        Reject(2**40, Reason.TIMEOUT, True, "nobody answers"),
        Note(Code.PROMISED, (("ballot", "1.0@1"), ("log_end", "3"))),
    ]
    assert len(dict.fromkeys(map(summary, variants))) == len(variants)


def test_a_large_listing_is_known_by_its_size() -> None:
    """Nobody waits until a store of any size is digested: list many keys, and many bytes."""
    many = {b"%d" % number: b"" for number in range(LISTED + 1)}
    large = {b"k": bytes(LISTED_BYTES + 1)}
    for items in (many, large):
        last = next(reversed(items))
        other = {**items, last: items[last][:-1] + b"x"}
        assert summary(Reply(1, Listing(items, 3))) == summary(Reply(1, Listing(other, 3)))
        assert summary(Reply(1, Listing(items, 3))) != summary(Reply(1, Listing(items, 4)))
        del other[last]
        assert summary(Reply(1, Listing(items, 3))) != summary(Reply(1, Listing(other, 3)))
        assert summary(Reply(1, Listing(items, 3))).digested


def test_what_is_hidden_is_kept_hidden() -> None:
    """A recording that hides shows the hidden: keep a small message, and one that is digested."""
    redactor = Redactor(bytes(32), keys=True)
    for effect in (Send("a:1", ENVELOPE, FORWARD), DIGESTED[0], Reply(1, Listing({b"k": b"v"}, 3))):
        parts: list[bytes] = []
        write_did(parts, effect, redactor)
        assert read_did(Reader(b"".join(parts))) == summary(redactor.effect(effect)) != summary(effect)


def test_what_is_not_kept_is_not_hidden() -> None:
    """A read of everything holds nobody up in a hidden recording either: count what is hidden of it."""

    class Counting(Redactor):
        def hide(self, _: bytes) -> bytes:
            raise ZeroDivisionError

    redactor = Counting(bytes(32), keys=True)
    with pytest.raises(ZeroDivisionError):
        write_did([], Reply(1, Listing({b"k": b"v"}, 3)), redactor)
    write_did([], Reply(1, Listing(dict.fromkeys(map(b"%d".__mod__, range(LISTED + 1)), b"v"), 3)), redactor)


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x19\x00", b"\x99\x08" + bytes(8), b"\x80\x08" + bytes(7)])
def test_what_nobody_wrote_is_a_form_error(data: bytes) -> None:
    """Hostile bytes are refused: kinds that do not exist, and bodies that end too early."""
    with pytest.raises(FormError):
        read_did(Reader(data))
    with pytest.raises(FormError):
        kept(Did("Note", False, b"\x05"))
    with pytest.raises(FormError, match="not one message"):
        kept(Did("Send Told", False, bytes(5) + b"\0\0\0\x06pbkv\0\x01"))
