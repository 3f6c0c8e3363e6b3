"""The two exceptions of the core."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pbproto import InvariantError
from pbproto.errors import ensure


def test_a_true_conclusion_passes_and_a_false_one_stops() -> None:
    """A broken invariant names its rule: state a true and a false one."""
    ensure(True, "one is one")
    with pytest.raises(InvariantError, match="one is two"):
        ensure(False, "one is two")


def test_optimisation_does_not_strip_the_invariants() -> None:
    """``python -O`` removes ``assert``; run a broken rule under it."""
    root = Path(__file__).resolve().parents[2]
    program = "from pbproto.errors import ensure; ensure(False, 'kept')"
    done = subprocess.run(
        [sys.executable, "-O", "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "InvariantError: kept" in done.stderr
