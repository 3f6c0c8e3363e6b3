"""The logs: one structured line per event, and no flood."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from frontends.common import logs
from frontends.common.settings import Settings
from pbproto import Code, Note


def test_values_are_quoted_so_that_a_line_stays_one_line() -> None:
    """logfmt can be split again whatever a value holds: spaces, quotes, line ends, nothing."""
    line = logs.logfmt(3, "told", plain="a:1", spaced="a b", quoted='say "no"', broken="x\ny", empty="")
    assert line == 'node=3 event=told plain=a:1 spaced="a b" quoted="say \\"no\\"" broken="x\\ny" empty=""'


def test_a_trace_is_part_of_its_line() -> None:
    """An exception does not break the format: format a record that carries one."""
    try:
        raise ValueError("boom")
    except ValueError:
        record = logging.LogRecord("pbproto", logging.ERROR, "", 0, "event=x", None, sys.exc_info())
    line = logs.Formatter(1).format(record)
    assert "\n" not in line
    assert "level=error event=x trace=" in line
    assert "boom" in line


def test_rejections_do_not_flood_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Clients cannot fill the disk by being rejected: a thousand notes at once are at most a few lines."""
    log = logs.NoteLog(1)
    with caplog.at_level(logging.INFO, logger="pbproto"):
        for _ in range(1000):
            log.write(Note(Code.REJECTED, (("reason", "timeout"),)))
        log.write(Note(Code.DROPPED, (("member", 1),)))
    rejected = [record for record in caplog.records if "event=rejected" in record.getMessage()]
    assert 1 <= len(rejected) < 100
    assert [record.levelname for record in caplog.records if "dropped" in record.getMessage()] == ["ERROR"]


def test_what_servers_log_has_the_same_form() -> None:
    """Whoever collects the logs reads one form: format a record of a server's logger."""
    record = logging.LogRecord("waitress", logging.ERROR, "", 0, "it %s", ("broke",), None)
    line = logs.Formatter(4).format(record)
    assert line.endswith('level=error node=4 event=server_log logger=waitress message="it broke"')


def json_of(record: logging.LogRecord) -> dict[str, object]:
    """The one line that a record becomes, read again."""
    line = logs.JsonFormatter(4).format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def record_of(*args: object, name: str = "pbproto", exc_info: object = None) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, "", 0, "%s", args, exc_info)  # type: ignore[arg-type]
    record.created, record.msecs = 1_769_860_800.25, 250.0
    return record


def test_json_lines_have_the_same_fields() -> None:
    """Goal: a collector reads types, not text. Method: one line in both forms."""
    line = logs.logfmt(4, "suspected", backup=2, reason='it said "no"\n', ratio=0.5, flag=True)
    assert json_of(record_of(line)) == {
        "time": "2026-01-31T12:00:00.250Z",
        "level": "warning",
        "node": 4,
        "event": "suspected",
        "backup": 2,
        "reason": 'it said "no"\n',
        "ratio": 0.5,
        "flag": True,
    }
    text = logs.Formatter(4).format(record_of(line))
    assert text.startswith("2026-01-31T12:00:00.250Z level=warning node=4 event=suspected backup=2 reason=")


def test_json_lines_hold_whatever_is_logged() -> None:
    """Goal: no line is lost or broken. Method: an exception as a field, a trace, a taken name."""
    try:
        raise ValueError("boom\n")
    except ValueError as error:
        line = logs.logfmt(4, "failed", rule=error, level="high", text="€\0")
        found = json_of(record_of(line, exc_info=sys.exc_info()))
    assert (found["rule"], found["level"], found["level_"], found["text"]) == (
        "boom\n",
        "warning",
        "high",
        "€\0",
    )
    assert "ValueError: boom" in str(found["trace"])


def test_json_lines_of_servers_have_the_same_form() -> None:
    """Goal: one form for all. Method: what a server logs, and a plain line of the project's own logger."""
    found = json_of(record_of("it broke", name="waitress"))
    assert (found["event"], found["logger"], found["message"]) == ("server_log", "waitress", "it broke")
    assert json_of(record_of("plain"))["message"] == "plain"


ACCESS = logs.ACCESS.name


