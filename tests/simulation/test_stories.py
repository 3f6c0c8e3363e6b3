"""Stories: each goes as its file says, breaks no rule, and fails where the rule that it shows is gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pbproto import Config, Envelope, InvariantError, backup, base, lineage, store
from pbproto.effects import Value
from pbproto.events import Tick
from pbproto.messages import Replicate, Replicated
from pbproto.out import Out
from pbproto.state import State
from tests.planted.all import ALL
from tests.planted.bugs import Bug, Edit
from tests.planted.copy import plant, run_in

from . import stories
from .limits import Limits, in_force
from .stage import NEVER_SENT, STOPPED, play
from .stories import differences, files
from .story import Command, Passage, Shows, Starts, Story, StoryError, dump
from .story_reading import load, parse

FILES = {path.stem: path for path in files()}
HEAD = "title: t\nrule: r\nnodes: 1 2\n"


def _hole(name: str, *edits: tuple[str, str, str]) -> Bug:
    return Bug(name, "", tuple(Edit(*edit) for edit in edits))


HOLES = (
    _hole(
        "left-ballot",
        (
            "gate.py",
            "if ballot < state.promised and told is not None and told.members and "
            "told.primary.id == envelope.sender:",
            "if told is None and told is not None:",
        ),
    ),
    _hole(
        "old-proposal",
        ("views.py", "        abandon(state)\n        nudge(state, out)", "        nudge(state, out)"),
    ),
    _hole(
        "forgotten-origin",
        ("store.py", "since < min(self.evicted, origin.first_position)", "since > self.evicted"),
    ),
    _hole(
        "joined-log",
        ("transfer.py", "waiter.since = min(waiter.since, staging.agreed)", "waiter.since += 0"),
    ),
    _hole(
        "moved-member",
        ("out.py", "if told is not None and not (itself and to is not None):", "if told and to is None:"),
        ("out.py", "to = told.member(received.sender) or to", "to = told.member(received.sender)"),
    ),
)
"""The holes that stories show and that no planted fault opens again."""
PLANTED = {
    "told-again": "told_again_is_active",
    "late-proposal": "nudges_once",
    "seal": "no_seal",
    "late-copy": "request_applied_twice",
    "backup-read": "backup_reads_alone",
    "lease-proof": "proof_by_lease",
}
"""By story, the planted fault that breaks its rule."""
TEETH = {bug.name: bug for bug in HOLES} | {
    story: bug for bug in ALL for story, name in PLANTED.items() if bug.name == name
}


def test_there_is_a_broken_copy_for_each_story() -> None:
    """Goal: no story without teeth. Method: compare the names of files and broken copies."""
    assert set(FILES) == set(TEETH)


@pytest.mark.parametrize("name", FILES)
def test_a_story_goes_as_its_file_says(name: str) -> None:
    """Goal: a change of behaviour shows as a diff of a file, and no story breaks a rule.

    Method: play it on real replicas, compare all effects, judge. ``python -m tests.simulation.stories
    --regenerate`` writes the files anew.
    """
    text = FILES[name].read_text(encoding="utf-8")
    assert "\n".join(differences(text)) == ""
    assert play(load(text)).broken == ()
    assert NEVER_SENT not in text
    assert STOPPED not in text


@pytest.mark.parametrize("name", TEETH)
def test_a_story_fails_where_its_rule_is_gone(name: str, tmp_path: Path) -> None:
    """Goal: a story can fail. Method: play it in a copy of the core without the rule that it shows."""
    plant(TEETH[name], tmp_path)
    done = run_in(tmp_path, ["tests.simulation.stories", str(FILES[name])], 60)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.startswith(f"--- {name}.story"), done.stdout + done.stderr


def test_commands_are_written_as_they_are_read() -> None:
    """Goal: what is saved is what is played. Method: read and write each command, with quoted words."""
    lines = [
        "at 0 node 1: starts as life 7",
        "at 0.000001 node 1: told {} epoch 3",
        "at 1.5 node 1: told {1 2=host2:81}",
        'at 2 node 1: put "a key" = "\\"q\\" \\\\ ☃" (3, once n-1)',
        'at 2 node 1: put k = "" (4)',
        "at 2 node 1: delete k (5, once n)",
        "at 2 node 1: get k (6)",
        "at 2 node 1: list (7)",
        "at 2 node 1: receives Replicate 1>2 #3",
        "at -3 node 1: tick",
        "at 3 node 1: status",
        "at 3 node 1: close",
        "at 3 node 1: crashes",
    ]
    assert [str(parse(line)) for line in lines] == lines
    text = HEAD + "config: heartbeat=12.5ms max_waiting=2\nlimits: origins=3 names=65536 ballots=256\n"
    text += "histories: parted\nrounds: 2\n"
    text += "\n# why\n" + "\n".join(lines) + "\n    an effect\n# the end\n"
    story = load(text)
    assert dump(story) == text
    assert (story.config, story.parted) == (Config(heartbeat=12_500_000, max_waiting=2), True)
    assert (story.limits, story.rounds) == (Limits(origins=3), (2,))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title: t\nnodes: 1\nat 0 node 1: tick\n", "lacks"),
        (HEAD, "has commands"),
        (HEAD + "colour: red\nat 0 node 1: tick\n", "colour"),
        (HEAD + "config: colour=3\nat 0 node 1: tick\n", "no setting"),
        (HEAD + "limits: colour=3\nat 0 node 1: tick\n", "no limit"),
        (HEAD + "at 0 node 1: dances\n", "line 4: no node can"),
        (HEAD + "at noon node 1: tick\n", "not a time"),
        (HEAD + "at 0 node 1: told {1 1}\n", "not a command"),
        (HEAD + "at 0 node 1: told {x}\n", "not a number"),
        (HEAD + "at 0 node 1: tick\n    # aside\n", "comment"),
        (HEAD + "at 0 node 1: tick\n# aside\n    effect\n", "below its command"),
        (HEAD + "at 0 node 1: tick\nnonsense\n", "neither"),
        (HEAD + "nonsense\n", "the head"),
    ],
)
def test_what_is_no_story_is_refused(text: str, complaint: str) -> None:
    """Goal: a slip of the pen is no story. Method: one slip each, and the words of the complaint."""
    with pytest.raises(StoryError, match=complaint):
        load(text)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        (["at 0 node 3: tick"], "not in this story"),
        (["at 0 node 1: tick"], "does not run"),
        (["at 0 node 1: starts as life 0"], "cannot begin"),
        (["at 0 node 1: starts as life 1", "at 0 node 2: starts as life 1"], "cannot begin"),
        (
            ["at 0 node 1: starts as life 1", "at 0 node 1: get k (1)", "at 0 node 1: get k (1)"],
            "asked twice",
        ),
    ],
)
def test_a_story_that_cannot_be_played_is_refused(lines: list[str], complaint: str) -> None:
    """Goal: nobody writes a command that means nothing. Method: one such command each."""
    with pytest.raises(StoryError, match=complaint):
        play(load(HEAD + "\n".join(lines) + "\n"))


def test_a_message_that_was_never_sent_is_said_to_be_so() -> None:
    """Goal: where the replicas have changed, the story goes on. Method: receive what nobody sent."""
    story = load(HEAD + "at 0 node 1: starts as life 1\nat 0 node 1: receives Told 2>1 #1\n")
    assert play(story).story.passages[-1].effects == [NEVER_SENT]


def _alone(*lines: str) -> Story:
    """A story of node 1 in a view of its own."""
    text = "at 0 node 1: starts as life 1\nat 0 node 1: told {1}\n" + "\n".join(lines) + "\n"
    return load(HEAD + text)


def test_the_judge_sees_a_lie_to_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a story fails by what clients were told, whatever its file says. Method: a store that forgets."""
    story = _alone("at 1 node 1: put k = v (1)", "at 2 node 1: get k (2)")
    assert play(story).broken == ()
    monkeypatch.setattr("pbproto.waiting.Value", lambda _, position: Value(None, position))
    step, end = play(story).broken
    assert "value: b'k' after 1 writes" in step
    assert "violation" in end


