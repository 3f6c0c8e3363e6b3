"""Constants of the protocol that some runs and stories make small, so that they are reached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pbproto.base
import pbproto.lineage
import pbproto.store


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is remembered. The same for all replicas of a run."""

    origins: int = pbproto.store.MAX_ORIGINS
    """Origins whose results a store remembers."""
    names: int = pbproto.store.MAX_IDEMPOTENCY_KEYS
    """Idempotency keys that a store remembers."""
    ballots: int = pbproto.lineage.MAX_LINEAGE
    """Ballots that a lineage remembers."""


USUAL = Limits()


@contextmanager
def in_force(limits: Limits) -> Iterator[None]:
    """All replicas of this process have these limits, for as long as this lasts."""
    before = Limits(
        pbproto.store.MAX_ORIGINS, pbproto.store.MAX_IDEMPOTENCY_KEYS, pbproto.lineage.MAX_LINEAGE
    )
    _set(limits)
    try:
        yield
    finally:
        _set(before)


def _set(limits: Limits) -> None:
    pbproto.store.MAX_ORIGINS = limits.origins
    pbproto.store.MAX_IDEMPOTENCY_KEYS = limits.names
    for module in (pbproto.lineage, pbproto.base):
        module.MAX_LINEAGE = limits.ballots  # type: ignore[attr-defined]
