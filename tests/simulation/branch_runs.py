"""Runs over an instrumented copy of the core: which branches no run has taken, and which of them nobody
explains.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.planted.copy import plant, run_in

from .branches import Branch, instrument
from .unreached import UNREACHED

_PROGRAM = """
import json, sys
from tests.simulation.run import run_seed
from pbproto._marks import HIT
failed = [seed for seed in json.loads(sys.argv[1]) if not run_seed(seed).ok]
print(json.dumps({"hit": list(HIT), "failed": failed}))
"""


@dataclass(frozen=True, slots=True)
class Report:
    """What was taken and what was not."""

    branches: int
    taken: int
    explained: dict[str, str]
    """Branches that were not taken, with the reason why no run of the fault model takes them."""
    unexplained: list[Branch]
    failed: list[int]
    """Seeds whose run broke a rule."""

    def lines(self) -> list[str]:
        found = [f"not taken, {reason}: {name}" for name, reason in self.explained.items()]
        found += [f"HOLE: never taken: {branch.name} (line {branch.line})" for branch in self.unexplained]
        found += [f"seed {seed} broke a rule" for seed in self.failed]
        found.append(
            f"{self.branches} branches, {self.taken} taken, {len(self.explained)} explained, "
            f"{len(self.unexplained)} not"
        )
        return found


def taken(seeds: Iterable[int], *, timeout: float = 3600) -> Report:
    """Run the seeds over an instrumented copy of the core, in one process."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(None, folder)
        branches = instrument(folder)
        (folder / "runs.py").write_text(_PROGRAM, encoding="utf-8")
        done = run_in(folder, ["runs", json.dumps(list(seeds))], timeout)
        if done.returncode != 0:
            raise RuntimeError(f"the instrumented core does not run: {done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    return judge(branches, result["hit"], result["failed"])


def judge(branches: list[Branch], hit: list[int], failed: list[int]) -> Report:
    """Compare what was hit with what has a reason not to be."""
    explained: dict[str, str] = {}
    unexplained = []
    for branch, mark in zip(branches, hit, strict=True):
        if mark:
            continue
        reason = next((reason for words, reason in UNREACHED if words in branch.name), None)
        if reason is None:
            unexplained.append(branch)
        else:
            explained[branch.name] = reason
    return Report(len(branches), sum(hit), explained, unexplained, failed)


if __name__ == "__main__":
    sys.exit("run it by: python -m tests.simulation --branches")
