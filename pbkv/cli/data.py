"""``get``, ``put``, ``delete``, ``list``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import click

from ..requests import MIB, new_idempotency_key
from .output import NO_KEY, at_terminal, complain, console, line, rows, screen, shell, show_json, table
from .session import Session, common, session_of
from .waiting import client_of

MAX_VALUE_BYTES = 64 * MIB
"""No node accepts more."""
SHOWN = 100
"""Characters of a value that a message repeats."""
FOR_A_TABLE = 1000
"""Keys; more are shown as plain lines, as soon as they are there."""


@click.command()
@click.argument("key")
@click.option("--raw", is_flag=True, help="The value alone, without a line break at its end.")
@common()
@click.pass_context
def get(context: click.Context, key: str, raw: bool) -> None:
    """Print the value of KEY.

    A terminal is shown control characters escaped, but for line breaks and tabs; with --raw it gets them.
    With --json: {"key", "value", "number"}; the value of a missing key is null.
    """
    session = session_of(context)
    with client_of(session) as client:
        read = client.get(key)
    if session.json:
        show_json({"key": key, "value": read.value, "number": read.number})
    elif read.value is not None:
        shown = screen(read.value) if at_terminal() and not raw else read.value
        # As bytes: the value is UTF-8, whatever the locale is.
        click.echo(shown.encode(), nl=not raw)
    if read.value is None:
        _missing(context, session, key)


@click.command()
@click.argument("key")
@click.argument("value", required=False)
@click.option(
    "--value-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="A file with the value, in UTF-8, taken as it is.",
)
@click.option("--idempotency-key", metavar="KEY", help="Go on with an earlier put of the same value.")
@common()
@click.pass_context
def put(
    context: click.Context, key: str, value: str | None, value_file: Path | None, idempotency_key: str | None
) -> None:
    """Write VALUE under KEY. A VALUE of - is read from standard input, as it is.

    Before a value that begins with a dash write -- . With --json: {"key", "number", "created",
    "idempotency_key"}.
    """
    session = session_of(context)
    if (value is None) == (value_file is None):
        raise click.UsageError("give a VALUE or --value-file")
    text, again = _value(value, value_file, shell(key))
    name = idempotency_key or new_idempotency_key()
    with client_of(session) as client:
        session.repeat = line(f"pbkv put{session.at} --idempotency-key {name} {again}")
        written = client.put(key, text, idempotency_key=name, first_use=idempotency_key is None)
        session.repeat = ""
    if session.json:
        show_json({"key": key, "number": written.number, "created": written.created, "idempotency_key": name})
    else:
        click.echo(f"{'created' if written.created else 'updated'} (Msg-Num {written.number})")


@click.command()
@click.argument("key")
@click.option("--idempotency-key", metavar="KEY", help="Go on with an earlier delete.")
@common()
@click.pass_context
def delete(context: click.Context, key: str, idempotency_key: str | None) -> None:
    """Delete KEY.

    With --json: {"key", "number", "existed", "idempotency_key"}.
    """
    session = session_of(context)
    name = idempotency_key or new_idempotency_key()
    with client_of(session) as client:
        session.repeat = line(f"pbkv delete{session.at} --idempotency-key {name} -- {shell(key)}")
        deleted = client.delete(key, idempotency_key=name, first_use=idempotency_key is None)
        session.repeat = ""
    if session.json:
        show_json({"key": key, "number": deleted.number, "existed": deleted.existed, "idempotency_key": name})
    elif deleted.existed:
        click.echo(f"deleted (Msg-Num {deleted.number})")
    if not deleted.existed:
        _missing(context, session, key)


@click.command("list")
@click.option("--prefix", default="", help="Only the keys that begin with this.")
@click.option("--keys-only", is_flag=True, help="Without values.")
@common()
@click.pass_context
def list_(context: click.Context, prefix: str, keys_only: bool) -> None:
    """List the store as it is at one point, in order of keys.

    A line is a key, a tab and a value, with control characters escaped. With --json: {"items": {key: value},
    "number"}, or {"keys": [key], "number"}.
    """
    session = session_of(context)
    with client_of(session) as client:
        listing = client.items()
    found = {key: listing.items[key] for key in sorted(listing.items) if key.startswith(prefix)}
    if session.json:
        content: tuple[str, object] = ("keys", [*found]) if keys_only else ("items", found)
        show_json(dict([content, ("number", listing.number)]))
    elif keys_only or not at_terminal() or len(found) > FOR_A_TABLE:
        for key, value in found.items():
            click.echo(line(key) if keys_only else f"{line(key)}\t{line(value)}")
    else:
        rows(console(), table("key", "value"), ((line(key), line(value)) for key, value in found.items()))
        if not session.quiet:
            click.echo(f"{len(found)} key{'s' * (len(found) != 1)} after {listing.number} writes", err=True)


def _missing(context: click.Context, session: Session, key: str) -> None:
    if not session.json:
        complain(f"there is no key {key!r}")
    context.exit(NO_KEY)


def _value(value: str | None, value_file: Path | None, key: str) -> tuple[str, str]:
    """The value, and the arguments that give it again. Raises ``click.UsageError``."""
    if value_file is not None:
        with value_file.open("rb") as file:
            return _text(file, str(value_file)), f"--value-file {shell(str(value_file))} -- {key}"
    if value == "-":
        return _text(sys.stdin.buffer, "standard input"), f"-- {key} -"
    text = value or ""
    return text, f"-- {key} {shell(text) if len(text) <= SHOWN else 'THE-SAME-VALUE'}"


def _text(file: BinaryIO, name: str) -> str:
    """The text in a file. Raises ``click.UsageError``."""
    data = file.read(MAX_VALUE_BYTES + 1)
    if len(data) > MAX_VALUE_BYTES:
        raise click.UsageError(f"{name}: no value has more than {MAX_VALUE_BYTES:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        detail = f"byte {error.start} is 0x{data[error.start]:02x}"
        raise click.UsageError(f"{name} is not UTF-8: {detail}. Values are text.") from None


COMMANDS = (get, put, delete, list_)
