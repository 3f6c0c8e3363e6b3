"""``python -m tests.simulation``: run seeds, replay one to the byte, explain a failure.

    --seed 42                 one run: its parameters, then how it ended and a digest over
                              every event and effect
    --seed 42 --transcript    the same with all that happened, line by line
    --seed 42 --explain DIR   if it fails: shrink it, and write plan, transcript, diagram and
                              regression story to DIR
    --plan FILE               replay a (shrunk) plan that --explain has written
    --piece NAME              one set piece, a schedule written by hand (pieces.py)
    --seeds 1000              the set pieces and many seeds on all cores, then the matrix of
                              what they met; from 150 seeds on a hole in it is a failure
    --seeds 1000 --branches   as well: which branches of the core were never taken

Exit status: 0 all went well, 1 a rule was broken or the matrix has a hole, 2 wrong arguments, 130
interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pbproto
import progress
from pbproto.config import MILLISECOND, SECOND
from tests.checker.arguments import INTERRUPTED, Parser, trouble, whole

from . import matrix
from .pieces import PIECES
from .plan import Ask, Change, Plan, make
from .plan_file import PlanFileError, plan_from_json
from .run import Outcome, run
from .runner import Summary, run_many, summarize
from .shrink import Progress

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 150
"""Runs from which on a hole in the matrix counts: fewer cannot be expected to meet everything."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    parser = Parser(
        prog="python -m tests.simulation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=whole(0), help="run this seed")
    what.add_argument("--seeds", type=whole(1), metavar="N", help="run N seeds")
    what.add_argument("--piece", choices=sorted(PIECES), metavar="NAME", help="run this set piece")
    what.add_argument("--plan", type=Path, metavar="FILE", help="run a plan from a file")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    many = parser.add_argument_group("with --seeds")
    many.add_argument("--first", type=whole(0), metavar="SEED", help="the first of them (default: 0)")
    many.add_argument("--jobs", type=whole(1), metavar="N", help="processes (default: all cores)")
    many.add_argument("--stop", action="store_true", help="end with the first failure")
    many.add_argument("--branches", action="store_true", help="count the branches of the core that are taken")
    one = parser.add_argument_group("with one run")
    one.add_argument("--transcript", action="store_true", help="print all that happens")
    one.add_argument("--explain", type=Path, metavar="DIR", help="explain a failure in this folder")
    chosen = parser.parse_args(arguments)
    for group, wanted in ((many, chosen.seeds is not None), (one, chosen.seeds is None)):
        unused = [each.option_strings[0] for each in group._group_actions if getattr(chosen, each.dest)]
        if unused and not wanted:
            parser.error(f"{' and '.join(unused)} goes {group.title}")
    if chosen.branches and (chosen.stop or chosen.json):
        parser.error("--branches goes with neither --stop nor --json")
    if chosen.explain is not None and chosen.explain.exists() and not chosen.explain.is_dir():
        parser.error(f"{chosen.explain} is no folder")
    try:
        plan = None if chosen.seeds is not None else _plan(chosen)
    except (OSError, PlanFileError) as error:
        parser.error(f"{chosen.plan}: {trouble(error)}")
    print(f"commit {_commit()}, Python {platform.python_version()}")
    # As by Ctrl-C: the processes of the pool end, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if plan is not None:
            return _one(plan, chosen)
        chosen.first, chosen.jobs = chosen.first or 0, chosen.jobs or os.cpu_count() or 1
        return _branches(chosen) if chosen.branches else _many(chosen)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _plan(chosen: argparse.Namespace) -> Plan:
    if chosen.plan is not None:
        return plan_from_json(chosen.plan.read_text(encoding="utf-8"))
    return PIECES[chosen.piece] if chosen.piece else make(chosen.seed)


