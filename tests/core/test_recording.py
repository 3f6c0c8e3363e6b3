"""The format of recordings: what is written is read."""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterable
from struct import pack

from pbproto import (
    Batch,
    Close,
    Config,
    Delete,
    Envelope,
    Event,
    Get,
    GetAll,
    InvariantError,
    Put,
    Receive,
    Replica,
    TellView,
    Tick,
    View,
    encode,
)
from pbproto.frames import frame
from pbproto.messages import Replicate, Told
from pbproto.recorded import read
from pbproto.recording import (
    DIGEST_EVERY,
    VOCABULARY,
    WHOLE_EVERY,
    End,
    Writer,
    error_text,
)
from pbproto.redaction import Redactor
from pbproto.summary import summary
from pbproto.values import NO_BALLOT, Operation

SALT = bytes(range(32))
PUT = Operation(1, 2, 3, 3, b"key", b"value", b"once")
EVENTS: list[Event] = [
    TellView(View.of([(7, "a:1")], epoch=1)),
    Put(1, b"k", b"v", b"once"),
    Put(2, b"k", b"v"),
    Delete(3, b"k", b"twice"),
    Get(4, b"k"),
    GetAll(5),
    Receive(Envelope(1, 2, 7, 0, 0), Told((), 0)),
    Receive(Envelope(1, 2, 7, 0, 0), Replicate(NO_BALLOT, 0, (PUT, PUT._replace(idempotency_key=b"")), 0, 0)),
    Batch((Put(6, b"k", b"w", b"third"), Get(7, b"k"), GetAll(8), Put(9, b"k", b"x"))),
    Tick(),
    Close(),
]


def record(
    events: Iterable[Event], redactor: Redactor | None = None, end: str = "done"
) -> tuple[Replica, Writer, list[bytes]]:
    """A node to which this happened, and the pieces of its recording."""
    replica = Replica(7, 2**64 - 1, Config(heartbeat=5))
    writer = Writer(7, 2**64 - 1, Config(heartbeat=5), redactor, (("who", "a test"),))
    pieces = [writer.begin()]
    for now, event in enumerate(events, 100):
        pieces.append(writer.step(event, now, replica.step(event, now=now), replica.state))
    if end:
        pieces.append(writer.end(end, replica.state))
    return replica, writer, pieces


def test_what_is_written_is_read() -> None:
    """A recording has every event at its time, and what was done: record each kind, read it twice."""
    _, _, pieces = record(EVENTS)
    recording = read(b"".join(pieces))
    header = recording.header
    assert (header.id, header.incarnation, header.redaction) == (7, 2**64 - 1, "none")
    assert (header.segment, header.first, header.about) == (1, 1, (("who", "a test"),))
    assert recording.config() == Config(heartbeat=5)
    assert recording.end is not None
    assert recording.end.reason == "done"
    assert recording.end.digests is not None
    assert len(recording.end.digests.whole or b"") == 16
    assert (recording.count, recording.left_out, recording.checkpoint_bytes) == (len(EVENTS), 0, 0)
    assert recording.state_digest is None
    assert recording.same_shape
    steps = list(recording.steps())
    assert steps == list(recording.steps())
    assert [step.event for step in steps] == EVENTS
    assert [step.now for step in steps] == list(range(100, 100 + len(EVENTS)))
    assert [step.number for step in steps] == list(range(1, 1 + len(EVENTS)))
    replica = Replica(7, 2**64 - 1, Config(heartbeat=5))
    for step in steps:
        assert step.did == tuple(map(summary, replica.step(step.event, now=step.now)))
        assert step.names == ()
        assert step.failure == ""


def test_the_layout_is_the_one_that_is_documented() -> None:
    """Recordings outlive code: read one that is put together by hand, compare a step with bytes by hand."""

    def by_hand(kind: bytes, body: bytes) -> bytes:
        length = pack(">I", len(body) + 1)
        return length + pack(">I", crc32(length + kind + body)) + kind + body

    header = b"\x01\x07" + b"\x01\x05" + pack(">I", 1) + pack(">I", 9) + b"heartbeat" + b"\x01\x09"
    header += pack(">I", 4) + b"none" + b"\x01\x01" + b"\x01\x04"
    header += pack(">I", 8) + VOCABULARY + pack(">I", 8) + b"anything" + bytes(4)
    put = pack(">Q", 55) + b"\x00" + b"\x01\x09" + pack(">I", 1) + b"k" + pack(">I", 1) + b"v" + bytes(8)
    written = b"\x12\x07" + b"\x01" + b"\x01\x09" + b"\x00" + b"\x00" + b"\x01\x03"
    step = by_hand(b"S", put + bytes(4) + pack(">I", 1) + written)
    mail = encode([(Envelope(1, 2, 7, 0, 0), Told((), 0))])
    receive = pack(">Q", 56) + b"\x06" + pack(">I", len(mail)) + mail
    failure = by_hand(b"F", receive + bytes(4) + pack(">I", 4) + b"oops")
    end = by_hand(b"X", pack(">I", 3) + b"end" + b"\x01")
    data = b"pbprec\0\x02" + by_hand(b"H", header) + step + failure + end
    recording = read(data)
    assert (recording.header.id, recording.header.incarnation, recording.header.first) == (7, 5, 4)
    assert recording.config() == Config(heartbeat=9)
    assert not recording.same_shape
    one, other = recording.steps()
    assert (one.number, one.now, one.event) == (4, 55, Put(9, b"k", b"v"))
    assert [(did.kind, did.digested, did.body) for did in one.did] == [("Reply Written", False, written[2:])]
    assert (other.number, other.now, other.failure) == (5, 56, "oops")
    assert other.event == Receive(Envelope(1, 2, 7, 0, 0), Told((), 0))
    assert recording.end == End("end", None)
    assert frame(b"X", pack(">I", 3) + b"end" + b"\x01") == end


