"""The command itself: its options, and what becomes of everything that goes wrong."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..errors import StoreError
from . import data, nodes, other, views, why
from .output import BROKEN_PIPE, EXIT_CODES, INTERRUPTED, close_stdout, complain, fail
from .session import common, session_of


class _Commands(click.Group):
    """A group that ends with a status and words, never with a traceback."""

    def invoke(self, context: click.Context) -> Any:
        session = session_of(context)  # made here, so that the commands beneath share it
        try:
            result = super().invoke(context)
            sys.stdout.flush()
            return result
        except StoreError as error:
            context.exit(fail(session, error))
        except BrokenPipeError:
            close_stdout()
            context.exit(BROKEN_PIPE)
        except KeyboardInterrupt:
            click.echo(err=True)
            if session.repeat:
                complain("interrupted: the write may take effect", f"go on with it: {session.repeat}")
            context.exit(INTERRUPTED)


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        import pbproto  # takes longer than all the rest, and nothing else needs it

        click.echo(f"pbproto {pbproto.__version__}")
        context.exit()


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"max_content_width": 100})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
@common(top=True)
def cli() -> None:
    """Read and write a pbproto store, look after its nodes, run one.

    Every node takes every request: a command that fails at one goes on at the next until --timeout. Writes
    are repeated safely.
    """


for command in (*data.COMMANDS, *nodes.COMMANDS, *why.COMMANDS, *views.COMMANDS, *other.COMMANDS):
    cli.add_command(command)


def run() -> None:
    """Run the command line; ends the process."""
    for stream in (sys.stdout, sys.stderr):
        # A key may hold characters that the locale does not have.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    cli.main(prog_name="pbkv")
