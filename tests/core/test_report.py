"""What is said of a recording, of its steps, and in the end."""

from __future__ import annotations

import json

import pytest

from pbproto import InvariantError, Note, Put, Tick
from pbproto.effects import Code
from pbproto.recorded import read
from pbproto.redaction import Redactor
from pbproto.report import about_lines, about_plain, step_lines, step_plain, verdict_lines, verdict_plain
from pbproto.rerun import Done, Replay

from .recorded import SALT
from .test_recorded import changed
from .test_recording import EVENTS, record


def about(data: bytes, code: str = "here") -> str:
    return "\n".join(about_lines(read(data), code, "FILE"))


def test_a_recording_says_whose_it_is() -> None:
    """Who gets a file knows what it is: read the lines of a whole one."""
    data = b"".join(record(EVENTS)[2])
    assert about(data).splitlines() == [
        "FILE: node 7, life ffffffffffffffff",
        "  who a test",
        "  11 steps; ended: done",
    ]
    plain = about_plain(read(data), "here")
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["id"], plain["life"], plain["steps"], plain["end"]) == (7, "f" * 16, 11, "done")
    assert plain["config"]["heartbeat"] == 5


def test_what_is_unusual_is_said() -> None:
    """Where a replay sees less than usual, it says why: cut off, hidden, from a state, of another form."""
    replica, writer, pieces = record(EVENTS, Redactor(SALT, keys=True), end="")
    data = b"".join(pieces)
    assert "just stops: the node was killed, or still runs" in about(data)
    assert "left out" not in about(data)
    assert "30 bytes of a step that was cut off are left out" in about(data + b"\xff" * 30)
    assert "redacted: keys and values" in about(data)
    assert "the state had another form" in about(changed(data, read(data).header.shape, b"another!")._data)
    again = b"".join(writer.begin_again(replica.state))
    size = read(again).checkpoint_bytes
    assert f"segment 2: begins with the state before step 12, {size} bytes" in about(again)
    assert about_plain(read(data), "")["end"] is None
    broken = data + bytes(20) + pieces[-1]
    assert f"11 steps; then it is damaged at byte {len(data)}" in about(broken)
    assert about_plain(read(broken), "")["damage"] == f"it is damaged at byte {len(data)}"


@pytest.mark.parametrize(("code", "said"), [("same", "this very code"), ("xxxx", "other code than this")])
def test_whether_the_code_is_the_same_is_said(code: str, said: str) -> None:
    """A difference means less if the node ran other code: give the name of the code that recorded."""
    data = b"".join(record(EVENTS)[2])
    # Names of the same length, so that the header keeps its form.
    named = changed(data, b"who", b"cod")._data
    assert "recorded by" not in about(named)
    data = changed(data, b"\x03who\x00\x00\x00\x06a test", b"\x04code\x00\x00\x00\x04same")._data
    assert f"recorded by {said}" in about(data, code)
    assert about_plain(read(data), code)["same_code"] == (code == "same")


def test_a_step_is_a_line_and_a_line_for_each_effect() -> None:
    """What happened can be read: time, event and effects of a step."""
    done = list(Replay(read(b"".join(record(EVENTS[:2])[2]))))[1]
    lines = step_lines(done, begin=0)
    assert (
        lines[0] == "step 2  +0.000000 s  Put(token=1, key='k', value='v', idempotency_key='once', trace='')"
    )
    assert lines[1:] == ["    Reply to client 1: Written(result=created at 0)"]
    plain = step_plain(done)
    assert json.loads(json.dumps(plain)) == plain
    assert (plain["step"], plain["now"], plain["event"]["is"]) == (2, 101, "Put")
    assert [effect["is"] for effect in plain["effects"]] == ["Reply"]
    assert "did" not in plain


def test_a_difference_is_shown_side_by_side() -> None:
    """What the node did and what the code does stand together, and what differs is marked."""
    done = next(iter(Replay(read(b"".join(record(EVENTS[:1])[2])))))
    other = Note(Code.CLOSED)
    assert len(done.effects) > 2
    changed_done = Done(done.step, (*done.effects[:-2], other), "", "other", done.state)
    lines = step_lines(changed_done, begin=0)
    then = lines.index("  the node did:")
    now = lines.index("  the code does:")
    count = len(done.effects)
    assert [line[:4] for line in lines[then + 1 : now]] == ["    "] * (count - 2) + ["  ! "] * 2
    assert lines[now + 1 :][-1] == "  ! Note closed"
    assert [line[:4] for line in lines[now + 1 : -1]] == ["    "] * (count - 2)
    plain = step_plain(changed_done)
    assert plain["difference"] == "other"
    assert len(plain["did"]) == count
    fewer = step_lines(Done(done.step, done.effects[1:], "", "other", done.state), begin=0)
    assert [line for line in fewer if line.startswith("  !")] == [lines[then + 1].replace("    ", "  ! ", 1)]
    other_state = Done(done.step, done.effects, "", "the state is another", done.state)
    assert step_lines(other_state, begin=0) == step_lines(done, begin=0)
    nothing = step_lines(Done(done.step, (), "", "other", done.state), begin=0)
    assert nothing[-1] == "  ! nothing"


def test_a_failure_is_shown() -> None:
    """A node or code that stops did something, too: look for the line."""
    _, writer, pieces = record([], end="")
    pieces.append(writer.failure(Tick(), 500, InvariantError("a rule")))
    replay = Replay(read(b"".join(pieces)))
    (done,) = replay
    assert "  ! stops with InvariantError: a rule" in step_lines(done, begin=0)
    same = Done(done.step, (), "InvariantError: a rule", "", done.state)
    assert step_lines(same, begin=0)[1:] == ["    stops with InvariantError: a rule"]


def test_verdicts() -> None:
    """In the end there is one sentence: the same, the same failure, a difference, a gap, damage."""
    replay = Replay(read(b"".join(record([EVENTS[0], Put(1, b"k", b"v")])[2])))
    list(replay)
    compared = "  states were last compared after step 2"
    assert verdict_lines(replay, "", "") == ["the code does what the node did", compared]
    assert verdict_plain(replay, "", "")["verdict"] == "same"
    assert verdict_lines(replay, "no", "") == [
        "it does not follow the recording before it: no",
        "the code does what the node did",
        compared,
    ]
    assert verdict_plain(replay, "no", "")["verdict"] == "different"
    assert verdict_lines(replay, "", "it is damaged") == [
        "up to step 2 the code does what the node did; then it is damaged",
        compared,
    ]
    assert verdict_plain(replay, "", "it is damaged")["verdict"] == "unreadable"
    replay.failure, replay.compared = "a rule", None
    assert verdict_lines(replay, "", "") == [
        "the code stops at step 2 as the node did: a rule",
        "  states were never compared",
    ]
    replay.difference, replay.failure = "something", ""
    assert verdict_lines(replay, "", "") == ["first difference, at step 2: something"]
    assert verdict_plain(replay, "", "") == {
        "verdict": "different",
        "step": 2,
        "difference": "something",
        "gap": "",
        "failure": "",
        "unreadable": "",
        "states_compared_after": None,
    }
