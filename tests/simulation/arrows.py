"""Messages in a diagram: arrows from step to step, or strokes that end where a message did."""

from __future__ import annotations

from collections.abc import Mapping

from .brief import brief
from .layout import Flight
from .looks import FAMILIES, LEFT, RED, WHITE, family, words
from .svg import Drawing, tag
from .words import message_text


def draw(drawing: Drawing, flight: Flight, lanes: Mapping[int, int], lives: Mapping[int, int]) -> None:
    """Draw one message; ``lanes`` says where each node's lane is."""
    start = lanes[flight.mail.envelope.sender]
    end = lanes.get(flight.receiver, LEFT)
    mark = f", {flight.mark}" if flight.mark else ""
    title = f"{flight.mail.name}{mark}\n{message_text(flight.mail.message, lives)}"
    if flight.arrival is None:
        _stopped(drawing, flight, start, end, title)
    else:
        _arrived(drawing, flight, flight.arrival, start, end, title)


def _side(start: float, end: float) -> int:
    return 1 if end >= start else -1


def _arrived(drawing: Drawing, flight: Flight, arrival: float, start: int, end: int, title: str) -> None:
    name = family(flight.mail.message)
    _, _, colour, dash = FAMILIES[name]
    dash = "1.5 3" if "copy" in flight.mark else dash
    x1, x2 = start + _side(start, end) * 6, end - _side(start, end) * 8
    arrow = tag(
        "line",
        title=title,
        class_=f"arrow {name}",
        x1=x1,
        y1=flight.departure,
        x2=x2,
        y2=arrival,
        stroke=colour,
        stroke_dasharray=dash or "none",
        marker_end=f"url(#head-{name})",
    )
    drawing.add("messages", arrow)
    if flight.mark:
        x, y = x1 + 0.75 * (x2 - x1), flight.departure + 0.75 * (arrival - flight.departure)
        drawing.add("words", words(x, y - 2, flight.mark, "dim", "middle"))


def _stopped(drawing: Drawing, flight: Flight, start: int, end: int, title: str) -> None:
    """A message that did not arrive: a stroke that ends in a cross, or in a circle."""
    side, y1 = _side(start, end), flight.departure
    x1, x2, y2 = start + side * 6, start + side * 52, flight.departure + 7
    lost = flight.mark != "under way"
    _, _, colour, _ = FAMILIES[family(flight.mail.message)]
    line = tag("line", class_="lost" if lost else "under-way", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour)
    if not lost:
        mark = tag("circle", cx=x2, cy=y2, r=3, fill=WHITE, stroke=colour)
        drawing.add("messages", tag("g", line + mark, title=title))
        return
    cross = f"M{x2 - 4:.1f} {y2 - 4:.1f}l8 8m0 -8l-8 8"
    mark = tag("path", d=cross, stroke=RED, stroke_width=1.8, fill="none")
    drawing.add("messages", tag("g", line + mark, title=title))
    message = flight.mail.message
    what = f"{type(message).__name__} {brief(message)}"[:32]
    fate = "nobody there" if flight.mark == "nobody" else flight.mark
    anchor = "start" if side > 0 else "end"
    drawing.add("words", words(x2 + side * 7, y2 + 4, f"{fate}: {what}", "red", anchor))
