"""The fast scopes: nothing is violated, what they are about is seen, and their figures are these."""

from __future__ import annotations

import pytest

from .explorer import Search
from .scopes import FAST, SCOPES

PINNED = {
    "fast-failover": ("exhausted", 6_329, 21_490, 17),
    "fast-stale-read": ("exhausted", 7_950, 30_085, 17),
    "fast-backup": ("exhausted", 1_486, 4_947, 17),
    "fast-suspicion": ("exhausted", 9_613, 25_734, 15),
    "fast-repeat": ("exhausted", 1_417, 4_362, 17),
    "fast-restart": ("exhausted", 2_145, 3_219, 23),
    "fast-told-again": ("bounded", 9_643, 24_022, 16),
    "fast-numbered": ("exhausted", 18_102, 41_504, 27),
    "fast-interrupted": ("exhausted", 11_790, 22_707, 28),
    "fast-verdict": ("exhausted", 3_389, 9_698, 20),
    "fast-two-restarts-primary": ("bounded", 23_326, 44_291, 18),
    "fast-two-restarts-backup": ("bounded", 23_609, 44_680, 17),
    "fast-start": ("exhausted", 11_066, 14_347, 31),
    "fast-snapshot": ("exhausted", 10_657, 35_273, 31),
    "fast-join": ("bounded", 12_973, 26_326, 17),
    "fast-three": ("exhausted", 5_768, 37_835, 21),
    "fast-three-reads": ("bounded", 17_573, 62_478, 11),
}
"""Verdict, states, actions, depth. They change with the rules of the core, with the scopes and with the
search: then look why, and read them again (``python -m tests.model --all-fast``)."""


@pytest.mark.parametrize("name", [scope.name for scope in FAST])
def test_a_fast_scope_is_searched(name: str) -> None:
    """No order of what may happen in a small scope breaks an invariant, and the scope is not empty.

    Search it; the figures are pinned, so that a search that quietly became smaller is noticed.
    """
    found = Search(SCOPES[name]).run()
    assert (found.check, found.text) == ("", "")
    assert found.unseen == ()
    assert found.pinned == PINNED[name]
