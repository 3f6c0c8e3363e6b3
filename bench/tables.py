"""Tables and numbers as text: the same Markdown on the terminal and in the documents. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .figures import Spread


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: Sequence[int] = (0,)) -> str:
    """A Markdown table with padded columns; those of ``texts`` stand on the left, figures on the right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [
            text.ljust(width) if column in texts else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if column in texts else "-" * (width - 1) + ":" for column, width in enumerate(widths)
    ]
    return "\n".join([line(head), line(rule), *(line(row) for row in cells[1:])])


def number(value: float) -> str:
    """A number with three significant digits at least: 12,345, 678, 9.87, 0.0123."""
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    digits = 1 if size >= 10 else 2
    while size < 1 and digits < 6 and size * 10 ** (digits - 1) < 1:
        digits += 1
    return f"{value:.{digits}f}"


def spread(values: Spread | None) -> str:
    """``low / median / high``, or a dash for what was not measured."""
    if values is None:
        return "–"
    return f"{number(values.low)} / {number(values.middle)} / {number(values.high)}"


def size(count: float) -> str:
    """A number of bytes in the largest binary unit that fits: 16 B, 1.5 KiB, 1 MiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024 or unit == "GiB":
            break
        count /= 1024
    return f"{count:.3g} {unit}"


def count(text: str) -> int:
    """The integer in ``1000``, ``1e6``, ``16B``, ``64KiB`` or ``1MiB``. Raises ``ValueError``."""
    units = {"KiB": 1024, "MiB": 1024**2, "B": 1}
    for unit, factor in units.items():
        if text.endswith(unit):
            return round(float(text[: -len(unit)]) * factor)
    value = float(text)
    if value != int(value) or value < 0:
        raise ValueError(f"{text!r} is not a whole number")
    return int(value)
