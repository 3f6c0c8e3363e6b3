"""Leaves out of a story what its end does not need: heartbeats, repeated messages, onlookers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from .limits import in_force
from .reduce import reduce
from .stage import NEVER_SENT, Stage, play
from .story import Command, Passage, Receives, Story, StoryError

_SENDS = re.compile(r"sends ([A-Z][A-Za-z]+ \d+>\d+) #(\d+) to ")
_NUMBER = re.compile(r"\d+")


def trimmed(story: Story) -> Story:
    """A shorter story that ends with the same effects and breaks the same rules.

    A story that breaks no rule which can be seen from it alone stays as it is: nothing says what it needs.
    Comments of what is left out are left out as well.
    """
    whole = play(story)
    if not whole.broken:
        return story
    last = len(story.passages) - 1
    wanted = (_plain(whole.story.passages[-1].effects), _plain(whole.broken))
    senders = _senders(whole.story)
    best = story

    def fails(kept: tuple[int, ...]) -> bool:
        nonlocal best
        with in_force(story.limits):
            candidate = _only(story, _closed(story, senders, {*kept, last}), senders)
        if candidate is None:
            return False
        played = play(candidate)
        if (_plain(played.story.passages[-1].effects), _plain(played.broken)) != wanted:
            return False
        best = played.story
        return True

    reduce(range(last), fails)
    return best


def _plain(lines: Iterable[str]) -> list[str]:
    """The lines without their numbers, and without the command that a broken rule names first."""
    return [
        _NUMBER.sub("#", line.rpartition("node ")[2] if line.startswith("at ") else line) for line in lines
    ]


def _senders(story: Story) -> dict[str, tuple[int, int]]:
    """Per message the passage that sends it, and which of those it sends it is."""
    found = {}
    for number, passage in enumerate(story.passages):
        for place, name in enumerate(_sent(passage.effects)):
            found[name] = (number, place)
    return found


def _sent(effects: Iterable[str]) -> list[str]:
    return [f"{found[1]} #{found[2]}" for found in map(_SENDS.match, effects) if found is not None]


def _closed(story: Story, senders: dict[str, tuple[int, int]], kept: set[int]) -> list[int]:
    """The passages to keep without those that receive what is not sent any more."""
    closed: list[int] = []
    for number in sorted(kept):
        doing = story.passages[number].command.doing
        if isinstance(doing, Receives) and senders.get(doing.name, (-1, 0))[0] not in closed:
            continue
        closed.append(number)
    return closed


def _only(story: Story, kept: list[int], senders: dict[str, tuple[int, int]]) -> Story | None:
    """The story of these passages, its messages renumbered; ``None`` if it cannot be told."""
    if not kept or kept[-1] != len(story.passages) - 1:
        return None
    stage, sent, passages = Stage(story), dict[int, list[str]](), []
    for number in kept:
        passage = story.passages[number]
        command = passage.command
        if isinstance(command.doing, Receives):
            sender, place = senders[command.doing.name]
            names = sent[sender]
            if len(names) <= place or names[place].partition("#")[0] != command.doing.name.partition("#")[0]:
                return None
            command = Command(command.at, command.node, Receives(names[place]))
        try:
            effects = stage.do(command)
        except StoryError:
            return None
        if NEVER_SENT in effects:
            return None
        sent[number] = _sent(effects)
        passages.append(Passage(passage.above, command, effects))
    return replace(story, passages=passages)
