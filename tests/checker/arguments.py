"""Command lines that say in one line what is wrong with them, and take no number that would do nothing."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import NoReturn

WRONG = 2
"""The exit status for wrong arguments, and for files that cannot be read or written."""
INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG, f"{self.prog}: {message} (--help explains)\n")


def whole(lowest: int) -> Callable[[str], int]:
    """Make a reader of integers that are not below a bound."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and int(text) >= lowest):
            raise argparse.ArgumentTypeError(f"{text} is not a whole number from {lowest} on")
        return int(text)

    return read


def positive(text: str) -> float:
    """Read a number above zero that has an end."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def trouble(error: OSError | ValueError) -> str:
    """What an error of a file says, without the file's name."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
