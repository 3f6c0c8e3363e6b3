"""What the versions of the wire form leave of a message, written down apart from the codec."""

from __future__ import annotations

from dataclasses import replace

from pbproto import Message
from pbproto.messages import Forward


def as_said(message: Message, version: int) -> Message:
    """The message as it arrives when it is said in this version."""
    if version < 2 and isinstance(message, Forward):
        return replace(message, trace=b"")
    return message
