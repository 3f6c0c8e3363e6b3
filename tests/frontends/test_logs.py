"""The logs: one structured line per event, and no flood."""

from __future__ import annotations

import logging
import sys
import time

import pytest

from frontends.common import logs
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


def test_a_log_does_not_speak_to_the_terminal() -> None:
    """What a stranger may have put in a line is shown, and moves no cursor."""
    assert (
        logs.logfmt(1, "x", text="a\x1b[2J\x9b\u2028é") == 'node=1 event=x text="a\\u001b[2J\\u009b\\u2028é"'
    )


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
