"""Where each finder found each fault last time: ``hints.json``, which ``--write-hints`` makes anew.

The tests look there first. It saves time and proves nothing: if a fault is not there any more, because the
simulation, a scope or the core has changed, the whole budgets are spent. The table in the documents is made
of it, too.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from .all import ALL
from .hunt import FINDERS, Finder, Found

FILE = Path(__file__).with_name("hints.json")

Hints = dict[str, dict[Finder, Found | None]]
"""Per fault and finder: how it was found, ``None`` if not; nothing where it was not looked for yet."""


def read(file: Path = FILE) -> Hints:
    """What the file knows of the faults there are."""
    known = json.loads(file.read_text(encoding="utf-8"))
    return {bug.name: _of_one(known.get(bug.name, {})) for bug in ALL}


def _of_one(known: dict[str, dict[str, object] | None]) -> dict[Finder, Found | None]:
    hints: dict[Finder, Found | None] = {}
    for finder in FINDERS:
        if finder in known:
            found = known[finder]
            hints[finder] = None if found is None else Found(**found)  # type: ignore[arg-type]
    return hints


def write(hints: Hints, file: Path = FILE) -> None:
    """Keep the hints, a line for each finder."""
    lines = []
    for name, finders in hints.items():
        each = [
            f'    "{finder}": {json.dumps(None if found is None else asdict(found))}'
            for finder, found in finders.items()
        ]
        lines.append(f'  "{name}": {{\n' + ",\n".join(each) + "\n  }")
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
