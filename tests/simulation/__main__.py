"""``python -m tests.simulation``: run seeds, replay one to the byte, explain a failure.

    --seed 42                 one run: its parameters, then how it ended and a digest over every event and
    effect
    --seed 42 --transcript    the same with all that happened, line by line
    --seed 42 --explain DIR   if it fails: shrink it, and write transcript, diagram and regression story to
    DIR
    --plan FILE               replay a (shrunk) plan that --explain has written
    --piece NAME              one set piece, a schedule written by hand (pieces.py)
    --seeds 1000              the set pieces and many seeds on all cores, then the matrix of what they met
    --branches                as well: which branches of the core were never taken

Exit status: 0 all went well, 1 a rule was broken or the matrix has a hole, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pbproto
from pbproto.config import MILLISECOND, SECOND

from . import matrix
from .pieces import PIECES
from .plan import Ask, Change, Plan, make
from .run import Outcome, run
from .runner import Summary, run_many, summarize

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 200
"""Runs from which on a hole in the matrix counts: fewer cannot be expected to meet everything."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, help="run this seed")
    what.add_argument("--seeds", type=int, metavar="N", help="run N seeds")
    what.add_argument("--piece", choices=sorted(PIECES), metavar="NAME", help="run this set piece")
    what.add_argument("--plan", type=Path, metavar="FILE", help="run a plan from a file")
    parser.add_argument(
        "--first", type=int, default=0, metavar="SEED", help="the first of --seeds (default 0)"
    )
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: all cores)"
    )
    parser.add_argument("--stop", action="store_true", help="end --seeds with the first failure")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--transcript", action="store_true", help="print all that happens")
    parser.add_argument("--explain", type=Path, metavar="DIR", help="explain a failure in this folder")
    parser.add_argument(
        "--branches", action="store_true", help="count the branches of the core that were taken"
    )
    chosen = parser.parse_args(arguments)
    print(f"commit {_commit()}, Python {platform.python_version()}")
    if chosen.branches:
        return _branches(chosen)
    if chosen.seeds is not None:
        return _many(chosen)
    if chosen.plan is not None:
        from .plan_file import plan_from_json

        return _one(plan_from_json(chosen.plan.read_text(encoding="utf-8")), chosen)
    return _one(PIECES[chosen.piece] if chosen.piece else make(chosen.seed), chosen)


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
    asks = sum(isinstance(item, Ask) for item in plan.items)
    changes = sum(isinstance(item, Change) for item in plan.items)
    print(f"  planned: {asks} requests, {changes} views, {len(plan.items) - asks - changes} faults that last")
    outcome = run(plan, keep=chosen.transcript)
    if chosen.transcript and outcome.world is not None:
        from .transcript import transcript

        print(transcript(outcome.world.trace.records))
    _tell(outcome)
    if not outcome.ok and chosen.explain is not None:
        from .explain import explain

        for path in explain(outcome, chosen.explain):
            print(f"wrote {path}")
    return 0 if outcome.ok else 1


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
    summary = summarize(runs, len(tasks), progress=sys.stderr.isatty())
    for line in matrix.lines(summary.tally):
        print(line)
    _tell_many(summary)
    missing = matrix.holes(summary.tally, summary.runs) if summary.runs >= ENOUGH else []
    for hole in missing:
        print(f"HOLE: {hole}")
    if chosen.json:
        failed = [{"seed": run.seed, "check": run.check, "detail": run.detail} for run in summary.failed]
        document = {"runs": summary.runs, "steps": summary.steps, "failed": failed, "holes": missing}
        taken = list(summary.hit.to_bytes(1 + summary.hit.bit_length() // 8, "little"))
        print(json.dumps(document | {"package": pbproto.__file__, "taken": taken}))
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

    report = taken(chosen.first, chosen.seeds or ENOUGH, chosen.jobs)
    for line in report.lines():
        print(line)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
