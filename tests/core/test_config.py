"""The settings of a replica are checked once, where they are made."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from pbproto import Config

NAMES = [setting.name for setting in fields(Config)]


def test_the_defaults_are_settings() -> None:
    """Make settings without saying anything; the order of the times is what the protocol needs."""
    config = Config()
    assert config.resend_after < config.suspect_after < config.request_timeout


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-1, 1.0, True, None, "1"])
def test_every_setting_is_a_positive_integer(name: str, value: Any) -> None:
    """A float would make time inexact, a bool is a slip: try each in each setting."""
    with pytest.raises(ValueError, match=f"{name} has to be a positive integer"):
        Config(**{name: value})


@pytest.mark.parametrize("name", NAMES)
def test_nothing_may_be_kept_but_not_nothing_of_the_rest(name: str) -> None:
    """Zero is legal for the log that is kept, for leases and for a bound, and for nothing else."""
    if name in ("lease", "max_data_bytes", "fill_rate", "log_keep_bytes"):
        assert getattr(Config(**{name: 0}), name) == 0
    else:
        with pytest.raises(ValueError, match=name):
            Config(**{name: 0})


def test_no_clock_is_off_by_a_half() -> None:
    """Nothing would be left of a lease: try the largest drift, and one more."""
    assert Config(clock_drift=499_999).clock_drift == 499_999
    with pytest.raises(ValueError, match="nothing is left of a lease"):
        Config(clock_drift=500_000)
