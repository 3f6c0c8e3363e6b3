"""The little of SVG that a diagram needs; every text is escaped."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

Number = int | float
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 does not allow, not even escaped."""


def clean(text: str) -> str:
    """The text with a mark in place of each character that XML cannot carry."""
    return _FORBIDDEN.sub("\ufffd", text)


def tag(name: str, content: str = "", title: str = "", **attributes: Number | str) -> str:
    """An element; ``content`` is markup, ``title`` and attribute values are text. ``_`` stands for ``-``."""
    words = [name]
    for key, value in attributes.items():
        shown = f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)
        words.append(f"{key.rstrip('_').replace('_', '-')}={quoteattr(clean(shown))}")
    inner = (f"<title>{escape(clean(title))}</title>" if title else "") + content
    return f"<{' '.join(words)}>{inner}</{name}>" if inner else f"<{' '.join(words)}/>"


def text(x: Number, y: Number, words: str, class_: str = "", anchor: str = "start") -> str:
    """A line of text, whose baseline is at ``y``."""
    return tag("text", escape(clean(words)), x=x, y=y, class_=class_ or "plain", text_anchor=anchor)


def level(y: Number, width: Number, stroke: str, dash: str, title: str = "", class_: str = "level") -> str:
    """A line across."""
    return tag(
        "line", title=title, class_=class_, x1=0, y1=y, x2=width, y2=y, stroke=stroke, stroke_dasharray=dash
    )


@dataclass(slots=True)
class Drawing:
    """Layers of elements, painted in the order in which they were first named."""

    layers: dict[str, list[str]] = field(default_factory=dict)

    def add(self, layer: str, *elements: str) -> None:
        self.layers.setdefault(layer, []).extend(elements)

    def document(self, width: Number, height: Number, title: str, style: str, defs: str = "") -> str:
        """The whole file; its background is white in light and in dark surroundings."""
        body = [
            f"<title>{escape(clean(title))}</title>",
            f"<style>{escape(style)}</style>",
            f"<defs>{defs}</defs>",
            tag("rect", x=0, y=0, width=width, height=height, fill="#ffffff"),
        ]
        for name, elements in self.layers.items():
            body.append(f"<g class={quoteattr(name)}>" + "\n".join(elements) + "</g>")
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="{width:.0f}" '
            f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
        )
        return '<?xml version="1.0" encoding="UTF-8"?>\n' + head + "\n" + "\n".join(body) + "\n</svg>\n"
