"""What a run is, how it went, and how that is told."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.checker.history import Call
from tests.checker.verdict import Verdict
from tests.live.harness import Kind

from .figures import LONG, Figures
from .ground import Mode
from .nemesis import Fault
from .sight import Manners
from .stream import Traffic
from .unanswered import unanswered
from .views import Record, reads

SERVERS = {"quart": ("hypercorn", "uvicorn", "granian"), "wsgi": ("waitress", "gunicorn")}
"""What a frontend can run on; on the first if none is named."""
LONG_RUN = 60.0
"""Seconds from which on a run should have seen an unknown write take effect late."""


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
    viewservice: bool = False
    """The view service is the outside."""
    least_views: int = 0
    """The run goes on until there were so many."""
    manners: Manners = field(default_factory=Manners)

    @property
    def chosen(self) -> Mapping[str, str]:
        """The server of each frontend that this run has, named or not."""
        frontends = SERVERS if self.kind == "mixed" else (self.kind,)
        return {frontend: self.servers.get(frontend, SERVERS[frontend][0]) for frontend in frontends}


@dataclass(slots=True)
class Report:
    """How a run went."""

    settings: Settings
    history: tuple[Call, ...] = ()
    figures: Figures | None = None
    record: Record = field(default_factory=Record)
    """The views that the outside sent."""
    interrupted: bool = False
    """It ended early, because somebody wanted it to."""
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
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return sum(verdict.result == "violation" for verdict in self.verdicts.values())

    @property
    def wrong(self) -> bool:
        """Whether it found what must not be. Without numbers a search may run out of steps."""
        judged = self.verdicts.get("with numbers")
        return bool(self.failures or self.violations or (judged is not None and not judged.ok))

    @property
    def ok(self) -> bool:
        """Whether everything was done and nothing is wrong."""
        return not self.wrong and not self.interrupted and "with numbers" in self.verdicts


def describe(report: Report) -> str:
    """The report as text; what its words mean is in ``words``."""
    settings = report.settings
    views = "numbered views" if settings.numbered else "unnumbered views"
    if settings.viewservice:
        views = "views of the view service"
    lines = [
        f"{settings.kind} on {settings.mode}, {settings.nodes} nodes, {settings.clients} clients, "
        f"{views}, seed {settings.seed}, {settings.seconds:g} s, {os.cpu_count()} cores",
        "servers       " + ", ".join(f"{server} ({name})" for name, server in settings.chosen.items()),
    ]
    if report.interrupted:
        lines.append("interrupted   this is how far it got; recovery was not tried")
    if report.figures is not None:
        lines += _told(report, report.figures)
    never = "not tried" if report.interrupted else "never"
    lines += [
        f"refusals      {_counts(report.refusals)}",
        f"faults        {sum(report.faults.values())}: {_counts(report.faults)}; withheld {report.withheld}",
        f"views         {report.views}, seen active {report.views_active}; {_counts(report.outside)}",
        f"wires         {report.traffic.passed:,} bytes passed, {report.traffic.lost:,} lost, "
        f"{report.traffic.late:,} delivered late in {report.traffic.late_mails:,} mails, "
        f"the oldest after {report.traffic.oldest:.0f} s, "
        f"{report.echoes:,} mails echoed",
        "recovery      "
        + (never if report.recovery is None else f"{report.recovery:.1f} s after the last fault"),
        *(f"{name:<15} {verdict.explain()}" for name, verdict in report.verdicts.items()),
        *(f"FAILURE       {failure}" for failure in report.failures),
        f"violations    {report.violations}" + ("" if report.verdicts else ": the history was not judged"),
    ]
    return "\n".join(lines)


def _told(report: Report, figures: Figures) -> Iterator[str]:
    """The lines that say what clients were told."""
    more = sum(figures.afterwards.values())
    yield (
        f"operations    {figures.calls:,} ({_counts(figures.outcomes)}), {figures.rate:,.0f} ok/s; "
        f"+{more:,} at recovery ({_counts(figures.afterwards)})"
    )
    for what, counts in sorted(figures.by_kind.items()):
        yield f"  {what:<8}    {_counts(counts)}"
    times = ", ".join(f"{name} within {time_ * 1000:,.0f} ms" for name, time_ in figures.slowest.items())
    yield f"answers       {times or 'none'}"
    yield f"unknown       {figures.unknown_writes:,} writes; +{figures.unknown_afterwards:,} at recovery"
    numbered = report.verdicts.get("with numbers")
    if numbered is not None and numbered.ok:
        of = unanswered(report.history, numbered.order)
        yield (
            f"  later       of {of.writes:,} operations {of.effective:,} took effect all the same, "
            f"{of.seen:,} were seen by their value, {of.late:,} of these late"
        )
        if not of.late and figures.seconds >= LONG_RUN:
            yield "  NOTE        no unknown write was seen late: of those this run says nothing"
    seen = reads(report.history, report.record)
    yield (
        f"reads         ok at the primary {seen.primary:,}, at backups {seen.backup:,}, open {seen.open:,}; "
        f"within 1 s after a view was sent {seen.after_sent:,}, was active {seen.after_active:,}"
    )
    both, one = figures.worst, figures.worst_client
    yield (
        f"worst silence {both.seconds:.2f} s without any ok answer (at {both.at:.1f} s); "
        f"{one.seconds:.2f} s for one client (at {one.at:.1f} s)"
    )
    yield f"  silent      {figures.silent:.0%} of the time, in silences of {LONG:g} s or more"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
