"""One run: a cluster, its clients, its outside and its troubles; then calm, and judgement.

A run fails if its history is not linearizable, if the cluster does not come back to life once all faults have
ended (every view active, every node with the same data, every node taking writes), or if anybody did what it
never may: a node that ends by itself, an answer that is not of the API, an outside that broke the rules. It
also fails if nobody was answered ok: then nothing was tried.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from tests.checker.history import save
from tests.checker.linearizability import check
from tests.simulation.plan import Ask

from . import ground as grounds
from .clients import Client, Crowd
from .ending import Ending
from .figures import measure
from .ground import Ground
from .nemesis import HEADINGS, Nemesis, schedule
from .outside import Outside
from .report import Report, Settings
from .rules import Ledger
from .service import outside_of
from .views import beside
from .workload import Load

ENV = {
    "PBPROTO_REQUEST_TIMEOUT": "2",
    "PBPROTO_SUSPECT_AFTER": "0.4",
    "PBPROTO_RESEND_AFTER": "0.1",
    "PBPROTO_HEARTBEAT": "0.2",
    "PBPROTO_PEER_TIMEOUT": "1.5",
    # Small, so that a transfer takes many steps, and what is left of a log is often too short.
    "PBPROTO_CHUNK_BYTES": "16384",
    "PBPROTO_BATCH_BYTES": "4096",
    "PBPROTO_LOG_KEEP_BYTES": "16384",
    "PBPROTO_THREADS": "48",
}
HISTORY = "history.jsonl"
RECOVERY = 90.0
"""Seconds within which all must be well after the last fault; for a hang, not a promise of the protocol."""


class Progress(Protocol):
    """Is told what is going on, and how many seconds things have gone wrong, once they do."""

    def __call__(self, text: str, seconds: float | None = None, /) -> None: ...


def run(
    settings: Settings,
    path: Path,
    progress: Progress = lambda _text, _seconds=None: None,
    ending: Ending | None = None,
) -> Report:
    """Run and judge, until ``ending`` is wished at most.

    ``path`` is a directory for the logs of the nodes, the history, the views and the fault log.
    """
    ending = ending or Ending()
    report = Report(settings)
    try:
        with grounds.make(
            settings.mode,
            path,
            settings.kind,
            settings.nodes,
            env=ENV | dict(settings.env),
            servers=settings.chosen,
        ) as ground:
            _Run(settings, ground, report, progress, ending, path).go()
    finally:
        save(path / HISTORY, report.history)
        beside(path / HISTORY).write_text("".join(report.record.lines()))
        (path / "faults.txt").write_text("".join(f"{line}\n" for line in (HEADINGS, *report.fault_log)))
    progress("judging the history")
    try:
        ending.at_once = True
        for name, numbers in (("with numbers", True), ("without numbers", False)):
            report.verdicts[name] = check(report.history, numbers=numbers)
    except KeyboardInterrupt:
        ending.wished = True
    finally:
        ending.at_once = False
    report.interrupted = ending.wished
    return report


class _Run:
    def __init__(
        self,
        settings: Settings,
        ground: Ground,
        report: Report,
        progress: Progress,
        ending: Ending,
        path: Path,
    ) -> None:
        self._settings = settings
        self._ground = ground
        self._report = report
        self._progress = progress
        self._ending = ending
        report.shapes = ground.shapes
        self._ledger: Ledger
        self._outside: Outside
        if settings.viewservice:
            self._ledger, self._outside = outside_of(ground, settings.seed, path)
        else:
            self._ledger = Ledger(ground.cluster.nodes, numbered=settings.numbered)
            self._outside = Outside(ground, self._ledger, settings.seed, settings.manners)
        faults = settings.faults
        if faults is None:
            faults = schedule(settings.seed, settings.seconds, settings.nodes, ground.shapes)
        self._nemesis = Nemesis(ground, self._outside, faults)
        patience = float(ENV["PBPROTO_REQUEST_TIMEOUT"])
        self._load = Load(settings.seed, self._ledger.nodes, settings.clients, settings.keys, patience)
        self._crowd = Crowd(ground, self._load)
        self._last = Client(settings.clients, ground, ground.homes[0], self._load)
        self._began = time.monotonic_ns()
        self._ended: int | None = None
        self._rounds = 0

    def go(self) -> None:
        try:
            self._storm()
            if not self._ending.wished:
                self._calm()
        finally:
            try:
                self._nemesis.stop()
                self._ground.heal()
                self._crowd.stop()
                self._outside.stop()
            finally:
                self._collect()

    def _collect(self) -> None:
        """Write down what happened, however it ended."""
        report = self._report
        report.history = (*self._crowd.calls(), *self._last.calls)
        report.figures = measure(report.history, self._began, self._ended or time.monotonic_ns())
        report.record = self._outside.record
        report.faults = dict(self._nemesis.counts)
        report.withheld = self._nemesis.withheld
        report.fault_log = tuple(self._nemesis.log)
        report.views, report.views_active = len(self._ledger.issued), self._ledger.active
        report.outside = dict(self._outside.counts)
        report.refusals = dict(sum((c.refusals for c in self._crowd.clients), self._last.refusals))
        report.traffic = self._ground.wires.total()
        report.echoes = self._ground.wires.events["echoed"]
        report.failures += self._errors()
        if not (report.failures or report.figures.outcomes["ok"] or self._ending.wished):
            report.failures.append("nobody was answered ok before the last fault had ended")

    def _storm(self) -> None:
        self._ground.cluster.start_all()
        self._outside.start()
        if not self._wait(self._outside.all_active):
            return
        self._began = time.monotonic_ns()
        self._outside.calm.clear()
        self._crowd.start()
        self._nemesis.start()
        self._wait(lambda: False, self._settings.seconds)
        self._wait(self._enough)
        self._ended = time.monotonic_ns()

    def _enough(self) -> bool:
        """On a busy machine everything takes longer, but it takes place."""
        enough = len(self._ledger.issued) >= self._settings.least_views
        return enough and self._nemesis.done.is_set()

    def _calm(self) -> None:
        """Liveness: everything ends, and everybody agrees."""
        self._nemesis.stop()
        self._ground.heal()
        self._outside.calm.set()
        began = time.monotonic()
        if self._wait(self._outside.all_active):
            self._crowd.stop()  # everybody gets a last answer while all is well
            if self._wait(self._agree):
                self._report.recovery = time.monotonic() - began
                return
        if not self._errors() and not self._ending.wished:
            self._report.failures.append(
                f"not all was well {RECOVERY:g} s after the last fault:\n{self._outside.describe()}"
            )

    def _agree(self) -> bool:
        """A write through every node, then the same data at every node."""
        self._rounds += 1
        never = threading.Event()
        for node in self._ledger.nodes:
            ask = Ask(0, self._last.number, node, "put", f"k{node}", f"last {self._rounds} {node}")
            self._last.fulfil(ask, never)
            if self._last.calls[-1].outcome != "ok":
                return False
        listings = []
        for node in self._ledger.nodes:
            self._last.fulfil(Ask(0, self._last.number, node, "list"), never)
            if self._last.calls[-1].outcome != "ok":
                return False
            listings.append(self._last.calls[-1].items)
        if any(listing != listings[0] for listing in listings):
            self._report.failures.append(f"the nodes do not agree: {listings}")
        return True

    def _wait(self, condition: Callable[[], bool], seconds: float = RECOVERY) -> bool:
        """Wait for a condition, as long as nothing is wrong and nobody interrupts; whether it came."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._errors() or self._ending.wished:
                return False
            if condition():
                return True
            self._tell_progress()
            time.sleep(0.1)
        return False

    def _errors(self) -> list[str]:
        wires = self._ground.wires.errors
        errors = [*self._crowd.errors, *self._outside.errors, *self._nemesis.errors, *wires]
        found = [repr(error) for error in errors]
        for node in self._ground.cluster.nodes.values():
            process = node.process
            status = process.poll() if process is not None else None
            if status is not None and self._ledger.life(node.id) is not None:
                found.append(f"{node!r} ended by itself with status {status}:\n{node.log_tail()}")
        return found

    def _tell_progress(self) -> None:
        seconds = (time.monotonic_ns() - self._began) / 1e9
        calls = sum(len(client.calls) for client in self._crowd.clients)
        faults = ", ".join(fault.kind for fault in self._nemesis.under_way.values()) or "-"
        view = self._ledger.view
        members = "" if view is None else ",".join(map(str, view.members))
        self._progress(
            f"{calls} calls  view {len(self._ledger.issued)} ({members})"
            f"{'' if self._ledger.latest_is_active else ' not active'}  faults: {faults}",
            seconds,
        )
