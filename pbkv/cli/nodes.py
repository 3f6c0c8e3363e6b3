"""``status``, ``watch-status``, ``why``."""

from __future__ import annotations

import math
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any

import click
from rich.live import Live
from rich.table import Table

from ..client import Client
from ..results import NodeAnswer
from .describe import Answers, as_document, gist, problem, progress_of, sentence, status_table
from .ending import Ending
from .output import NOT_DONE, at_terminal, console, line, show_json, table
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


@click.command()
@common()
@click.pass_context
def why(context: click.Context) -> None:
    """What the requests that wait at each node wait for; what is wrong, what it costs, and what ends it.

    Exit status 3 if no node answers. With --json: {"nodes": [{"node", "answered", "problem", "why"}]}, where
    the last is what GET /why answers.
    """
    session = session_of(context)
    with session.client() as client:
        answers = client.document("/why")
    if session.json:
        show_json(
            {
                "nodes": [
                    {
                        "node": each.node,
                        "answered": each.ok,
                        "problem": _no_why(each) or None,
                        "why": each.answer,
                    }
                    for each in answers
                ]
            }
        )
    else:
        for each in answers:
            _show_why(each)
    if not any(each.ok for each in answers):
        context.exit(NOT_DONE)


def _no_why(answer: NodeAnswer[dict[str, Any]]) -> str:
    if answer.problem is not None and answer.problem.status == 404:
        return "this node does not know GET /why"
    return problem(answer)


def _show_why(answer: NodeAnswer[dict[str, Any]]) -> None:
    if answer.answer is None:
        click.echo(f"{answer.node}: {_no_why(answer)}")
        return
    waiting = answer.answer.get("waiting")
    items = [each for each in waiting if isinstance(each, dict)] if isinstance(waiting, list) else []
    if items:
        click.echo(f"{answer.node}: {len(items)} wait{'s' * (len(items) == 1)}")
        names = list(dict.fromkeys(name for item in items for name in item))
        made = table(*map(line, names))
        for item in items:
            made.add_row(*(_cell(item.get(name)) for name in names))
        console().print(made)
    else:
        click.echo(f"{answer.node}: nothing waits")
    advice = answer.answer.get("advice")
    if isinstance(advice, dict):
        _show_advice(advice)


_PARTS = {"what": "wrong", "costs": "costs", "remedy": "ends it", "caution": "before"}


def _show_advice(advice: dict[str, Any]) -> None:
    for name, title in _PARTS.items():
        if isinstance(advice.get(name), str):
            click.echo(f"  {title + ':':9}{line(advice[name])}")
    put = advice.get("put")
    if isinstance(put, dict) and isinstance(put.get("view"), list):
        members = [
            f"{each.get('id')}={each.get('address')}" for each in put["view"] if isinstance(each, dict)
        ]
        epoch = f" --epoch {put['epoch']}" if "epoch" in put else ""
        click.echo(f"  {'with:':9}{line(f'pbkv view set {shlex.join(members)}{epoch}')}")


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{line(str(name))} {_cell(each)}" for name, each in value.items())
    if isinstance(value, list):
        return "; ".join(map(_cell, value))
    return "" if value is None else line(str(value))


COMMANDS = (status, watch_status, why)
