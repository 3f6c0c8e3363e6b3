"""The search has teeth: rules of the protocol that are switched off in a copy of the package are found.

The planted bugs proper are in ``tests/planted``; these few show that each kind of property can fail.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.planted.bugs import BUGS, Bug, Edit
from tests.planted.copy import plant, run_in


class Fault(NamedTuple):
    """One rule that is switched off: the file, the words that go, what comes instead, who finds it how."""

    name: str
    file: str
    old: str
    new: str
    scope: str
    checks: tuple[str, ...]


FAULTS = (
    Fault(
        "a backup acknowledges although it promised a higher ballot",
        "backup.py",
        "if follow is None or message.ballot != state.promised:",
        "if follow is None:",
        "fast-numbered-again",
        ("one_log",),
    ),
    Fault(
        "a view begins with the log of any member",
        "base.py",
        "highest = max(synced)",
        "highest = min(synced)",
        "fast-numbered",
        ("durability",),
    ),
    Fault(
        "the first acknowledgement commits",
        "commit.py",
        "everywhere = min((",
        "everywhere = max((",
        "fast-three",
        ("step",),
    ),
    Fault(
        "a read is confirmed by a round that was already on its way",
        "reads.py",
        "    if lead.round_sent:\n",
        "    if lead.round_sent and lead.round == 0:\n",
        "fast-stale-read",
        ("linearizable",),
    ),
    Fault(
        "a backup answers reads from its copy, unasked",
        "forwarding.py",
        "follow.reads.append((follow.ask + 1, waiter.counter))",
        "waiting.read(state, out, waiter.counter)",
        "fast-backup",
        ("linearizable",),
    ),
    Fault(
        "a write in the log counts as certainly not applied",
        "ordering.py",
        "        waiter.exposed = True\n\n\ndef _repeats",
        "        waiter.exposed = False\n\n\ndef _repeats",
        "fast-failover",
        ("not_applied", "linearizable"),
    ),
    Fault(
        "a join drops operations and does not say so",
        "transfer.py",
        "        state.dropped.append(loss)\n",
        "",
        "fast-join",
        ("dropped",),
    ),
    Fault(
        "a primary forgets that its view was told again while it was being installed",
        "views.py",
        "                state.proposal.told_again = True\n",
        "                pass\n",
        "fast-two-restarts",
        ("keeper",),
    ),
    Fault(
        "a backup that is told its view again before it is active takes a late Replicate for proof",
        "views.py",
        "        forwarding.verify(state.follow)\n        if not state.active:\n",
        "        if state.active:\n            forwarding.verify(state.follow)\n        else:\n",
        "fast-two-restarts",
        ("keeper",),
    ),
)


def search(bug: Bug, folder: Path, scope: str) -> tuple[int, dict[str, Any]]:
    """Search a scope with a faulty copy of the package; the exit status and the result."""
    plant(bug, folder)
    done = run_in(folder, ["tests.model", "--scope", scope, "--json"], timeout=600)
    assert done.stdout, done.stderr
    result = json.loads(done.stdout)
    assert Path(result["package"]).is_relative_to(folder)
    return done.returncode, result


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_rule_that_is_switched_off_is_found(fault: Fault, tmp_path: Path) -> None:
    """Each kind of property fails where its rule is missing, with a path to it.

    Copy the package, take one rule out, search with the copy in a process of its own.
    """
    bug = Bug(fault.name, "", (Edit(fault.file, fault.old, fault.new),))
    status, result = search(bug, tmp_path, fault.scope)
    assert (status, result["verdict"]) == (1, "violation")
    assert result["check"] in fault.checks
    assert len([line for line in result["path"] if line.lstrip()[0].isdigit()]) >= result["depth"] - 1
    assert result["path"][-1].strip().startswith(result["check"])


def test_a_view_that_is_told_again_and_called_active_at_once_is_found(tmp_path: Path) -> None:
    """The planted fault ``told_again_is_active``, of which those two are halves, needs one restart only.

    Search the scope in which the view was not told to one of its members in between.
    """
    bug = next(bug for bug in BUGS if bug.name == "told_again_is_active")
    status, result = search(bug, tmp_path, "fast-told-again")
    assert (status, result["verdict"], result["check"]) == (1, "violation", "keeper")
