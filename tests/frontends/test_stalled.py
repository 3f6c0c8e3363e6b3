"""Clients that take nothing, in the threaded frontend, where each may take up a thread."""

from __future__ import annotations

from flask import Flask

from frontends.common.listing import Listings
from frontends.common.responses import Response
from frontends.wsgi_app import app, servers
from frontends.wsgi_app.answering import PIECE_TIMEOUT


class Channel:
    """What is used of a connection of waitress."""

    def __init__(self, total_outbufs_len: int, last_activity: float) -> None:
        self.total_outbufs_len = total_outbufs_len
        self.last_activity = last_activity
        self.closed = False

    def handle_close(self) -> None:
        self.closed = True


def test_a_connection_that_takes_nothing_is_closed() -> None:
    """For how long it has taken nothing is counted from when there was something to take.

    One connection takes nothing, one takes a little now and then, one had nothing to take for long, because
    its request waited, and one has nothing. Let time pass and see which are closed.
    """
    now = 1000.0
    stalled, slow, late, idle = Channel(9, 5.0), Channel(9, 5.0), Channel(0, 5.0), Channel(0, 5.0)
    channels = [stalled, slow, late, idle]
    watch = servers._Watch()
    watch.look(channels, now)
    for turn in range(3):
        now += PIECE_TIMEOUT / 2
        slow.last_activity += 1
        if turn == 1:
            late.total_outbufs_len = 9
        watch.look(channels, now)
    assert [channel.closed for channel in channels] == [True, False, False, False]
    now += PIECE_TIMEOUT + 1
    watch.look(channels[1:], now)
    assert [channel.closed for channel in channels] == [True, True, True, False]


def test_a_piece_has_to_be_taken_in_time() -> None:
    """gunicorn sends with the socket as it is: see that it gets a time for long answers and for no others."""

    class Socket:
        timeout: float | None = None

        def settimeout(self, seconds: float) -> None:
            self.timeout = seconds

    long = Listings(1).answer({b"k%d" % number: b"v" * 1000 for number in range(300)})
    assert long is not None
    for body, timeout in ((b"{}", None), (long, PIECE_TIMEOUT)):
        socket = Socket()
        with Flask("test").test_request_context(environ_overrides={"gunicorn.socket": socket}):
            assert app._convert(Response(200, (), body)).status_code == 200
        assert socket.timeout == timeout
    with Flask("test").test_request_context():
        assert app._convert(Response(200, (), long)).status_code == 200
