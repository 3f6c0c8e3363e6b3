"""The status of nodes in words and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ..results import NodeAnswer, Status
from .output import line, table

Answers = Sequence[NodeAnswer[Status]]
Progress = Mapping[int, str]
"""In the words of nodes that fetch a copy, by id, how far they are."""
_FETCHES = "fetching "
_LACKS = ("it is being filled", "it does not hold the state yet")
"""How the reasons of ``GET /view`` begin by which a node says that it fetches, and others that they wait for
one that does. They hear of a copy only when it is whole: to them it is at position 0 all the time."""
_STYLES = {"active": "green", "installing": "yellow", "outside": "yellow", "none": "yellow"}


def status_table(answers: Answers) -> Table:
    """A row per node."""
    made = table("node", "id", "role", "status", "view", "epoch", "commit", "trouble")
    progress = progress_of(answers)
    for each in answers:
        status = each.answer
        if status is None:
            made.add_row(name(each), "", "", Text("no answer", "red"), "", "", "", Text(problem(each), "red"))
            continue
        made.add_row(
            name(each),
            str(status.id),
            line(status.role),
            Text(line(status.status), _STYLES.get(status.status, "")),
            members(status),
            "" if status.epoch is None else str(status.epoch),
            str(status.commit),
            matter(status, progress),
        )
    return made


def view_table(answers: Answers) -> Table:
    """The view that each node was told."""
    made = table("node", "id", "status", "epoch", "primary", "members")
    for each in answers:
        status = each.answer
        if status is None:
            made.add_row(name(each), "", Text("no answer", "red"), "", "", Text(problem(each), "red"))
            continue
        made.add_row(
            name(each),
            str(status.id),
            Text(line(status.status), _STYLES.get(status.status, "")),
            "" if status.epoch is None else str(status.epoch),
            "" if status.primary is None else str(status.primary),
            " ".join(f"{member.id}={line(member.address)}" for member in status.view),
        )
    return made


def name(answer: NodeAnswer[Any]) -> str:
    """A node in a table, where there is little room."""
    return answer.node.removeprefix("http://")


def members(status: Status) -> str:
    """The ids of the view."""
    return ",".join(str(member.id) for member in status.view) or "-"


def progress_of(answers: Answers) -> Progress:
    """What nodes that fetch a copy say of it themselves."""
    return {
        each.answer.id: f"it is {wait.reason.replace('from it', f'from node {wait.id}')}"
        for each in answers
        if each.answer is not None
        for wait in each.answer.waiting_for
        if wait.reason.startswith(_FETCHES)
    }


def matter(status: Status, progress: Progress) -> Text:
    """What a node waits for, why it cannot go on, and what it lost."""
    parts: list[tuple[str, str]] = []
    if status.blocked:
        parts.append((f"blocked: {status.blocked}", "red"))
    for wait in status.waiting_for:
        own = progress.get(wait.id) if wait.reason.startswith(_LACKS) else None
        parts.append((f"waits for node {wait.id}: {own or wait.reason}", "yellow"))
    parts += [
        (f"dropped: writes {loss.first} to {loss.end - 1} of node {loss.id}", "bold red")
        for loss in status.dropped
    ]
    return Text("\n").join(Text(line(text), style) for text, style in parts)


def problem(answer: NodeAnswer[Any]) -> str:
    """What is the matter with a node that did not answer as it was meant to."""
    return "" if answer.problem is None else line(answer.problem.detail)


def sentence(answer: NodeAnswer[Status], progress: Progress) -> str:
    """A node in one line."""
    status = answer.answer
    if status is None:
        return f"{answer.node} no answer: {problem(answer)}"
    epoch = "" if status.epoch is None else f" epoch {status.epoch}"
    how = f"{line(status.role)} {line(status.status)} view {members(status)}{epoch} commit {status.commit}"
    trouble = matter(status, progress).plain.replace("\n", "; ")
    return f"{answer.node} node {status.id} {how}" + (f" {trouble}" if trouble else "")


def gist(answer: NodeAnswer[Status]) -> tuple[object, ...]:
    """What changes when something happens: no counters, and not for how long something has lasted."""
    status = answer.answer
    if status is None:
        return (answer.node, None)
    waits = tuple(wait.id for wait in status.waiting_for)
    return (
        answer.node,
        status.incarnation,
        status.role,
        status.status,
        status.view,
        status.epoch,
        waits,
        status.blocked,
        status.dropped,
    )


def as_document(answer: NodeAnswer[Status]) -> dict[str, Any]:
    """A node for programs."""
    status = answer.answer
    return {
        "node": answer.node,
        "answered": answer.ok,
        "problem": problem(answer) or None,
        "status": None if status is None else dict(status.document),
    }
