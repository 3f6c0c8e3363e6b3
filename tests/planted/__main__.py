"""``python -m tests.planted``: plant each fault, hunt it by simulation and by the explorer, print how it was
found.

    NAME …         only these faults
    --by FINDER    only by this one (the other column is what is known from last time)
    --jobs N       so many at once (default: all cores)
    --explain DIR  with one NAME: shrink the run that fails with it, and write its plan, transcript,
                   diagram and story to DIR
    --write-hints  remember where each was found (tests/planted/hints.json)
    --write-docs   put the table of all faults into docs/verification.md, in place of the one there

Exit status 1 if the simulation does not find a fault, or the explorer does not find one that it should
(``beyond_scopes`` in ``bugs.py`` says of which ones it is not expected).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import progress

from . import hints, table
from .all import ALL
from .bugs import Bug
from .copy import plant, run_in
from .hunt import FINDERS, TIMEOUT, Finder, Found, by_simulation, hunt

Search = Callable[[Bug], dict[Finder, Found | None]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print rows in Markdown; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.planted", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[bug.name for bug in ALL] + [[]], metavar="NAME")
    parser.add_argument("--by", choices=list(FINDERS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--explain", type=Path, metavar="DIR")
    parser.add_argument("--write-hints", action="store_true")
    parser.add_argument("--write-docs", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.explain is not None:
        if len(asked.names) != 1:
            parser.error("--explain goes with one NAME")
        return explain(next(bug for bug in ALL if bug.name == asked.names[0]), asked.explain)
    bugs = [bug for bug in ALL if not asked.names or bug.name in asked.names]
    search = partial(hunt, finders=[asked.by] if asked.by else list(FINDERS))
    known = hints.read()
    wrong: list[str] = []
    print(f"{table.HEADER}\n|---|---|---|---|---|")
    with progress.bar(len(bugs), "faults") as bar, ThreadPoolExecutor(asked.jobs) as pool:
        for bug, found in zip(bugs, pool.map(counted(search, bar), bugs), strict=True):
            known[bug.name].update(found)
            with bar.aside():
                print(table.row(bug, known), flush=True)
            wrong += complaints(bug, found)
            if asked.write_hints:
                hints.write(known)
    print(f"\n{table.count(known)}", *wrong, sep="\n")
    if asked.write_docs:
        table.write(known)
    return 1 if wrong else 0


def counted(search: Search, bar: progress.Bar) -> Search:
    """The same search, which says at a terminal how many faults were hunted, in whatever order they end."""
    met: list[bool] = []

    def hunted(bug: Bug) -> dict[Finder, Found | None]:
        found = search(bug)  # processes of its own
        met.append(any(found.values()))
        bar.advance(1, f"{sum(met)} found")
        return found

    return hunted


def explain(bug: Bug, directory: Path) -> int:
    """Explain the run that fails with a fault; the exit status."""
    with tempfile.TemporaryDirectory() as name:
        plant(bug, Path(name))
        found = hints.read()[bug.name].get("simulation") or by_simulation(Path(name))
        if found is None:
            print(f"{bug.name}: the simulation does not find it", file=sys.stderr)
            return 1
        which = ["--seed" if isinstance(found.place, int) else "--piece", str(found.place)]
        explaining = ["--explain", str(directory.absolute())]
        done = run_in(Path(name), ["tests.simulation", *which, *explaining], TIMEOUT, alone=True)
    print(done.stdout, end="")
    print(done.stderr or "", end="", file=sys.stderr)
    return 0 if done.returncode == 1 else 1


def complaints(bug: Bug, found: dict[Finder, Found | None]) -> Iterator[str]:
    """What is not as it should be."""
    if found.get("simulation", True) is None:
        yield f"{bug.name}: the simulation does not find it"
    if found.get("explorer", True) is None and not bug.beyond_scopes and bug.explored:
        yield f"{bug.name}: the explorer does not find it"
    if found.get("explorer") is not None and bug.beyond_scopes:
        yield f"{bug.name}: the explorer finds it, although it is said not to: {bug.beyond_scopes}"


if __name__ == "__main__":
    sys.exit(main())
