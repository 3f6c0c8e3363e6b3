"""What is done when the process is told to end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from frontends.common.recorder import finish_all


def answer_first(close: Callable[[], None]) -> Callable[[], None]:
    """On a signal to stop answer the waiting clients first; the handlers of the server run as well.

    What is returned puts the handlers back, unless somebody has put theirs on top of them.
    """
    undo: list[Callable[[], None]] = []
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def install(number: signal.Signals) -> None:
        before = signal.getsignal(number)

        def close_and_end(received: int) -> None:
            close()
            finish_all()
            os.kill(os.getpid(), received)

        def handle(received: int, frame: FrameType | None) -> None:
            # Not in the handler itself: the interrupted thread may hold the node's lock.
            if before is signal.SIG_DFL:
                signal.signal(
                    received, signal.SIG_DFL
                )  # the signal ends the process, now or when it comes again
                threading.Thread(target=close_and_end, args=(received,), daemon=True).start()
                return
            threading.Thread(target=close, daemon=True).start()
            if callable(before):
                before(received, frame)

        def put_back() -> None:
            if signal.getsignal(number) is handle and before is not None:
                signal.signal(number, before)

        signal.signal(number, handle)
        undo.append(put_back)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        install(number)

    def put_all_back() -> None:
        if threading.current_thread() is threading.main_thread():
            for each in undo:
                each()

    return put_all_back
