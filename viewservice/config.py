"""How fast the service concludes. All times are integer nanoseconds of the caller's monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass

from pbproto.config import MILLISECOND, SECOND


@dataclass(frozen=True, slots=True)
class Config:
    """Nothing here is needed for safety: wrong values cost availability, never data."""

    poll: int = 200 * MILLISECOND
    """How often each node is asked how it is."""
    ask_timeout: int = 1 * SECOND
    """How long the answer may take before it counts as none. To be enforced by whoever asks."""
    gone_after: int = 300 * MILLISECOND
    """How long connections to a node have to be refused before its process counts as gone."""
    silent_after: int = 3 * SECOND
    """How long a node has to be silent before that means anything."""
    cut_after: int = 1500 * MILLISECOND
    """How long the members of a view have to complain of one before it is taken out."""
    resend: int = 200 * MILLISECOND
    """How long a node may leave a view unacknowledged before it is told again."""
    stable_for: int = 2 * SECOND
    """How long a spare has to be well before it is taken into a view."""
    backoff: int = 5 * SECOND
    """How long a node that was taken out stays out, at least; twice as long each time it happens again."""
    backoff_most: int = 300 * SECOND
    forgive_after: int = 600 * SECOND
    """How long a node has to be a member for its former failures to count no more."""
    remind: int = 30 * SECOND
    """How often it is said again that a person is needed."""


PRESETS = {
    "default": Config(),
    "aggressive": Config(
        poll=50 * MILLISECOND,
        ask_timeout=500 * MILLISECOND,
        gone_after=80 * MILLISECOND,
        silent_after=1 * SECOND,
        cut_after=500 * MILLISECOND,
        resend=50 * MILLISECOND,
        stable_for=1 * SECOND,
        backoff=2 * SECOND,
    ),
}
"""By name. ``aggressive`` is for nodes that are never busy for half a second."""
