"""The listening socket, bound by ourselves so that a taken port is one clear line under every server."""

from __future__ import annotations

import socket
import sys

from .settings import Settings, split_address


def listen(settings: Settings, program: str) -> socket.socket:
    """A socket listening on ``settings.bind``; without one the process ends with one line and status 2."""
    host, port = split_address(settings.bind)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        sys.stderr.write(f"{program}: cannot listen on {settings.bind}: {error.strerror or error}\n")
        sys.exit(2)
    # Inherited by the accepted connections: granian sets it on none, and answers then wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
