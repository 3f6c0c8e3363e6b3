"""Progress is for people: it appears at a terminal and is gone at the end, and programs see none of it."""

from __future__ import annotations

import os
import pty
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

import progress
from bench import rounds
from tests.model.__main__ import main as model

SCOPE = "fast-key-reused"
MOVES = re.compile(r"\x1b\[[\d;?]*[A-Za-z]|\r")


class Terminal:
    """A terminal in place of standard error; what was written to it.

    To be made by the test itself: pytest's own capture comes back between a fixture and its test.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, columns: int = 100) -> None:
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        self._stream = os.fdopen(theirs, "w")
        self._written = ""
        monkeypatch.setattr(sys, "stderr", self._stream)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("COLUMNS", str(columns))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        os.close(self._ours)

    @property
    def written(self) -> str:
        """All of it until now."""
        self._stream.flush()
        with suppress(BlockingIOError):
            while True:
                self._written += os.read(self._ours, 65536).decode()
        return self._written

    @property
    def line(self) -> str:
        """What stands in the line that was cleared last."""
        return MOVES.sub("", self.written.rpartition("\x1b[2K")[2]).strip()


def test_a_line_is_drawn_and_taken_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: a person sees how far it is, and afterwards a clean line with a cursor.

    Method: two of four steps, with something printed in between; read what a terminal was sent.
    """
    with Terminal(monkeypatch) as terminal:
        with progress.bar(4, "runs", still=True) as bar:
            bar.advance(1, "first [1, 2]")
            assert "1/4 runs in 0:00:0" in terminal.line
            assert "first [1, 2]" in terminal.line
            with bar.aside():
                print("a result")
                assert terminal.line == ""
            with bar.step("second"):
                assert "second" in terminal.line
            assert "2/4 runs" in terminal.line
        assert terminal.line == ""
        assert terminal.written.rfind("\x1b[?25h") > terminal.written.rfind("\x1b[?25l")
    assert capsys.readouterr().out == "a result\n"


def test_colours_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: NO_COLOR is honoured. Method: draw with it and without it, and look for colours."""
    for setting, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", setting)
        with Terminal(monkeypatch) as terminal:
            with progress.bar(4, "runs", still=True) as bar:
                bar.advance()
            assert "1/4 runs" in terminal.written
            assert bool(re.search(r"\x1b\[(\d+;)*[39][0-8]", terminal.written)) == coloured


@pytest.mark.parametrize("columns", [20, 30, 60])
def test_it_stays_one_line(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Goal: a narrow terminal is not filled with pieces. Method: draw a long text in a few columns."""
    with Terminal(monkeypatch, columns) as terminal, progress.bar(4, "runs", still=True) as bar:
        bar.advance(1, "long " * 50)
        assert "━" in terminal.line
        assert "\n" not in terminal.written
        # A terminal that prints ^C behind a full line begins another one, and the first is never taken away.
        assert len(terminal.line) <= columns - len("^C")


def test_nobody_is_shown_anything_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: logs have no control characters, and the texts that they had. Method: a captured standard error;
    then a terminal that cannot write a line over."""
    with rounds.steps(2) as bar, bar.step("round 1/1", 5):
        bar.advance()
        bar.reach(2)
        with bar.aside():
            print("a result")
    assert capsys.readouterr() == ("a result\n", "round 1/1\n")
    with Terminal(monkeypatch) as dumb:
        monkeypatch.setenv("TERM", "dumb")
        with progress.bar(4, "runs", still=True) as bar:
            bar.advance(1, "text")
        assert dumb.written == ""


def test_a_command_shows_it_only_to_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: what a command prints is the same whether somebody watches or not. Method: search a small scope
    without a terminal and with one."""
    assert model(["--scope", SCOPE]) == 0
    alone = capsys.readouterr()
    assert alone.err == ""
    with Terminal(monkeypatch) as terminal:
        assert model(["--scope", SCOPE]) == 0
        assert re.search(rf"[\d,]+/649 states in .* left +{SCOPE}: depth", MOVES.sub("", terminal.written))
        assert terminal.line == ""
    watched = capsys.readouterr().out
    assert re.sub(r"[\d.]+ s of CPU.*", "", watched) == re.sub(r"[\d.]+ s of CPU.*", "", alone.out)


@pytest.mark.parametrize(
    ("done", "total", "then", "now", "seconds"),
    [
        (0, 10, 0, 5, None),  # nothing is done yet
        (5, None, 10, 10, None),  # nobody knows how much there is
        (5, 10, 10, 10, 10),
        (5, 10, 10, 14, 6),  # it counts down while the next step takes its time
        (5, 10, 10, 40, 0),
        (2.5, 10, 10, 10, 30),
    ],
)
def test_what_is_left(
    done: float, total: float | None, then: float, now: float, seconds: float | None
) -> None:
    """Goal: the estimate is the rule of three. Method: cases done by hand."""
    assert progress.left(done, total, then, now) == seconds


def test_a_step_of_known_length_fills_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: one sees a long step go on, and what is left of it. Method: a clock of ours."""
    now = 100.0
    monkeypatch.setattr("progress.time.monotonic", lambda: now)
    with (
        Terminal(monkeypatch) as terminal,
        progress.bar(60, progress.SECONDS, still=True) as bar,
        bar.step("", 60, 60),
    ):
        now += 15
        bar.tell("under way")
        assert "15/60 s, 0:00:45 left" in terminal.line
        now += 1000
        bar.tell("late")
        assert "0:00:01 left" in terminal.line


def test_only_those_who_draw_load_what_draws() -> None:
    """Goal: worker processes, which import this, start as fast as before. Method: read its imports."""
    head = Path(progress.__file__).read_text(encoding="utf-8").split("if TYPE_CHECKING:")[0]
    assert "rich" not in re.findall(r"^(?:import|from) (\w+)", head, re.MULTILINE)
