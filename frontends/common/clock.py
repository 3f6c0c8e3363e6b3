"""Which clock a node lives by."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from .settings import Settings


def of(settings: Settings) -> Callable[[], int]:
    """A monotonic clock that counts nanoseconds.

    Where the node reads under leases it goes on while the machine sleeps, as the clocks of the others do: a
    primary that wakes up must not believe that its leases still run. ``CLOCK_MONOTONIC`` stops then, and is
    what ``time.monotonic_ns`` reads. Without leases either would do.
    """
    if settings.reads == "lease" and sys.platform == "linux":  # elsewhere no settings say so
        return partial(time.clock_gettime_ns, time.CLOCK_BOOTTIME)
    return time.monotonic_ns
