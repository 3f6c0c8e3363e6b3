"""The command that replays recordings: what it prints, and its exit status."""

from __future__ import annotations

import errno
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pbproto
from pbproto import Config, InvariantError, Put, Tick, store
from pbproto.checkpoint import SHAPE
from pbproto.recorded import read
from pbproto.recording import Writer
from pbproto.replay import DIFFERENT, SAME, UNREADABLE, main, run

from .test_recorded import changed
from .test_recording import EVENTS, record

PACKAGE = Path(pbproto.__file__).parent


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A recording of a node that wrote twice."""
    path = tmp_path / "recording"
    path.write_bytes(b"".join(record(EVENTS[:3])[2]))
    return path


def objects(said: str) -> list[dict[str, Any]]:
    """The JSON objects of an output, one a line."""
    return [json.loads(line) for line in said.splitlines()]


def shift(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code is changed: the second write is answered otherwise."""
    apply = store.Store.apply

    def shifted(self: store.Store, operation: pbproto.Operation) -> pbproto.Result:
        result = apply(self, operation)
        return result._replace(kind=pbproto.Kind.MISSING) if result.position == 1 else result

    monkeypatch.setattr(store.Store, "apply", shifted)


def test_the_summary_is_the_default(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who asks nothing gets a summary and the verdict: run it on a recording."""
    assert main([str(file)]) == SAME
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        f"{file}: node 7, life ffffffffffffffff",
        "  who a test",
        "  3 steps; ended: done",
        "the code does what the node did",
        "  states were last compared after step 3",
    ]


def test_the_first_difference_is_shown(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1, the step, both sides and a verdict: change the code and run again."""
    shift(monkeypatch)
    assert main([str(file)]) == DIFFERENT
    lines = capsys.readouterr().out.splitlines()
    at = lines.index("  the node did:")
    assert lines[at - 1].startswith("step 3  +")
    assert lines[at + 1] == "  ! Reply to client 2: Written(result=updated at 1)"
    assert lines[at + 2] == "  the code does:"
    assert lines[at + 3] == "  ! Reply to client 2: Written(result=missing at 1)"
    assert lines[-1].startswith("first difference, at step 3: ")
    assert main([str(file), "--json"]) == DIFFERENT
    *_, step, verdict = objects(capsys.readouterr().out)
    assert step["did"][0]["effect"]["outcome"]["result"]["kind"] == "updated"
    assert step["effects"][0]["outcome"]["result"]["kind"] == "missing"
    assert verdict["verdict"] == "different"


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--steps"], [1, 2, 3]),
        (["--from", "2"], [2, 3]),
        (["--to", "1"], [1]),
        (["--from", "2", "--to", "2"], [2]),
        ([], []),
    ],
)
def test_steps_are_shown_as_asked_for(
    file: Path, options: list[str], numbers: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """All steps or some, in words and for tools: ask for them."""
    assert main([str(file), *options]) == SAME
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split()[1]) for line in lines if line.startswith("step ")] == numbers
    assert main([str(file), "--json", *options]) == SAME
    steps = [each["step"] for each in objects(capsys.readouterr().out) if "event" in each]
    assert steps == numbers


def test_times_count_from_the_first_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A node's clock means nothing to others: look at the times of steps."""
    replica, writer, pieces = record(EVENTS[:1], end="")
    later = 100 + 2_500_000_000
    pieces.append(writer.step(Tick(), later, replica.step(Tick(), now=later), replica.state))
    path = tmp_path / "times"
    path.write_bytes(b"".join(pieces))
    assert main([str(path), "--steps"]) == SAME
    lines = capsys.readouterr().out.splitlines()
    times = [line.split()[2] for line in lines if line.startswith("step ")]
    assert times == ["+0.000000", "+2.500000"]


def test_the_state_is_shown_where_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state after a step, or in the end: look for what the store then holds."""
    for options, number, commit in ((["--to", "2"], 2, 1), ([], 3, 2)):
        assert main([str(file), "--state", *options]) == SAME
        lines = capsys.readouterr().out.splitlines()
        assert not [line for line in lines if line.startswith("step ")]
        at = lines.index(f"state after step {number}")
        assert f"  commit: {commit}" in lines[at:]
        assert main([str(file), "--state", "--json", *options]) == SAME
        (state,) = [each for each in objects(capsys.readouterr().out) if "state" in each]
        assert (state["state_after"], state["state"]["commit"]) == (number, commit)


def test_the_state_and_steps_can_be_shown_together(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who names the first step wants the steps as well; ask for both, and where a difference comes first."""
    assert main([str(file), "--state", "--from", "2", "--to", "2"]) == SAME
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("step ")] == ["2"]
    assert "state after step 2" in lines
    path = file.with_name("longer")
    path.write_bytes(b"".join(record(EVENTS[:5])[2]))
    shift(monkeypatch)
    assert main([str(path), "--state", "--to", "5"]) == DIFFERENT
    assert "state after step 3" in capsys.readouterr().out


