"""Constants of the protocol that some runs and stories make small, so that they are reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pbproto.base
import pbproto.lineage
import pbproto.store

MAX_ORIGINS = pbproto.store.MAX_ORIGINS
"""Origins whose results a store remembers, if nobody says otherwise."""
MAX_LINEAGE = pbproto.lineage.MAX_LINEAGE
"""Ballots that a lineage remembers, likewise."""


@contextmanager
def limits(origins: int, ballots: int) -> Iterator[None]:
    """All replicas of this process remember so much, for as long as this lasts."""
    before = (pbproto.store.MAX_ORIGINS, pbproto.lineage.MAX_LINEAGE)
    _set(origins, ballots)
    try:
        yield
    finally:
        _set(*before)


def _set(origins: int, ballots: int) -> None:
    pbproto.store.MAX_ORIGINS = origins
    for module in (pbproto.lineage, pbproto.base):
        module.MAX_LINEAGE = ballots  # type: ignore[attr-defined]
