"""What is kept in ``wire-<version>.txt``: messages of every kind, in the order of the lines there.

The files were written once, by the release that brought the version, and change no more.
"""

from __future__ import annotations

from pathlib import Path

from pbproto import Ballot, Dropped, Envelope, Kind, Member, Message, Operation, Result
from pbproto.messages import (
    Adopt,
    Adopted,
    Confirm,
    Confirmed,
    Fetch,
    Forward,
    Forwarded,
    KeyRecord,
    Learned,
    LogChunk,
    Offer,
    OriginRecord,
    Promise,
    Propose,
    Refusal,
    Refuse,
    Replicate,
    Replicated,
    Seek,
    SnapshotChunk,
    Told,
    Verdict,
    VerdictCode,
)

ENVELOPE = Envelope(3, 2**64 - 1, 1, 0x0123456789ABCDEF, 7)
LOW, HIGH = Ballot(1, 0, 1, 2**63), Ballot(2**62, 5, 2**63 - 1, 1)
MEMBERS = (Member(0, "a:1"), Member(9, "[::1]:8081"))
LINEAGE = ((LOW, 0), (HIGH, 40))
PUT = Operation(3, 2**64 - 1, 300, 2, "schlüssel".encode(), b"value\0", b"once")
DELETE = Operation(0, 1, 5, 5, b"k", None, b"")
EMPTY = Operation(0, 1, 6, 5, b"k", b"", b"")

OF_VERSION_1: tuple[Message, ...] = (
    Told(MEMBERS, 4),
    Told((), 0),
    Propose(HIGH, MEMBERS, True, LOW),
    Propose(LOW, MEMBERS[:1], False),
    Promise(HIGH, LOW, 2**64 - 1, 3, 50, 41, LINEAGE),
    Promise(HIGH, None, 0, 0, 0, 0, ()),
    Adopt(HIGH, 7, 50, LINEAGE, (Dropped(2, 10, 20), Dropped(4, 0, 1))),
    Adopted(LOW),
    Fetch(HIGH, True, 256, 65_536),
    LogChunk(LOW, 3, (PUT, DELETE, EMPTY)),
    SnapshotChunk(
        HIGH,
        12,
        1,
        2,
        5,
        ((b"k", b"v"), (b"l", b"")),
        (OriginRecord(3, 9, 1, 2, 11, ((2, Result(Kind.CREATED, 4)), (3, Result(Kind.MISSING, 5)))),),
        (KeyRecord(b"once", bytes(range(16)), Result(Kind.UPDATED, 6)),),
    ),
    Replicate(HIGH, 41, (PUT, DELETE), 40, 17, 2_000_000_000),
    Replicate(LOW, 0, (), 0, 0),
    Replicated(HIGH, 43, 17, 1_000_000_000),
    Forward(HIGH, 39, 9_500_000_000, PUT),
    Forward(LOW, 0, 1, DELETE),
    Forwarded(
        HIGH,
        tuple(
            Verdict(number, code, number + 1)
            for number, code in enumerate(VerdictCode)
            if code is not VerdictCode.STORE_FULL
        ),
    ),
    Confirm(LOW, 8, True),
    Confirmed(LOW, 8, 43),
    *(Refuse(HIGH, reason, 3, LOW) for reason in Refusal),
    Seek(MEMBERS),
    Offer(HIGH, 7, 50, 20, 45, LINEAGE),
    Learned(HIGH, 50, True),
)
OF_VERSION_2: tuple[Message, ...] = (
    *OF_VERSION_1,
    Forward(HIGH, 39, 9_500_000_000, PUT, b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    Forwarded(HIGH, (Verdict(9, VerdictCode.STORE_FULL, 2**31),)),
)
OF_VERSION = {1: OF_VERSION_1, 2: OF_VERSION_2}


def path(version: int) -> Path:
    """Where the bytes of a version are kept."""
    return Path(__file__).with_name(f"wire-{version}.txt")


def lines(version: int) -> list[tuple[str, bytes]]:
    """The kind of each message and its bytes, as a batch of one."""
    pairs = [line.split(" ") for line in path(version).read_text("ascii").splitlines()]
    return [(kind, bytes.fromhex(text)) for kind, text in pairs]
