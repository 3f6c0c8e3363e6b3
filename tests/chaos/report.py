"""What a run is, how it went, and how that is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.checker.history import Call
from tests.checker.verdict import Verdict
from tests.live.harness import Kind

from .figures import Figures
from .ground import Mode
from .nemesis import Fault
from .sight import Manners
from .stream import Traffic


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is."""

    kind: Kind = "quart"
    mode: Mode = "proxy"
    seconds: float = 60.0
    nodes: int = 3
    seed: int = 1
    numbered: bool = False
    clients: int = 24
    keys: int = 8
    servers: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    """More settings for the nodes."""
    faults: tuple[Fault, ...] | None = None
    """Instead of the seed's schedule."""
    least_views: int = 0
    """The run goes on until there were so many."""
    manners: Manners = field(default_factory=Manners)


@dataclass(slots=True)
class Report:
    """How a run went."""

    settings: Settings
    history: tuple[Call, ...] = ()
    figures: Figures | None = None
    shapes: tuple[str, ...] = ()
    """The kinds of faults that the ground added."""
    faults: Mapping[str, int] = field(default_factory=dict)
    withheld: int = 0
    fault_log: tuple[str, ...] = ()
    views: int = 0
    views_active: int = 0
    outside: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, int] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)
    echoes: int = 0
    """Old mails that reached a node once more."""
    recovery: float | None = None
    """Seconds from the end of the faults until all was well."""
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return sum(verdict.result == "violation" for verdict in self.verdicts.values())

    @property
    def ok(self) -> bool:
        """With numbers every history can be judged; without them a search may run out of steps."""
        return not self.failures and not self.violations and self.verdicts["with numbers"].ok


def describe(report: Report) -> str:
    """The report as text."""
    settings, figures = report.settings, report.figures
    lines = [
        f"{settings.kind} on {settings.mode}, {settings.nodes} nodes, {settings.clients} clients, "
        f"{'numbered' if settings.numbered else 'unnumbered'} views, seed {settings.seed}, "
        f"{settings.seconds:g} s, {os.cpu_count()} cores"
    ]
    if figures is not None:
        outcomes = ", ".join(f"{name} {count:,}" for name, count in sorted(figures.outcomes.items()))
        lines.append(f"operations    {figures.calls:,} ({outcomes}), {figures.rate:,.0f} ok/s")
        for what, counts in sorted(figures.by_kind.items()):
            lines.append(
                f"  {what:<8}    " + ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
            )
        times = ", ".join(f"{name} within {time_ * 1000:,.0f} ms" for name, time_ in figures.slowest.items())
        lines.append(f"answers       {times}")
        lines.append(f"unknown       {figures.unknown_writes:,} writes")
        both, one = figures.worst, figures.worst_client
        lines.append(
            f"worst silence {both.seconds:.2f} s without any ok answer (at {both.at:.1f} s); "
            f"{one.seconds:.2f} s for one client (at {one.at:.1f} s)"
        )
    lines += [
        f"refusals      {_counts(report.refusals)}",
        f"faults        {sum(report.faults.values())}: {_counts(report.faults)}; withheld {report.withheld}",
        f"views         {report.views}, seen active {report.views_active}; {_counts(report.outside)}",
        f"wires         {report.traffic.passed:,} bytes passed, {report.traffic.lost:,} lost, "
        f"{report.traffic.late:,} delivered late in {report.traffic.late_mails:,} mails, "
        f"the oldest after {report.traffic.oldest:.0f} s, "
        f"{report.echoes:,} mails echoed",
        "recovery      "
        + ("never" if report.recovery is None else f"{report.recovery:.1f} s after the last fault"),
        *(f"{name:<15} {verdict.explain()}" for name, verdict in report.verdicts.items()),
        *(f"FAILURE       {failure}" for failure in report.failures),
        f"violations    {report.violations}",
    ]
    return "\n".join(lines)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
