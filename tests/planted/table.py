"""The table of the planted faults in ``docs/verification.md``."""

from __future__ import annotations

import re

from .all import ALL
from .bugs import Bug
from .copy import ROOT
from .hints import Hints
from .hunt import Found

DOCUMENT = ROOT / "docs" / "verification.md"
HEADER = "| fault: the rule that is switched off | simulation | its check | explorer | its check |"
_TABLE = re.compile(r"\| fault: the rule that is switched off \|.*?\n\n\d+ faults[^\n]*\n", re.DOTALL)


def table(hints: Hints) -> str:
    """Header, a row for each fault, and the line that counts them."""
    rows = [row(bug, hints) for bug in ALL]
    return "\n".join([HEADER, "|---|---|---|---|---|", *rows, "", count(hints)]) + "\n"


def row(bug: Bug, hints: Hints) -> str:
    """One fault, and how each finder found it."""
    simulation, explorer = hints[bug.name].get("simulation"), hints[bug.name].get("explorer")
    seen = f"{_runs(simulation)} | {simulation.check}" if simulation else "– | "
    if not bug.explored:
        explored = "not hunted | "
    else:
        explored = f"{_states(explorer)} | {explorer.check}" if explorer else f"– | {bug.beyond_scopes}"
    return f"| `{bug.name}`: {bug.rule} | {seen} | {explored} |"


def _runs(found: Found) -> str:
    if isinstance(found.place, str):
        return f"set piece `{found.place}`"
    return f"{found.effort} seed{'s' * (found.effort > 1)}"


def _states(found: Found) -> str:
    effort = f"{found.effort:,} states" if found.effort else "at the start"
    return f"`{found.place}`, {effort}"


def count(hints: Hints) -> str:
    """How many each finder found."""
    simulation = sum(hints[bug.name].get("simulation") is not None for bug in ALL)
    explorer = sum(hints[bug.name].get("explorer") is not None for bug in ALL)
    hunted = sum(bug.explored for bug in ALL)
    return f"{len(ALL)} faults: {simulation} found by simulation; {explorer} of {hunted} by the explorer."


def in_document() -> str:
    """The table as it stands in the document."""
    found = _TABLE.search(DOCUMENT.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{DOCUMENT} has no table of the planted faults")
    return found[0]


def write(hints: Hints) -> None:
    """Put the table into the document, in place of the one that stands there."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(text.replace(in_document(), table(hints)), encoding="utf-8")
