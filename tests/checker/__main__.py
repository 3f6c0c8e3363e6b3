"""Judges a history in a file: ``python -m tests.checker FILE``.

Prints the verdict, and for a violation which calls contradict each other. The exit status is 0 if the
history is linearizable, 1 if it is not, 2 if that could not be decided or the file could not be read.

``--ignore-numbers`` judges the answers without their ``Msg-Num``. ``--edn OUT`` writes the history in the
form of Jepsen's, too, for a checker that has nothing in common with this one (see ``edn.py``).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .edn import to_edn
from .history import History, load
from .linearizability import LIMIT, check
from .verdict import Contradiction

STATUS = {"ok": 0, "violation": 1, "undecided": 2}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the file that the command line names; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.checker", description="Judge a history.")
    parser.add_argument("file", type=Path, help="a history as JSON Lines, one call a line")
    parser.add_argument(
        "--ignore-numbers", action="store_true", help="judge the answers without their Msg-Num"
    )
    parser.add_argument("--first-number", type=int, default=0, help="the number of the first write (0)")
    parser.add_argument("--limit", type=int, default=LIMIT, help=f"choices that a search may try ({LIMIT})")
    parser.add_argument("--edn", type=Path, metavar="OUT", help="write the history as EDN too")
    options = parser.parse_args(arguments)
    try:
        history = load(options.file)
        verdict = check(
            history,
            numbers=not options.ignore_numbers,
            first_number=options.first_number,
            limit=options.limit,
        )
        if options.edn is not None:
            options.edn.write_text(to_edn(history), encoding="utf-8")
    except (OSError, ValueError) as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 2
    except Contradiction as found:
        print(f"{options.edn}: not written: {found.reason}", file=sys.stderr)
    print(verdict.explain())
    print(f"{_counts(history)}; {verdict.steps} steps of search")
    return STATUS[verdict.result]


def _counts(history: History) -> str:
    outcomes = Counter(call.outcome for call in history)
    kinds = Counter(call.what for call in history)
    parts = [f"{outcomes[outcome]} {outcome}" for outcome in ("ok", "not_applied", "unknown")]
    parts += [f"{kinds[what]} {what}" for what in ("put", "delete", "get", "list")]
    return f"{len(history)} calls: {', '.join(parts)}"


if __name__ == "__main__":
    sys.exit(main())
