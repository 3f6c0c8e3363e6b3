"""What is built and installed, once for all tests of a process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from .installed import Installation, build, copy_sources


@dataclass(frozen=True)
class Built:
    """A source distribution, the wheel that was made from it, and the sources that it was made from."""

    sources: Path
    sdist: Path
    wheel: Path


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("built")
    sources = copy_sources(folder / "sources")
    build(sources, folder / "dist")  # the wheel is built from the unpacked sdist
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    return Built(sources, sdist, wheel)


@pytest.fixture(scope="session")
def installation(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = Installation(tmp_path_factory.mktemp("installed"), built.wheel)
    made.make()
    return made
