"""Stories: commands to single replicas, and the effects that the replicas printed, in a text file.

A file has a head, then commands with their effects::

    title: what it shows
    rule: where the rule is written down
    nodes: 1 2 3
    config: resend_after=100ms max_waiting=2

    # The settings are those that differ from the usual ones. A comment stands above a command.
    at 0 node 1: starts as life 2
    at 0.5 node 1: told {1 2=host2:81} epoch 4
        accepts the view
        sends Propose 1>2 #1 to host2:81: ballot 4.0@1/2, …

Times are milliseconds of the node's own clock; the order of the lines is the order of events. What the
effects say is not read back: it is compared. So a change of the replicas' behaviour is a change of the file.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

from pbproto import Batch, Close, Config, Delete, Get, GetAll, Put, TellView, Tick

from .limits import USUAL, Limits
from .words import event_text, milliseconds

INDENT = "    "
HEAD = ("title", "rule", "nodes", "config", "limits", "histories", "rounds")


class StoryError(ValueError):
    """The file is not a story."""


@dataclass(frozen=True, slots=True)
class Starts:
    """A life of a node begins; what was there before is gone."""

    life: int


@dataclass(frozen=True, slots=True)
class Crashes:
    """A life of a node ends at once."""


@dataclass(frozen=True, slots=True)
class Shows:
    """The node is asked for its status, as by ``GET /view``."""


@dataclass(frozen=True, slots=True)
class Receives:
    """The message of this name arrives: the k-th of its kind that was sent on that way in this story."""

    name: str


Client = Put | Delete | Get | GetAll
Doing = Starts | Crashes | Shows | Receives | Client | Batch | TellView | Tick | Close


@dataclass(frozen=True, slots=True)
class Command:
    """Something that happens to one node at a time of its own clock (nanoseconds)."""

    at: int
    node: int
    doing: Doing

    def __str__(self) -> str:
        return f"at {milliseconds(self.at)} node {self.node}: {doing_text(self.doing)}"


@dataclass(slots=True)
class Passage:
    """One command, what stands above it (comments and empty lines), and its effects."""

    above: list[str]
    command: Command
    effects: list[str]
    line: int = 0
    """Number of the command's line in the file."""


@dataclass(slots=True)
class Story:
    """A whole story."""

    title: str
    rule: str
    nodes: tuple[int, ...]
    config: Config = field(default_factory=Config)
    limits: Limits = USUAL
    parted: bool = False
    """Two halves were ordered to write on their own: there is no one history."""
    rounds: tuple[int, ...] = ()
    """Nodes without the leases that the config has."""
    preface: list[str] = field(default_factory=list)
    """Comments above the head."""
    passages: list[Passage] = field(default_factory=list)
    end: list[str] = field(default_factory=list)
    """Comments below the last effect."""


def doing_text(doing: Doing) -> str:
    """The command after ``node N:``."""
    match doing:
        case Starts(life=life):
            return f"starts as life {life}"
        case Crashes():
            return "crashes"
        case Shows():
            return "status"
        case Receives(name=name):
            return f"receives {name}"
    # A story has small numbers for lives to begin with.
    return event_text(doing, {doing.incarnation: doing.incarnation} if isinstance(doing, TellView) else {})


# Writing.


def dump(story: Story) -> str:
    """The story as text."""
    lines = [*story.preface, f"title: {story.title}", f"rule: {story.rule}"]
    lines.append("nodes: " + " ".join(map(str, story.nodes)))
    settings = [_setting(story.config, each.name) for each in fields(Config)]
    if any(settings):
        lines.append("config: " + " ".join(filter(None, settings)))
    if story.limits != USUAL:
        lines.append("limits: " + " ".join(f"{name}={value}" for name, value in asdict(story.limits).items()))
    if story.parted:
        lines.append("histories: parted")
    if story.rounds:
        lines.append("rounds: " + " ".join(map(str, story.rounds)))
    for passage in story.passages:
        lines += [*passage.above, str(passage.command)]
        lines += [INDENT + effect for effect in passage.effects]
    return "\n".join([*lines, *story.end]) + "\n"


def _setting(config: Config, name: str) -> str:
    value = getattr(config, name)
    if value == getattr(Config(), name):
        return ""
    return f"{name}={milliseconds(value)}ms" if name in _TIMES else f"{name}={value}"


_TIMES = ("request_timeout", "suspect_after", "resend_after", "heartbeat", "lease")
