"""The format of recordings: what is written is read, and nothing else."""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterable
from random import Random
from struct import pack

import pytest

from pbproto import (
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
from pbproto.messages import Replicate, Told
from pbproto.recording import (
    DIGEST_EVERY,
    MAGIC,
    VERSION,
    WHOLE_EVERY,
    End,
    Recording,
    RecordingError,
    Writer,
    error_text,
    frame,
    read,
    read_header,
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
    assert len(recording.end.digest or b"") == 16
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
        return pack(">II", len(body) + 1, crc32(kind + body)) + kind + body

    header = b"\x01\x07" + b"\x01\x05" + pack(">I", 1) + pack(">I", 9) + b"heartbeat" + b"\x01\x09"
    header += pack(">I", 4) + b"none" + b"\x01\x01" + b"\x01\x04" + pack(">I", 8) + b"anything" + bytes(4)
    put = pack(">Q", 55) + b"\x00" + b"\x01\x09" + pack(">I", 1) + b"k" + pack(">I", 1) + b"v" + bytes(4)
    written = b"\x0f\x07" + b"\x00" + b"\x01\x09" + b"\x00" + b"\x00" + b"\x01\x03"
    step = by_hand(b"S", put + bytes(4) + pack(">I", 1) + written)
    mail = encode([(Envelope(1, 2, 7, 0, 0), Told((), 0))])
    receive = pack(">Q", 56) + b"\x05" + pack(">I", len(mail)) + mail
    failure = by_hand(b"F", receive + bytes(4) + pack(">I", 4) + b"oops")
    end = by_hand(b"X", pack(">I", 3) + b"end" + b"\x01")
    data = b"pbprec\0\x01" + by_hand(b"H", header) + step + failure + end
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
    digests = {step.number: step.digest for step in read(b"".join(pieces)).steps() if step.digest is not None}
    assert list(digests) == list(range(DIGEST_EVERY, count + 1, DIGEST_EVERY))
    assert [number for number, (whole, _) in digests.items() if whole] == [count]


def test_a_large_state_has_brief_digests_only() -> None:
    """Recording stays cheap: a state that is too large is never digested as a whole, but at the end."""
    count = DIGEST_EVERY * WHOLE_EVERY
    events = [EVENTS[0], *(Put(n, b"key%d" % n, bytes(100)) for n in range(count))]
    _, _, pieces = record(events)
    recording = read(b"".join(pieces))
    assert not [step for step in recording.steps() if step.digest is not None and step.digest[0]]
    assert recording.end is not None
    assert recording.end.digest is not None


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
    replica, writer, pieces = record(EVENTS[:8], redactor, end="")
    recording = read(b"".join(pieces))
    assert recording.header.redaction == "all"
    steps = list(recording.steps())
    assert [len(step.names) for step in steps] == [0, 1, 0, 1, 0, 0, 0, 1]
    assert steps[7].event == redactor.event(EVENTS[7])
    again = read(b"".join(writer.begin_again(replica.state)))
    names = again.state()[1]
    assert list(names.values()) == [*steps[1].names, *steps[3].names]
    assert list(names) == [(redactor.key(b"k"), redactor.hide(b"v")), (redactor.key(b"k"), None)]


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


# What a killed node leaves.


def test_a_recording_that_is_cut_off_anywhere_is_read_up_to_there() -> None:
    """A node is killed at any byte: cut there, and find the steps that were whole."""
    _, _, pieces = record(EVENTS[:4])
    data = b"".join(pieces)
    whole = [step.number for step in read(data).steps()]
    edges = [sum(map(len, pieces[:count])) for count in range(1, len(pieces) + 1)]
    for cut in range(edges[0], len(data)):
        recording = read(data[:cut])
        complete = sum(edge <= cut for edge in edges) - 1
        assert [step.number for step in recording.steps()] == whole[:complete]
        assert recording.left_out == cut - max(edge for edge in edges if edge <= cut)
        assert recording.end is None
    for cut in range(edges[0]):
        with pytest.raises(RecordingError):
            read(data[:cut])


def test_zeros_at_the_end_are_left_out() -> None:
    """A machine that lost its power may leave zeros: put some at the end, and then something after them."""
    _, _, pieces = record(EVENTS[:4], end="")
    data = b"".join(pieces)
    assert read(data + bytes(500)).left_out == 500
    assert read(data + bytes(500)).count == 4
    with pytest.raises(RecordingError, match=f"damaged at byte {len(data)}"):
        read(data + bytes(500) + b"x")


def test_a_last_frame_that_is_garbled_is_left_out() -> None:
    """Blocks of a file are not written in order: change a byte of the last frame, and one before it."""
    _, _, pieces = record(EVENTS[:4], end="")
    data = b"".join(pieces)
    assert read(data[:-1] + bytes([data[-1] ^ 1])).left_out == len(pieces[-1])
    start = len(data) - len(pieces[-1])
    with pytest.raises(RecordingError, match=f"damaged at byte {start - len(pieces[-2])}"):
        read(data[: start - 1] + bytes([data[start - 1] ^ 1]) + data[start:])


def test_a_checkpoint_that_is_cut_off_is_no_recording() -> None:
    """Without the whole state nothing can be executed: cut within it."""
    replica, writer, _ = record(EVENTS[:5], end="")
    begin, *rest = writer.begin_again(replica.state)
    assert read(begin).count == 0  # cut off before it: the beginning of a life that did nothing
    for count in range(1, len(rest)):
        with pytest.raises(RecordingError, match="within its checkpoint"):
            read(begin + b"".join(rest[:count]))


# What nobody wrote.


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a recording"),
        (b"PK\x03\x04", "not a recording"),
        (MAGIC, "before it says"),
        (MAGIC + pack(">H", VERSION + 1) + b"anything", f"version {VERSION + 1}.*version {VERSION}"),
        (MAGIC + pack(">H", VERSION), "before it says"),
        (MAGIC + pack(">H", VERSION) + frame(b"S", b""), "before it says"),
        (MAGIC + pack(">H", VERSION) + frame(b"H", b"\x01"), "header cannot be read"),
    ],
    ids=lambda each: str(each)[:20],
)
def test_other_files_are_refused(data: bytes, words: str) -> None:
    """Whatever else is given is refused with one sentence: try files of other kinds and versions."""
    with pytest.raises(RecordingError, match=words):
        read(data)
    with pytest.raises(RecordingError, match=words):
        read_header(data)


