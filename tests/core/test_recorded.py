"""A recording that is read: as far as it is whole, and nothing that is none."""

from __future__ import annotations

from random import Random
from struct import pack

import pytest

from pbproto import Close, Config, InvariantError, Tick
from pbproto.frames import MAGIC, VERSION, RecordingError, frame
from pbproto.recorded import Recording, ends_in_failure, is_eventful, read, read_header
from pbproto.recording import BROKE, VOCABULARY, Writer
from pbproto.redaction import Redactor

from .test_recording import EVENTS, SALT, record

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
    recording = read(data + bytes(500) + b"x")
    assert (recording.damage, recording.left_out) == (f"it is damaged at byte {len(data)}", 0)


def test_a_last_frame_that_is_garbled_is_left_out() -> None:
    """Blocks of a file are not written in order: change a byte of the last frame."""
    _, _, pieces = record(EVENTS[:4], end="")
    data = b"".join(pieces)
    recording = read(data[:-1] + bytes([data[-1] ^ 1]))
    assert (recording.damage, recording.left_out) == ("", len(pieces[-1]))


def test_no_flipped_bit_hides_what_follows() -> None:
    """Damage is never taken for an end: flip each bit of a step, have the one before it and an error."""
    _, _, pieces = record(EVENTS[:4])
    data = b"".join(pieces)
    begin = len(pieces[0] + pieces[1])
    for bit in range(8 * len(pieces[2])):
        place = begin + bit // 8
        recording = read(data[:place] + bytes([data[place] ^ 1 << bit % 8]) + data[place + 1 :])
        steps = recording.steps()
        assert next(steps).number == recording.count == recording.last == 1
        with pytest.raises(RecordingError, match=f"damaged at byte {begin}"):
            next(steps)


def test_a_checkpoint_that_is_cut_off_is_no_recording() -> None:
    """Without the whole state nothing can be executed: cut within it."""
    replica, writer, _ = record(EVENTS[:5], end="")
    begin, *rest = writer.begin_again(replica.state)
    for count in range(len(rest)):
        with pytest.raises(RecordingError, match="it ends within its checkpoint"):
            read(begin + b"".join(rest[:count]))
    with pytest.raises(RecordingError, match=r"it is damaged at byte \d+ within its checkpoint"):
        read(begin + rest[0] + b"x" + b"".join(rest[1:]))


# What nobody wrote.


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a recording"),
        (b"PK\x03\x04", "not a recording"),
        (MAGIC, "before it says"),
        (MAGIC + pack(">H", VERSION + 1) + b"anything", f"version {VERSION + 1}.*version {VERSION}"),
        (MAGIC + pack(">H", VERSION - 1) + frame(b"H", b""), f"version {VERSION - 1}.*version {VERSION}"),
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
DIGEST = frame(b"D", bytes(4) + b"\x01")
ENDED = frame(b"X", pack(">I", 3) + b"end" + b"\x01")


def test_a_damaged_header_is_said_to_be() -> None:
    """Nobody takes damage at the very beginning for an empty recording: garble the header."""
    with pytest.raises(RecordingError, match="damaged at byte 8"):
        read(BEGIN[:20] + b"!" + BEGIN[21:] + STEP)


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
        bytes(8) + b"\x09",
        bytes(8) + b"\x06" + pack(">I", 4) + b"pbkv",
        bytes(8) + b"\x06" + pack(">I", 6) + b"pbkv\0\x01",
        bytes(8) + b"\x07" + bytes(8) + b"more",
        bytes(8) + b"\x07" + pack(">I", 1),
        bytes(8) + b"\x07" + pack(">I", 2**31),
        bytes(8) + b"\x07" + bytes(4) + pack(">I", 1) + b"\x7f\x00",
    ],
)
def test_a_step_that_is_none_is_named(body: bytes) -> None:
    """A frame that is whole but wrong gives one sentence with the number of the step: read such steps."""
    recording = read(BEGIN + STEP + frame(b"S", body))
    with pytest.raises(RecordingError, match="step 2 "):
        list(recording.steps())


def test_a_digest_that_is_none_is_named() -> None:
    """The same for a digest: read one that is too short."""
    with pytest.raises(RecordingError, match="digest of step 1 cannot be read"):
        list(read(BEGIN + STEP + frame(b"D", bytes(3))).steps())


def test_other_words_are_refused() -> None:
    """Events and effects of other code are not taken for others of this code: change what names them."""
    with pytest.raises(
        RecordingError, match="other events, messages or effects than this recorded it: who a test"
    ):
        changed(b"".join(record(EVENTS)[2]), VOCABULARY, b"another!")


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


# Which recordings are worth keeping.


def test_a_life_that_was_only_closed_is_not_eventful() -> None:
    """A life in which nothing happened proves nothing: look at beginnings, whole and cut off."""
    replica, writer, _ = record(EVENTS[:1], end="")
    again = b"".join(writer.begin_again(replica.state))
    closed = b"".join(record([Close(), Close()], end="")[2])
    end = Writer(7, 5, Config()).end("done")
    for nothing in (BEGIN, BEGIN[:-1], BEGIN + end, closed, closed + end):
        assert not is_eventful(nothing)
    for something in (BEGIN + STEP, BEGIN + STEP[:-1], closed + STEP, again):
        assert is_eventful(something)


def test_a_recording_says_in_its_end_that_its_life_failed() -> None:
    """The end of a large file is enough to know a crash: look at ends of every kind."""
    writer = Writer(7, 5, Config())
    failed = writer.failure(Tick(), 5, InvariantError("a rule")) + writer.end(BROKE)
    assert ends_in_failure(failed)
    assert ends_in_failure(failed[3:])
    assert not ends_in_failure(failed[:-1])
    assert not ends_in_failure(STEP + writer.end("done"))
    assert not ends_in_failure(BEGIN + STEP)
    assert not ends_in_failure(b"")
