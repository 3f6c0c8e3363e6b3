"""How things are shown: tables to people, JSON to programs, exact bytes where a value is asked for."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.table import Table

from ..errors import Attempt, Denied, Invalid, NotApplied, Refused, StoreError, Unavailable, Unknown
from .session import Session

NO_KEY, USAGE, NOT_DONE, UNKNOWN, REFUSED = 1, 2, 3, 4, 5
INTERRUPTED, BROKEN_PIPE = 130, 141
UNBOUNDED = 10_000
"""Columns where there is no terminal: a line stays a line."""

EXIT_CODES = """\b
Exit status:
  0    done
  1    there is no such key
  2    wrong arguments, or a value that is no text
  3    certainly not applied, or no node could answer
  4    unknown: the write may have taken effect, or still may, once
  5    refused, or denied
  130  interrupted (Ctrl-C)
  141  the reader of the output went away
"""

_STATUS: tuple[tuple[type[StoreError], int, str], ...] = (
    (Invalid, USAGE, "invalid"),
    (Denied, REFUSED, "denied"),
    (Refused, REFUSED, "refused"),
    (Unknown, UNKNOWN, "unknown"),
    (NotApplied, NOT_DONE, "not_applied"),
    (Unavailable, NOT_DONE, "unavailable"),
)


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def console() -> Console:
    """Where tables go. Colours follow the terminal, ``NO_COLOR`` and ``FORCE_COLOR``."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    return _Console(width=width, highlight=False, markup=False, emoji=False)


def at_terminal() -> bool:
    """Whether somebody looks at the output."""
    return sys.stdout.isatty()


def show_json(document: object) -> None:
    """One document on one line, in ASCII: it passes through every locale."""
    click.echo(json.dumps(document))


def table(*columns: str) -> Table:
    """An empty table that folds what is too long for the terminal."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, overflow="fold", no_wrap=column == "node" and not number)
    return made


def line(text: str) -> str:
    """Text as a part of one line, with nothing in it that a terminal obeys."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def shell(text: str) -> str:
    """Text as one word for a shell, with nothing in it that a terminal obeys: pasted, it is the same text.

    Control characters are octal in ``$'...'``, which is POSIX since 2024 and much older in bash, ksh and zsh.
    """
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(
        character
        if character.isprintable() and character not in "\\'"
        else "".join(f"\\{byte:03o}" for byte in character.encode(errors="surrogateescape"))
        for character in text
    )
    return f"$'{escaped}'"


def screen(text: str) -> str:
    """Text in its lines, with nothing else in it that a terminal obeys."""
    return re.sub(r"[^\n\t]+", lambda match: line(match[0]), text)


def complain(what: str, remedy: str = "") -> None:
    """One line on what is wrong, one on what to do."""
    click.echo(f"pbkv: {line(what)}", err=True)
    if remedy:
        click.echo(f"      {remedy}", err=True)


def fail(session: Session, error: StoreError) -> int:
    """Tell of a call that failed; the exit status."""
    status, outcome = next((code, word) for kind, code, word in _STATUS if isinstance(error, kind))
    if session.json:
        document: dict[str, Any] = {"outcome": outcome, "message": str(error)}
        if isinstance(error, Unknown):
            document["idempotency_key"] = error.idempotency_key
        document["attempts"] = [
            {
                "node": attempt.node,
                "status": attempt.status,
                "detail": attempt.detail,
                "may_take_effect": attempt.may_take_effect,
            }
            for attempt in error.attempts
        ]
        show_json({"error": document})
    else:
        complain(str(error), _remedy(session, error))
    return status


def _remedy(session: Session, error: StoreError) -> str:
    if isinstance(error, Unknown):
        return f"go on with the same write: {session.repeat}"
    if isinstance(error, Denied):
        return "give another token" if session.token else "give a token: PBKV_TOKEN or --token-file"
    if isinstance(error, Invalid):
        return ""
    if isinstance(error, Refused) and error.status == 422:
        return "nothing was changed; take another --idempotency-key, or repeat the very same write"
    if isinstance(error, Refused):
        return "nothing was changed; the request is wrong as it is"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "say whose certificates to trust: --cacert FILE"
    if isinstance(error, NotApplied) and error.attempts and error.attempts[-1].status == 507:
        return "nothing was written; delete something, or give the nodes a higher --max-data-bytes"
    done = "nothing was written; " if isinstance(error, NotApplied) else ""
    if error.attempts and all(_hung_up(attempt) for attempt in error.attempts):
        return f"{done}if they speak TLS, name them with https://: pbkv --node https://HOST:PORT"
    return f"{done}see how the nodes are: pbkv status{line(session.at)}"


def _hung_up(attempt: Attempt) -> bool:
    """What a server of https does to somebody who speaks http."""
    return attempt.node.startswith("http:") and "disconnected without sending" in attempt.detail


def close_stdout() -> None:
    """Nobody reads any more: what is still to be flushed goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def rows(console_: Console, made: Table, each: Iterable[Iterable[Any]]) -> None:
    """Fill the table and print it."""
    for row in each:
        made.add_row(*row)
    console_.print(made)
