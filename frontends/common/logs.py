"""One structured line (logfmt) per event that matters, to stderr; quiet otherwise."""

from __future__ import annotations

import logging
import sys
import time

from pbproto import Code, Note

from .settings import Settings, from_environment

LOGGER = logging.getLogger("pbproto")

_LEVELS = {
    Code.PROPOSED: logging.DEBUG,
    Code.PROMISED: logging.DEBUG,
    Code.BASE_CHOSEN: logging.DEBUG,
    Code.IGNORED: logging.DEBUG,
    Code.REFUSED_BY: logging.DEBUG,
    Code.SUSPECTED: logging.WARNING,
    Code.STOPPED_SERVING: logging.WARNING,
    Code.BLOCKED: logging.WARNING,
    Code.DROPPED: logging.ERROR,
}
"""Every other note is information."""

_FLOODING = (Code.REJECTED, Code.IGNORED)
"""Notes that clients and peers can cause at any rate: one line a second, with the number left out."""


class Formatter(logging.Formatter):
    """``2026-01-31T12:00:00.000Z level=info node=1 event=view_told …``

    What the servers and frameworks log takes the same form, as the event ``server_log``.
    """

    def __init__(self, node: int) -> None:
        super().__init__()
        self._node = node

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = record.getMessage()
        if record.name != LOGGER.name:
            text = logfmt(self._node, "server_log", logger=record.name, message=text)
        line = f"{stamp}.{int(record.msecs):03d}Z level={record.levelname.lower()} {text}"
        if record.exc_info:
            line += f" trace={_quote(self.formatException(record.exc_info))}"
        return line


class Calm(logging.Filter):
    """Lets one line a second pass of those that a stranger can cause: what servers say of bad requests.

    What is left out is counted in the next line. Errors pass all the same.
    """

    EVERY = 1.0

    def __init__(self) -> None:
        super().__init__()
        self._next: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == LOGGER.name or record.levelno >= logging.ERROR:
            return True
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
    # What is left of control characters would speak to the terminal of whoever reads the log.
    shown = "".join([each if each.isprintable() else f"\\u{ord(each):04x}" for each in escaped])
    return f'"{shown}"'


def logfmt(node: int, event: str, /, **fields: object) -> str:
    """The text of one line after its time and level."""
    return " ".join(
        [f"node={node}", f"event={event}", *(f"{key}={_quote(value)}" for key, value in fields.items())]
    )


def set_up(node: int, level: str) -> None:
    """Send the project's and the servers' logs to stderr in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(node))
    handler.addFilter(Calm())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOGGER.setLevel(level.upper())


def for_stock_server() -> Settings:
    """Settings from the environment, with the logs set up by them, under a server that we did not start."""
    settings = from_environment()
    set_up(settings.id, settings.log_level)
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
