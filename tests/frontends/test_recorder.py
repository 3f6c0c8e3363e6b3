"""A recorded node: what is in its file, and what the file may and may not do to the node."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from frontends.common import recorder as recorder_module
from frontends.common import recording_file
from frontends.common.node import Answer, Node
from frontends.common.recorder import finish_all, path_of
from frontends.common.recording_file import LIVES, RecordingFileError, beside, check
from frontends.common.settings import Settings
from frontends.common.starting import check_or_exit
from pbproto import Delete, Get, GetAll, InvariantError, Listing, Operation, Put, Reply, Result, View
from pbproto.buckets import LOAD
from pbproto.recorded import Recording, read
from pbproto.recording import Writer
from pbproto.rerun import Replay, continues
from pbproto.state import State
from pbproto.store import Store
from pbproto.summary import LISTED

VIEW = View.of([(1, "one:1")])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rec"


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., Node]]:
    """Starts recorded nodes of a view of one; all recordings end with the test."""
    nodes: list[Node] = []

    def make(**settings: Any) -> Node:
        # The log is part of the state; without it a state is as small as what is stored.
        settings = {"id": 1, "record": str(path), "log_keep_bytes": 0, **settings}
        node = Node(Settings(**settings), lambda _: None, lambda _: None)
        nodes.append(node)
        node.tell_view(VIEW)
        return node

    yield make
    for node in nodes:
        node.end_recording()


def write(node: Node, key: bytes, value: bytes, once: bytes = b"") -> None:
    node.request(lambda token: Put(token, key, value, once), lambda _: None)


def write_slowly(node: Node, count: int, value: bytes) -> None:
    """Write no faster than the recording is written: a burst larger than its bound would end it."""
    recorder = node._recorder
    assert recorder is not None
    for number in range(count):
        write(node, b"k%d" % (number % 5), value)
        while recorder._queued > 5_000:
            recorder._hurry.set()
            time.sleep(0.0005)


def replayed(path: Path) -> tuple[Recording, Replay]:
    """The recording in a file, executed without a difference."""
    recording = read(path.read_bytes())
    replay = Replay(recording)
    for _ in replay:
        pass
    assert not replay.difference
    return recording, replay


def ended(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines that say that a recording ended before its node."""
    return [each.getMessage() for each in caplog.records if "recording_ended" in each.getMessage()]


def until_ended(node: Node) -> None:
    """Wait until the recording has ended by itself."""
    assert node._recorder is not None
    node._recorder.join()
    assert not node._recorder._thread.is_alive()


def test_every_input_is_recorded(path: Path, start: Callable[..., Node]) -> None:
    """All that happened to a node is in the file when it ends: requests, a tick, the close, told views."""
    node = start()
    write(node, b"k", b"v")
    node.request(lambda token: Get(token, b"k"), lambda _: None)
    node.tick()
    node.close()
    node.end_recording()
    recording, replay = replayed(path)
    names = [type(step.event).__name__ for step in recording.steps()]
    assert names == ["TellView", "Put", "Get", "Tick", "Close"]
    assert replay.state.store.data == {b"k": b"v"}
    assert recording.end is not None
    assert recording.end.reason == "the node stopped"
    assert recording.header.redaction == "none"
    assert list(dict(recording.header.about)) == ["pbproto", "code", "python", "started"]
    assert f"{recording.header.incarnation}" == f"{node.status().incarnation}"
    node.tick()  # later steps are not in it, and hurt nobody
    assert replayed(path)[0].count == 5


def test_only_its_owner_reads_it(path: Path, start: Callable[..., Node]) -> None:
    """A recording has what clients stored: look at its rights."""
    start()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("redact", ["values", "all"])
def test_hidden_values_are_not_in_the_file(path: Path, start: Callable[..., Node], redact: str) -> None:
    """What is redacted is nowhere in any segment, and they replay all the same: look for the bytes."""
    node = start(record_redact=redact, record_bytes=65_536)
    for number in range(500):
        once = b"a-long-key" if number == 350 else b""
        write(node, b"a-long-key-%d" % (number % 7), b"a-long-value-%d" % number, once)
    node.end_recording()
    segments = [beside(path, "1"), path]
    for each in segments:
        data = each.read_bytes()
        assert b"a-long-value" not in data
        assert (b"a-long-key" in data) == (redact == "values")
        recording, replay = replayed(each)
        assert recording.header.redaction == redact
        assert len(replay.state.store.data) == 7


