"""Where a node listens: the sockets that come of an address."""

from __future__ import annotations

import contextlib
import socket

import pytest

from frontends.common.listen import listen
from frontends.common.settings import Settings
from tests.live.harness import reserve_port


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_everywhere_is_both_protocols() -> None:
    """Goal: a container that listens on [::] is reached whatever its network speaks. Method: connect by both
    loopback addresses; an address of its own takes one."""
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve_port()).getsockname()[1]
        stack.enter_context(listen(Settings(id=1, bind=f"[::]:{port}"), "test"))
        for host in ("127.0.0.1", "::1"):
            stack.enter_context(socket.create_connection((host, port), timeout=10))
        other = stack.enter_context(reserve_port()).getsockname()[1]
        stack.enter_context(listen(Settings(id=1, bind=f"[::1]:{other}"), "test"))
        stack.enter_context(socket.create_connection(("::1", other), timeout=10))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", other), timeout=10)


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: an operator sees at once what is wrong. Method: listen twice at one address."""
    with reserve_port() as port:
        settings = Settings(id=1, bind=f"127.0.0.1:{port.getsockname()[1]}")
        with listen(settings, "node"), pytest.raises(SystemExit) as ended:
            listen(settings, "node")
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"node: cannot listen on {settings.bind}: Address already in use")
