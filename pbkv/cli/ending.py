"""How what runs until it is told to stop is told to stop."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self


class Ending:
    """Ends at SIGINT or SIGTERM, in ``sleep`` and nowhere else.

    The exception of an ordinary Ctrl-C may come up in a callback of the interpreter, where it is printed and
    dropped: most of the time something that looks at nodes all the time is within a library. SIGTERM ends it
    the same way, since a terminal would be left without its cursor.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._number = 0
        self._sleeping = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # nobody else may
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self._number = number
        if self._sleeping:
            self._leave()

    def _leave(self) -> None:
        if self._number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + self._number)

    def sleep(self, seconds: float) -> None:
        """Sleep, or end at once if a signal has come. Raises ``KeyboardInterrupt``, ``SystemExit``."""
        self._sleeping = True
        try:
            if self._number:
                self._leave()
            self._sleep(seconds)
        finally:
            self._sleeping = False