def test_hidden_keys_are_listed_in_the_recorded_order(path: Path, start: Callable[..., Node]) -> None:
    """The replay lists hidden keys as the node listed the keys: list more of them than a bucket has."""
    node = start(record_redact="all")
    for number in range(3 * LOAD):
        write(node, b"a-long-key-%d" % number, b"v")
    answers: list[Answer] = []
    node.request(GetAll, answers.append)
    node.end_recording()
    assert isinstance(answers[0], Reply)
    assert isinstance(answers[0].outcome, Listing)
    assert LOAD < len(answers[0].outcome.items) <= LISTED
    assert replayed(path)[1].state.store.data.width > 1


def size_of_all(path: Path) -> int:
    """Bytes of a recording's files."""
    return sum(file.stat().st_size for file in path.parent.iterdir())


def test_segments_stay_below_the_bound_and_follow_each_other(
    path: Path, start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest part of a long life is always there: write much more than the bound, look after each write.

    Both segments replay from their own beginnings, and the newer begins where the older ends.
    """
    bound = 100_000
    sizes: list[int] = []
    plain = recording_file._write

    def watched(descriptor: int, data: bytes) -> None:
        plain(descriptor, data)
        sizes.append(size_of_all(path))  # in the one thread that makes, renames and removes these files

    monkeypatch.setattr(recording_file, "_write", watched)
    monkeypatch.setattr(recorder_module, "GATHER", 0.005)
    node = start(record_bytes=bound)
    for number in range(6_000):
        write(node, b"k%d" % (number % 20), b"%d" % number)
        if number % 50 == 0:
            until_written(node)
    node.end_recording()
    one, before = replayed(beside(path, "1"))
    other, replay = replayed(path)
    assert continues(before, other) == ""
    assert one.end is not None
    assert one.end.reason == "the life goes on in another segment"
    assert other.header.segment == one.header.segment + 1 > 5
    assert replay.number == 6_001
    assert bound * 0.6 < max(sizes) <= bound
    assert one.count > 200


def test_a_state_that_is_too_large_ends_the_recording_at_the_bound(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    """Where no state fits, the first part is kept, with one line; the node goes on. Write different keys."""
    bound = 70_000
    node = start(record_bytes=bound)
    for number in range(500):
        write(node, b"key%d" % number, bytes(400))
    until_ended(node)
    recording, _ = replayed(path)
    assert not beside(path, "1").exists()
    assert not beside(path, "new").exists()
    assert recording.header.first == 1
    assert recording.end is not None
    assert recording.end.reason == f"the bound of {bound} bytes is reached"
    assert bound * 0.9 < path.stat().st_size <= bound
    assert len(ended(caplog)) == 1
    assert node.status().commit == 500
    assert recording.count < 500


def test_a_record_that_is_larger_than_the_rest_takes_the_place_of_the_older_segment(
    path: Path, start: Callable[..., Node]
) -> None:
    """What is new is worth more than what is old: write much, then a value that fits only without FILE.1."""
    bound = 100_000
    node = start(record_bytes=bound)
    number = 0
    while not beside(path, "1").exists():
        write(node, b"k%d" % (number % 5), bytes(100))
        number += 1
        if number % 50 == 0:
            until_written(node)
        assert number < 10_000
    write(node, b"large", bytes(40_000))
    node.end_recording()
    recording, _ = replayed(path)
    assert recording.end is not None
    last = list(recording.steps())[-1]
    assert isinstance(last.event, Put)
    assert len(last.event.value) == 40_000
    assert size_of_all(path) <= bound


def test_a_broken_invariant_is_in_the_file_before_the_process_ends(
    path: Path, start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The most important recording is whole: break the node, and look when it would leave the process."""
    node = start()
    write(node, b"k", b"v")

    class Left(Exception):  # noqa: N818
        """The process would have ended."""

    def leave(status: int) -> None:
        raise Left(status)

    apply = Store.apply

    def broken(self: Store, operation: Operation) -> Result:
        if operation.value == b"w":
            raise InvariantError("a rule")
        return apply(self, operation)

    monkeypatch.setattr(os, "_exit", leave)
    with monkeypatch.context() as patch:
        patch.setattr("pbproto.store.Store.apply", broken)
        with pytest.raises(Left):
            write(node, b"k", b"w")
        recording, replay = replayed(path)
        assert list(recording.steps())[-1].failure == "InvariantError: a rule"
        assert recording.end is not None
        assert replay.number == 3


# Whatever the disk does.


def fail_from(monkeypatch: pytest.MonkeyPatch, count: int, error: OSError) -> None:
    """All writes to recordings fail from this one on; before that a part of the data is written."""
    plain = recording_file._write
    done = 0

    def write_some(descriptor: int, data: bytes) -> None:
        nonlocal done
        done += 1
        if done < count:
            plain(descriptor, data)
        elif done == count:
            plain(descriptor, data[: len(data) // 2])
            raise error
        else:
            plain(descriptor, data)

    monkeypatch.setattr(recording_file, "_write", write_some)


def test_a_full_disk_ends_the_recording_and_not_the_node(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, a file that ends with a whole step, and a node that goes on: let a write fail half way."""
    node = start()
    write(node, b"k", b"v")
    fail_from(monkeypatch, 1, OSError(errno.ENOSPC, "No space left on device"))
    while not ended(caplog):
        write(node, b"k", b"w")
    until_ended(node)
    write(node, b"k", b"x")
    (line,) = ended(caplog)
    assert "No space left on device" in line
    recording, _ = replayed(path)
    assert recording.left_out == 0
    assert recording.end is not None
    assert "No space left" in recording.end.reason


def test_a_disk_that_stays_full_leaves_what_is_there(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even the last words can be written: the recording just stops."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    node = start()
    monkeypatch.setattr(recording_file, "_write", refuse)
    write(node, b"k", b"w")
    until_ended(node)
    assert len(ended(caplog)) == 1
    assert read(path.read_bytes()).end is None


def test_a_removed_file_ends_the_recording(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    """What is written to a file without a name is lost, so nobody goes on: put another in its place."""
    node = start()
    path.unlink()
    path.write_text("another")
    write(node, b"k", b"v")
    until_ended(node)
    assert "removed" in ended(caplog)[0]
    assert path.read_text() == "another"


def test_a_new_segment_that_cannot_be_written_ends_the_recording(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails in the middle of a state: the segment before it stays, and nothing half done."""
    node = start(record_bytes=100_000)
    create = recording_file._create

    def create_and_fail(path: Path) -> int:
        descriptor = create(path)
        fail_from(monkeypatch, 2, OSError(errno.ENOSPC, "No space left on device"))
        return descriptor

    monkeypatch.setattr(recording_file, "_create", create_and_fail)
    for number in range(3_000):
        write(node, b"k%d" % (number % 5), bytes(10))
        if ended(caplog):
            break
    until_ended(node)
    assert len(ended(caplog)) == 1
    assert [file.name for file in path.parent.iterdir()] == ["rec"]
    recording, _ = replayed(path)
    assert recording.end is not None
    assert "No space left" in recording.end.reason


def hang(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """From here on no write to a recording returns until this is set."""
    goes = threading.Event()
    plain = recording_file._write

    def slow(descriptor: int, data: bytes) -> None:
        goes.wait(60)
        plain(descriptor, data)

    monkeypatch.setattr(recording_file, "_write", slow)
    return goes


def test_a_slow_disk_ends_the_recording_and_never_blocks_the_node(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits to be written is bounded, and said at once: hold the disk, write too much, let it go."""
    monkeypatch.setattr(recorder_module, "QUEUE_BYTES", 100_000)
    node = start()
    goes = hang(monkeypatch)
    for _ in range(300):
        write(node, b"k", bytes(1_000))
    assert node.status().commit == 300
    recorder = node._recorder
    assert recorder is not None
    assert recorder._queued < 110_000
    assert len(recorder._queue) <= 1  # what can never be written keeps no memory
    assert "too slow" in ended(caplog)[0]
    goes.set()
    until_ended(node)
    assert len(ended(caplog)) == 1
    recording, _ = replayed(path)
    assert recording.end is not None
    assert "too slow" in recording.end.reason
    assert recording.count < 300


def test_no_second_state_is_copied_while_one_waits(
    path: Path, start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that hangs does not collect states: hold it, write much more than a segment, let it go."""
    begun = []
    plain = Writer.begin_again

    def begin_again(self: Writer, state: State) -> Iterator[bytes]:
        begun.append(self.steps)
        return plain(self, state)

    monkeypatch.setattr(Writer, "begin_again", begin_again)
    node = start(record_bytes=400_000)
    goes = hang(monkeypatch)
    for _ in range(300):
        write(node, b"k", bytes(1_000))
    assert len(begun) == 1
    goes.set()
    recorder = node._recorder
    assert recorder is not None
    while not beside(path, "1").exists():
        write_slowly(node, 1, b"v")
    write_slowly(node, 300, bytes(1_000))
    node.end_recording()
    assert len(begun) > 1
    assert replayed(path)[0].header.first == begun[-1] + 1


def test_a_state_that_shrinks_gets_its_segment(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    """A store that was too large for a while ends no recording: fill it, empty it, write on.

    That it was is in the log, once.
    """
    node = start(record_bytes=100_000)
    for number in range(40):
        write(node, b"key%d" % number, bytes(1_000))
    recorder = node._recorder
    assert recorder is not None
    while not recorder._filling:
        write(node, b"k", bytes(1_000))
        until_written(node)
    for number in range(40):
        node.request(partial(Delete, key=b"key%d" % number), lambda _: None)
    while not beside(path, "1").exists():
        write(node, b"k", bytes(1_000))
        until_written(node)
    node.end_recording()
    lines = [each.getMessage() for each in caplog.records]
    assert len([line for line in lines if "event=recording_fills_up" in line]) == 1
    assert not ended(caplog)
    assert replayed(path)[0].header.first > 80


def until_written(node: Node) -> None:
    """Wait until nothing is queued."""
    recorder = node._recorder
    assert recorder is not None
    while recorder._queued and recorder._thread.is_alive():
        time.sleep(0.001)


def test_no_whole_step_is_lost_to_a_full_disk(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What had room is there, and counted: let the disk have room for some of the steps that come at once."""
    node = start()
    until_written(node)
    room = 2_500
    plain = recording_file._write

    def write_some(descriptor: int, data: bytes) -> None:
        size = os.fstat(descriptor).st_size
        plain(descriptor, data[: max(0, room - size)])
        if size + len(data) > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recording_file, "_write", write_some)
    for _ in range(100):
        write(node, b"k", b"value")
    until_ended(node)
    recording, _ = replayed(path)
    assert 5 < recording.count < 100
    assert recording.left_out == 0
    assert room - 300 < path.stat().st_size <= room
    assert f"steps={recording.count} " in ended(caplog)[0]


@pytest.mark.parametrize("redact", ["none", "values"])
def test_what_is_hidden_is_not_told_by_an_error(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture, redact: str
) -> None:
    """The text of an error may have a value in it: let the recorder fail with one, hidden and not."""

    def fail(*_: object) -> None:
        raise KeyError("secret")

    node = start(record_redact=redact)
    assert node._recorder is not None
    node._recorder._writer.step = fail  # type: ignore[method-assign, assignment]
    write(node, b"k", b"v")
    until_ended(node)
    (line,) = ended(caplog)
    assert "KeyError" in line
    assert ("secret" in line) == (b"secret" in path.read_bytes()) == (redact == "none")


def test_a_step_that_cannot_be_recorded_ends_the_recording(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the recorder is none of the node: let it fail in a step, and in the last one."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("oops")

    node = start()
    with monkeypatch.context() as patch:
        patch.setattr("pbproto.recording.Writer.step", fail)
        write(node, b"k", b"v")
    write(node, b"k", b"w")
    until_ended(node)
    assert "ZeroDivisionError: oops" in ended(caplog)[0]
    assert node.status().commit == 2
    assert replayed(path)[0].count == 1
    assert node._recorder is not None
    path.unlink()
    other = start()
    assert other._recorder is not None
    monkeypatch.setattr("pbproto.recording.Writer.failure", fail)
    other._recorder.failure(Get(1, b"k"), 5, InvariantError("a rule"))
    assert len(ended(caplog)) == 2
    node._recorder.failure(Get(1, b"k"), 5, InvariantError("a rule"))  # over already: nothing happens
    path.unlink()
    last = start()
    monkeypatch.setattr("pbproto.checkpoint.digest", fail)
    last.end_recording()
    assert len(ended(caplog)) == 3
    assert replayed(path)[0].count == 1


# The files of a life, and of those before it.


def test_an_earlier_life_is_kept_and_so_are_a_few(path: Path, start: Callable[..., Node]) -> None:
    """A restart destroys no evidence, many do not fill the disk: restart a node again and again."""
    lives = []
    for number in range(LIVES + 3):
        node = start(record_bytes=100_000)
        if number == LIVES + 1:
            write_slowly(node, 1_500, bytes(10))
        node.end_recording()
        os.utime(path, ns=(number * 10**9, number * 10**9))
        lives.append(f"rec.{node.status().incarnation:016x}")
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == sorted(["rec", f"{lives[-2]}.1", *lives[-1 - LIVES : -1]])
    for name in names:
        replayed(path.with_name(name))


def test_evidence_is_kept_longer_than_lives_in_which_nothing_happened(
    path: Path,
) -> None:
    """A node that breaks and is then restarted in vain keeps its crash: break it, live, restart it often.

    Of two crashes the newer is kept longest; what is empty goes before what is not.
    """

    def life(number: int, how: str) -> str:
        node = Node(Settings(id=1, record=str(path)), lambda _: None, lambda _: None)
        recorder = node._recorder
        assert recorder is not None
        if how == "lived":
            node.tell_view(VIEW)
        if how == "broke":
            recorder.failure(Get(1, b"k"), 5, InvariantError("a rule"))
        else:
            node.close()
        node.end_recording()
        os.utime(path, ns=(number * 10**9, number * 10**9))
        return f"rec.{node.status().incarnation:016x}"

    def kept() -> list[str]:
        return sorted(file.name for file in path.parent.iterdir() if file != path)

    broke = [life(0, "broke"), life(1, "broke")]
    lived = life(2, "lived")
    empty = [life(3 + number, "empty") for number in range(8)]
    assert kept() == sorted([*broke, lived, empty[-2]])
    more = [life(11 + number, "lived") for number in range(6)]
    assert kept() == sorted([broke[1], *more[-4:-1]])


def test_what_is_no_recording_is_never_touched(path: Path, tmp_path: Path) -> None:
    """A wrong path costs nobody a file: point at other things, where the recording and its segments go."""
    for suffix in ("", ".1", ".new"):
        other = path.with_name(path.name + suffix)
        other.write_text("precious")
        with pytest.raises(RecordingFileError, match=r"rec(\.1|\.new)?: it exists and is not a recording"):
            check(path)
        with pytest.raises(RecordingFileError):
            Node(Settings(id=1, record=str(path)), lambda _: None, lambda _: None)
        assert other.read_text() == "precious"
        other.unlink()
    makers: tuple[Callable[[], None], ...] = (
        path.mkdir,
        lambda: path.symlink_to("/dev/null"),
        lambda: os.mkfifo(path),
    )
    for make in makers:
        make()
        with pytest.raises(RecordingFileError, match="not a recording"):
            check(path)
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(RecordingFileError, match="no directory"):
        check(tmp_path / "nowhere" / "rec")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (".", "it is a directory"),
        ("/", "it is a directory"),
        ("..", "it exists and is not a recording"),
        ("x" * 240, "File name too long"),
        ("x" * 300, "File name too long"),
        ("x" * 300 + "/rec", "File name too long"),
        ("/proc/rec", "cannot record to /proc/rec: "),
        ("/dev/null/rec", "there is no directory /dev/null"),
    ],
)
def test_a_path_that_cannot_be_one_is_refused(
    path: Path, name: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake is one line and status 2 before the node starts: give paths where no file can be made."""
    monkeypatch.chdir(path.parent)
    settings = Settings(id=1, record=name)
    with pytest.raises(SystemExit) as stop:
        check_or_exit(settings, "node")
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("node: cannot record to ")
    assert words in said
    assert said.count("\n") == 1
    with pytest.raises(RecordingFileError):
        Node(settings, lambda _: None, lambda _: None)
    assert list(path.parent.iterdir()) == []


def refuse_to_make(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No file can be made, with this error."""
    plain = os.open

    def refuse(name: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return plain(name, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)


def test_a_directory_that_cannot_be_written_to_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said before the node starts, where only the attempt tells: let creation fail."""
    refuse_to_make(monkeypatch, errno.EROFS)
    with pytest.raises(RecordingFileError, match="Read-only file system"):
        check(path)


@pytest.mark.parametrize("what", ["the file", "its beginning"])
def test_a_disk_that_is_full_at_the_start_ends_the_recording_and_not_the_node(
    path: Path,
    start: Callable[..., Node],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    """A full disk keeps no node from serving: let the first file or its first bytes fail, see one line."""
    check(path)
    if what == "the file":
        refuse_to_make(monkeypatch, errno.ENOSPC)
    else:
        fail_from(monkeypatch, 1, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    node = start()
    write(node, b"k", b"v")
    assert node.status().commit == 1
    (line,) = ended(caplog)
    assert "No space left on device" in line
    assert "steps=0" in line
    assert list(path.parent.iterdir()) == []


def test_two_checks_at_the_same_time_agree(path: Path) -> None:
    """What one check makes for a moment does not disturb another: leave it there."""
    other = beside(path, "0" * 16 + ".1")
    other.write_bytes(b"")
    check(path)
    assert other.exists()


def test_a_lock_that_fails_is_not_taken_for_another_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system without locks is said to be one: let the lock fail so."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    path.write_bytes(b"")
    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(RecordingFileError, match="No locks available"):
        check(path)


def test_a_file_that_cannot_be_read_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is a recording is not known then: refuse to open it."""
    path.write_bytes(b"")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RecordingFileError, match="Permission denied"):
        check(path)


def test_a_file_that_another_process_records_to_is_refused(path: Path, start: Callable[..., Node]) -> None:
    """Two nodes with one path would destroy each other's evidence: start a second one on it."""
    node = start()
    with pytest.raises(RecordingFileError, match="another process records to it"):
        start()
    write(node, b"k", b"v")
    node.end_recording()
    assert replayed(path)[0].count == 2
    start()


def test_an_empty_file_and_a_cut_off_one_make_room(path: Path, start: Callable[..., Node]) -> None:
    """What ``mktemp`` made is taken; a recording that cannot be read any more is kept like any other."""
    path.write_bytes(b"")
    start().end_recording()
    assert [file.name for file in path.parent.iterdir()] == ["rec"]
    path.write_bytes(b"pbprec\0\x01")
    start().end_recording()
    assert len(list(path.parent.iterdir())) == 2


def test_the_id_can_stand_in_the_path(path: Path) -> None:
    """One variable serves all nodes of a machine: give a path with the place of the id."""
    assert path_of(Settings(id=7, record="/tmp/node-{id}.rec")) == Path("/tmp/node-7.rec")
    assert path_of(Settings(id=7, record=str(path))) == path


def test_the_process_ends_where_nothing_can_be_recorded(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that was to be recorded does not start without: one line and status 2, or nothing at all."""
    check_or_exit(Settings(id=1), "node")
    check_or_exit(Settings(id=1, record=str(path)), "node")
    assert not path.exists()
    path.write_text("precious")
    with pytest.raises(SystemExit) as stop:
        check_or_exit(Settings(id=1, record=str(path)), "node")
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said == f"node: cannot record to {path}: it exists and is not a recording\n"


def test_a_node_that_is_not_recorded_has_no_recorder(path: Path) -> None:
    """Who does not ask for a recording pays nothing: no thread, no file."""
    before = threading.active_count()
    node = Node(Settings(id=1), lambda _: None, lambda _: None)
    node.tell_view(VIEW)
    node.end_recording()
    assert threading.active_count() == before
    assert not path.exists()


def test_all_recordings_of_a_process_end_together(path: Path, start: Callable[..., Node]) -> None:
    """Whoever ends a process in a hurry loses no step: end all, twice, while one node's lock is held."""
    node = start()
    write(node, b"k", b"v")
    assert [node.end_recording] == recorder_module._FINISHERS
    finish_all()
    finish_all()
    assert recorder_module._FINISHERS == []  # or no node of a long process would ever go away
    recording, _ = replayed(path)
    assert recording.count == 2
    assert recording.end is not None


def test_a_lock_that_is_never_given_back_holds_no_process(
    start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a process a thread may be gone that holds the lock: end the recording without it."""
    node = start()
    monkeypatch.setattr(recorder_module, "PATIENCE", 0.01)
    with node._lock:
        node.end_recording()
    assert node._recorder is not None


def test_the_log_says_what_is_recorded(
    path: Path, start: Callable[..., Node], caplog: pytest.LogCaptureFixture
) -> None:
    """An operator sees that a node is recorded, and where: one line at the start, none at the end."""
    caplog.set_level(logging.INFO, "pbproto")
    start(record_redact="values").end_recording()
    lines = [each.getMessage() for each in caplog.records if "recording" in each.getMessage()]
    assert lines == [f"node=1 event=recording file={path} bytes={64 * 2**20} redact=values"]