def test_digests_of_the_state_come_now_and_then() -> None:
    """Drift without visible effects is found as well: count brief and whole digests in a long recording."""
    count = DIGEST_EVERY * WHOLE_EVERY
    _, _, pieces = record([EVENTS[0], EVENTS[1], *(Tick() for _ in range(count))])
    digests = {
        step.number: step.digests for step in read(b"".join(pieces)).steps() if step.digests is not None
    }
    assert list(digests) == list(range(DIGEST_EVERY, count + 1, DIGEST_EVERY))
    assert [number for number, each in digests.items() if each.whole is not None] == [count]


def test_a_large_state_has_brief_digests_only() -> None:
    """Recording stays cheap: a state that is too large is never digested as a whole, but at the end."""
    count = DIGEST_EVERY * WHOLE_EVERY
    events = [EVENTS[0], *(Put(n, b"key%d" % n, bytes(100)) for n in range(count))]
    _, _, pieces = record(events)
    recording = read(b"".join(pieces))
    assert not [step for step in recording.steps() if step.digests is not None and step.digests.whole]
    assert recording.end is not None
    assert recording.end.digests is not None
    assert recording.end.digests.whole is not None


def test_another_segment_begins_with_the_state() -> None:
    """Each segment can be read alone: cut a recording, go on, and take the state's bytes later."""
    replica, writer, _ = record(EVENTS[:5], end="")
    beginning = writer.begin_again(replica.state)
    step = writer.step(EVENTS[5], 200, replica.step(EVENTS[5], now=200), replica.state)
    recording = read(b"".join(beginning) + step)
    assert (recording.header.segment, recording.header.first) == (2, 6)
    assert [each.event for each in recording.steps()] == [EVENTS[5]]
    state, names = recording.state()
    assert state.store.data == {}  # the DELETE came last
    assert state.store.applied == 3
    assert names == {}
    assert recording.state()[0] is not state
    assert recording.checkpoint_bytes > 100
    assert recording.state_digest
    assert recording.end is None


def test_a_redacted_recording_names_its_operations() -> None:
    """What the replica compares is kept, hidden: read events and a checkpoint with idempotency keys."""
    redactor = Redactor(SALT, keys=True)
    replica, writer, pieces = record(EVENTS[:9], redactor, end="")
    recording = read(b"".join(pieces))
    assert recording.header.redaction == "all"
    steps = list(recording.steps())
    assert [len(step.names) for step in steps] == [0, 1, 0, 1, 0, 0, 0, 1, 1]
    assert [step.event for step in steps[7:]] == [redactor.event(event) for event in EVENTS[7:9]]
    again = read(b"".join(writer.begin_again(replica.state)))
    names = again.state()[1]
    assert list(names.values()) == [*steps[1].names, *steps[3].names, *steps[8].names]
    key = redactor.key(b"k")
    assert list(names) == [(key, redactor.hide(b"v")), (key, None), (key, redactor.hide(b"w"))]


def test_errors_are_hidden_where_they_may_tell_something() -> None:
    """A KeyError names a key, a broken rule names nothing: look at the texts with and without redaction."""
    assert error_text(InvariantError("a rule"), "all") == "InvariantError: a rule"
    assert error_text(KeyError(b"secret"), "none") == "KeyError: b'secret'"
    assert error_text(KeyError(b"secret"), "values") == "KeyError"


def test_a_failure_is_the_last_step() -> None:
    """The step that broke the node is in its recording: write one, and read it."""
    _, writer, pieces = record(EVENTS[:2], end="")
    pieces += [writer.failure(Tick(), 500, InvariantError("a rule")), writer.end("the replica broke")]
    recording = read(b"".join(pieces))
    last = list(recording.steps())[-1]
    assert (last.number, last.event, last.failure, last.did) == (3, Tick(), "InvariantError: a rule", ())
    assert recording.end == End("the replica broke", None)
