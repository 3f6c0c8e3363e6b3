"""What must hold for the codec whatever bytes arrive; what does not is raised."""

from __future__ import annotations

from dataclasses import fields
from itertools import groupby

from pbproto import CodecError, Envelope, Message, decode, encode
from pbproto.codec import version_of

SECTION = 5 * 8 + 4
"""Bytes of a section's head: an envelope and a count."""


def run(data: bytes) -> list[tuple[Envelope, Message]] | None:
    """Decode; ``None`` if the codec refused the bytes, which it does by ``CodecError`` only.

    What it accepts has one form, but for sections: two neighbours with one envelope are written as one.
    """
    try:
        batch = decode(data)
    except CodecError:
        return None
    again = encode(batch, version_of(data))
    assert decode(again) == batch, "what is written is what was read"
    groups = sum(1 for _ in groupby(envelope for envelope, _ in batch))
    heads = len(data) - len(again)
    if heads == 0:
        assert again == data, "one meaning has one form"
    else:
        assert heads > 0, "the shortest form is written"
        assert heads % SECTION == 0, "only heads of sections can be spared"
        assert heads // SECTION + groups <= len(batch), "a section has a message at least"
    for envelope, message in batch:
        _plain(envelope)
        _plain(message)
    return batch


def _plain(value: object) -> None:
    """Whatever was read is numbers, bytes, text and the closed set of the codec's classes, nothing else."""
    if isinstance(value, tuple):
        for item in value:
            _plain(item)
    elif isinstance(value, int | bytes | str | None):
        pass
    else:
        assert type(value).__module__.startswith("pbproto."), f"{value!r} is of a strange class"
        for known in fields(value):  # type: ignore[arg-type]
            _plain(getattr(value, known.name))
