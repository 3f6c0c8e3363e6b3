"""Runs over an instrumented copy of the core: which branches no run has taken, and which of them nobody
explains.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.planted.copy import plant, run_in

from .branches import Branch, instrument
from .unreached import reason_for


@dataclass(frozen=True, slots=True)
class Report:
    """What was taken and what was not."""

    branches: int
    taken: int
    explained: dict[str, str]
    """Branches that were not taken, with the reason why no run of the fault model takes them."""
    unexplained: list[Branch]
    output: str
    """What the runs printed: the matrix, what broke, what they never met."""
    passed: bool
    """Whether nothing broke and the matrix has no hole."""

    @property
    def ok(self) -> bool:
        return self.passed and not self.unexplained

    def lines(self) -> list[str]:
        """For people."""
        found = [*self.output.splitlines()]
        found += [f"not taken, {reason}: {name}" for name, reason in self.explained.items()]
        found += [f"HOLE: never taken: {branch.name} (line {branch.line})" for branch in self.unexplained]
        explained = self.branches - self.taken - len(self.unexplained)
        found.append(
            f"{self.branches} branches, {self.taken} taken, {explained} explained, "
            f"{len(self.unexplained)} not"
        )
        return found


def taken(first: int, seeds: int, jobs: int, timeout: float = 7200) -> Report:
    """Run the set pieces and the seeds over an instrumented copy of the core."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(None, folder)
        branches = instrument(folder)
        arguments = ["--seeds", str(seeds), "--first", str(first), "--jobs", str(jobs), "--json"]
        done = run_in(folder, ["tests.simulation", *arguments], timeout, alone=True)
    *lines, last = done.stdout.strip().splitlines() or [""]
    if not last.startswith("{"):
        raise RuntimeError(
            f"the instrumented core does not run: {done.stdout[-2000:]}{(done.stderr or '')[-2000:]}"
        )
    hit = json.loads(last)["taken"]
    hit += [0] * (len(branches) - len(hit))
    return judge(branches, hit[: len(branches)], "\n".join(lines), done.returncode == 0)


def judge(branches: list[Branch], hit: list[int], output: str, passed: bool) -> Report:
    """Compare what was hit with what has a reason not to be."""
    explained: dict[str, str] = {}
    unexplained = []
    for branch, mark in zip(branches, hit, strict=True):
        if mark:
            continue
        reason = reason_for(branch.name)
        if reason is None:
            unexplained.append(branch)
        else:
            explained[branch.name] = reason
    return Report(len(branches), sum(hit), explained, unexplained, output, passed)
