"""Short runs of everything together. The long ones are a command: ``python -m tests.chaos``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.checker.history import load
from tests.checker.verdict import Verdict
from tests.live.harness import Kind

from . import ground
from .__main__ import _Progress, leave, main
from .ending import Ending
from .figures import measure
from .nemesis import schedule
from .report import Report, Settings, describe
from .run import run
from .sight import Manners
from .words import OUTSIDE

pytestmark = [pytest.mark.timeout(300)]

SECONDS = 8.0
MANNERS = Manners(whims=0.1)
EXPLAINED = {*OUTSIDE, "late PUTs"}


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
    assert report.figures.calls + sum(report.figures.afterwards.values()) == len(report.history)
    assert len((tmp_path / "history.views.jsonl").read_text().splitlines()) == report.views
    assert set(report.outside) <= EXPLAINED


@pytest.mark.xdist_group("chaos-wsgi")
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Goal: the command ends with figures, and leaves the history where it was told. Method: a short run."""
    path, history = tmp_path / "kept", tmp_path / "saved.jsonl"
    arguments = ["--frontend", "wsgi", "--server", "waitress", "--network", "proxy", "--seconds", "2"]
    assert main([*arguments, "--keep", str(path), "--history", str(history)]) == 0
    printed = capsys.readouterr().out
    for word in ("operations", "unknown", "worst silence", "faults", "views", "recovery", "violations    0"):
        assert word in printed
    assert "servers       waitress (wsgi)" in printed
    assert load(history) == load(path / "history.jsonl") != ()
    assert (tmp_path / "saved.views.jsonl").read_text() == (path / "history.views.jsonl").read_text() != ""
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


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--server apache", "apache"),
        (
            "--frontend quart --server waitress",
            "--server waitress is for wsgi nodes, but --frontend is quart",
        ),
        ("--frontend mixed --server uvicorn --server granian", "are both for quart nodes"),
        ("--clients 0", "--clients: 0"),
        ("--nodes 0", "--nodes: 0"),
        ("--keys -1", "--keys: -1"),
        ("--seconds -5", "--seconds: -5"),
        ("--seconds 0", "--seconds: 0"),
        ("--seconds nan", "--seconds: nan"),
        ("--seconds soon", "--seconds: soon"),
    ],
)
def test_bad_arguments_are_refused(
    arguments: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: what would run something else, or nothing, is refused in one line. Method: one such each."""
    with pytest.raises(SystemExit) as ended:
        main(arguments.split())
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("option", ["--history", "--keep"])
def test_files_are_tried_first(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: no run is lost since its history cannot be written. Method: a file where a directory is due."""
    monkeypatch.setattr("tests.chaos.__main__.run", None)
    (tmp_path / "file").touch()
    assert main(["--network", "proxy", option, str(tmp_path / "file" / "x")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == f"{tmp_path / 'file' / 'x'}: Not a directory\n"


def test_servers_are_named() -> None:
    """Goal: a report says what ran, named or not."""
    assert Settings(kind="quart").chosen == {"quart": "hypercorn"}
    assert Settings(kind="mixed", servers={"wsgi": "gunicorn"}).chosen == {
        "quart": "hypercorn",
        "wsgi": "gunicorn",
    }
    assert "servers       hypercorn (quart)" in describe(Report(Settings()))


# ---- Ctrl-C


def test_first_interrupt_is_a_wish() -> None:
    """Goal: nothing is torn apart by Ctrl-C, and where nothing can be, it is quick. Method: send it to us."""
    before = signal.getsignal(signal.SIGINT)
    with Ending() as ending:
        assert not ending.wished
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            assert ending.wished
        ending.at_once = True
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.xdist_group("chaos-wsgi")
def test_interrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: Ctrl-C ends a run with the report of what was done, status 130, and no node left.

    Method: send it to ourselves as soon as clients have asked; look for processes with the nodes' commands.
    """
    told: list[str] = []

    def interrupt(_: object, text: str, _seconds: float | None = None) -> None:
        told.append(text)
        if " view 1 " in text and not text.startswith("0 calls"):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("tests.chaos.__main__._Progress.__call__", interrupt)
    path = tmp_path / "kept"
    arguments = ["--frontend", "wsgi", "--network", "proxy", "--nodes", "2", "--keep", str(path)]
    assert main(arguments) == 130
    printed = capsys.readouterr().out
    for line in (
        "operations ",
        "interrupted ",
        "recovery      not tried",
        "with numbers    ok",
        "violations    0",
    ):
        assert f"\n{line}" in printed
    assert told[-1] == "judging the history"
    assert load(path / "history.jsonl") != ()
    commands = {
        line.removeprefix("---- ")
        for log in path.glob("node-*.log")
        for line in log.read_text().splitlines()
        if line.startswith("---- ")
    }
    assert len(commands) == 2
    assert not commands & {" ".join(words) for words in _running()}


def _running() -> Iterator[list[str]]:
    """The command lines of all processes."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield file.read_text(errors="replace").split("\0")[:-1]


def test_interrupted_reports(tmp_path: Path) -> None:
    """Goal: an interrupted run did not pass; what it found is not forgotten. Method: every sort of report."""
    ok, bad = Verdict("ok"), Verdict("violation", "a stale read")
    for failures, verdicts, status in (
        ([], {}, 130),
        ([], {"with numbers": ok}, 130),
        ([], {"with numbers": bad}, 1),
        (["a node ended by itself"], {}, 1),
    ):
        report = Report(Settings(), interrupted=True, failures=failures, verdicts=verdicts)
        assert leave(report, tmp_path, keep=False, history=None) == status
        assert tmp_path.exists()
        assert "recovery      not tried" in describe(report)
    assert "not judged" in describe(Report(Settings(), interrupted=True))


def test_long_run_says_what_it_did_not_see() -> None:
    """Goal: nobody takes a run without late writes for a proof. Method: reports of a short and a long run."""
    for seconds, said in ((59.0, False), (60.0, True)):
        figures = measure([], 0, round(seconds * 10**9))
        report = Report(Settings(), figures=figures, verdicts={"with numbers": Verdict("ok")})
        assert ("no unknown write was seen late" in describe(report)) == said


def test_progress_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Goal: in a log one sees that it goes on, and not much more. Method: a clock of ours, for a minute."""
    clock = iter(range(1_000))
    monkeypatch.setattr("tests.chaos.__main__.time.monotonic", lambda: float(next(clock)))
    progress = _Progress()
    for second in range(60):
        progress("calls", second)
    lines = capsys.readouterr().err.splitlines()
    assert 4 <= len(lines) <= 6
    assert lines[0].endswith(" s  calls")
