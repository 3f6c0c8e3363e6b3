"""Hunts a planted fault: by simulation, and by the explorer of small scopes, each within its budget."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.model.scopes import SCOPES

from .bugs import Bug
from .copy import plant, run_in
from .hints import HINTS

SEEDS = 120
"""Seeds that the simulation gets for each fault, after the set pieces."""
STATES = 40_000
"""States that the explorer may look at in each scope: a fault can make a small scope a large one."""
FAST = tuple(scope for scope in SCOPES if scope.startswith("fast-"))
TIMEOUT = 900.0
"""Seconds that one program may take: for a hang."""


@dataclass(frozen=True, slots=True)
class Found:
    """How a fault was found."""

    by: str
    """``simulation``, or the scope of the explorer."""
    effort: str
    """How many runs or states it took."""
    check: str


def hunt(bug: Bug, *, hinted: bool = True) -> Found | None:
    """Look for the fault by simulation, then by the explorer; ``None`` if neither finds it.

    ``hinted``: look first where it was found last time.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(bug, folder)
        found = by_simulation(folder, HINTS.get(bug.name, 0), 1) if hinted else None
        return found or by_simulation(folder, 0, SEEDS) or by_explorer(folder)


def by_simulation(folder: Path, first: int, seeds: int) -> Found | None:
    """Run the set pieces, then seeds, until a rule is broken."""
    which = ["--first", str(first), "--seeds", str(seeds)]
    result = _last_line(folder, ["tests.simulation", *which, "--jobs", "1", "--stop", "--json"])
    if not result["failed"]:
        return None
    name, check = result["failed"][0]["seed"], result["failed"][0]["check"]
    effort = f"set piece `{name}`" if isinstance(name, str) else f"{name + 1} seed{'s' * (name > 0)}"
    return Found("simulation", effort, check)


def by_explorer(folder: Path, scopes: Sequence[str] = FAST) -> Found | None:
    """Search one scope after the other, until a rule is broken."""
    for scope in scopes:
        result = _last_line(folder, ["tests.model", "--scope", scope, "--json", "--max-states", str(STATES)])
        if result["check"]:
            return Found(scope, f"{result['states']:,} states", result["check"])
    return None


def _last_line(folder: Path, arguments: list[str]) -> dict[str, Any]:
    """What a program says in its last line, in JSON. It must have run on the copy of the core."""
    done = run_in(folder, arguments, TIMEOUT)
    try:
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise AssertionError(
            f"{' '.join(arguments)} does not run: {done.stdout[-500:]}{done.stderr[-2000:]}"
        ) from None
    if Path(result["package"]).resolve().parent.parent != folder.resolve():
        raise AssertionError(f"{' '.join(arguments)} ran with the core in {result['package']}")
    return result