def _commit() -> str:
    """The commit of the checkout, with a mark if it was changed since."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def _one(plan: Plan, chosen: argparse.Namespace) -> int:
    print(f"seed {plan.seed}")
    for line in plan.parameters.lines():
        print(f"  {line}")
    print("  (what they mean: tests/simulation/parameters.py)")
    asks = sum(isinstance(item, Ask) for item in plan.items)
    changes = sum(isinstance(item, Change) for item in plan.items)
    print(f"  planned: {asks} requests, {changes} views, {len(plan.items) - asks - changes} faults that last")
    outcome = run(plan, keep=chosen.transcript)
    if chosen.transcript and outcome.world is not None:
        from .transcript import transcript

        print(transcript(outcome.world.trace.records))
    _tell(outcome)
    if not outcome.ok and chosen.explain is not None:
        for path in _explain(outcome, chosen.explain):
            print(f"wrote {path}")
    if chosen.json:
        failed = [] if outcome.violation is None else [outcome.violation]
        name = chosen.piece or plan.seed
        _print_json(1, outcome.steps, [(name, each.check, each.detail) for each in failed])
    return 0 if outcome.ok else 1


def _explain(outcome: Outcome, folder: Path) -> list[Path]:
    """Shrink a failure, which may take as many runs as its budget has, and write it to the folder."""
    from .explain import BUDGET, explain

    with progress.bar(BUDGET, "runs") as bar:

        def shrinking(done: Progress) -> None:
            bar.reach(done.runs, f"shrinking, {done.doing}: {done.size}")

        return explain(outcome, folder, progress=shrinking)


def _print_json(runs: int, steps: int, failed: list[tuple[int | str, str, str]], **more: object) -> None:
    """For programs, in one line; with the core that ran, which may be a copy."""
    names = ("seed", "check", "detail")
    found = [dict(zip(names, each, strict=True)) for each in failed]
    document = {"runs": runs, "steps": steps, "failed": found, "package": pbproto.__file__}
    print(json.dumps(document | more))


def _tell(outcome: Outcome) -> None:
    tally = outcome.tally
    print(
        f"{outcome.steps} steps in {outcome.time / SECOND:.3f} s of virtual time, "
        f"{len(outcome.history)} calls, "
        f"{len(tally.message_faults)} faults of single messages, digest {outcome.digest}"
    )
    if outcome.violation is None:
        print("no rule was broken")
    else:
        print(f"BROKEN at step {outcome.steps}, {outcome.time // MILLISECOND} ms: {outcome.violation}")


def _many(chosen: argparse.Namespace) -> int:
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    print(f"seeds {seeds.start} to {seeds.stop - 1} in {chosen.jobs} processes")
    tasks = [*PIECES, *seeds]
    runs = run_many(tasks, chosen.jobs, first_failure=chosen.stop)
    summary = summarize(runs, len(tasks))
    for line in matrix.lines(summary.tally):
        print(line)
    _tell_many(summary)
    missing = matrix.holes(summary.tally, summary.runs) if summary.runs >= ENOUGH else []
    if summary.runs < len(tasks):
        print(f"{summary.runs} of {len(tasks)} were run")
    elif summary.runs < ENOUGH:
        print(f"fewer than {ENOUGH} runs: what they did not meet says nothing")
    for hole in missing:
        print(f"HOLE: {hole}")
    if chosen.json:
        failed = [(run.seed, run.check, run.detail) for run in summary.failed]
        taken = list(summary.hit.to_bytes(1 + summary.hit.bit_length() // 8, "little"))
        _print_json(summary.runs, summary.steps, failed, holes=missing, taken=taken)
    if summary.interrupted:
        return INTERRUPTED
    return 1 if summary.failed or missing else 0


def _tell_many(summary: Summary) -> None:
    rate = summary.runs / max(summary.seconds, 0.001)
    print(
        f"{summary.runs} runs, {summary.steps} steps, {summary.calls} calls, "
        f"{summary.time / SECOND / 60:.0f} minutes of virtual time in {summary.seconds:.1f} s "
        f"({rate:.1f} runs/s); {len(summary.failed)} broke a rule"
    )
    for failed in summary.failed[:5]:
        which = "--piece" if isinstance(failed.seed, str) else "--seed"
        print(f"  python -m tests.simulation {which} {failed.seed} --explain DIR")


def _branches(chosen: argparse.Namespace) -> int:
    from .branch_runs import taken

    report = taken(chosen.first, chosen.seeds, chosen.jobs)
    for line in report.lines():
        print(line)
    return 0 if report.ok or (report.passed and chosen.seeds < ENOUGH) else 1


if __name__ == "__main__":
    sys.exit(main())
