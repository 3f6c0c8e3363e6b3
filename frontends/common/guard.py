"""One process is one node: a second worker process of the same node must not become a second store."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import sys
import tempfile
from pathlib import Path


class SecondProcessError(RuntimeError):
    """Another process already runs this node."""


class Guard:
    """Held while the node lives; the kernel lets go of it when the process ends, however it ends.

    On Linux it is a socket in the abstract namespace, which also keeps nodes in different network
    namespaces apart and leaves no file behind; elsewhere a locked file.
    """

    def __init__(self, node: int, scope: str) -> None:
        name = f"pbproto-{os.getuid()}-{node}-{hashlib.sha256(scope.encode()).hexdigest()[:24]}"
        self._socket: socket.socket | None = None
        self._file: int | None = None
        message = (
            f"another process already runs node {node} here; one process is one node, "
            "so start the server with one worker"
        )
        if sys.platform == "linux":
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self._socket.bind("\0" + name)
            except OSError as error:
                self._socket.close()
                raise SecondProcessError(message) from error
        else:
            path = Path(tempfile.gettempdir()) / f"{name}.lock"
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(self._file)
                raise SecondProcessError(message) from error

    def release(self) -> None:
        """Let another process run the node."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._file is not None:
            os.close(self._file)
            self._file = None


def stock_scope() -> str:
    """Names the server that this process works for, where the node's address is not known.

    Workers of one server have the same parent and the same command line; two servers started by one
    script differ in their command line, at least in the port.
    """
    return f"{os.getppid()} {sys.argv!r}"
