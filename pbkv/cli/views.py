"""``view`` and ``view set``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import click

from ..client import Client
from ..errors import Attempt
from ..settings import urls_of_members
from .describe import Answers, problem, view_table
from .nodes import show_views
from .output import NOT_DONE, REFUSED, UNKNOWN, complain, console, show_json, table
from .session import Session, common, session_of

POLL = 0.2
"""Seconds between two looks while a view is waited for."""


@click.group(invoke_without_command=True)
@common()
@click.pass_context
def view(context: click.Context) -> None:
    """The view that each node was told; `view set` tells one.

    Exit status and --json as for `status`.
    """
    if context.invoked_subcommand is not None:
        return
    show_views(context, view_table)


def _members(texts: Iterable[str]) -> list[tuple[int, str]]:
    """Ids and addresses. Raises ``click.UsageError``."""
    found = []
    for text in texts:
        id_, equals, address = text.partition("=")
        if not equals or not (id_.isascii() and id_.isdecimal() and len(id_) < 20) or ":" not in address:
            raise click.UsageError(f"a member is ID=HOST:PORT, not {text!r}")
        found.append((int(id_), address))
    return found


@view.command("set")
@click.argument("members", nargs=-1, required=True, metavar="ID=HOST:PORT...")
@click.option("--epoch", type=click.IntRange(1), metavar="N", help="The number of the view.")
@click.option("--wait", is_flag=True, help="Wait until the view is active at all members, for --timeout.")
@common()
@click.pass_context
def view_set(
    context: click.Context,
    members: tuple[str, ...],
    epoch: int | None,
    wait: bool,
) -> None:
    """Tell a view to its members, at their addresses, and to every --node (or PBKV_NODES) that was given.

    A member that is one of these is told at that URL, any other below the path of the first one.

    The latter so that a node which leaves the view hears of it, and stops serving at once; that it cannot
    be told is no failure. Whoever tells views answers for the data: the new view needs a member of the
    present one that was not restarted since, and nobody else (the view service, for example) may tell views
    meanwhile.

    With --json: {"nodes": [{"node", "told", "detail"}], "active"}; active is null without --wait.
    """
    session = session_of(context)
    pairs = _members(members)
    with session.client() as client:
        try:
            targets = list(dict.fromkeys(urls_of_members(pairs, client.nodes)))
        except ValueError as error:
            raise click.UsageError(str(error)) from None
        others = [url for url in client.nodes if session.named and url not in targets]
        answers = client.tell_view(pairs, epoch, nodes=[*targets, *others])
        told = all(each.ok for each in answers[: len(targets)])
        active = None
        if wait:
            active = told and _wait_active(client, session, targets, dict(pairs))
    if session.json:
        nodes = [{"node": each.node, "told": each.ok, "detail": problem(each) or None} for each in answers]
        show_json({"nodes": nodes, "active": active})
    else:
        _show_told(answers, told, active)
    context.exit(_told_status([each.problem for each in answers[: len(targets)] if each.problem], active))


def _wait_active(client: Client, session: Session, urls: Sequence[str], members: dict[int, str]) -> bool:
    deadline = time.monotonic() + session.timeout
    while True:
        answers = [client.view(url)[0].answer for url in urls]
        if all(
            each is not None
            and each.status == "active"
            and {member.id: member.address for member in each.view} == members
            for each in answers
        ):
            return True
        if time.monotonic() >= deadline:
            return False
        session.sleep(POLL)


def _show_told(answers: Answers, told: bool, active: bool | None) -> None:
    made = table("node", "result")
    for each in answers:
        made.add_row(each.node, "told" if each.ok else problem(each), style="" if each.ok else "red")
    console().print(made)
    if not told:
        complain("not every member was told", "see how they are: pbkv view; then tell them again")
    elif active is False:
        complain("the view is not active yet", "see who waits for whom: pbkv status")
    elif active:
        click.echo("the view is active")


def _told_status(problems: Sequence[Attempt], active: bool | None) -> int:
    """The exit status: what is worst."""
    if any(each.status is not None and 400 <= each.status < 500 for each in problems):
        return REFUSED
    if any(each.may_take_effect for each in problems):
        return UNKNOWN
    return NOT_DONE if problems or active is False else 0


COMMANDS = (view,)
