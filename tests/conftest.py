"""The order in which tests run."""

from __future__ import annotations

import pytest

FIRST = (
    "tests/test_coverage.py",
    "test_many_seeds_break_no_rule_and_meet_everything",
    "tests/live/test_same_bytes.py",
    "tests/live/test_namespaces.py",
)
"""What takes long in one piece: at the end of a run everybody else would wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first; the others stay in their order."""
    items.sort(key=lambda item: not any(words in item.nodeid for words in FIRST))