@pytest.fixture
def _logs_as_before() -> Iterator[None]:
    root, levels = logging.getLogger(), {name: logging.getLogger(name).level for name in ("pbproto", ACCESS)}
    handlers, level = root.handlers[:], root.level
    # `set_up` closes the handlers it finds, which are pytest's here.
    root.handlers.clear()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


@pytest.mark.usefixtures("_logs_as_before")
@pytest.mark.parametrize(
    ("settings", "info", "debug", "form"),
    [
        (Settings(id=1), False, False, logs.Formatter),
        (Settings(id=1, log_format="json"), False, False, logs.JsonFormatter),
        (Settings(id=1, log_level="debug"), True, True, logs.Formatter),
        (Settings(id=1, access_log="on"), True, False, logs.Formatter),
        (Settings(id=1, access_log="on", log_level="error"), True, False, logs.Formatter),
        (Settings(id=1, access_log="on", log_level="debug"), True, True, logs.Formatter),
    ],
)
def test_what_is_set_is_logged(settings: Settings, info: bool, debug: bool, form: type) -> None:
    """Goal: lines about requests can be had whatever else is logged. Method: set up, ask the loggers."""
    logs.set_up(settings)
    assert logs.ACCESS.isEnabledFor(logging.DEBUG) is debug
    if settings.access_log == "on":
        assert logs.ACCESS.isEnabledFor(logging.INFO) is info
    assert logs.LOGGER.isEnabledFor(logging.INFO) is (settings.log_level != "error")
    assert isinstance(logging.getLogger().handlers[0].formatter, form)


def test_a_log_does_not_speak_to_the_terminal() -> None:
    """What a stranger may have put in a line is shown, and moves no cursor."""
    assert (
        logs.logfmt(1, "x", text="a\x1b[2J\x9b\u2028é") == 'node=1 event=x text="a\\u001b[2J\\u009b\\u2028é"'
    )


@pytest.mark.parametrize("form", [logs.Formatter, logs.JsonFormatter])
def test_no_character_ends_a_line_or_speaks_to_a_terminal(
    form: Callable[[int], logging.Formatter],
) -> None:
    """Goal: one record is one line to every reader, and nothing in it is obeyed. Method: the characters that
    Unicode does not call printable, as the name of a route; JSON has them again when it is read."""
    several = (*range(0x3001), 0xD800, 0xE000, 0xFEFF, 0xE0001)
    hostile = "".join(each for each in map(chr, several) if not each.isprintable())
    line = form(1).format(record_of(logs.logfmt(1, "e", rule=hostile)))
    assert line.isprintable()
    if form is logs.JsonFormatter:
        assert json.loads(line)["rule"] == hostile


def test_strangers_cannot_fill_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: a server's word about a bad request comes once a second, with how many there were; errors all.

    Method: a clock that stands still, and then goes on.
    """
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    calm = logs.Calm()

    def passed(name: str, level: int) -> str | None:
        record = logging.LogRecord(name, level, "", 0, "bad %s", ("request",), None)
        return record.getMessage() if calm.filter(record) else None

    assert [passed("uvicorn.error", logging.WARNING) for _ in range(3)] == ["bad request", None, None]
    assert passed("other", logging.WARNING) == "bad request"
    assert passed("uvicorn.error", logging.ERROR) == "bad request"
    assert passed("pbproto", logging.WARNING) == "bad request"
    now += logs.Calm.EVERY
    assert passed("uvicorn.error", logging.WARNING) == "bad request (and 2 more lines)"
    now += logs.Calm.EVERY
    assert passed("uvicorn.error", logging.WARNING) == "bad request"


@pytest.mark.parametrize(
    ("logger", "error", "passes"),
    [
        ("uvicorn.error", asyncio.CancelledError("timeout graceful shutdown exceeded"), False),
        ("asyncio", asyncio.CancelledError(), False),
        ("asyncio", RuntimeError(), True),
        ("pbproto", asyncio.CancelledError(), True),
    ],
)
def test_what_is_cut_off_at_the_end_is_no_error(logger: str, error: BaseException, passes: bool) -> None:
    """Goal: to stop a node in the middle of a body leaves no traceback. Method: errors as servers log
    them."""
    traced = (type(error), error, None)
    record = logging.LogRecord(logger, logging.ERROR, "", 0, "Exception in ASGI application\n", (), traced)
    assert logs.Calm().filter(record) is passes
