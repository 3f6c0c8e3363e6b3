"""Handlers of signals on top of those that are there, which run as well and can be put back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

Handler = Callable[[int, FrameType | None], None]
Before = Any
"""What ``signal.getsignal`` found: a handler, one of ``signal.Handlers``, or ``None``."""


def on_top(numbers: Iterable[signal.Signals], make: Callable[[Before], Handler]) -> Callable[[], None]:
    """Install ``make(before)`` for each signal, and return what puts ``before`` back.

    That leaves alone what somebody has put on top meanwhile. Only the main thread may install handlers:
    in another one nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    installed: list[tuple[signal.Signals, Handler, Before]] = []
    for number in numbers:
        before = signal.getsignal(number)
        handler = make(before)
        signal.signal(number, handler)
        installed.append((number, handler, before))

    def put_back() -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler, before in installed:
            if signal.getsignal(number) is handler and before is not None:
                signal.signal(number, before)

    return put_back
