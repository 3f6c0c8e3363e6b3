"""How diagrams look: colours, dashes, styles, and words that arrows do not strike through."""

from __future__ import annotations

from pbproto import Message
from pbproto.messages import (
    Adopt,
    Adopted,
    Confirm,
    Confirmed,
    Fetch,
    Forward,
    Forwarded,
    LogChunk,
    Promise,
    Propose,
    Refuse,
    SnapshotChunk,
    Told,
)

from .svg import tag, text

LEFT, LANE, RIGHT = 330, 300, 270
"""Pixels beside the first lane, from lane to lane, and beside the last."""
NARROWEST = 1080
GLYPH = 5.42
"""Width of a character."""
COLOURS = (
    "#4c9be8", "#f2a33a", "#57b86b", "#d8679c", "#8d7be0", "#36b8b0",
    "#c9b02b", "#e2725b", "#7f9c3a", "#a97c50", "#5f7fae", "#b45fc4",
)  # fmt: skip
"""Of ballots, in the order in which they appear."""
NO_COLOUR = "#c8c8c8"
RED, DARK, WHITE = "#c00000", "#1a1a1a", "#ffffff"
CLIENT, OUTSIDE = "#0b4f8a", "#6a1fa0"
FAMILIES: dict[str, tuple[tuple[type, ...], str, str, str]] = {
    "view": ((Told, Propose, Promise, Adopt, Adopted), "installs a view", "#6a1fa0", ""),
    "transfer": ((Fetch, LogChunk, SnapshotChunk), "moves state", "#00735c", "7 3"),
    "forward": ((Forward, Forwarded, Confirm, Confirmed), "forwards, confirms", "#a65a00", "3 2"),
    "refuse": ((Refuse,), "refuses", "#c00000", "9 2 2 2"),
    "replicate": ((), "replicates", "#333333", ""),
}
"""Message kinds, what they do, colour and dashes of each family; the last has all other kinds."""
WIDTHS = {"primary": 12.0, "proposing": 12.0, "backup": 7.0, "idle": 3.0, "down": 2.0}
STYLE = """
text { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: 9px; fill: #1a1a1a; }
.under { fill: #ffffff; fill-opacity: 0.82; }
.big { font-size: 13px; font-weight: bold; } .dim { fill: #777777; } .red { fill: #c00000; }
.client { fill: #0b4f8a; } .answer { fill: #14691f; } .outside { fill: #6a1fa0; font-weight: bold; }
.arrow { fill: none; stroke-width: 1.2; } .lost { stroke-width: 1.2; }
"""


def family(message: Message) -> str:
    """The family of a message."""
    return next((name for name, known in FAMILIES.items() if isinstance(message, known[0])), "replicate")


def words(x: float, y: float, line: str, style: str, anchor: str) -> str:
    """A line of text over something that keeps arrows from striking it through."""
    width = GLYPH * len(line)
    left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
    under = tag("rect", class_="under", x=left - 1, y=y - 8, width=width + 2, height=10)
    return under + text(x, y, line, style, anchor)


def definitions() -> str:
    """Arrow heads and patterns."""
    heads = [
        f'<marker id="head-{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for name, (_, _, colour, _) in FAMILIES.items()
    ]
    stripes = (
        '<pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)">'
        '<rect width="3" height="6" fill="#ffffff" fill-opacity="0.75"/></pattern>'
    )
    hatch = (
        '<pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(-45)">'
        '<rect width="4" height="4" fill="#ffffff"/><rect width="2" height="4" fill="#b06060"/></pattern>'
    )
    return "".join(heads) + stripes + hatch
