"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from tests.client.desk import OneNode


@pytest.fixture
def node() -> OneNode:
    return OneNode()
