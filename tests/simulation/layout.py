"""Where the parts of a diagram are: which record is drawn at which height, what lasts from where to where.

Time runs down. The scale keeps the order and gives each record room for its words; a pause costs little more
the longer it is, so that dense stretches stay readable and idle ones do not push them apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import log10

from pbproto.config import MILLISECOND

from .brief import lines_of, message_of
from .run import Outcome
from .trace import Happening, Mail, Record, Step

TOP = 16.0
LINE = 11.0
PAUSE = 30 * MILLISECOND
"""From here on a pause is marked."""
_FAULT = re.compile(r"(.+) of ([\d ]+) (begins|is over)")
FATES = ("lost", "cut", "nobody")


@dataclass(slots=True)
class Row:
    """A record and its place."""

    record: Record
    y: float
    lines: list[str] = field(default_factory=list)
    pause: int = 0
    """Nanoseconds since the record before, if they are many."""


@dataclass(slots=True)
class Stretch:
    """Something of one node that lasts: ``what`` it is from ``start`` to ``end``."""

    node: int
    what: str
    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Flight:
    """A message that arrives, or does not (no ``arrival``)."""

    mail: Mail
    departure: float
    arrival: float | None
    receiver: int
    mark: str
    """``copy``, ``stale copy``, ``late``, the way in which it was lost, or nothing."""


@dataclass(slots=True)
class Layout:
    """A whole diagram, without its looks."""

    nodes: tuple[int, ...]
    rows: list[Row]
    lanes: list[Stretch]
    faults: list[Stretch]
    flights: list[Flight]
    left_out: int
    bottom: float
    violating: Row | None


def lay_out(records: list[Record], outcome: Outcome, top: float, most: int) -> Layout:
    """Arrange the last ``most`` records."""
    before, shown = records[: max(0, len(records) - most)], records[max(0, len(records) - most) :]
    rows, bottom = _rows(shown, top + TOP)
    nodes = tuple(sorted({record.node for record in records if isinstance(record, Step)} | {*_ids(outcome)}))
    violating = None
    if outcome.violation is not None and rows:
        last = next((row for row in reversed(rows) if isinstance(row.record, Step)), None)
        if last is not None and isinstance(last.record, Step):
            reached = (last.record.number, last.record.time) == (outcome.steps, outcome.time)
            violating = last if reached else None
    return Layout(
        nodes,
        rows,
        _lanes(before, rows, nodes, top, bottom),
        _faults(before, rows, top, bottom),
        _flights(before, rows, top),
        len(before),
        bottom,
        violating,
    )


def _ids(outcome: Outcome) -> tuple[int, ...]:
    return outcome.plan.parameters.ids


def _rows(records: list[Record], y: float) -> tuple[list[Row], float]:
    rows = []
    time = records[0].time if records else 0
    for record in records:
        pause = record.time - time
        time = record.time
        y += min(40.0, 4 * log10(1 + pause / 100_000)) if pause > 0 else 0.0
        lines = lines_of(record)
        rows.append(Row(record, y, lines, pause if pause >= PAUSE else 0))
        attached = isinstance(record, Happening) and bool(message_of(record))
        y += 0 if attached else 7 if not lines else 5 + LINE * max(1, len(lines))
    return rows, y + TOP


# What lasts.


def _lanes(
    before: list[Record], rows: list[Row], nodes: tuple[int, ...], top: float, bottom: float
) -> list[Stretch]:
    """What each node is, from step to step: its role and its ballot, or down."""
    now = dict.fromkeys(nodes, ("down", ""))
    for record in before:
        _follow(now, record)
    since, found = dict.fromkeys(nodes, top), []
    for row in rows:
        earlier = dict(now)
        _follow(now, row.record)
        for node in nodes:
            if now[node] != earlier[node]:
                found.append(Stretch(node, *earlier[node], since[node], row.y))
                since[node] = row.y
    return found + [Stretch(node, *now[node], since[node], bottom) for node in nodes]


def _follow(now: dict[int, tuple[str, str]], record: Record) -> None:
    if isinstance(record, Step):
        role, ballot = record.status.split(" ")[:2]
        now[record.node] = (role, ballot)
    elif record.what == "start" and record.nodes:
        now[record.nodes[0]] = ("idle", "0.0@0")
    elif record.what == "crash" and record.nodes:
        now[record.nodes[0]] = ("down", "")


def _faults(before: list[Record], rows: list[Row], top: float, bottom: float) -> list[Stretch]:
    """Faults from their beginning to their end, one stretch for each node that they are of."""
    open_: list[tuple[str, Happening, float]] = []
    found: list[Stretch] = []
    for record, y in [(record, top) for record in before] + [(row.record, row.y) for row in rows]:
        if not isinstance(record, Happening):
            continue
        if record.what == "calm":
            for text, begun, start in open_:
                found += _stretches(text, begun, start, y)
            open_ = []
        parsed = _FAULT.fullmatch(record.text) if record.what == "fault" else None
        if parsed is None:
            continue
        text = f"{parsed[1]} of {parsed[2]}"
        if parsed[3] == "begins":
            open_.append((text, record, y))
            continue
        match = next((entry for entry in open_ if entry[0] == text), None)
        if match is not None:
            open_.remove(match)
            found += _stretches(text, match[1], match[2], y)
    for text, begun, start in open_:
        found += _stretches(text, begun, start, bottom)
    return [stretch for stretch in found if stretch.end > top]


def _stretches(text: str, begun: Happening, start: float, end: float) -> list[Stretch]:
    return [Stretch(node, text.partition(" ")[0], text, start, end) for node in begun.nodes]


# Messages.


def _flights(before: list[Record], rows: list[Row], top: float) -> list[Flight]:
    """What was sent or arrived in the window."""
    marks: dict[str, set[str]] = {}
    for record in [*before, *(row.record for row in rows)]:
        if isinstance(record, Happening) and (name := message_of(record)):
            marks.setdefault(name, set()).add(record.what)
    departures: dict[int, tuple[Mail, float]] = {}
    arrivals: dict[int, int] = {}
    for record in before:
        if isinstance(record, Step):
            departures |= {mail.number: (mail, top) for mail in record.sent}
            if record.mail is not None:
                arrivals[record.mail.number] = arrivals.get(record.mail.number, 0) + 1
    found, inside = [], dict[int, tuple[Mail, float]]()
    for row in rows:
        record = row.record
        if not isinstance(record, Step):
            continue
        if record.mail is not None:
            number = record.mail.number
            arrivals[number] = arrivals.get(number, 0) + 1
            mark = _mark(marks.get(record.mail.name, set()), arrivals[number])
            start = departures.get(number, (record.mail, top))[1]
            found.append(Flight(record.mail, start, row.y, record.node, mark))
        inside |= {mail.number: (mail, row.y) for mail in record.sent}
        departures |= {mail.number: (mail, row.y) for mail in record.sent}
    for number, (mail, y) in inside.items():
        if number not in arrivals:
            fate = [word for word in FATES if word in marks.get(mail.name, ())]
            mark = fate[0] if fate else "under way"
            found.append(Flight(mail, y, None, mail.envelope.receiver, mark))
    return found


def _mark(marks: set[str], count: int) -> str:
    if count > 1:
        return "stale copy" if "stale" in marks else "copy"
    return "late" if "late" in marks else ""
