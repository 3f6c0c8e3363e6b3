"""What is done when the process is told to end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from frontends.common.recorder import finish_all
from frontends.common.signals import Before, Handler, on_top


def answer_first(close: Callable[[], None]) -> Callable[[], None]:
    """On a signal to stop answer the waiting clients first; the handlers of the server run as well.

    What is returned puts the handlers back, unless somebody has put theirs on top of them.
    """

    def close_and_end(received: int) -> None:
        close()
        finish_all()
        os.kill(os.getpid(), received)

    def make(before: Before) -> Handler:
        def handle(received: int, frame: FrameType | None) -> None:
            # Not in the handler itself: the interrupted thread may hold the node's lock.
            if before is signal.SIG_DFL:
                # The signal ends the process, now or when it comes again.
                signal.signal(received, signal.SIG_DFL)
                threading.Thread(target=close_and_end, args=(received,), daemon=True).start()
                return
            threading.Thread(target=close, daemon=True).start()
            if callable(before):
                before(received, frame)

        return handle

    return on_top((signal.SIGTERM, signal.SIGINT, signal.SIGQUIT), make)
