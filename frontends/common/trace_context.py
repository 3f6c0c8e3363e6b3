"""W3C Trace Context, https://www.w3.org/TR/trace-context/: ``traceparent`` and ``tracestate``.

What is malformed is ignored, as it asks: a trace that breaks off is no reason to refuse a request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

MAX_MEMBERS = 32
MAX_STATE = 512
"""Bytes of ``tracestate`` that are handed on at most, which is what has to be handed on at least. With the
parent before it that is ``values.MAX_TRACE_BYTES``."""

# Lower case only; no version ff; no id of zeros. A later version may say more after another dash.
_PARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?",
    re.ASCII,
)
_MEMBER = re.compile(
    r"(?P<key>[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]",
    re.ASCII,
)


class Context(NamedTuple):
    """Where in which trace a request was made."""

    trace_id: str
    span_id: str
    """Of the caller."""
    flags: int
    state: str = ""
    """The ``tracestate``, as it came; empty if there is none."""

    @property
    def sampled(self) -> bool:
        """Whether the caller may have recorded it."""
        return bool(self.flags & 1)

    @property
    def parent(self) -> str:
        """As a ``traceparent`` of version 00."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse(parent: str | None, state: str | None = None) -> Context | None:
    """The context in these two headers, or ``None`` if there is none or the first is malformed."""
    match = _PARENT.fullmatch(parent.strip(" \t")) if parent is not None else None
    if match is None or (match["more"] is not None and match["version"] == "00"):
        return None
    flags = int(match["flags"], 16)
    if match["version"] != "00":
        flags &= 1  # of a later version only that bit is known
    return Context(match["trace"], match["span"], flags, _state(state))


def of(headers: Mapping[str, str]) -> Context | None:
    """The context of a request."""
    parent = headers.get("traceparent")
    return parse(parent, headers.get("tracestate")) if parent is not None else None


def pack(context: Context | None) -> bytes:
    """As it goes along with a forwarded write."""
    if context is None:
        return b""
    return f"{context.parent} {context.state}".rstrip(" ").encode()


def unpack(packed: bytes) -> Context | None:
    """What ``pack`` was given; ``None`` as well for what it did not make: it comes from another node."""
    try:
        parent, _, state = packed.decode("ascii").partition(" ")
    except UnicodeDecodeError:
        return None
    return parse(parent, state)


def _state(text: str | None) -> str:
    """A ``tracestate`` if all of it is well-formed and not too long, else nothing."""
    if not text or len(text) > MAX_STATE:
        return ""
    members = [member.strip(" \t") for member in text.split(",")]
    matches = [_MEMBER.fullmatch(member) for member in members if member]
    keys = {match["key"] for match in matches if match is not None}
    if not 0 < len(matches) <= MAX_MEMBERS or None in matches or len(keys) != len(matches):
        return ""
    return ",".join(member for member in members if member)