def test_the_judge_sees_a_broken_invariant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: the invariants hold in stories. Method: a backup that acknowledges for ballots it has left."""
    story = load(FILES["seal"].read_text(encoding="utf-8"))
    true = backup.on_replicate

    def acknowledge(state: State, envelope: Envelope, message: Replicate, out: Out) -> None:
        if message.ballot < state.promised:
            return out.answer(state, envelope, Replicated(message.ballot, state.log.end, message.round))
        return true(state, envelope, message, out)

    monkeypatch.setattr(backup, "on_replicate", acknowledge)
    assert any("seal:" in rule for rule in play(story).broken)


def test_the_judge_sees_a_node_that_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a core that stops itself is no success. Method: let its own check fail."""

    def fail(_: object) -> None:
        raise InvariantError("this rule")

    monkeypatch.setattr("pbproto.replica.check", fail)
    played = play(_alone())
    assert played.story.passages[-1].effects == [f"{STOPPED}: this rule"]
    assert "this rule" in played.broken[0]


def _known() -> list[int]:
    """The limits that are in force."""
    return [
        store.MAX_ORIGINS,
        store.MAX_IDEMPOTENCY_KEYS,
        *(vars(module)["MAX_LINEAGE"] for module in (lineage, base)),
    ]


def test_limits_end_with_the_story() -> None:
    """Goal: a story that remembers little changes nothing for others. Method: look at them around it."""
    before = _known()
    with in_force(Limits(3, 5, 4)):
        play(replace(_alone(), limits=Limits(1, 1, 2)))
        assert _known() == [3, 5, 4, 4]
    assert _known() == before


def test_the_command_regenerates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: a reviewed change of behaviour is one command away; nothing is written without it.

    Method: a story whose effects are missing; play, regenerate and play it again; then one that is no story.
    """
    path = tmp_path / "own.story"
    bare = _alone()
    bare.passages.append(Passage(["# kept"], Command(5, 1, Tick()), ["something else"]))
    path.write_text(dump(bare), encoding="utf-8")
    assert stories.main([str(path)]) == 1
    assert path.read_text(encoding="utf-8") == dump(bare)
    assert "-    something else" in capsys.readouterr().out
    assert stories.main(["--regenerate", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert "accepts the view" in text
    assert "# kept" in text
    assert "something else" not in text
    assert stories.main([str(path)]) == 0
    path.write_text("nonsense", encoding="utf-8")
    assert stories.main([str(path)]) == 1


def test_a_node_shows_what_it_waits_for() -> None:
    """Goal: what only the status says is in stories, too.

    Method: a member that answers neither the question whether it serves a view nor the proposal after it.
    """
    looks = "at 9 node 1: status\nat 500 node 1: tick\nat 509 node 1: status\n"
    story = load(HEAD + "at 0 node 1: starts as life 1\nat 0 node 1: told {1 2}\n" + looks)
    before, _, after = (passage.effects for passage in play(story).story.passages[-3:])
    assert before[0].startswith("is installing as primary in {1 2}; promised none")
    assert before[1:] == ["waits for 2 at host2:80: it has not said whether it serves"]
    assert after[0].startswith("is installing as primary in {1 2}; promised 1.0@1/1")
    assert after[1:] == ["waits for 2 at host2:80: it has not promised yet"]
    assert isinstance(story.passages[0].command.doing, Starts)
    assert isinstance(story.passages[-1].command.doing, Shows)
