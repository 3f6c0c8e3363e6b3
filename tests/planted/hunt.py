"""Hunts a planted fault: by simulation, and by the explorer of small scopes, each within its budget."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.model.scopes import SCOPES

from .bugs import Bug
from .copy import plant, run_in

SEEDS = 120
"""Seeds that the simulation gets for each fault, after the set pieces."""
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


def hunt(bug: Bug) -> Found | None:
    """Look for the fault, first by simulation; ``None`` if nothing finds it."""
    return next(finds(bug), None)


def finds(bug: Bug) -> Iterator[Found]:
    """By what the fault is found: the simulation, then the first of the explorer's fast scopes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(bug, folder)
        for found in (_by_simulation(folder), _by_explorer(folder)):
            if found is not None:
                yield found


def _by_simulation(folder: Path) -> Found | None:
    arguments = ["tests.simulation", "--seeds", str(SEEDS), "--jobs", "1", "--stop", "--json"]
    result = _last_line(folder, arguments)
    if not result["failed"]:
        return None
    which, check = result["failed"][0]["seed"], result["failed"][0]["check"]
    effort = f"set piece `{which}`" if isinstance(which, str) else f"{which + 1} seeds"
    return Found("simulation", effort, check)


def _by_explorer(folder: Path) -> Found | None:
    for scope in SCOPES:
        if not scope.startswith("fast-"):
            continue
        result = _last_line(folder, ["tests.model", "--scope", scope, "--json"])
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
