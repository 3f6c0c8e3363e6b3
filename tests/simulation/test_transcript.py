"""Runs in words: the transcript tells everything, and a saved story goes as the run went."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pbproto import (
    Ballot,
    Kind,
    Listing,
    Member,
    Operation,
    Reply,
    Result,
    Value,
    View,
    ViewRefused,
    Written,
)
from pbproto.config import MILLISECOND
from pbproto.effects import Reason
from pbproto.messages import KeyRecord, OriginRecord, Told, Verdict, VerdictCode
from pbproto.values import Dropped

from . import broken_cores
from .plan import make
from .run import Outcome, run
from .saving import DivergedError, story_of
from .shrink import shrink
from .stage import play
from .story import dump
from .story_reading import load
from .trace import Happening, Record, Step
from .transcript import transcript
from .words import (
    body_text,
    effect_text,
    event_text,
    message_text,
    milliseconds,
    quoted,
    value_text,
    view_text,
)


def kept(seed: int) -> tuple[list[Record], Outcome]:
    outcome = run(make(seed), keep=True)
    assert outcome.world is not None
    return outcome.world.trace.records, outcome


def test_a_transcript_leaves_nothing_out() -> None:
    """Goal: what happened can be read. Method: a line for each record and effect, in their order."""
    records, _ = kept(10)
    lines = transcript(records).splitlines()
    steps = [record for record in records if isinstance(record, Step)]
    happenings = [record for record in records if isinstance(record, Happening)]
    numbers = [int(found[1]) for line in lines if (found := re.match(r" *\S+ step (\d+) node ", line))]
    assert numbers == [step.number for step in steps]
    told = [line.split(" -- ", 1)[1] for line in lines if " -- " in line and " lives its life " not in line]
    assert told == [record.text for record in happenings]
    effects = [line for line in lines if line.startswith(" " * 19) and not line.startswith(" " * 19 + "(")]
    assert len(effects) == sum(len(step.effects) for step in steps)
    assert any("~" in line for line in lines) == any(step.local != step.time for step in steps)


@pytest.mark.parametrize("seed", [10, 31])
def test_a_story_goes_as_the_run_went(seed: int) -> None:
    """Goal: a saved run is the run. Method: save runs with crashes, moves and drifting clocks; play them.

    ``story_of`` compares every effect with the run; what it wrote is read, played and compared once more.
    """
    _, outcome = kept(seed)
    text = story_of(outcome)
    story = load(text)
    assert dump(story) == text
    assert dump(play(story).story) == text
    starts = text.count(": starts as life ")
    assert starts >= len(outcome.plan.parameters.ids)


def test_a_failure_is_saved_as_a_story_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a regression story shows the failure while it is there, and the difference when it is gone.

    Method: save the small run of a fault, play it with the fault and without.
    """
    with monkeypatch.context() as broken:
        broken_cores.commit_on_any_ack(broken)
        small = run(shrink(broken_cores.failing(), budget=100).plan, keep=True)
        text = story_of(small, "a title", "a rule")
        played = play(load(text))
        assert dump(played.story) == text
        assert played.broken
    healed = play(load(text))
    assert healed.broken == ()
    assert dump(healed.story) != text
    assert text.startswith("title: a title\nrule: a rule\n")
    assert "# The run ended here. core: " in text