def test_steps_that_are_not_there_are_not_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody takes silence for an answer: ask for steps outside of the recording, and for none."""
    empty = file.with_name("empty")
    empty.write_bytes(b"".join(record([])[2]))
    for words, said in (
        (["--from", "0"], "there is no step for --from 0; the steps are: 1 to 3"),
        (["--state", "--to", "4"], "there is no step for --to 4; the steps are: 1 to 3"),
        (["--from", "3", "--to", "2"], "--from 3 comes after --to 2"),
    ):
        assert main([str(file), *words]) == UNREADABLE
        assert capsys.readouterr() == ("", f"python -m pbproto.replay: {said}\n")
    assert main([str(empty), "--from", "1"]) == UNREADABLE
    assert "the steps are: none" in capsys.readouterr().err


def test_damage_ends_a_replay_where_it_is(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is whole before the damage is not lost: garble a step, replay, and change the code before it."""
    *before, last, end = record(EVENTS[:4])[2]
    file.write_bytes(b"".join(before) + last[:20] + b"x" + last[21:] + end)
    damage = f"it is damaged at byte {len(b''.join(before))}"
    assert main([str(file), "--steps", "--state"]) == UNREADABLE
    out, err = capsys.readouterr()
    assert err == f"python -m pbproto.replay: {file}: {damage}\n"
    lines = out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith("step ")] == ["1", "2", "3"]
    assert "state after step 3" in lines
    assert f"up to step 3 the code does what the node did; then {damage}" in lines
    assert main([str(file), "--json"]) == UNREADABLE
    *_, verdict = objects(capsys.readouterr().out)
    assert (verdict["verdict"], verdict["unreadable"]) == ("unreadable", damage)
    shift(monkeypatch)
    assert main([str(file)]) == DIFFERENT


def test_quiet_says_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts want the status only: ask for quiet where there is a difference and where there is none."""
    assert main([str(file), "--quiet"]) == SAME
    shift(monkeypatch)
    assert main([str(file), "--quiet", "--steps", "--state"]) == DIFFERENT
    assert capsys.readouterr() == ("", "")


def test_what_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and one line that names the file: give none, a directory, other files, damaged states."""
    text, pipe, garbled = tmp_path / "text", tmp_path / "pipe", tmp_path / "garbled"
    text.write_text("hello")
    os.mkfifo(pipe)
    replica, writer, _ = record(EVENTS[:3])
    begin, head, *rest = writer.begin_again(replica.state)
    garbled.write_bytes(begin + head[:-1] + b"x" + head)
    other = tmp_path / "other"
    other.write_bytes(changed(b"".join([begin, head, *rest]), SHAPE, b"another!")._data)
    for path, words in (
        (tmp_path / "nowhere", "No such file"),
        (tmp_path, "not a regular file"),
        (pipe, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (text, "not a recording"),
        (garbled, "within its checkpoint"),
        (other, "another form"),
    ):
        assert main([str(path)]) == UNREADABLE
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"python -m pbproto.replay: {path}: ")
        assert words in err
        assert err.count("\n") == 1


def test_segments_are_checked_against_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The two files of one life are given in order; in another one there is a gap, and status 1."""
    replica, writer, pieces = record(EVENTS[:3], end="")
    older, newer = tmp_path / "recording.1", tmp_path / "recording"
    older.write_bytes(b"".join(pieces))
    newer.write_bytes(b"".join(writer.begin_again(replica.state)))
    assert main([str(older), str(newer)]) == SAME
    assert capsys.readouterr().out.count("the code does what the node did") == 2
    assert main([str(newer), str(older)]) == DIFFERENT
    assert "does not follow the recording before it: it begins with step 1, not 4" in capsys.readouterr().out
    assert main([str(tmp_path / "nowhere"), str(newer), str(older)]) == UNREADABLE


def test_after_a_difference_nothing_is_said_of_what_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One difference is one finding: change the code for the older of two files."""
    replica, writer, pieces = record(EVENTS[:4], end="")
    older, newer = tmp_path / "recording.1", tmp_path / "recording"
    older.write_bytes(b"".join(pieces))
    newer.write_bytes(b"".join(writer.begin_again(replica.state)))
    shift(monkeypatch)
    assert main([str(older), str(newer)]) == DIFFERENT
    out = capsys.readouterr().out
    assert "first difference, at step 3" in out
    assert "does not follow" not in out


