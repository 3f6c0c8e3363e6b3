"""The headers of a request that matter, however a server hands them over; all others are never looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

WANTED = frozenset(
    (
        "accept",
        "authorization",
        "content-length",
        "expect",
        "idempotency-key",
        "if-none-match",
        "origin",
        "pbproto-digest",
        "pbproto-mac",
        "pbproto-nonce",
        "pbproto-wire",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "x-request-id",
    )
)
"""By lower-case name."""

_BYTES = {name.encode(): name for name in WANTED}
_WAITRESS = {name.upper().replace("-", "_"): name for name in WANTED}
_ENVIRON = {f"HTTP_{name}": wanted for name, wanted in _WAITRESS.items()}


def of_pairs(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """From pairs with lower-case names, as ASGI has them.

    A header that comes twice is a list (RFC 9110, section 5.3), as WSGI's servers have it: two keys are none.
    """
    headers: dict[str, str] = {}
    for name, value in pairs:
        if name in _BYTES:  # few are, and this is done for each request
            wanted, text = _BYTES[name], value.decode("latin-1")
            headers[wanted] = f"{headers[wanted]}, {text}" if wanted in headers else text
    return headers


def of_waitress(headers: Mapping[str, str]) -> dict[str, str]:
    """From the names that waitress's parser gives."""
    return {_WAITRESS[name]: value for name, value in headers.items() if name in _WAITRESS}


def of_environ(environ: Mapping[str, Any]) -> dict[str, str]:
    """From a WSGI environment, which has the length of the body under a name of its own."""
    return {wanted: environ[name] for name, wanted in _ENVIRON.items() if name in environ}
