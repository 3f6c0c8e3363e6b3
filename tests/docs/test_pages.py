"""The README and the documentation site do what they say: every command and every block of code is run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .blocks import PAGES, ROOT, read
from .running import Run
from .workshop import Workshop

pytestmark = pytest.mark.xdist_group("pages")

MOST_LEFT_OUT = 5


@pytest.fixture(scope="module")
def left_out() -> Iterator[list[str]]:
    """What is not run, and why: printed at the end, and kept short."""
    found: list[str] = []
    yield found
    print("\nnot run:", *(found or ["nothing"]), sep="\n  ")
    assert len(found) <= MOST_LEFT_OUT


@pytest.fixture(scope="module")
def unchecked() -> Iterator[set[str]]:
    """Programs that are not installed here, so that nobody could be asked about their words and flags."""
    found: set[str] = set()
    yield found
    print("\nnot here to be asked about their flags:", *(sorted(found) or ["none"]), sep="\n  ")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_does_what_it_says(
    path: Path, workshop: Workshop, left_out: list[str], unchecked: set[str]
) -> None:
    """Goal: whoever types what a page says sees what it says.

    Method: run its blocks, in order, in a copy of the checkout; hold what is printed against what the page
    shows. What takes minutes is started, or run in the shortened form that stands above it.
    """
    with Run(read(path), workshop) as run:
        for block in run.page.blocks:
            run.block(block)
        run.finish()
    left_out += run.left_out
    unchecked |= run.unchecked
