"""A space-time diagram of a run as SVG: one lane for each node, time runs down, messages are arrows.

The colour of a lane is the ballot that its node has promised; width and pattern say what the node is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import wrap

from pbproto.config import MILLISECOND
from pbproto.events import TellView
from pbproto.values import Ballot

from . import arrows
from .arrivals import requests_of
from .layout import LINE, Layout, Row, Stretch, lay_out
from .looks import (
    CLIENT,
    COLOURS,
    DARK,
    FAMILIES,
    LANE,
    LEFT,
    NARROWEST,
    NO_COLOUR,
    OUTSIDE,
    RED,
    RIGHT,
    STYLE,
    WHITE,
    WIDTHS,
    definitions,
    words,
)
from .run import Outcome
from .saving import lives_of, printed
from .svg import Drawing, level, tag, text
from .trace import Happening, Record, Step
from .words import event_text, milliseconds

MOST = 400
"""Records that are drawn, if nobody says otherwise."""
MARGIN = 92
"""Where what happens outside the nodes is written."""
LAYERS = ("lines", "faults", "lanes", "messages", "steps", "words", "labels")


def diagram(records: list[Record], outcome: Outcome, *, most: int = MOST) -> str:
    """The diagram of the last ``most`` records of a run, as an SVG document."""
    head = _headline(outcome)
    top = 40.0 + 15 * len(head)
    layout = lay_out(records, outcome, top + 40, most)
    return _Painter(layout, outcome, lives_of(records), _colours(records)).paint(head, top)


def _headline(outcome: Outcome) -> list[str]:
    lines = []
    if outcome.violation is not None:
        lines += wrap(f"{outcome.violation.check}: {outcome.violation.detail}", 130)[:6]
    return [*lines, f"seed {outcome.plan.seed}, {outcome.steps} steps, {milliseconds(outcome.time)} ms"]


def _colours(records: list[Record]) -> dict[str, str]:
    """A colour for each ballot that a node promised."""
    found: dict[str, str] = {"0.0@0": NO_COLOUR}
    for record in records:
        if isinstance(record, Step):
            ballot = record.status.split(" ")[1]
            found.setdefault(ballot, COLOURS[(len(found) - 1) % len(COLOURS)])
    return found


@dataclass(slots=True)
class _Painter:
    """Draws one layout."""

    layout: Layout
    outcome: Outcome
    lives: Mapping[int, int]
    colours: Mapping[str, str]
    drawing: Drawing = field(default_factory=lambda: Drawing({name: [] for name in LAYERS}))

    @property
    def lanes(self) -> dict[int, int]:
        """Where each node's lane is."""
        return {node: LEFT + LANE * place for place, node in enumerate(self.layout.nodes)}

    @property
    def width(self) -> int:
        return max(NARROWEST, LEFT + LANE * (len(self.layout.nodes) - 1) + RIGHT)

    def paint(self, head: list[str], top: float) -> str:
        layout, add = self.layout, self.drawing.add
        for number, line in enumerate(head):
            style = "big red" if number < len(head) - 1 else "dim"
            add("labels", text(16, 24 + 15 * number, line, style))
        self._legend(top - 12)
        for node, x in self.lanes.items():
            add("labels", text(x, top + 22, f"node {node}", "big", "middle"))
        if layout.left_out:
            add("labels", text(16, top + 36, f"… {layout.left_out} earlier records are left out", "dim"))
        for stretch in layout.lanes:
            self._lane(stretch)
        self._faults()
        for flight in layout.flights:
            arrows.draw(self.drawing, flight, self.lanes, self.lives)
        for row in layout.rows:
            if isinstance(row.record, Step):
                self._step(row, row.record)
            else:
                self._happening(row, row.record)
        self._ruler()
        self._end()
        title = f"A run of seed {self.outcome.plan.seed}"
        return self.drawing.document(self.width, layout.bottom + 30, title, STYLE, definitions())

    # The frame.

    def _legend(self, y: float) -> None:
        add, x = self.drawing.add, 16.0
        for _, does, colour, dash in FAMILIES.values():
            line = tag("line", x1=x, y1=y, x2=x + 26, y2=y, stroke=colour, stroke_dasharray=dash or "none")
            add("labels", line, text(x + 31, y + 3, does))
            x += 48 + 5.6 * len(does)
        for mark in ("× lost", "○ under way at the end", "··· copy", "▒ fault"):
            add("labels", text(x, y + 3, mark))
            x += 16 + 5.6 * len(mark)
        x, y = 16.0, y + 16
        for ballot, colour in self.colours.items():
            name = "no ballot" if ballot == "0.0@0" else ballot
            add("labels", tag("rect", x=x, y=y - 8, width=14, height=9, fill=colour), text(x + 18, y, name))
            x += 34 + 5.6 * len(name)
            if x > self.width - 120:
                add("labels", text(x, y, "…"))
                break

    def _ruler(self) -> None:
        last = -100.0
        for row in self.layout.rows:
            if row.pause:
                self.drawing.add("lines", level(row.y - 4, self.width, "#e4e4e4", "1 3"))
                pause = f"⋮ {round(row.pause / MILLISECOND)} ms"
                self.drawing.add("labels", text(MARGIN, row.y - 8, pause, "dim"))
            if row.y - last >= LINE:
                time = f"{row.record.time / MILLISECOND:.2f} ms"
                self.drawing.add("labels", text(MARGIN - 8, row.y + 3, time, "dim", "end"))
                last = row.y

    def _end(self) -> None:
        violation, bottom = self.outcome.violation, self.layout.bottom
        if violation is not None and self.layout.violating is None:
            self.drawing.add("steps", level(bottom, self.width, RED, "none", str(violation), "violation"))
            found = f"found at {milliseconds(self.outcome.time)} ms: {violation.check}"
            self.drawing.add("labels", text(MARGIN, bottom + 14, found, "red"))

    # Lanes and faults.

    def _lane(self, stretch: Stretch) -> None:
        width, x, height = WIDTHS[stretch.what], self.lanes[stretch.node], stretch.end - stretch.start
        if height <= 0:
            return
        title = f"node {stretch.node}: {stretch.what} {stretch.text}".strip()
        fills = [self.colours.get(stretch.text, NO_COLOUR)]
        if stretch.what == "down":
            fills = ["url(#hatch)"]
        elif stretch.what == "proposing":
            fills.append("url(#stripes)")
        for fill in fills:
            box = tag(
                "rect",
                title=title,
                class_="lane",
                x=x - width / 2,
                y=stretch.start,
                width=width,
                height=height,
                fill=fill,
            )
            self.drawing.add("lanes", box)

    def _faults(self) -> None:
        """Bars beside the lanes, as many beside each other as last at the same time."""
        places: dict[int, list[float]] = {node: [] for node in self.lanes}
        for stretch in sorted(self.layout.faults, key=lambda each: (each.start, each.end)):
            ends = places.setdefault(stretch.node, [])
            place = next((number for number, end in enumerate(ends) if end <= stretch.start), len(ends))
            ends[place : place + 1] = [stretch.end]
            bar = tag(
                "rect",
                title=f"fault: {stretch.text}",
                class_="fault",
                x=self.lanes.get(stretch.node, LEFT) + 9 + 6 * place,
                y=stretch.start,
                width=5,
                height=max(3.0, stretch.end - stretch.start),
                fill="url(#hatch)" if stretch.what in ("pause", "crash", "stop", "move") else "#f3c6c6",
                stroke="#d08080",
                stroke_width=0.5,
            )
            self.drawing.add("faults", bar)

    # Records.

    def _happening(self, row: Row, record: Happening) -> None:
        if not row.lines:
            return
        title = f"{milliseconds(record.time)} ms: {record.text}"
        if record.what == "calm":
            self.drawing.add("lines", level(row.y, self.width, "#2f8f2f", "6 3", title))
        style = {"view": "outside", "fault": "red", "crash": "red", "lost": "red"}.get(record.what, "dim")
        self.drawing.add("labels", tag("g", text(MARGIN, row.y + 3, row.lines[0], style), title=title))
        x = self.lanes.get(record.nodes[0]) if record.nodes else None
        if x is not None and record.what in ("crash", "start"):
            cross, up = f"M{x - 6} {row.y - 5:.1f}l12 10m0 -10l-12 10", f"M{x - 6} {row.y + 4:.1f}l6 -9l6 9z"
            shape = cross if record.what == "crash" else up
            mark = tag("path", title=title, d=shape, stroke=RED, stroke_width=2, fill=WHITE)
            self.drawing.add("steps", mark)

    def _step(self, row: Row, step: Step) -> None:
        x, y = self.lanes[step.node], row.y
        if isinstance(step.event, TellView):
            shape = tag("path", d=f"M{x} {y - 7:.1f}l7 7l-7 7l-7 -7z", fill=OUTSIDE, stroke=WHITE)
        elif requests_of(step.event):
            shape = tag("path", d=f"M{x - 6} {y - 6:.1f}l11 6l-11 6z", fill=CLIENT, stroke=WHITE)
        else:
            shape = tag("circle", cx=x, cy=y, r=3.2 if row.lines else 1.8, fill=DARK, stroke=WHITE)
        style = "step"
        if row is self.layout.violating:
            shape += tag("circle", cx=x, cy=y, r=11, fill="none", stroke=RED, stroke_width=3)
            style = "step violation"
        self.drawing.add("steps", tag("g", shape, title=self._whole(step), class_=style))
        self._words(row, step, x)

    def _whole(self, step: Step) -> str:
        """Everything that is known of a step."""
        node = f"node {step.node} ({milliseconds(step.local)} ms)"
        parts = [
            f"step {step.number}, {milliseconds(step.time)} ms, {node}",
            step.mail.name if step.mail is not None else "",
            event_text(step.event, self.lives),
            *(f"  {line}" for line in printed(step, self.lives)),
            step.status,
        ]
        return "\n".join(part for part in parts if part)

    def _words(self, row: Row, step: Step, x: float) -> None:
        """Beside the lane, on the side from which no arrow comes."""
        right = step.node != self.layout.nodes[0] or len(self.layout.nodes) == 1
        if step.mail is not None:
            right = self.lanes.get(step.mail.envelope.sender, 0) < x
        away, anchor = (1, "start") if right else (-1, "end")
        ballot = getattr(step.mail.message, "ballot", None) if step.mail is not None else None
        for number, line in enumerate(row.lines):
            style = "answer" if line.startswith("←") else "dim" if line.startswith("•") else _style(step)
            spot = x + away * 14
            if number == 0 and isinstance(ballot, Ballot):
                colour = self.colours.get(str(ballot), NO_COLOUR)
                left = spot if right else spot - 7
                self.drawing.add("words", tag("rect", x=left, y=row.y - 4, width=7, height=7, fill=colour))
                spot += away * 10
            self.drawing.add("words", words(spot, row.y + 3 + LINE * number, line, style, anchor))


def _style(step: Step) -> str:
    if isinstance(step.event, TellView):
        return "outside"
    return "client" if requests_of(step.event) else "event"