def test_a_story_leaves_out_what_its_end_does_not_need(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: stories are small. Method: a failure after many heartbeats; the story has fewer steps."""
    broken_cores.stop_at_a_copy(monkeypatch)
    outcome = broken_cores.failing()
    whole = run(outcome.plan, keep=True)
    text = story_of(whole)
    commands = text.count("\nat ")
    assert play(load(text)).broken
    assert commands < whole.steps


def test_what_does_not_go_as_the_run_went_is_not_saved() -> None:
    """Goal: no story tells what did not happen. Method: take an effect out of a record."""
    records, outcome = kept(19)
    number, step = next(
        (number, record)
        for number, record in enumerate(records)
        if isinstance(record, Step) and len(record.effects) > 1
    )
    records[number] = replace(step, effects=step.effects[:-1])
    with pytest.raises(DivergedError):
        story_of(outcome)


def test_a_run_without_records_is_no_story() -> None:
    """Goal: a clear word instead of an empty story. Method: a run that kept nothing."""
    with pytest.raises(ValueError, match="keep"):
        story_of(run(make(19)))


def test_times_are_exact() -> None:
    """Goal: a story plays at the nanosecond. Method: times with few and many digits, and one below zero."""
    assert [milliseconds(time) for time in (0, 1, 1_500_000, MILLISECOND, -1_000_001)] == [
        "0",
        "0.000001",
        "1.5",
        "1",
        "-1.000001",
    ]


def test_words_are_quoted_where_they_have_to_be() -> None:
    """Goal: a key with a space is one key. Method: plain, empty, spaced, long and foreign ones."""
    assert [quoted(word) for word in (b"k0", b"", b"a b", "☃".encode(), b"\xff")] == [
        "k0",
        '""',
        '"a b"',
        '"☃"',
        '"\\\\xff"',
    ]
    assert quoted(b"x" * 40, 32) == "x" * 24 + "…40"


def test_every_part_of_a_message_has_words() -> None:
    """Goal: a reader sees what is inside. Method: one value of each kind that messages have."""
    lives = {77: 3}
    ballot = Ballot(2, 1, 5, 77)
    assert value_text(ballot, lives) == "2.1@5/3"
    assert value_text(Ballot(0, 0, 0, 0), lives) == "none"
    assert value_text(Ballot(1, 0, 5, 78), lives) == "1.0@5/000000000000004e"
    assert value_text(((ballot, 4),), lives) == "[2.1@5/3 from 4]"
    assert (
        value_text(Operation(5, 77, 2, 1, b"k", None, b"n"), lives) == "<delete k once n of 5/3#2 settled 1>"
    )
    assert value_text(Operation(5, 77, 2, 0, b"k", b"v", b""), lives) == "<put k = v of 5/3#2>"
    assert value_text(Result(Kind.UPDATED, 4), lives) == "updated at 4"
    assert value_text(Verdict(3, VerdictCode.UNKNOWN, 0), lives) == "#3 unknown 0"
    assert value_text(OriginRecord(5, 77, 1, 2, 9, ()), lives) == "5/3: 0 results, settled 2, from 1 to 9"
    assert value_text(KeyRecord(b"n", b"", Result(Kind.MISSING, 4)), lives) == "n: missing at 4"
    assert value_text(Dropped(5, 1, 4), lives) == "1 to 3 of 5"
    assert value_text((b"k", b"v"), lives) == "k = v"
    assert value_text(tuple(range(9)), lives) == "[0, 1, 2, 3, 4, 5, … 9 in all]"
    assert (value_text(None, lives), value_text(True, lives)) == ("none", "yes")
    told = Told((Member(1, "host1:80"), Member(2, "elsewhere:80")), 4)
    assert message_text(told, lives) == "Told(members {1 2=elsewhere:80}, epoch 4)"
    assert body_text(told, lives) == "members {1 2=elsewhere:80}, epoch 4"
    assert view_text(View((), 4)) == "{} epoch 4"


def test_every_answer_has_words() -> None:
    """Goal: what a client was told can be read. Method: one answer of each kind."""
    shown = [
        effect_text(effect, {})
        for effect in (
            Reply(1, Written(Result(Kind.DELETED, 7))),
            Reply(1, Value(None, 7)),
            Reply(1, Value(b"v", 7)),
            Reply(1, Listing({b"b": b"2", b"a": b"1"}, 7)),
            ViewRefused(Reason.STALE_EPOCH, "old"),
        )
    ]
    assert shown == [
        "answers (1): deleted at 7",
        "answers (1): nothing after 7",
        "answers (1): v after 7",
        "answers (1): [a = 1, b = 2] after 7",
        "refuses the view: stale_epoch: old",
    ]


def test_the_words_of_an_event_mean_one_event() -> None:
    """Goal: what a story reads is what happened. Method: the same words in a run stand for equal events."""
    records, _ = kept(3)
    meant: dict[str, object] = {}
    for record in records:
        if isinstance(record, Step) and record.mail is None:
            assert meant.setdefault(event_text(record.event, {}), record.event) == record.event
    assert len(meant) > 50
