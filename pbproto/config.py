"""The settings of one replica. All times are integer nanoseconds of the caller's monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass

MILLISECOND = 1_000_000
SECOND = 1_000 * MILLISECOND
MIB = 2**20


_MAY_BE_ZERO = ("lease", "max_data_bytes", "fill_rate", "log_keep_bytes")


@dataclass(frozen=True, slots=True)
class Config:
    """Settings that two members of one view may have different: nothing replicated depends on them."""

    request_timeout: int = 10 * SECOND
    """How long a client's request may wait before it is rejected."""
    suspect_after: int = 1 * SECOND
    """How long a backup may owe an answer before new writes wait outside the log."""
    resend_after: int = 250 * MILLISECOND
    """How long an unanswered message stays unanswered before it is sent again."""
    heartbeat: int = 400 * MILLISECOND
    """How often an idle primary asks its backups for a sign of life."""
    lease: int = 0
    """How long a backup stands by its primary after each sign of life, and how long a primary asks it to; 0:
    neither, so that every read is confirmed by a round."""
    clock_drift: int = 100_000
    """By how much each clock may be slower or faster than true time, in millionths. What a primary counts of
    a lease rests on it."""
    max_waiting: int = 10_000
    """How many requests may wait at one node."""
    max_waiting_bytes: int = 256 * MIB
    """How many bytes of keys and values may wait at one node."""
    max_data_bytes: int = 0
    """How large the data may become (``Store.data_bytes``) while this node is the primary; 0: no bound."""
    batch_bytes: int = 1 * MIB
    """How much one Replicate carries, unless a single operation is larger."""
    chunk_bytes: int = 1 * MIB
    """How much one chunk of a state transfer carries, unless a single item is larger."""
    fill_rate: int = 0
    """Bytes a second of the state for a newcomer, while the present view goes on; 0: as fast as it asks."""
    log_keep_bytes: int = 4 * MIB
    """How much of the committed log is kept to catch up members that were away for a while."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if type(value) is not int or value < (0 if name in _MAY_BE_ZERO else 1):
                raise ValueError(f"{name} has to be a positive integer, not {value!r}")
        if self.clock_drift >= 500_000:
            raise ValueError("with a clock_drift of a half or more nothing is left of a lease")
