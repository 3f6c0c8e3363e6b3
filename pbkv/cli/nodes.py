"""``status`` and ``watch-status``."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

import click
from rich.live import Live
from rich.table import Table

from ..client import Client
from .describe import Answers, as_document, gist, progress_of, sentence, status_table
from .ending import Ending
from .output import NOT_DONE, at_terminal, console, show_json
from .session import Session, common, session_of


def show_views(context: click.Context, made: Callable[[Answers], Table]) -> None:
    """What each node says of its view, as a table for people; the exit status says if any said so."""
    session = session_of(context)
    with session.client() as client:
        answers = client.view()
    if session.json:
        show_json({"nodes": [as_document(each) for each in answers]})
    else:
        console().print(made(answers))
    if not any(each.ok for each in answers):
        context.exit(NOT_DONE)


@click.command()
@common()
@click.pass_context
def status(context: click.Context) -> None:
    """How each node is: its role, status, view, and whom it waits for.

    Exit status 3 if no node answers. With --json: {"nodes": [{"node", "answered", "problem", "status"}]},
    where the status is what GET /view answers.
    """
    show_views(context, status_table)


@click.command("watch-status")
@click.option(
    "--interval",
    type=click.FloatRange(0.05, 3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@common()
@click.pass_context
def watch_status(context: click.Context, interval: float) -> None:
    """The status of the nodes, until Ctrl-C.

    At a terminal a table that is kept up to date; elsewhere one line for each change of a node. With --json:
    one document a line, {"time", "node", "answered", "problem", "status"}, time in seconds since 1970.
    """
    if math.isnan(interval):
        raise click.BadParameter("nan is no number of seconds", param_hint="--interval")
    session = session_of(context)
    with Ending(session.sleep) as ending, session.client() as client:
        if at_terminal() and not session.json:
            _watch_live(client, ending, interval)
        else:
            _watch_lines(client, session, ending, interval)


def _watch_live(client: Client, ending: Ending, interval: float) -> None:
    with Live(status_table(client.view()), console=console(), auto_refresh=False) as live:
        while True:
            live.refresh()
            ending.sleep(interval)
            live.update(status_table(client.view()))


def _watch_lines(client: Client, session: Session, ending: Ending, interval: float) -> None:
    before: dict[str, object] = {}
    while True:
        answers = client.view()
        progress = progress_of(answers)
        for each in answers:
            if before.get(each.node) == gist(each):
                continue
            before[each.node] = gist(each)
            if session.json:
                show_json({"time": round(time.time(), 3), **as_document(each)})
            else:
                click.echo(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {sentence(each, progress)}")
        sys.stdout.flush()
        ending.sleep(interval)


COMMANDS = (status, watch_status)
