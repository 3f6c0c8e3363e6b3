"""The words of ASGI, and one of our own that a server's connection says to the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CERTIFIED = "pbproto_certified"
"""Where a connection's state says that the client has shown a certificate of the peers' authority."""
