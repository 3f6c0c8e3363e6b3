"""What the versions of the wire form leave of a message, written down apart from the codec."""

from __future__ import annotations

from dataclasses import replace

from pbproto import Message
from pbproto.messages import Forward, Forwarded, Verdict, VerdictCode


def as_said(message: Message, version: int) -> Message:
    """The message as it arrives when it is said in this version."""
    if version < 2 and isinstance(message, Forward):
        return replace(message, trace=b"")
    if version < 2 and isinstance(message, Forwarded):
        return replace(message, verdicts=tuple(map(_of_version_1, message.verdicts)))
    return message


def _of_version_1(verdict: Verdict) -> Verdict:
    if verdict.code is VerdictCode.STORE_FULL:
        return Verdict(verdict.counter, VerdictCode.NOT_APPLIED, 0)
    return verdict
