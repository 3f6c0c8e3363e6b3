"""The fuzzing targets on what Hypothesis makes, the faults that they must notice, and the command."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbproto import Ballot, CodecError, Envelope, InvariantError, Message, commit, decode, encode, forwarding
from pbproto.commit import apply_up_to
from pbproto.messages import Confirmed, Replicated
from pbproto.out import Out
from pbproto.state import State

from ..core.cluster import MESSAGES
from ..core.wire import QUICK
from . import codec, replica, seeds
from .__main__ import HOW_TO_INSTALL, main
from .choices import Choices
from .vary import vary

ROOT = Path(__file__).resolve().parents[2]
BUDGET = 300
"""Programs within which a fault must be noticed."""


def play(target: Callable[[bytes], object], inputs: Iterable[bytes]) -> None:
    for data in inputs:
        target(data)


def test_every_kind_of_message_is_a_seed() -> None:
    """An engine finds what is near to what it starts from: look for every kind, let the codec take all."""
    kinds = dict.fromkeys(type(message) for _, message in seeds.messages())
    assert all(kind in kinds for kind in MESSAGES)
    for data in seeds.codec():
        assert codec.run(data)


@settings(QUICK, max_examples=150)
@given(st.sampled_from(seeds.codec()), st.lists(st.tuples(st.integers(0, 2**12), st.binary(max_size=9))))
def test_damaged_seeds_give_messages_or_a_codec_error(data: bytes, changes: list[tuple[int, bytes]]) -> None:
    """What the engine does, by Hypothesis: overwrite stretches of real messages."""
    for place, new in changes:
        at = place % len(data)
        data = data[:at] + new + data[at + len(new) :]
    codec.run(data)


def _drop_the_last(data: bytes) -> list[tuple[Envelope, Message]]:
    return decode(data)[:-1]


def _raise_another_error(_: bytes) -> list[tuple[Envelope, Message]]:
    raise ValueError("not a codec error")


def _take_what_follows(data: bytes) -> list[tuple[Envelope, Message]]:
    for end in range(len(data), 0, -1):
        try:
            return decode(data[:end])
        except CodecError:
            continue
    raise CodecError("nothing")


@pytest.mark.parametrize("fault", [_drop_the_last, _raise_another_error, _take_what_follows])
def test_the_codec_target_notices(
    monkeypatch: pytest.MonkeyPatch, fault: Callable[[bytes], list[tuple[Envelope, Message]]]
) -> None:
    """A target that accepts everything finds nothing: break the codec, run seeds with a byte too many."""
    monkeypatch.setattr(codec, "decode", fault)
    with pytest.raises((AssertionError, ValueError)):
        play(codec.run, [*seeds.codec(), *(data + b"\0" for data in seeds.codec())])


@settings(QUICK, max_examples=300)
@given(st.binary(min_size=50, max_size=600))
def test_no_lie_makes_a_step_raise(program: bytes) -> None:
    """What a peer sent is never a reason to raise: play programs of the replica target, lies included."""
    replica.run(program)


@pytest.mark.parametrize("first", range(0, 300, 100))
def test_no_lie_in_any_program_makes_a_step_raise(first: int) -> None:
    """The same with programs that are used up to their end: Hypothesis prefers simple ones."""
    play(replica.run, (Random(seed).randbytes(600) for seed in range(first, first + 100)))


def test_the_programs_go_deep() -> None:
    """Lies that are all turned away at the gate test nothing: look at what happened in the seeds' runs."""
    happened: Counter[str] = Counter()
    for program in seeds.replica():
        world = replica.run(program)
        happened.update(note.code.value for _, note in world.notes)
        happened.update(reason for id_ in world.ids for reason in world.state(id_).ignored)
        happened.update(type(asked.answer).__name__ for asked in world.asked.values())
    for what in ("installed", "Reply", "Reject", "beyond_the_log", "other_ballot", "not_its_own_ballot"):
        assert happened[what] > 0, (what, happened)


def _believe_any_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup that says that it holds more than there is counts."""
    real = commit.on_replicated

    def on_replicated(state: State, envelope: Envelope, message: Replicated, out: Out) -> None:
        backup = state.lead.backups.get(envelope.sender) if state.lead is not None else None
        if backup is not None and message.ballot == state.promised:
            backup.acked = max(backup.acked, message.log_end)
        real(state, envelope, message, out)

    monkeypatch.setattr(commit, "on_replicated", on_replicated)


def _believe_any_position(monkeypatch: pytest.MonkeyPatch) -> None:
    """A primary that says that more is committed than there is, is believed."""
    real = forwarding.on_confirmed

    def on_confirmed(state: State, envelope: Envelope, message: Confirmed, out: Out) -> None:
        if state.active and message.position > state.log.end:
            apply_up_to(state, message.position, out)
        real(state, envelope, message, out)

    monkeypatch.setattr(forwarding, "on_confirmed", on_confirmed)


@pytest.mark.parametrize("plant", [_believe_any_acknowledgement, _believe_any_position])
def test_the_replica_target_notices(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """Take one gate away, and play any programs until a step raises: it has to, within a small budget."""
    plant(monkeypatch)
    with pytest.raises(InvariantError):
        play(replica.run, (Random(seed).randbytes(600) for seed in range(BUDGET)))


def test_changes_are_well_formed() -> None:
    """A lie that the codec refuses reaches no replica: change real messages in many ways, and decode them."""
    ballot = Ballot(3, 0, 1, 5)
    changed = 0
    for number, (envelope, message) in enumerate(seeds.messages() * 10):
        choices = Choices(Random(number).randbytes(50))
        new = vary(message, choices, [ballot])
        data = encode([(envelope, new)])
        if codec.run(data) is not None:
            changed += new != message
    assert changed > 5 * len(seeds.messages())


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_runs_one_input_again(tmp_path: Path) -> None:
    """What broke is looked at without an engine: run a file that does not break, and say so."""
    kept = tmp_path / "kept"
    kept.write_bytes(seeds.codec()[0])
    done = command("codec", "--replay", kept)
    assert (done.returncode, done.stdout) == (0, f"{kept}: nothing broke\n")


def test_the_command_says_that_there_is_no_such_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could not be read did not break anything, nor did it not: one line, and a status of its own."""
    assert main(["codec", "--replay", str(tmp_path / "gone")]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", f"{tmp_path / 'gone'}: No such file or directory\n")


def test_the_command_says_how_to_get_the_engine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine is optional: without it the command ends with a status of its own, and says what to do."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main(["codec"]) == 2
    assert capsys.readouterr().err == HOW_TO_INSTALL + "\n"


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="the fuzzing engine is not installed")
@pytest.mark.parametrize("target", ["codec", "replica"])
def test_the_engine_runs_both_targets(target: str, tmp_path: Path) -> None:
    """Where there is an engine: a few runs of each, with coverage of the package, and nothing broken."""
    done = command(target, "--runs", "200", "--broken", tmp_path, "--corpus", tmp_path / "corpus")
    assert done.returncode == 0, done.stderr
    assert "stat::number_of_executed_units: 200" in done.stderr
