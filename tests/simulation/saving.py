"""Saves a run as a story: each step of each node becomes a command.

Incarnations become small numbers in the same order, which is all that the replicas ask of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pbproto.events import Receive, TellView, Tick

from .run import Outcome
from .stage import STOPPED, play
from .story import Command, Crashes, Doing, Passage, Receives, Shows, Starts, Story, dump
from .trace import Happening, Mail, Record, Step
from .trim import trimmed
from .words import effect_text, milliseconds


class DivergedError(AssertionError):
    """The replicas do something else in the story than they did in the run."""


def lives_of(records: list[Record]) -> dict[int, int]:
    """Small numbers for the incarnations that made a step, or were meant by a view, in their order."""
    steps = [record for record in records if isinstance(record, Step)]
    seen = {step.life for step in steps}
    seen |= {step.event.incarnation for step in steps if isinstance(step.event, TellView)} - {0}
    return {life: number for number, life in enumerate(sorted(seen), 1)}


def printed(step: Step, lives: Mapping[int, int]) -> list[str]:
    """The effects of a step as a story prints them."""
    sent: list[Mail] = list(step.sent)
    lines = []
    for effect in step.effects:
        name = sent.pop(0).name if type(effect).__name__ == "Send" else ""
        lines.append(effect_text(effect, lives, name))
    return lines


def story_of(outcome: Outcome, title: str = "", rule: str = "") -> str:
    """The story of a run that was made with ``keep``, as text.

    What the end does not need is left out, as far as that can be told from the story alone. Raises
    ``DivergedError`` if the story does not go as the run went.
    """
    if outcome.world is None:
        raise ValueError("the run was made without keep=True")
    story = _write(outcome, outcome.world.trace.records, title, rule)
    brief = [
        passage
        for passage in story.passages
        if passage.effects or passage.above or not isinstance(passage.command.doing, Tick)
    ]
    shorter = replace(story, passages=brief)
    for candidate in (shorter, story):
        replayed = play(candidate).story
        if dump(replayed) == dump(candidate):
            return dump(_with_ends(trimmed(replayed)))
    raise DivergedError("\n".join(_differences(story, play(story).story)))


def _write(outcome: Outcome, records: list[Record], title: str, rule: str) -> Story:
    violation = outcome.violation
    parameters = outcome.plan.parameters
    story = Story(
        title or (f"a run of seed {outcome.plan.seed}" + (f": {violation.check}" if violation else "")),
        rule or "docs/protocol.md",
        parameters.ids,
        parameters.config,
        parameters.limits,
        outcome.world is not None and not outcome.world.checks.watch.one_history,
        parameters.rounds,
    )
    lives, begun, local = lives_of(records), set[int](), dict[int, int]()
    running: dict[int, int] = {}
    above = [""]
    for record in records:
        if isinstance(record, Happening):
            node = record.nodes[0] if record.nodes else -1
            if record.what == "crash" and running.pop(node, 0):
                story.passages.append(Passage(above, Command(local[node], node, Crashes()), []))
                above = []
            elif record.what not in ("start", "crash"):
                above.append(f"# {milliseconds(record.time)} ms: {record.text}")
            continue
        if record.life not in begun:
            begun.add(record.life)
            running[record.node] = record.life
            start = Command(record.local, record.node, Starts(lives[record.life]))
            story.passages.append(Passage(above, start, []))
            above = []
        local[record.node] = record.local
        stopped = violation is not None and violation.check == "core" and record is records[-1]
        effects = printed(record, lives)
        if stopped and violation is not None:
            effects = [f"{STOPPED}: {violation.detail.partition('lie: ')[2]}"]
        story.passages.append(
            Passage(above, Command(record.local, record.node, _doing(record, lives)), effects)
        )
        above = []
    if violation is not None:
        above.append(f"# The run ended here. {violation.check}: {violation.detail}".replace("\n", " "))
    story.end = above
    return story


def _doing(step: Step, lives: Mapping[int, int]) -> Doing:
    """What a node does, with lives as a story numbers them."""
    event = step.event
    if isinstance(event, Receive):
        assert step.mail is not None
        return Receives(step.mail.name)
    if isinstance(event, TellView) and event.incarnation:
        return replace(event, incarnation=lives[event.incarnation])
    return event


def _with_ends(story: Story) -> Story:
    """The story, and at its end the status of every node that runs."""
    last: dict[int, int] = {}
    for passage in story.passages:
        last[passage.command.node] = passage.command.at
        if isinstance(passage.command.doing, Crashes):
            del last[passage.command.node]
    broken = [passage.command.node for passage in story.passages if STOPPED in "".join(passage.effects)]
    ends = [
        Passage([], Command(at, node, Shows()), []) for node, at in sorted(last.items()) if node not in broken
    ]
    return play(replace(story, passages=[*story.passages, *ends])).story


def _differences(one: Story, other: Story) -> list[str]:
    """The first passage in which two performances of the same commands differ."""
    for left, right in zip(one.passages, other.passages, strict=True):
        if left.effects != right.effects:
            return [str(left.command), "the run:", *left.effects, "the story:", *right.effects]
    return ["nothing but comments"]
