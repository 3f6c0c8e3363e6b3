"""Every branch of the core is taken by its own unit tests, without simulation and random schedules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_OUT = (
    # What is drawn at random may take a branch by luck, and what runs elsewhere is not seen.
    "--ignore=tests/core/test_random_runs.py",
    "--ignore=tests/core/test_state_machine.py",
    "--ignore=tests/core/test_determinism.py",
    "--ignore=tests/core/test_codec_damage.py",
    # Long under a tracer, and not needed here.
    "--ignore=tests/core/test_purity.py",
    "--deselect=tests/core/test_buckets.py::TestAgainstDicts::runTest",
    "--deselect=tests/core/test_buckets.py::test_a_map_of_the_same_width_has_the_same_order",
    "--deselect=tests/core/test_checkpoint.py::test_origins_keep_their_order",
    "--deselect=tests/core/test_codec.py::test_batches_survive_the_way_in_order",
    "--deselect=tests/core/test_codec.py::test_sections_that_could_be_one_mean_the_same",
    "--deselect=tests/core/test_rerun.py::test_random_lives_are_repeated_exactly",
    "--deselect=tests/core/test_replica.py::test_no_message_breaks_a_node",
)


def test_unit_tests_take_every_branch_of_the_core(tmp_path: Path) -> None:
    """Run them under coverage.py in a process of their own; its report names the lines that are missing."""
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "coverage")}
    environment.pop("PYTEST_ADDOPTS", None)
    run = ("coverage", "run", "--branch", "--source=pbproto", "-m", "pytest", "-q", "-x")
    plugins = ("-p", "no:xdist", "-p", "no:cacheprovider")
    report = ("coverage", "report", "--show-missing", "--skip-covered", "--fail-under=100", "--precision=2")
    for words in ((*run, *plugins, "tests/core", *LEFT_OUT), report):
        done = subprocess.run(
            (sys.executable, "-m", *words),
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "TOTAL" in done.stdout
