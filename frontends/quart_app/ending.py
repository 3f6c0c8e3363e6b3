"""What is done when the process is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable
from types import FrameType


def answer_first(close: Callable[[], None]) -> Callable[[], None]:
    """On SIGTERM and SIGINT answer the waiting clients, before the server waits for their requests to end.

    The handlers that the server has installed by now run as well. Only the main thread may do this; a
    server that runs the application elsewhere closes the node when the lifespan ends. What is returned puts
    the handlers back, unless somebody has put theirs on top of them.
    """
    undo: list[Callable[[], None]] = []
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    loop = asyncio.get_running_loop()

    def install(number: signal.Signals) -> None:
        before = signal.getsignal(number)

        def handle(received: int, frame: FrameType | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(close)
            if callable(before):
                before(received, frame)

        def put_back() -> None:
            if signal.getsignal(number) is handle and before is not None:
                signal.signal(number, before)

        signal.signal(number, handle)
        undo.append(put_back)

    for number in (signal.SIGTERM, signal.SIGINT):
        install(number)

    def put_all_back() -> None:
        for each in undo:
            each()

    return put_all_back
