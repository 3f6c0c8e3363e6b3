"""``why``: what waits, for what, and what ends it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import click

from ..results import NodeAnswer
from .describe import name, problem
from .output import NOT_DONE, console, line, show_json, table
from .session import Session, common, session_of

Answer = NodeAnswer[dict[str, Any]]
_PARTS = {"what": "wrong", "costs": "costs", "remedy": "ends it", "caution": "before"}


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
        show_json({"nodes": [_as_document(each) for each in answers]})
    else:
        for each in answers:
            _show(each)
        _show_advice(session, answers)
    if not any(each.ok for each in answers):
        context.exit(NOT_DONE)


def _as_document(each: Answer) -> dict[str, Any]:
    return {
        "node": each.node,
        "answered": each.ok,
        "problem": _no_why(each) or None,
        "why": each.answer,
    }


def _no_why(answer: Answer) -> str:
    if answer.problem is not None and answer.problem.status == 404:
        return "this node does not know GET /why"
    return problem(answer)


def _show(answer: Answer) -> None:
    if answer.answer is None:
        click.echo(f"{answer.node}: {_no_why(answer)}")
        return
    waiting = answer.answer.get("waiting")
    items = [each for each in waiting if isinstance(each, dict)] if isinstance(waiting, list) else []
    if not items:
        # A primary for which no client of its own waits may hold writes that others brought, and says so.
        click.echo(f"{answer.node}: {_text(answer.answer.get('summary')) or 'nothing waits'}")
        return
    more = answer.answer.get("left_out")
    number = len(items) + (more if type(more) is int else 0)
    click.echo(f"{answer.node}: {number} request{'s' * (number > 1)} wait{'s' * (number == 1)}")
    made = table("request", "since", "time left", "if time runs out", "waits for")
    for item in items:
        made.add_row(
            f"{_text(item.get('operation'))} {_text(item.get('key'))}".strip(),
            _time(item.get("since_ms")),
            _time(item.get("deadline_in_ms")),
            _text(item.get("at_timeout")),
            _text(item.get("words")) or _pairs(item),
        )
    console().print(made)
    if number > len(items):
        click.echo(f"and {number - len(items)} more")


def _show_advice(session: Session, answers: Iterable[Answer]) -> None:
    """What the nodes advise, once for each view that they name: several may see the same."""
    found: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for each in answers:
        advice = each.answer.get("advice") if each.answer is not None else None
        if isinstance(advice, dict):
            found.setdefault(json.dumps(advice.get("put")), (advice, []))[1].append(name(each))
    for advice, said_by in found.values():
        click.echo(f"as {' and '.join(said_by)} {'say' if said_by[1:] else 'says'}:")
        for key, title in _PARTS.items():
            if words := _text(advice.get(key)):
                click.echo(f"  {title + ':':9}{words}")
        if command := _command(session, advice.get("put")):
            click.echo(f"  {'with:':9}{command}")
    if sum(advice.get("put") is not None for advice, _ in found.values()) > 1:
        click.echo("The nodes name different views here: tell one of them only.")


def _command(session: Session, put: object) -> str:
    """What tells the view that a node advises; empty where it advises none."""
    if not isinstance(put, dict) or not isinstance(put.get("view"), list):
        return ""
    members = [each for each in put["view"] if isinstance(each, dict)]
    epoch = put.get("epoch")
    number = f" --epoch {epoch}" if type(epoch) is int else ""
    told = [shlex.quote(f"{_text(each.get('id'))}={_text(each.get('address'))}") for each in members]
    return f"pbkv view set {' '.join(told)}{number}{line(session.at)} --wait"


def _time(milliseconds: object) -> str:
    return f"{milliseconds / 1000:.1f} s" if isinstance(milliseconds, int) else ""


def _text(value: object) -> str:
    return "" if value is None else line(str(value))


def _pairs(value: object) -> str:
    """Whatever an older or a newer node says instead of words."""
    if isinstance(value, dict):
        return ", ".join(f"{line(str(key))} {_pairs(each)}" for key, each in value.items())
    if isinstance(value, list):
        return "; ".join(map(_pairs, value))
    return _text(value)


COMMANDS = (why,)
