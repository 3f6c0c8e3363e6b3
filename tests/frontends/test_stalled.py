"""Clients that take nothing, in the threaded frontend, where each may take up a thread."""

from __future__ import annotations

from typing import Any

from frontends.common.api import Api
from frontends.common.settings import Settings
from frontends.wsgi_app import servers
from frontends.wsgi_app.answering import Answering

from .prompt_node import Node

PATIENCE = 30.0


class Channel:
    """What is used of a connection of waitress."""

    def __init__(self, total_outbufs_len: int, last_activity: float) -> None:
        self.total_outbufs_len = total_outbufs_len
        self.last_activity = last_activity
        self.request: object = None
        self.shaking = False
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
    watch = servers._Watch(PATIENCE)
    watch.look(channels, now)
    for turn in range(3):
        now += PATIENCE / 2
        slow.last_activity += 1
        if turn == 1:
            late.total_outbufs_len = 9
        watch.look(channels, now)
    assert [channel.closed for channel in channels] == [True, False, False, False]
    now += PATIENCE + 1
    watch.look(channels[1:], now)
    assert [channel.closed for channel in channels] == [True, True, True, False]


def test_a_request_has_to_come_in_time() -> None:
    """Goal: whoever sends a byte now and then takes up a connection for a time, not for ever.

    Method: a request that comes on and on, one after the other of a busy client, a handshake that does not
    end, for which there is less time. Let time pass and see which are closed.
    """
    now = 1000.0
    dripping, busy, silent = Channel(0, 5.0), Channel(0, 5.0), Channel(0, 5.0)
    dripping.request, silent.shaking = object(), True
    watch = servers._Watch(PATIENCE)
    for turn in range(4):
        assert silent.closed == (turn > 1)
        busy.request = object()
        dripping.last_activity += 1
        watch.look([dripping, busy, silent], now)
        now += PATIENCE / 2
    assert [channel.closed for channel in (dripping, busy, silent)] == [True, False, True]


def test_a_socket_of_gunicorn_has_a_time() -> None:
    """It reads and sends in the worker threads with the socket as it is: see that it gets a time."""

    class Socket:
        timeout: float | None = None

        def settimeout(self, seconds: float) -> None:
            self.timeout = seconds

    socket = Socket()
    node: Any = Node()
    answering = Answering(Api(node), Settings(id=1, client_timeout=7.0))
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": "/ping", "gunicorn.socket": socket}
    assert answering.respond(environ).status == 200
    assert socket.timeout == 7.0
