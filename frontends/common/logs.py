"""One structured line per event that matters, logfmt or JSON, to stderr; quiet otherwise."""

from __future__ import annotations

import json
import logging
import sys
import time
from asyncio import CancelledError

from pbproto import Code, Note

from .settings import Settings, from_environment

LOGGER = logging.getLogger("pbproto")
ACCESS = LOGGER.getChild("access")
"""For the lines about single requests, which can be asked for whatever else is logged."""

_LEVELS = {
    Code.PROPOSED: logging.DEBUG,
    Code.PROMISED: logging.DEBUG,
    Code.BASE_CHOSEN: logging.DEBUG,
    Code.IGNORED: logging.DEBUG,
    Code.REFUSED_BY: logging.DEBUG,
    Code.SUSPECTED: logging.WARNING,
    Code.STOPPED_SERVING: logging.WARNING,
    Code.BLOCKED: logging.WARNING,
    Code.STORE_NEARLY_FULL: logging.WARNING,
    Code.STORE_FULL: logging.ERROR,
    Code.DROPPED: logging.ERROR,
}
"""Every other note is information."""

_FLOODING = (
    Code.REJECTED,
    Code.IGNORED,
    Code.STORE_NEARLY_FULL,
    Code.STORE_FULL,
    Code.STORE_HAS_ROOM,
)
"""Notes that clients and peers can cause at any rate: one line a second, with the number left out."""


class Formatter(logging.Formatter):
    """``2026-01-31T12:00:00.000Z level=info node=1 event=view_told …``

    What the servers and frameworks log takes the same form, as the event ``server_log``.
    """

    def __init__(self, node: int) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage() if _is_ours(record) else _line_of(record, self._node)
        line = f"{_stamp(record)} level={record.levelname.lower()} {text}"
        if record.exc_info:
            line += f" trace={_quote(self.formatException(record.exc_info))}"
        return line


class JsonFormatter(logging.Formatter):
    """``{"time":"2026-01-31T12:00:00.000Z","level":"info","node":1,"event":"view_told",…}``

    The same fields as in a line of text; numbers stay numbers.
    """

    def __init__(self, node: int) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        line = _line_of(record, self._node)
        document: dict[str, object] = {
            "time": _stamp(record),
            "level": record.levelname.lower(),
            "node": line.node,
            "event": line.event,
        }
        for name, value in line.fields.items():
            # A field that has the name of one of ours must not hide it.
            document[f"{name}_" if name in document else name] = value
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        return _shown(json.dumps(document, ensure_ascii=False, separators=(",", ":"), default=str))


def _stamp(record: logging.LogRecord) -> str:
    """When it was, as RFC 3339 writes it."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{stamp}.{int(record.msecs):03d}Z"


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name == LOGGER.name or record.name.startswith(f"{LOGGER.name}.")


def _line_of(record: logging.LogRecord, node: int) -> Line:
    """What a record says: one of our own lines, or something that a server or framework wrote."""
    if isinstance(record.args, tuple) and len(record.args) == 1 and isinstance(record.args[0], Line):
        return record.args[0]
    return logfmt(node, "server_log", logger=record.name, message=record.getMessage())


class Calm(logging.Filter):
    """Lets one line a second pass of those that a stranger can cause: what servers say of bad requests.

    What is left out is counted in the next line. Errors pass all the same, but for the traces of what a
    server cut off when the node stopped, such as a client that had sent half of its body: that is no fault.
    """

    EVERY = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_ours(record):
            return True
        if record.levelno >= logging.ERROR:
            return not (record.exc_info and isinstance(record.exc_info[1], CancelledError))
        now = time.monotonic()
        if now < self._next.get(record.name, 0.0):
            self._left_out[record.name] = self._left_out.get(record.name, 0) + 1
            return False
        self._next[record.name] = now + self.EVERY
        left_out = self._left_out.pop(record.name, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} more lines)", ()
        return True


def _quote(value: object) -> str:
    text = str(value)
    if text and not any(character in ' "=\\' or not character.isprintable() for character in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{_shown(escaped)}"'


def _shown(text: str) -> str:
    """The text with nothing in it that would speak to the terminal of whoever reads the log, or end a line.

    JSON leaves C1 controls, DEL, and what Unicode calls line ends as they are. Escaped as JSON does it: what
    is beyond the first plane in two halves.
    """
    if text.isprintable():
        return text
    return "".join([each if each.isprintable() else json.dumps(each)[1:-1] for each in text])


class Line(str):
    """The text of one line after its time and level, and what it was made of."""

    __slots__ = ("event", "fields", "node")
    node: int
    event: str
    fields: dict[str, object]


def logfmt(node: int, event: str, /, **fields: object) -> Line:
    """The text of one line after its time and level."""
    line = Line(
        " ".join(
            [f"node={node}", f"event={event}", *(f"{key}={_quote(value)}" for key, value in fields.items())]
        )
    )
    line.node, line.event, line.fields = node, event, fields
    return line


def set_up(settings: Settings) -> None:
    """Send the project's and the servers' logs to stderr, in the form and at the level of these settings."""
    handler = logging.StreamHandler(sys.stderr)
    json_ = settings.log_format == "json"
    handler.setFormatter(JsonFormatter(settings.id) if json_ else Formatter(settings.id))
    handler.addFilter(Calm())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOGGER.setLevel(settings.log_level.upper())
    if settings.access_log == "on" and settings.log_level != "debug":
        ACCESS.setLevel(logging.INFO)  # also where else only warnings are logged
    else:
        ACCESS.setLevel(logging.NOTSET)


def for_stock_server() -> Settings:
    """Settings from the environment, with the logs set up by them, under a server that we did not start."""
    settings = from_environment()
    set_up(settings)
    return settings


class NoteLog:
    """Writes a node's notes to the log."""

    def __init__(self, node: int) -> None:
        self._node = node
        self._last: dict[Code, float] = {}
        self._left_out: dict[Code, int] = {}

    def write(self, note: Note) -> None:
        level = _LEVELS.get(note.code, logging.INFO)
        if not LOGGER.isEnabledFor(level):
            return
        extra: dict[str, object] = {}
        if note.code in _FLOODING:
            now = time.monotonic()
            if now - self._last.get(note.code, -1.0) < 1.0:
                self._left_out[note.code] = self._left_out.get(note.code, 0) + 1
                return
            self._last[note.code] = now
            left_out = self._left_out.pop(note.code, 0)
            if left_out:
                extra["left_out"] = left_out
        LOGGER.log(level, "%s", logfmt(self._node, note.code.value, **dict(note.fields), **extra))
