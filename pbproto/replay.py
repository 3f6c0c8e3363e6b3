"""``python -m pbproto.replay FILE``: executes a recording again, anywhere.

Shows what the node did step by step, or the first difference between that and what this code does. The status
is 0 if there is none, 1 if there is one, 2 if the recording cannot be read. This is the one file of the
package that reads files and writes to the terminal; nothing else in the package imports it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from .recording import Recording, RecordingError, read
from .report import about_lines, about_plain, step_lines, step_plain, verdict_lines, verdict_plain
from .rerun import Replay, continues
from .showing import plain, state_lines

SAME, DIFFERENT, UNREADABLE = 0, 1, 2
PROGRAM = "python -m pbproto.replay"


def code_digest() -> str:
    """Names the code of this package: a digest of its source files."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(f"{path.name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def run(recording: Recording) -> Replay:
    """The recording executed again: to be iterated over once, one ``Done`` for each step."""
    return Replay(recording)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    command = _Command(_parser().parse_args(arguments))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = max([command.replay(path) for path in command.options.file])
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough. Nothing may be written when the process ends either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREADABLE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Execute a recording of a node again and compare with what the node did. "
        "Exit status: 0 the same, 1 a difference, 2 unreadable.",
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
        self._steps = options.steps or options.first is not None or options.last is not None
        self._before: Replay | None = None

    def replay(self, path: str) -> int:
        """Replay one file; the status."""
        try:
            recording = read(Path(path).read_bytes())
            replay = Replay(recording)
            gap = continues(self._before, recording) if self._before is not None else ""
            return self._run(path, replay, gap)
        except RecordingError as error:
            sys.stderr.write(f"{PROGRAM}: {path}: {error}\n")
        except BrokenPipeError:
            raise
        except OSError as error:
            sys.stderr.write(f"{PROGRAM}: {path}: {error.strerror}\n")
        return UNREADABLE

    def _run(self, path: str, replay: Replay, gap: str) -> int:
        self._before = replay
        code = code_digest()
        if self.options.json:
            self._say([json.dumps({"recording": path, **about_plain(replay.recording, code)})])
        else:
            self._say(about_lines(replay.recording, code, path))
        begin = failure = None
        shown = not self.options.state
        for done in replay:
            number = done.step.number
            begin = done.step.now if begin is None else begin
            failure = done.error
            if done.difference or (self._steps and self._is_asked_for(number)):
                as_json = self.options.json
                self._say([json.dumps(step_plain(done))] if as_json else step_lines(done, begin))
            if not shown and number == self.options.last:
                self._show_state(replay)
                shown = True
        if not shown:
            self._show_state(replay)
        if self.options.json:
            self._say([json.dumps(verdict_plain(replay, failure or "", gap))])
        else:
            self._say(verdict_lines(replay, failure or "", gap))
        return DIFFERENT if replay.difference or gap else SAME

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
