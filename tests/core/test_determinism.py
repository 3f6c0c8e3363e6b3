"""The same events at the same times give the same effects, byte for byte, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .script import play

TESTS = Path(__file__).resolve().parents[1]


def run(hash_seed: str) -> str:
    """The script's output in a process of its own."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    done = subprocess.run(
        [sys.executable, "-m", f"{__package__}.script"],
        cwd=TESTS,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_two_processes_say_the_same() -> None:
    """Invariant 7: play a long script in two processes whose hashes differ, compare all that they print."""
    one, other = run("0"), run("4711")
    assert len(one) > 100_000
    assert one == other


def test_the_script_tells_something() -> None:
    """A comparison of nothing would always hold: look for what the script promises to contain."""
    cluster = play()
    codes = {note.code.value: True for _, note in cluster.notes}
    for code in ("suspected", "recovered", "state_sent", "state_received", "rejected", "became_primary"):
        assert code in codes
    kinds = {type(asked.answer).__name__: True for asked in cluster.asked.values()}
    assert sorted(kinds) == ["Reject", "Reply"]
    received = [note["what"] for id_ in cluster.ids for note in cluster.noted(id_, "state_received")]
    assert "log" in received
    assert "snapshot" in received
