"""How devenv.py talks to the person: lines, signals and keys. Only the standard library is used, as there."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import threading
from collections.abc import Iterable, Iterator, Sequence

from devenv_keeper import ENDING_SIGNALS


class UserError(Exception):
    """Something the person can put right: printed as one line, never as a trace."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


class Stopped(Exception):  # noqa: N818 - not an error: the person wants it
    """A signal asked this program to end."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.signum = signum


class Ending:
    """Lets SIGINT, SIGTERM and SIGHUP end the program only where it waits for long, or asks.

    A signal handler that raises just anywhere would do so between the start of a process and the note of it,
    in the midst of a clean-up, or in a finalizer, where Python prints the exception and forgets it.
    """

    def __init__(self) -> None:
        self.signum = 0
        self.waiting = False

    def install(self) -> None:
        """Begin to catch the signals, except for a SIGHUP that nohup has switched off."""
        for signum in ENDING_SIGNALS:
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self.arrived)

    def arrived(self, signum: int, _frame: object) -> None:
        """Handle a signal; the first one counts."""
        self.signum = self.signum or signum
        if self.waiting:
            self.waiting = False
            self.check()

    def check(self) -> None:
        """Raise `Stopped` if a signal has arrived."""
        if self.signum:
            raise Stopped(self.signum)

    @contextlib.contextmanager
    def interrupts(self) -> Iterator[None]:
        """Raise `Stopped` as soon as a signal arrives; for a block that does nothing but wait."""
        self.waiting = True  # before the check, or a signal between the two would go unheard
        try:
            self.check()
            yield
        finally:
            self.waiting = False


class Screen:
    """Standard output, shared by the prompt and by the thread that watches the nodes."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.prompt = ""  # what stands there while a person may be typing, else empty
        self.line = ""  # what stands there to be written over, if anything does

    def draws(self) -> bool:
        """Tell whether somebody sees a line that is written over; TERM=dumb says that they cannot."""
        able = os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
        return able and os.isatty(1) and os.isatty(2)

    def show(self, line: str) -> None:
        """Write over the line at the bottom, on standard error; nothing in it takes it away."""
        with self.lock, contextlib.suppress(OSError):
            self.draw(line)

    def draw(self, line: str) -> None:
        """Do what `show` does; the lock must be held."""
        if line or self.line:
            width = shutil.get_terminal_size().columns - 1
            print(f"\r\033[K{line[:width]}", end="", file=sys.stderr, flush=True)
        self.line = line

    def say(self, text: str) -> None:
        """Print lines; above the prompt and the half-typed command if there is one.

        A reader that has gone away (`| head`, a closed terminal) must not stop the clean-up: no OSError here.
        """
        with self.lock, contextlib.suppress(OSError):
            if self.prompt and os.isatty(1):
                # readline, loaded by the prompt where it exists, alone knows what has been typed so far.
                typed = getattr(sys.modules.get("readline"), "get_line_buffer", str)()
                print(f"\r\033[K{text}\n{self.prompt}{typed}", end="", flush=True)
            else:
                line = self.line
                self.draw("")
                print(text, flush=True)
                self.draw(line)


ending = Ending()
screen = Screen()
say = screen.say


class Keys:
    """Tells whether somebody has typed since; what was typed is left for the prompt that comes."""

    def __enter__(self) -> Keys:
        """Let single keys be seen, and not be printed into the line that is written over."""
        self.ahead = self.typed()  # commands that were typed before: they wait for this one, as ever
        self.before = termios.tcgetattr(0)
        changed = termios.tcgetattr(0)
        changed[3] &= ~(termios.ICANON | termios.ECHO)
        termios.tcsetattr(0, termios.TCSANOW, changed)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        with contextlib.suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(0, termios.TCSANOW, self.before)

    def typed(self) -> bool:
        return bool(select.select([0], [], [], 0)[0])


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Align cells in columns."""
    lines = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(f"  {line}" for line in aligned)


def listed(ids: Iterable[int]) -> str:
    """Name nodes in a sentence."""
    return ", ".join(map(str, ids))


def has_person() -> bool:
    """Tell whether somebody can type: a job in the background must not read, it would be stopped for that."""
    if not os.isatty(0):
        return False
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # a terminal, but not the one that controls us: nobody stops us from reading
        return True
