"""Short runs of everything together. The long ones are a command: ``python -m tests.chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.checker.history import load
from tests.checker.verdict import Verdict
from tests.live.harness import Kind

from . import ground
from .__main__ import leave, main
from .nemesis import schedule
from .report import Report, Settings, describe
from .run import run
from .sight import Manners

pytestmark = [pytest.mark.timeout(300)]

SECONDS = 8.0
MANNERS = Manners(whims=0.1)


@pytest.mark.parametrize(
    ("kind", "network", "numbered", "seed"),
    [
        pytest.param("quart", "auto", False, 1, marks=pytest.mark.xdist_group("chaos-quart")),
        pytest.param("wsgi", "proxy", True, 2, marks=pytest.mark.xdist_group("chaos-wsgi")),
        pytest.param("mixed", "auto", True, 3, marks=pytest.mark.xdist_group("chaos-mixed")),
    ],
)
def test_short_run(kind: Kind, network: str, numbered: bool, seed: int, tmp_path: Path) -> None:
    """Goal: a real cluster under faults is linearizable, and comes back to life when they end.

    Method: some seconds of the seed's faults; then all must be well. The run has to have done something:
    faults happened, views changed, clients were answered. Its history is saved as it was judged.
    """
    mode, reason = ground.choose(network)
    print(f"{mode}: {reason}")
    settings = Settings(
        kind=kind, mode=mode, seconds=SECONDS, seed=seed, numbered=numbered, least_views=3, manners=MANNERS
    )
    report = run(settings, tmp_path)
    print("\n".join((describe(report), *report.fault_log)))
    assert report.ok
    assert report.violations == 0
    assert sum(report.faults.values()) + report.withheld == len(schedule(seed, SECONDS, 3, report.shapes))
    assert sum(report.faults.values()) > report.withheld
    assert report.views >= 3
    assert report.views_active >= 2
    assert report.figures is not None
    assert report.figures.outcomes["ok"] > 0
    assert load(tmp_path / "history.jsonl") == report.history


@pytest.mark.xdist_group("chaos-wsgi")
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: the command ends with figures, and leaves the history where it was told. Method: a short run."""
    path, history = tmp_path / "kept", tmp_path / "saved.jsonl"
    arguments = ["--frontend", "wsgi", "--server", "waitress", "--network", "proxy", "--seconds", "2"]
    assert main([*arguments, "--keep", str(path), "--history", str(history)]) == 0
    printed = capsys.readouterr().out
    for word in ("operations", "unknown", "worst silence", "faults", "views", "recovery", "violations    0"):
        assert word in printed
    assert load(history) == load(path / "history.jsonl") != ()
    assert (path / "faults.txt").exists()
    assert (path / "node-0.log").exists()


def test_what_failed_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: a run that failed ends with status 1 and keeps its logs; one that did not leaves nothing."""
    verdicts = {"with numbers": Verdict("ok"), "without numbers": Verdict("undecided")}
    bad = Verdict("violation", "a stale read")
    for failures, found, status in (
        ([], verdicts, 0),
        (["not all was well"], verdicts, 1),
        ([], verdicts | {"without numbers": bad}, 1),
        ([], verdicts | {"with numbers": Verdict("undecided")}, 1),
    ):
        path = tmp_path / "run"
        path.mkdir(exist_ok=True)
        report = Report(Settings(), failures=failures, verdicts=found)
        assert leave(report, path, keep=False, history=None) == status
        assert path.exists() == bool(status)
        assert ("kept" in capsys.readouterr().out) == bool(status)
        assert f"violations    {int(found['without numbers'] is bad)}" in describe(report)


def test_schedule_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: the command shows what a seed has in store. Method: a line for each fault, twice the same."""
    for _ in range(2):
        assert main(["--schedule", "--seconds", "30", "--seed", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 10
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]


def test_bad_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: the command says what it cannot do. Method: an unknown server."""
    with pytest.raises(SystemExit) as ended:
        main(["--server", "apache"])
    assert ended.value.code == 2
    assert "apache" in capsys.readouterr().err
