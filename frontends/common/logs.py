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
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = record.getMessage()
        if record.name != LOGGER.name:
            text = logfmt(self._node, "server_log", logger=record.name, message=text)
        line = f"{stamp}.{int(record.msecs):03d}Z level={record.levelname.lower()} {text}"
        if record.exc_info:
            line += f" trace={_quote(self.formatException(record.exc_info))}"
        return line


def _quote(value: object) -> str:
    text = str(value)
    if text and not any(character in ' "=\\' or not character.isprintable() for character in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def logfmt(node: int, event: str, /, **fields: object) -> str:
    """The text of one line after its time and level."""
    return " ".join(
        [f"node={node}", f"event={event}", *(f"{key}={_quote(value)}" for key, value in fields.items())]
    )


def set_up(node: int, level: str) -> None:
    """Send the project's and the servers' logs to stderr in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter(node))
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
