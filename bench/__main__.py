"""The benchmark's command line: see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

from . import core, failover, join, layers, listing, matrix, memory, overload, pause, request, table
from .processes import BenchError, signals_as_exceptions
from .report import publish

COMMANDS: dict[str, ModuleType] = {
    "table": table,
    "matrix": matrix,
    "core": core,
    "request": request,
    "join": join,
    "pause": pause,
    "failover": failover,
    "listing": listing,
    "memory": memory,
    "overload": overload,
    "profile": layers,
}
DESCRIPTION = """\
Measures this store beside others on this machine. Contenders are driven by wrk and take turns, round by
round, so that a machine that is slow for a while is slow for all; ratios are taken within a round.
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    whole = argparse.ArgumentParser(
        prog="python -m bench", description=DESCRIPTION, epilog="`python -m bench COMMAND --help` tells more."
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")
    for name, module in COMMANDS.items():
        sub = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(sub)
        sub.set_defaults(measure=module.measure)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 1 where a measurement could not be made."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Without a command it is the table, with whatever options it has; --help alone is about all commands.
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
        given.insert(0, "table")
    options = parser().parse_args(given)
    signals_as_exceptions()
    try:
        publish(options.measure(options), options.out, options.write_docs)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