def test_steps_are_found_in_their_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two files are one life: ask for a step and the state after it, which only the newer has."""
    replica, writer, pieces = record(EVENTS[:3], end="")
    older, newer = tmp_path / "recording.1", tmp_path / "recording"
    older.write_bytes(b"".join(pieces))
    begin = writer.begin_again(replica.state)
    step = writer.step(EVENTS[3], 200, replica.step(EVENTS[3], now=200), replica.state)
    newer.write_bytes(b"".join(begin) + step)
    assert main([str(older), str(newer), "--state", "--to", "4", "--from", "4"]) == SAME
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("state after")] == ["state after step 4"]
    assert [line.split()[1] for line in lines if line.startswith("step ")] == ["4"]
    assert main([str(older), str(newer), "--to", "5"]) == UNREADABLE
    assert "the steps are: 1 to 3, 4 to 4" in capsys.readouterr().err


def test_a_failure_that_is_repeated_is_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug that is still there is said loudly, with status 0: it is what the node did."""

    def broken(*_: object) -> pbproto.Result:
        raise InvariantError("a rule")

    _, writer, pieces = record(EVENTS[:1], end="")
    pieces.append(writer.failure(Put(1, b"k", b"v"), 500, InvariantError("a rule")))
    path = tmp_path / "broken"
    path.write_bytes(b"".join(pieces))
    assert main([str(path)]) == DIFFERENT
    assert "the code goes on" in capsys.readouterr().out
    monkeypatch.setattr(store.Store, "apply", broken)
    assert main([str(path)]) == SAME
    assert "the code stops at step 2 as the node did: InvariantError: a rule" in capsys.readouterr().out


def test_nothing_recorded_reaches_the_terminal_as_a_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hostile file prints no escape sequence and no line of its own: record some, and show them."""
    writer = Writer(7, 5, Config(), about=(("who", "\x1b[2J\nthe code does what the node did"),))
    path = tmp_path / "hostile"
    path.write_bytes(writer.begin() + writer.end("\x07"))
    assert main([str(path)]) == SAME
    out = capsys.readouterr().out
    assert r"\x1b[2J\nthe code does" in out
    assert r"ended: \x07" in out
    assert all(character.isprintable() or character == "\n" for character in out)
    assert out.count("\n") == 5


def test_a_reader_who_has_seen_enough_ends_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``… | head`` gives no trace: close the other end of the pipe that is written to."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main([str(file), "--steps"]) == UNREADABLE


def test_a_pipe_that_breaks_on_the_way_ends_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe may break long before the end: write unbuffered to one that is closed."""
    reading, writing = os.pipe()
    os.close(reading)

    class Broken:
        def write(self, _: str) -> int:
            return os.write(writing, b"x")

        def fileno(self) -> int:
            return writing

    monkeypatch.setattr(sys, "stdout", Broken())
    assert main([str(file)]) == UNREADABLE
    os.close(writing)


def test_output_that_cannot_be_written_is_no_fault_of_the_recording(file: Path) -> None:
    """A full disk is said to be one: write the output to a device that is always full."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pbproto.replay", "--steps", str(file)],
            cwd=PACKAGE.parent,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    said = "python -m pbproto.replay: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (UNREADABLE, said)


def test_output_that_fails_on_the_way_ends_it(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same in this process: let the first write fail."""

    class Full:
        def write(self, _: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self) -> int:
            return writing

    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stdout", Full())
    assert main([str(file)]) == UNREADABLE
    assert "the output cannot be written: No space left on device" in capsys.readouterr().err
    os.close(reading)
    os.close(writing)


def test_it_runs_as_a_module(file: Path) -> None:
    """``python -m pbproto.replay`` works wherever the package is: run it in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "pbproto.replay", "--quiet", str(file)],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (SAME, "", "")


def test_its_exit_status_is_that_of_main(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a shell sees is what ``main`` returns: run the module here."""
    monkeypatch.setattr(sys, "argv", ["replay", "--quiet", str(file)])
    monkeypatch.delitem(sys.modules, "pbproto.replay")
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("pbproto.replay", run_name="__main__")
    assert stop.value.code == SAME


def test_it_can_be_used_from_a_program(file: Path) -> None:
    """Tests and simulations replay without the command: iterate over the steps."""
    replay = run(read(file.read_bytes()))
    assert [type(done.step.event).__name__ for done in replay] == ["TellView", "Put", "Put"]
    assert not replay.difference
