"""Hunts a planted fault: by simulation, and by the explorer of small scopes, each within its budget."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.model.figures import PINNED
from tests.model.scopes import FAST

from .bugs import Bug
from .copy import plant, run_in

SEEDS = 120
"""Seeds that the simulation gets for each fault, after the set pieces."""
STATES = 40_000
"""States that the explorer may look at in each scope: a fault can make a small scope a large one."""
SMALLEST_FIRST = tuple(sorted(FAST, key=lambda name: PINNED[name][1]))
TIMEOUT = 1_800.0
"""Seconds that one program may take: for a hang."""

Finder = Literal["simulation", "explorer"]


@dataclass(frozen=True, slots=True)
class Found:
    """How a fault was found."""

    place: int | str
    """The seed, the set piece, or the scope."""
    effort: int
    """How many seeds, or how many states of that scope, it took."""
    check: str


def by_simulation(folder: Path, first: int = 0, seeds: int = SEEDS) -> Found | None:
    """Run the set pieces, then seeds, until a rule is broken."""
    which = ["--first", str(first), "--seeds", str(seeds)]
    return _found(_last_line(folder, ["tests.simulation", *which, "--jobs", "1", "--stop", "--json"]))


def by_one_run(folder: Path, place: int | str) -> Found | None:
    """Run a seed, or a set piece."""
    which = ["--seed" if isinstance(place, int) else "--piece", str(place)]
    return _found(_last_line(folder, ["tests.simulation", *which, "--json"]))


def _found(result: dict[str, Any]) -> Found | None:
    if not result["failed"]:
        return None
    place, check = result["failed"][0]["seed"], result["failed"][0]["check"]
    return Found(place, place + 1 if isinstance(place, int) else 0, check)


def by_explorer(folder: Path, scopes: Sequence[str] = SMALLEST_FIRST) -> Found | None:
    """Search one scope after the other, until a rule is broken or what must be seen is not."""
    which = [word for scope in scopes for word in ("--scope", scope)]
    result = _last_line(folder, ["tests.model", *which, "--stop", "--json", "--max-states", str(STATES)])
    if result["verdict"] not in ("violation", "unseen"):
        return None
    check = result["check"] or f"not seen: {', '.join(result['unseen'])}"
    return Found(result["scope"], result["states"], check)


FINDERS: dict[Finder, Callable[[Path], Found | None]] = {
    "simulation": by_simulation,
    "explorer": by_explorer,
}


def hunt(bug: Bug, finders: Sequence[Finder] = tuple(FINDERS)) -> dict[Finder, Found | None]:
    """Let each finder spend its whole budget."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(bug, folder)
        return {finder: FINDERS[finder](folder) for finder in finders if bug.explored or finder != "explorer"}


def find_again(bug: Bug, known: dict[Finder, Found | None]) -> Found | None:
    """Look where each finder found the fault last time; if it is not there any more, everywhere."""
    seed, scope = known.get("simulation"), known.get("explorer")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(bug, folder)
        return (
            (by_one_run(folder, seed.place) if seed is not None else None)
            or (by_explorer(folder, [str(scope.place)]) if scope is not None else None)
            or by_simulation(folder)
            or (by_explorer(folder) if bug.explored else None)
        )


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
