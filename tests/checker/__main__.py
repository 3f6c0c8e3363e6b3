"""Judges a history in a file: ``python -m tests.checker FILE``.

Prints the verdict, and for a violation which calls contradict each other. ``--ignore-numbers`` judges the
answers without their ``Msg-Num``. ``--edn OUT`` writes the history in the form of Jepsen's, too, for a
checker that has nothing in common with this one (see ``edn.py``).

Exit status: 0 the history is linearizable, 1 it is not, 2 that could not be decided within --limit, a file
could not be read or written, it holds no calls, or wrong arguments, 130 interrupted without a verdict.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .arguments import INTERRUPTED, WRONG, Parser, trouble, whole
from .edn import to_edn
from .history import History, load
from .linearizability import LIMIT, check
from .verdict import Contradiction

STATUS = {"ok": 0, "violation": 1, "undecided": 2}


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the file that the command line names; the exit status."""
    options = _parse(arguments)
    history: History = ()
    try:
        history = load(options.file)
        if not history:
            raise ValueError("no calls, so there is nothing to judge")
        verdict = check(
            history,
            numbers=not options.ignore_numbers,
            first_number=options.first_number,
            limit=options.limit,
        )
    except (OSError, ValueError) as error:
        print(f"{options.file}: {trouble(error)}", file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        print(f"{options.file}: interrupted without a verdict; {_counts(history)}", file=sys.stderr)
        return INTERRUPTED
    print(verdict.explain())
    print(f"{_counts(history)}; {verdict.steps} steps of search")
    if options.edn is not None and not _write_edn(options.edn, history):
        return WRONG
    return STATUS[verdict.result]


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m tests.checker",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="a history as JSON Lines, one call a line")
    parser.add_argument(
        "--ignore-numbers", action="store_true", help="judge the answers without their Msg-Num"
    )
    parser.add_argument(
        "--first-number", type=int, default=0, metavar="N", help="the number of the first write (default 0)"
    )
    parser.add_argument(
        "--limit",
        type=whole(0),
        default=LIMIT,
        metavar="N",
        help=f"choices that a search may try (default {LIMIT})",
    )
    parser.add_argument("--edn", type=Path, metavar="OUT", help="write the history as EDN too")
    return parser.parse_args(arguments)


def _write_edn(path: Path, history: History) -> bool:
    """Write what can be written; ``False`` if the file could not be."""
    try:
        path.write_text(to_edn(history), encoding="utf-8")
    except Contradiction as found:
        print(f"{path}: not written: {found.reason}", file=sys.stderr)
    except OSError as error:
        print(f"{path}: not written: {trouble(error)}", file=sys.stderr)
        return False
    return True


def _counts(history: History) -> str:
    outcomes = Counter(call.outcome for call in history)
    kinds = Counter(call.what for call in history)
    parts = [f"{outcomes[outcome]} {outcome}" for outcome in ("ok", "not_applied", "unknown")]
    parts += [f"{kinds[what]} {what}" for what in ("put", "delete", "get", "list")]
    return f"{len(history)} calls: {', '.join(parts)}"


if __name__ == "__main__":
    sys.exit(main())
