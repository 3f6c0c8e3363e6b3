"""The runs can fail: a store with a planted bug is found out, on real processes, by the same checker."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.checker.linearizability import check
from tests.live.harness import ROOT

from .scene import scene
from .stream import CUT

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("chaos-mixed")]


Edit = tuple[str, str, str]
"""A file of the core, what stands in it once, and what is to stand there."""


def planted(path: Path, *edits: Edit) -> dict[str, str]:
    """A copy of the core with a bug in it, as the environment of the nodes that are to run it."""
    shutil.copytree(ROOT / "pbproto", path / "pbproto")
    for file, old, new in edits:
        source = path / "pbproto" / file
        text = source.read_text()
        assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
        source.write_text(text.replace(old, new))
    # Without the second, -m would look into the working directory first.
    return {"PYTHONPATH": f"{path}:{ROOT}", "PYTHONSAFEPATH": "1"}


READS_UNCONFIRMED: Edit = (
    "requests.py",
    "reads.enqueue(state, lead, waiter.counter, out)",
    "waiting.read(state, out, waiter.counter)",
)


@pytest.mark.parametrize("bug", [False, True])
def test_stale_read_is_found(bug: bool, tmp_path: Path) -> None:
    """Goal: a primary that answers reads by itself is found out, and one that asks first is not.

    Method: cut the primary off, replace it, write; then read at the old one. The same with and without the
    bug; the verdicts differ, with numbers and without.
    """
    env = planted(tmp_path / "planted", READS_UNCONFIRMED) if bug else {}
    with scene("proxy", tmp_path, "quart", nodes=2, env=env) as stage:
        stage.write(0, "k", "old")
        stage.ground.wires.impose(CUT, stage.ground.around(0))
        stage.cluster.install([1])
        stage.write(1, "k", "new")
        read = stage.ask(0, "get", "k")
        assert read.outcome == ("ok" if bug else "not_applied")
        history = stage.history()
        for numbers in (True, False):
            verdict = check(history, numbers=numbers)
            assert verdict.result == ("violation" if bug else "ok"), verdict.explain()


ACKNOWLEDGED_BY_ONE: Edit = (
    "commit.py",
    "everywhere = min((backup.acked for backup in lead.backups.values()), default=state.log.end)",
    "everywhere = max((backup.acked for backup in lead.backups.values()), default=state.log.end)",
)
NOT_NOTICED: Edit = (
    "state.py",
    "ensure(state.commit <= backup.acked <= state.log.end, ",
    "ensure(backup.acked <= state.log.end, ",
)
"""Otherwise the node finds its own bug, and ends before it answers anybody."""


@pytest.mark.parametrize("bug", [False, True])
def test_lost_write_is_found(bug: bool, tmp_path: Path) -> None:
    """Goal: a primary that is content with one backup of two is found out, and one that waits is not.

    Method: cut the primary off from node 2, write; then node 2 goes on alone, and is read.
    """
    env = planted(tmp_path / "planted", ACKNOWLEDGED_BY_ONE, NOT_NOTICED) if bug else {}
    with scene("proxy", tmp_path, "wsgi", env=env) as stage:
        stage.write(0, "k", "old")
        stage.ground.wires.impose(CUT, [(0, 2), (2, 0)])
        written = stage.ask(0, "put", "k", "new")
        assert (written.outcome == "ok") == bug
        stage.cluster.install([2])
        assert stage.contents(2).get("k") != "new"
        history = stage.history()
        for numbers in (True, False):
            verdict = check(history, numbers=numbers)
            assert verdict.result == ("violation" if bug else "ok"), verdict.explain()
