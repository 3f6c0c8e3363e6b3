"""The copy of the checkout in which pages are run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from .workshop import Workshop


@pytest.fixture(scope="package")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """One copy of the checkout, and one cluster of each kind, for all pages."""
    with contextlib.ExitStack() as stack:
        found = Workshop(tmp_path_factory.mktemp("pages"), stack)
        yield found
        found.start_what_was_only_spoken_of()
