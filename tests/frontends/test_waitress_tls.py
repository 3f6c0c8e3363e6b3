"""Connections of waitress: ``frontends/wsgi_app/waitress_tls.py``. The rest of it is in ``tests/live``."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

from waitress.adjustments import Adjustments

from frontends.wsgi_app.waitress_tls import Channel

PATIENCE = 20.0


def test_a_client_that_leaves_while_a_thread_sends_holds_nobody_up() -> None:
    """Goal: the loop that closes a connection and the thread that sends on it do not wait for each other.

    Method: a thread has the lock of the output, as waitress's threads do while they send; the loop begins to
    close and comes as far as it can; then the thread sends. Both have to come to an end.
    """
    ours, theirs = socket.socketpair()
    server: Any = SimpleNamespace(active_channels={}, tls=None)
    channel = Channel(server, ours, ("127.0.0.1", 1), Adjustments(), map={})
    lock, begun = channel.outbuf_lock, threading.Event()

    class Told:
        """The lock, which says that somebody wants it."""

        def __enter__(self) -> None:
            begun.set()
            lock.acquire()

        def __exit__(self, *_: object) -> None:
            lock.release()

        def notify(self) -> None:
            lock.notify()

    with lock:
        channel.outbuf_lock = Told()
        closing = threading.Thread(target=channel.handle_close, daemon=True)
        closing.start()
        assert begun.wait(PATIENCE)
        sending = threading.Thread(target=channel.send, args=(b"x",), daemon=True)
        sending.start()
        sending.join(PATIENCE)
        assert not sending.is_alive()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    theirs.close()
