"""The search has teeth: rules of the protocol that are switched off in a copy of the package are found.

The planted bugs proper are in ``tests/planted``; these few show that each kind of property can fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


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
        "fast-join",
        ("one_log", "exactly_once"),
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
)


def search(directory: Path, scope: str) -> tuple[int, dict[str, Any]]:
    """Search a scope with the package in a directory; the exit status and the result."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.model", "--scope", scope, "--json"],
        cwd=directory,  # what stands in the working directory comes before everything else
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_rule_that_is_switched_off_is_found(fault: Fault, tmp_path: Path) -> None:
    """Each kind of property fails where its rule is missing, with a path to it.

    Copy the package, take one rule out, search with the copy in a process of its own.
    """
    shutil.copytree(ROOT / "pbproto", tmp_path / "pbproto", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "pbproto" / fault.file
    source = file.read_text(encoding="utf-8")
    assert source.count(fault.old) == 1, "the rule is written otherwise by now: write the fault anew"
    file.write_text(source.replace(fault.old, fault.new), encoding="utf-8")
    status, result = search(tmp_path, fault.scope)
    assert Path(result["package"]).is_relative_to(tmp_path)
    assert (status, result["verdict"]) == (1, "violation")
    assert result["check"] in fault.checks
    assert len([line for line in result["path"] if line.lstrip()[0].isdigit()]) >= result["depth"] - 1
    assert result["path"][-1].strip().startswith(result["check"])
