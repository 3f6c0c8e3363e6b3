"""What users of the store import: clients, the command line, and clusters for their tests.

``from pbkv import Client, AsyncClient`` needs httpx (``pip install 'pbproto[client]'``).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aio import AsyncClient
    from .client import Client
    from .errors import (
        Attempt,
        ClientClosed,
        Denied,
        Invalid,
        NotApplied,
        Refused,
        StoreError,
        Unavailable,
        Unknown,
    )
    from .mapping import StoreMapping
    from .results import Deleted, Dropped, Listing, Member, NodeAnswer, Read, Status, WaitingFor, Written

__all__ = [
    "AsyncClient",
    "Attempt",
    "Client",
    "ClientClosed",
    "Deleted",
    "Denied",
    "Dropped",
    "Invalid",
    "Listing",
    "Member",
    "NodeAnswer",
    "NotApplied",
    "Read",
    "Refused",
    "Status",
    "StoreError",
    "StoreMapping",
    "Unavailable",
    "Unknown",
    "WaitingFor",
    "Written",
]

_ERRORS = (
    "Attempt",
    "ClientClosed",
    "Denied",
    "Invalid",
    "NotApplied",
    "Refused",
    "StoreError",
    "Unavailable",
    "Unknown",
)
_HOMES = {"AsyncClient": "aio", "Client": "client", "StoreMapping": "mapping"} | dict.fromkeys(
    _ERRORS, "errors"
)


def __getattr__(name: str) -> Any:
    """The public names, when they are first asked for.

    Not at once: pytest imports this package in every run, for the plugin beside these modules, also where the
    store is installed without httpx.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES.get(name, 'results')}", __name__), name)


def __dir__() -> list[str]:
    return __all__
