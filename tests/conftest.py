"""The order in which tests run, and what is left out of a run that is to end in minutes."""

from __future__ import annotations

from zlib import crc32

import pytest

FIRST = (
    "tests/test_coverage.py",
    "test_many_seeds_break_no_rule_and_meet_everything",
    "tests/live/test_same_bytes.py",
    "tests/live/test_namespaces.py",
)
"""What takes long in one piece: at the end of a run everybody else would wait for it."""


SCOPES = "tests/model/test_scopes.py::test_a_fast_scope_is_searched["
QUICK_SCOPES = ("failover", "full", "stale-read", "suspicion", "close", "restart", "lease")
"""Of the small scopes that are searched in each run: a few kinds of trouble. ``tests.model`` has them all."""
FAULTS = "tests/planted/test_planted.py::test_the_fault_is_found["
ONE_IN = 3
"""Of the planted faults one in so many is looked for in each run. ``tests.planted`` looks for all of them."""
ALIKE = "tests/live/test_views.py"
"""Runs with nodes of both kinds; with those of one kind alone there is little that it does not say."""

CONTRACT = "tests/live/test_conformance.py"
"""A primary answers in the same way whoever its backups are."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole",
        action="store_true",
        help="also what is left out of a run so that it ends in minutes: see tests/conftest.py",
    )


def _left_out(item: pytest.Item) -> bool:
    name = item.nodeid
    if name.startswith(SCOPES):
        return not any(name == f"{SCOPES}fast-{scope}]" for scope in QUICK_SCOPES)
    if name.startswith(FAULTS):
        # Not by chance: the same ones each time, wherever the tests are distributed to.
        return crc32(name.encode()) % ONE_IN != 0
    if name.startswith(CONTRACT):
        return "[mixed-primary" in name
    return name.startswith(ALIKE) and ("[quart" in name or "[wsgi" in name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The long ones first; the others stay in their order."""
    if not config.getoption("--whole"):
        left_out = [item for item in items if _left_out(item)]
        if left_out and len(left_out) < len(items):  # whoever asks for one of them by name gets it
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if not _left_out(item)]
    items.sort(key=lambda item: not any(words in item.nodeid for words in FIRST))
