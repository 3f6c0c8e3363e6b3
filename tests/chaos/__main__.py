"""``python -m tests.chaos``: a run of any length against real processes, which ends with figures.

The seed fixes the schedule of faults and what clients ask; the timing is the machine's, so a run with the
same seed is alike, not the same. If the run failed it ends with status 1, and logs, faults and history are
kept.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from tests.live.harness import Kind

from . import ground
from .nemesis import schedule
from .report import Report, Settings, describe
from .run import run

SERVERS = {
    "hypercorn": "quart",
    "uvicorn": "quart",
    "granian": "quart",
    "waitress": "wsgi",
    "gunicorn": "wsgi",
}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__.partition("\n")[0])
    parser.add_argument("--frontend", choices=get_args(Kind), default="quart")
    parser.add_argument(
        "--server", action="append", default=[], choices=SERVERS, help="may be given once for each frontend"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long things go wrong (default 60)")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--keys", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--numbered", action="store_true", help="views with an epoch, told through the faults"
    )
    parser.add_argument("--network", choices=("auto", "netns", "proxy"), default="auto")
    parser.add_argument("--history", type=Path, help="where to write the history, as JSON Lines")
    parser.add_argument("--keep", type=Path, help="keep everything here: logs of the nodes, faults, history")
    parser.add_argument(
        "--schedule",
        action="store_true",
        help="print the seed's schedule for a network of proxies, run nothing",
    )
    return parser.parse_args(arguments)


class _Progress:
    """One line that is written over, at a terminal; nothing otherwise."""

    def __init__(self) -> None:
        self._at_terminal = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, text: str) -> None:
        if self._at_terminal and time.monotonic() >= self._next:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
            self._next = time.monotonic() + 0.5

    def end(self) -> None:
        if self._at_terminal:
            sys.stderr.write("\r\x1b[K")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    given = _parse(arguments)
    if given.schedule:
        for fault in schedule(given.seed, given.seconds, given.nodes):
            print(fault)
        return 0
    try:
        mode, reason = ground.choose(given.network)
    except OSError as error:
        print(f"no network namespaces: {error}", file=sys.stderr)
        return 2
    print(f"network       {mode}: {reason}")
    settings = Settings(
        kind=given.frontend,
        mode=mode,
        seconds=given.seconds,
        nodes=given.nodes,
        seed=given.seed,
        numbered=given.numbered,
        clients=given.clients,
        keys=given.keys,
        servers={SERVERS[name]: name for name in given.server},
    )
    path = given.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    path.mkdir(parents=True, exist_ok=True)
    progress = _Progress()
    try:
        report = run(settings, path, progress)
    finally:
        progress.end()
        if given.history is not None and (path / "history.jsonl").exists():
            shutil.copyfile(path / "history.jsonl", given.history)
    print(describe(report))
    return leave(report, path, keep=given.keep is not None, history=given.history)


def leave(report: Report, path: Path, *, keep: bool, history: Path | None) -> int:
    """Say where everything is, or remove it; the exit status."""
    if keep or not report.ok:
        print(f"kept          {path}")
    else:
        shutil.rmtree(path)
    if history is not None:
        print(f"history       {history}")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
