"""``python -m tests.planted``: plant each fault, hunt it by simulation, then by the explorer, print the
table.

    NAME …      only these faults
    --jobs N    so many at once (default: all cores)

Exit status 1 if one is not found by either.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from .bugs import BUGS, Bug
from .hunt import Found, hunt


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table in Markdown; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.planted", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", choices=[bug.name for bug in BUGS] + [[]], metavar="NAME")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    chosen = parser.parse_args(arguments)
    bugs = [bug for bug in BUGS if not chosen.names or bug.name in chosen.names]
    print("| fault: the rule that is switched off | found by | after | by its check |\n|---|---|---|---|")
    unfound = []
    with ThreadPoolExecutor(chosen.jobs) as pool:  # each hunt is processes of its own
        for bug, found in zip(bugs, pool.map(lambda bug: hunt(bug, hinted=False), bugs), strict=True):
            print(row(bug, found), flush=True)
            if found is None:
                unfound.append(bug.name)
    print(
        f"\n{len(bugs)} faults, {len(bugs) - len(unfound)} found; not found: {', '.join(unfound) or 'none'}"
    )
    return 1 if unfound else 0


def row(bug: Bug, found: Found | None) -> str:
    """One line of the table."""
    how = f"{found.by} | {found.effort} | {found.check}" if found else "– | – | –"
    return f"| `{bug.name}`: {bug.rule} | {how} |"


if __name__ == "__main__":
    sys.exit(main())