def test_a_header_can_be_read_alone() -> None:
    """Whose a large file is can be said without reading it: give the beginning only."""
    replica, writer, pieces = record(EVENTS)
    assert read_header(pieces[0]) == read_header(b"".join(pieces)) == read(b"".join(pieces)).header
    again = b"".join(writer.begin_again(replica.state))
    assert read_header(again[:1000]).segment == 2


BEGIN, STEP = record(EVENTS[:1], end="")[2]
DIGEST = frame(b"D", bytes(17))
ENDED = frame(b"X", pack(">I", 3) + b"end" + b"\x01")


@pytest.mark.parametrize(
    "rest",
    [
        frame(b"Q", b""),
        BEGIN[8:],
        DIGEST,
        STEP + DIGEST + DIGEST,
        ENDED + STEP,
        ENDED + ENDED,
        STEP + frame(b"C", b""),
        frame(b"P", b""),
        frame(b"E", b""),
        frame(b"C", b"") + STEP,
        frame(b"X", b""),
        frame(b"X", pack(">I", 3) + b"end" + b"\x01" + b"more"),
    ],
)
def test_frames_have_an_order(rest: bytes) -> None:
    """A frame where none of its kind may stand, or an end that is none, is refused: try each."""
    with pytest.raises(RecordingError):
        read(BEGIN + rest)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(8) + b"\x08",
        bytes(8) + b"\x05" + pack(">I", 4) + b"pbkv",
        bytes(8) + b"\x05" + pack(">I", 6) + b"pbkv\0\x01",
        bytes(8) + b"\x06" + bytes(8) + b"more",
        bytes(8) + b"\x06" + pack(">I", 1),
        bytes(8) + b"\x06" + pack(">I", 2**31),
        bytes(8) + b"\x06" + bytes(4) + pack(">I", 1) + b"\x7f\x00",
    ],
)
def test_a_step_that_is_none_is_named(body: bytes) -> None:
    """A frame that is whole but wrong gives one sentence with the number of the step: read such steps."""
    recording = read(BEGIN + STEP + frame(b"S", body))
    with pytest.raises(RecordingError, match="step 2 "):
        list(recording.steps())


