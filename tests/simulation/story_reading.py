"""Reads stories from text; ``story.py`` says how they look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields

from pbproto import Batch, Close, Config, Delete, Get, GetAll, Put, TellView, Tick, View
from pbproto.config import MILLISECOND
from pbproto.events import Request

from .limits import Limits
from .story import (
    HEAD,
    INDENT,
    Command,
    Crashes,
    Doing,
    Passage,
    Receives,
    Shows,
    Starts,
    Story,
    StoryError,
)
from .words import default_address


def load(text: str) -> Story:
    """Read a story. Raises ``StoryError``, which names the line."""
    story = Story("", "", ())
    above: list[str] = []
    head: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            if line.startswith(INDENT):
                _take_effect(story, above, line)
            elif not line.strip() or line.startswith("#"):
                above.append(line.rstrip())
            elif line.startswith("at "):
                if not story.passages:
                    _take_head(story, head)
                story.passages.append(Passage(above, parse(line), [], number))
                above = []
            elif story.passages:
                raise StoryError(f"neither a command nor an effect: {line!r}")
            else:
                story.preface += above
                above = []
                name, colon, value = line.partition(": ")
                if not colon or name in head:
                    raise StoryError(f"not a line of the head: {line!r}")
                head[name] = value
        except StoryError as error:
            raise StoryError(f"line {number}: {error}") from error
    if not story.passages:
        raise StoryError("a story has commands")
    story.end = above
    return story


def _take_effect(story: Story, above: list[str], line: str) -> None:
    effect = line.removeprefix(INDENT)
    if not story.passages or above:
        raise StoryError("an effect stands below its command")
    if effect.startswith("#"):
        raise StoryError("a comment stands at the beginning of a line, above a command")
    story.passages[-1].effects.append(effect)


def _take_head(story: Story, head: dict[str, str]) -> None:
    unknown = [name for name in head if name not in HEAD]
    missing = [name for name in ("title", "rule", "nodes") if name not in head]
    if unknown or missing:
        raise StoryError(f"the head lacks {missing} and has {unknown}, which is nothing")
    story.title, story.rule = head["title"], head["rule"]
    story.nodes = tuple(_number(word) for word in head["nodes"].split())
    story.config = _config(head.get("config", "").split())
    settings = dict(word.partition("=")[::2] for word in head.get("limits", "").split())
    limits = {each.name: settings.pop(each.name, str(each.default)) for each in fields(Limits)}
    story.limits = Limits(**{name: _number(word) for name, word in limits.items()})
    story.parted = head.get("histories") == "parted"
    story.rounds = tuple(_number(word) for word in head.get("rounds", "").split())
    if settings:
        raise StoryError(f"there is no limit {next(iter(settings))!r}")


def _config(words: Iterable[str]) -> Config:
    settings = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in {each.name for each in fields(Config)}:
            raise StoryError(f"there is no setting {name!r}")
        settings[name] = _time(value.removesuffix("ms")) if value.endswith("ms") else _number(value)
    return Config(**settings)


def _number(word: str) -> int:
    if not re.fullmatch(r"\d+", word, re.ASCII):
        raise StoryError(f"not a number: {word!r}")
    return int(word)


def _time(word: str) -> int:
    found = re.fullmatch(r"(-?)(\d+)(?:\.(\d{1,6}))?", word, re.ASCII)
    if found is None:
        raise StoryError(f"not a time in milliseconds: {word!r}")
    sign, whole, part = found.groups(default="")
    return (-1 if sign else 1) * (int(whole) * MILLISECOND + int(part.ljust(6, "0") or 0))


_WORD = r'("(?:[^"\\]|\\.)*"|[A-Za-z0-9_.:+-]+)'
_REQUEST = rf"\((\d+)(?:, once {_WORD})?\)"
_COMMAND = re.compile(r"at (\S+) node (\d+): (.+)")
_PUT = re.compile(rf"put {_WORD} = {_WORD} {_REQUEST}")
_DELETE = re.compile(rf"delete {_WORD} {_REQUEST}")
_GET = re.compile(rf"get {_WORD} \((\d+)\)")
_LIST = re.compile(r"list \((\d+)\)")
_ONE = re.compile(rf"((?:put {_WORD} = {_WORD}|delete {_WORD}|get {_WORD}|list) {_REQUEST})(?:; |$)")
_AT_ONCE = "at once: "
_TOLD = re.compile(r"told \{([^}]*)\}(?: epoch (\d+))?(?: for life (\d+))?")
_STARTS = re.compile(r"starts as life (\d+)")
_RECEIVES = re.compile(r"receives ([A-Z][A-Za-z]+ \d+>\d+ #\d+)")


def parse(line: str) -> Command:
    """Read one command. Raises ``StoryError``."""
    found = _COMMAND.fullmatch(line)
    if found is None:
        raise StoryError(f"not a command: {line!r}")
    at, node, words = found.groups()
    try:
        return Command(_time(at), int(node), _doing(words))
    except StoryError:
        raise
    except ValueError as error:
        raise StoryError(f"not a command: {error}") from error


def _doing(words: str) -> Doing:
    simple: dict[str, Doing] = {"tick": Tick(), "close": Close(), "crashes": Crashes(), "status": Shows()}
    if words in simple:
        return simple[words]
    if found := _STARTS.fullmatch(words):
        return Starts(int(found[1]))
    if found := _RECEIVES.fullmatch(words):
        return Receives(found[1])
    if found := _TOLD.fullmatch(words):
        members = (_member(word) for word in found[1].split())
        view = View.of(members, int(found[2]) if found[2] else None)
        return TellView(view, int(found[3] or 0))
    if words.startswith(_AT_ONCE):
        return Batch(tuple(_requests(words.removeprefix(_AT_ONCE))))
    request = _request(words)
    if request is None:
        raise StoryError(f"no node can do this: {words!r}")
    return request


def _requests(words: str) -> Iterator[Request]:
    """Several requests; what separates them may stand in a value as well."""
    rest = words
    while rest:
        found = _ONE.match(rest)
        request = _request(found[1]) if found is not None else None
        if found is None or request is None:
            raise StoryError(f"no client asks this: {rest!r}")
        yield request
        rest = rest[found.end() :]


def _request(words: str) -> Request | None:
    if found := _PUT.fullmatch(words):
        return Put(int(found[3]), _bytes(found[1]), _bytes(found[2]), _bytes(found[4]))
    if found := _DELETE.fullmatch(words):
        return Delete(int(found[2]), _bytes(found[1]), _bytes(found[3]))
    if found := _GET.fullmatch(words):
        return Get(int(found[2]), _bytes(found[1]))
    if found := _LIST.fullmatch(words):
        return GetAll(int(found[1]))
    return None


def _member(word: str) -> tuple[int, str]:
    id_, _, address = word.partition("=")
    return _number(id_), address or default_address(int(id_))


def _bytes(word: str | None) -> bytes:
    if word is None:
        return b""
    return str(json.loads(word) if word.startswith('"') else word).encode()
