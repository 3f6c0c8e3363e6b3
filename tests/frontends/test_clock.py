"""The clock of a node."""

from __future__ import annotations

import time

import pytest

from frontends.common import clock
from frontends.common.settings import Settings


def test_leases_are_counted_on_a_clock_that_does_not_sleep() -> None:
    """CLOCK_BOOTTIME goes on while the machine sleeps: read it before and after the node's clock."""
    now = clock.of(Settings(id=1, reads="lease"))
    first = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert first <= now() <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_without_leases_and_elsewhere_the_usual_clock_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads that are confirmed rest on no clock: ask for one without leases, then on another system."""
    assert clock.of(Settings(id=1)) is time.monotonic_ns
    monkeypatch.setattr("sys.platform", "darwin")
    assert clock.of(Settings(id=1, reads="lease")) is time.monotonic_ns
