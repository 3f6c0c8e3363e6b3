"""What is done when the process is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from types import FrameType

from frontends.common.signals import Before, Handler, on_top


def answer_first(close: Callable[[], None]) -> Callable[[], None]:
    """On SIGTERM and SIGINT answer the waiting clients, before the server waits for their requests to end.

    The handlers that the server has installed by now run as well. Only the main thread may do this; a
    server that runs the application elsewhere closes the node when the lifespan ends. What is returned puts
    the handlers back, unless somebody has put theirs on top of them.
    """
    loop = asyncio.get_running_loop()

    def make(before: Before) -> Handler:
        def handle(received: int, frame: FrameType | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
                loop.call_soon_threadsafe(close)
            if callable(before):
                before(received, frame)

        return handle

    return on_top((signal.SIGTERM, signal.SIGINT), make)
