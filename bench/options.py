"""What several commands take on their command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from .contenders.store import FRONTENDS
from .tables import count


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """A type for argparse: names with commas between them, each one of ``known``."""
    allowed = list(known)

    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in chosen if name not in allowed]
        if unknown or not chosen:
            what = f"there is no {', '.join(unknown)}" if unknown else "none is named"
            raise argparse.ArgumentTypeError(f"{what}; there are {', '.join(allowed)}")
        return chosen

    return parse


def counts(text: str) -> list[int]:
    """A type for argparse: whole numbers with commas between them, as ``1e6`` or ``64KiB`` if you like."""
    try:
        return [count(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def which_servers(parser: argparse.ArgumentParser) -> None:
    """On which servers this store is measured."""
    parser.add_argument("--servers", type=names(FRONTENDS), default=["granian"], help="default granian")


def contents(parser: argparse.ArgumentParser, keys: int) -> None:
    """What is in the store."""
    parser.add_argument("--keys", type=counts, default=[keys], help=f"default {keys}")
    parser.add_argument("--size", type=counts, default=[100], help="bytes of a value; default 100")


def rounds_and_seconds(parser: argparse.ArgumentParser, rounds: int = 3, seconds: int = 5) -> None:
    """How long, and from which seed."""
    parser.add_argument(
        "--rounds", type=int, default=rounds, help=f"how often everything is measured; default {rounds}"
    )
    parser.add_argument(
        "--seconds", type=int, default=seconds, help=f"how long each time, a whole number; default {seconds}"
    )
    parser.add_argument("--seed", type=int, default=1, help="of all random choices; default 1")


def publishing(parser: argparse.ArgumentParser) -> None:
    """Where the results go."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write JSON, and pictures as SVG, to this directory"
    )
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="put tables and pictures into docs/benchmarks.md and docs/benchmarks",
    )
