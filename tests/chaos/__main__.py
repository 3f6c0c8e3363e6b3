"""``python -m tests.chaos``: a run of any length against real processes, which ends with figures.

The seed fixes the schedule of faults and what clients ask; the timing is the machine's, so a run with the
same seed is alike, not the same. If something is wrong, logs, faults, views and history are kept.

Exit status: 0 all was well, 1 it was not, 2 wrong arguments, or what was asked for cannot be had here, 130
interrupted by Ctrl-C with nothing wrong until then: the report then says how far it got.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, get_args

import progress
from tests.checker.arguments import INTERRUPTED, WRONG, Parser, positive, trouble, whole
from tests.live.harness import Kind

from . import ground
from .ending import Ending
from .nemesis import HEADINGS, schedule
from .report import SERVERS, Report, Settings, describe
from .run import HISTORY, run
from .views import beside
from .words import legend

FITTING = {server: frontend for frontend, servers in SERVERS.items() for server in servers}

PAUSE = 10.0
"""Seconds between two lines where they are not written over."""


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="python -m tests.chaos",
        description=__doc__,
        epilog=legend(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--frontend", choices=get_args(Kind), default="quart", help="default quart; mixed: odd ids quart")
    fits = "; ".join(f"{frontend}: {', '.join(names)}" for frontend, names in SERVERS.items())
    add(
        "--server",
        action="append",
        default=[],
        choices=FITTING,
        metavar="NAME",
        help=f"may be given once for each frontend; default the first of each ({fits})",
    )
    add("--seconds", type=positive, default=60.0, metavar="S", help="how long things go wrong (default 60)")
    add("--nodes", type=whole(1), default=3, metavar="N", help="default 3")
    add(
        "--clients",
        type=whole(1),
        default=24,
        metavar="N",
        help="default 24; from 6 on half of them watch slow keys",
    )
    add("--keys", type=whole(1), default=8, metavar="N", help="keys that all the others use (default 8)")
    add("--seed", type=int, default=1, metavar="N", help="default 1")
    add("--numbered", action="store_true", help="views with an epoch, told through the faults")
    add("--viewservice", action="store_true", help="the view service changes views, and is hurt as well")
    add(
        "--network",
        choices=("auto", "netns", "proxy"),
        default="auto",
        help="default auto: network namespaces where they can be had, else proxies on loopback alone",
    )
    add(
        "--history",
        type=Path,
        metavar="FILE",
        help="write the history there, as JSON Lines, and its views beside it",
    )
    add(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep everything there: logs of the nodes, faults, views, history",
    )
    add(
        "--schedule",
        action="store_true",
        help="print the seed's schedule for a network of proxies, run nothing",
    )
    given = parser.parse_args(arguments)
    given.servers = {}
    for server in given.server:
        frontend = FITTING[server]
        if given.frontend not in (frontend, "mixed"):
            parser.error(f"--server {server} is for {frontend} nodes, but --frontend is {given.frontend}")
        if given.servers.setdefault(frontend, server) != server:
            parser.error(f"--server {server} and {given.servers[frontend]} are both for {frontend} nodes")
    return given


class _Progress:
    """At a terminal one line that is written over; elsewhere a line now and then."""

    def __init__(self, bar: progress.Bar | None = None) -> None:
        self._bar = bar if progress.shown() else None
        self._next = time.monotonic() + PAUSE

    def __call__(self, text: str, seconds: float | None = None) -> None:
        if self._bar is not None:
            self._bar.tell(text) if seconds is None else self._bar.reach(seconds, text)
        elif time.monotonic() >= self._next:
            print(text if seconds is None else f"{seconds:5.0f} s  {text}", file=sys.stderr, flush=True)
            self._next = time.monotonic() + PAUSE


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns the exit status."""
    given = _parse(arguments)
    if given.schedule:
        print(HEADINGS)
        for fault in schedule(given.seed, given.seconds, given.nodes):
            print(fault)
        return 0
    try:
        mode, reason = ground.choose(given.network)
    except OSError as error:
        print(f"no network namespaces: {error}", file=sys.stderr)
        return WRONG
    settings = Settings(
        kind=given.frontend,
        mode=mode,
        seconds=given.seconds,
        nodes=given.nodes,
        seed=given.seed,
        numbered=given.numbered or given.viewservice,
        viewservice=given.viewservice,
        clients=given.clients,
        keys=given.keys,
        servers=given.servers,
    )
    with ExitStack() as files:
        try:
            outlets = _open(given.history, files)
            path = given.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            print(f"{error.filename}: {trouble(error)}", file=sys.stderr)
            return WRONG
        print(f"network       {mode}: {reason}", flush=True)
        return _run(settings, path, outlets, given)


def _open(history: Path | None, files: ExitStack) -> list[IO[str]]:
    """The files for the history and its views, before there is anything to lose. Raises ``OSError``."""
    wanted = () if history is None else (history, beside(history))
    return [files.enter_context(path.open("w", encoding="utf-8")) for path in wanted]


def _run(settings: Settings, path: Path, outlets: list[IO[str]], given: argparse.Namespace) -> int:
    """Run, tell, and put everything where it belongs; the exit status."""
    try:
        with progress.bar(settings.seconds, progress.SECONDS) as bar, Ending() as ending:
            report = run(settings, path, _Progress(bar), ending)
    finally:
        for source, outlet in zip((path / HISTORY, beside(path / HISTORY)), outlets, strict=False):
            if source.exists():
                outlet.write(source.read_text(encoding="utf-8"))
    print(describe(report))
    return leave(report, path, keep=given.keep is not None, history=given.history)


def leave(report: Report, path: Path, *, keep: bool, history: Path | None) -> int:
    """Say where everything is, or remove it; the exit status."""
    if keep or not report.ok:
        print(f"kept          {path}")
    else:
        shutil.rmtree(path)
    if history is not None:
        print(f"history       {history} (views: {beside(history)})")
    print("words         python -m tests.chaos --help")
    if report.interrupted and not report.wrong:
        return INTERRUPTED
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
