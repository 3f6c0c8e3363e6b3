"""The listening socket, bound by ourselves so that a taken port is one clear line under every server."""

from __future__ import annotations

import contextlib
import resource
import socket
import sys

from .settings import Settings, split_address

BACKLOG = 1024
"""Connections that may wait to be accepted."""
KEEP_ALIVE = 75
"""Seconds that an idle connection stays open: longer than any peer's pause between two heartbeats."""
MAX_HEAD = 65_536
"""Bytes of request line and headers: a key of 4,096 bytes, percent-encoded, has 12 KiB."""


def listen(settings: Settings, program: str) -> socket.socket:
    """A socket listening on ``settings.bind``; without one the process ends with one line and status 2."""
    host, port = split_address(settings.bind)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # Everywhere is everywhere: Python would take [::] to mean IPv6 alone, where others take both.
        both = host == "::" and socket.has_dualstack_ipv6()
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        sys.stderr.write(f"{program}: cannot listen on {settings.bind}: {error.strerror or error}\n")
        sys.exit(2)
    make_room(settings)
    # Inherited by the accepted connections: granian sets it on none, and answers then wait 40 ms for an ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


OTHER_FILES = 256
"""Descriptors that are no connections: to peers, logs, a recording."""


def make_room(settings: Settings) -> None:
    """Let the process have as many descriptors as it may have connections, and no more.

    Many systems begin with 1,024, and a server that runs out of them can neither accept nor say so. Where
    there are a million, as in many containers, clients that never begin with TLS would be nobody's to count:
    servers count a connection once TLS has begun, and each has a quarter of a megabyte by then.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_connections + OTHER_FILES
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