def test_a_redacted_step_has_a_name_for_each_operation() -> None:
    """A replay must not guess: take a name away from a redacted step."""
    _, _, pieces = record(EVENTS[:2], Redactor(SALT, keys=False), end="")
    step = list(read(b"".join(pieces)).steps())[1]
    at = pieces[2].index(step.names[0])
    body = pieces[2][9 : at - 4] + bytes(4) + pieces[2][at + 16 :]
    with pytest.raises(RecordingError, match="name each"):
        list(read(b"".join(pieces[:2]) + frame(b"S", body)).steps())


def changed(data: bytes, before: bytes, after: bytes) -> Recording:
    """The recording with other bytes in its header, and a check sum that fits."""
    body = data[8 + 9 : 8 + 8 + int.from_bytes(data[8:12], "big")]
    assert body.count(before) == 1
    return read(data[:8] + frame(b"H", body.replace(before, after)) + data[8 + 9 + len(body) :])


def test_settings_that_this_code_does_not_know_are_named() -> None:
    """A recording of other code may have other settings: rename one, and give one an impossible value."""
    data = b"".join(record(EVENTS)[2])
    for before, after in ((b"heartbeat", b"heartbeet"), (b"heartbeat\x01\x05", b"heartbeat\x01\x00")):
        recording = changed(data, before, after)
        with pytest.raises(RecordingError, match="settings do not fit"):
            recording.config()


def test_a_state_of_another_form_is_not_read() -> None:
    """The fields of the state may be others in other code: change the name of their form."""
    replica, writer, pieces = record(EVENTS[:5], end="")
    data = b"".join(writer.begin_again(replica.state))
    shape = read(data).header.shape
    assert changed(b"".join(pieces), shape, b"another!").state()[0].id == 7
    with pytest.raises(RecordingError, match="another form"):
        changed(data, shape, b"another!").state()


def test_a_checkpoint_that_is_none_is_refused() -> None:
    """A state that cannot be read gives one sentence: garble it, with check sums that fit."""
    replica, writer, _ = record(EVENTS[:5], Redactor(SALT, keys=False), end="")
    begin, head, *pieces, last = writer.begin_again(replica.state)
    for bad in (
        begin + frame(b"C", b"x") + last,
        begin + head + frame(b"P", b"\x63") + last,
        begin + head + b"".join(pieces[:-1]) + last,  # without the names of its operations
    ):
        with pytest.raises(RecordingError, match="checkpoint cannot be read"):
            read(bad).state()


def test_no_bytes_at_all_do_more_than_an_error() -> None:
    """Hostile files execute nothing and end in one kind of error: change bytes at random and fit the sums."""
    random = Random(1)
    replica, writer, pieces = record(EVENTS, Redactor(SALT, keys=False))
    pieces = [pieces[0], *list(writer.begin_again(replica.state))[1:], *pieces[1:]]
    frames = [(piece[8:9], piece[9:]) for piece in [pieces[0][8:], *pieces[1:]]]
    refused = 0
    for _ in range(400):
        place = random.randrange(len(frames))
        kind, body = frames[place]
        garbled = bytearray(body)
        for _ in range(random.randrange(1, 4)):
            if garbled:
                garbled[random.randrange(len(garbled))] = random.randrange(256)
        data = [frame(*each) for each in frames]
        data[place] = frame(kind, bytes(garbled))
        try:
            recording = read(pieces[0][:8] + b"".join(data))
            recording.state()
            list(recording.steps())
        except RecordingError:
            refused += 1
    assert 50 < refused < 400
