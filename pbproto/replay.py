"""``python -m pbproto.replay FILE``: executes a recording again, anywhere.

Shows what the node did step by step, or the first difference between that and what this code does. The status
is 0 if there is none, 1 if there is one, 2 if a recording cannot be read to its end. This is the one file of
the package that reads recordings and writes to the terminal; nothing else in the package imports it.
"""

from __future__ import annotations

import argparse
import json
import os
import stat
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from .frames import RecordingError
from .recorded import Recording, read
from .report import about_lines, about_plain, step_lines, step_plain, verdict_lines, verdict_plain
from .rerun import Replay, continues
from .showing import plain, state_lines
from .source import code_digest

SAME, DIFFERENT, UNREADABLE = 0, 1, 2
PROGRAM = "python -m pbproto.replay"


def run(recording: Recording) -> Replay:
    """The recording executed again: to be iterated over once, one ``Done`` for each step."""
    return Replay(recording)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    command = _Command(_parser().parse_args(arguments))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = command.run()
        sys.stdout.flush()
    except OSError as error:
        # Nothing may be written when the process ends either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # that is whoever reads the output and has seen enough
            _complain(f"the output cannot be written: {error.strerror}")
        return UNREADABLE
    return status


def _complain(text: str) -> None:
    sys.stderr.write(f"{PROGRAM}: {_printable(text)}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Execute a recording of a node again and compare with what the node did. "
        "Exit status: 0 the same, 1 a difference, 2 unreadable or damaged.",
        allow_abbrev=False,
    )
    parser.add_argument("file", nargs="+", metavar="FILE", help="recordings; of one life the older first")
    parser.add_argument("--steps", action="store_true", help="show each step: time, event, effects, notes")
    parser.add_argument("--from", dest="first", type=int, metavar="N", help="show the steps from this one on")
    parser.add_argument("--to", dest="last", type=int, metavar="M", help="show the steps up to this one")
    parser.add_argument("--state", action="store_true", help="show the state after step M, or after the last")
    parser.add_argument("--quiet", action="store_true", help="say nothing: the exit status tells")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for tools; values whole")
    return parser


class _Command:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        ranged = options.first is not None or (options.last is not None and not options.state)
        self._steps = options.steps or ranged
        self._before: Replay | None = None

    def run(self) -> int:
        """Replay all files; the status."""
        recordings = [(path, self._load(path)) for path in self.options.file]
        wrong = self._wrong_range([each for _, each in recordings if each is not None])
        if wrong:
            _complain(wrong)
            return UNREADABLE
        return max(
            UNREADABLE if recording is None else self._replay(path, recording)
            for path, recording in recordings
        )

    def _load(self, path: str) -> Recording | None:
        try:
            file = Path(path)
            if not stat.S_ISREG(file.stat().st_mode):
                raise RecordingError("this is not a regular file")
            return read(file.read_bytes())
        except RecordingError as error:
            _complain(f"{path}: {error}")
        except OSError as error:
            _complain(f"{path}: {error.strerror}")
        return None

    def _wrong_range(self, recordings: list[Recording]) -> str:
        """Why the steps that are asked for are not there; nothing if they are, or if no file is."""
        first, last = self.options.first, self.options.last
        if first is not None and last is not None and first > last:
            return f"--from {first} comes after --to {last}"
        known = [(each.header.first, each.last) for each in recordings if each.count]
        for option, number in (("--from", first), ("--to", last)):
            if recordings and number is not None and not any(one <= number <= end for one, end in known):
                steps = ", ".join(f"{one} to {end}" for one, end in known) or "none"
                return f"there is no step for {option} {number}; the steps are: {steps}"
        return ""

    def _replay(self, path: str, recording: Recording) -> int:
        try:
            replay = Replay(recording)
            gap = continues(self._before, recording) if self._before is not None else ""
        except RecordingError as error:
            _complain(f"{path}: {error}")
            return UNREADABLE
        self._before = replay
        code = code_digest()
        if self.options.json:
            self._say([json.dumps({"recording": path, **about_plain(recording, code)})])
        else:
            self._say(about_lines(recording, code, path))
        unreadable = ""
        try:
            self._execute(replay)
        except RecordingError as error:
            unreadable = str(error)
        if self.options.json:
            self._say([json.dumps(verdict_plain(replay, gap, unreadable))])
        else:
            self._say(verdict_lines(replay, gap, unreadable))
        if unreadable:
            _complain(f"{path}: {unreadable}")
            return UNREADABLE
        return DIFFERENT if replay.difference or gap else SAME

    def _execute(self, replay: Replay) -> None:
        """Execute all steps, and show what is asked for. Raises ``RecordingError`` where they end early."""
        begin = None
        last = self.options.last
        there = last is None or replay.recording.header.first <= last <= replay.recording.last
        shown = not self.options.state or not there
        try:
            for done in replay:
                number = done.step.number
                begin = done.step.now if begin is None else begin
                if done.difference or (self._steps and self._is_asked_for(number)):
                    as_json = self.options.json
                    self._say([json.dumps(step_plain(done))] if as_json else step_lines(done, begin))
                if not shown and number == last:
                    self._show_state(replay)
                    shown = True
        finally:
            if not shown:
                self._show_state(replay)

    def _is_asked_for(self, number: int) -> bool:
        first, last = self.options.first, self.options.last
        return (first is None or first <= number) and (last is None or number <= last)

    def _show_state(self, replay: Replay) -> None:
        if self.options.json:
            self._say([json.dumps({"state_after": replay.number, "state": plain(replay.state)})])
        else:
            self._say(
                [f"state after step {replay.number}", *(f"  {line}" for line in state_lines(replay.state))]
            )

    def _say(self, lines: list[str]) -> None:
        if not self.options.quiet:
            sys.stdout.write("".join(f"{_printable(line)}\n" for line in lines))


def _printable(line: str) -> str:
    """What a recording says reaches no terminal as a command."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


if __name__ == "__main__":
    sys.exit(main())
