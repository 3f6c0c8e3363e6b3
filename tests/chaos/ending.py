"""Ctrl-C: a run ends in order, and is judged and told as far as it got."""

from __future__ import annotations

import os
import signal
from types import FrameType, TracebackType

SAID = b"\ninterrupted: ending the faults and the nodes; the report follows\n"


class Ending:
    """Notes a Ctrl-C, for whoever waits to look at; a context manager, in the main thread.

    A handler that raised just anywhere would do so between the start of a process and the note of it. So it
    raises only while there is nothing left to be put in order: while ``at_once`` is set.
    """

    def __init__(self) -> None:
        self.wished = False
        self.at_once = False
        self._before: signal._HANDLER = None

    def __enter__(self) -> Ending:
        self._before = signal.signal(signal.SIGINT, self._arrived)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _arrived(self, _number: int, _frame: FrameType | None) -> None:
        if self.at_once:
            self.at_once = False
            raise KeyboardInterrupt
        if not self.wished:
            self.wished = True
            os.write(2, SAID)  # the program may be in the midst of a print, which is not to be entered again
