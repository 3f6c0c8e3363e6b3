"""Tables of the reference that are made from the code: settings of a node, options of the view service.

``{node-settings}`` has a row for each setting of ``frontends.common.settings``; ``{service-options}`` a row
for each word and option of ``python -m viewservice``; ``{service-presets}`` how fast each preset concludes.
"""

from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any, ClassVar

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from frontends.common import settings
from pbproto.config import MIB, SECOND
from viewservice.__main__ import _parser
from viewservice.config import PRESETS, Config

Row = Sequence[str]


def number(value: float, unit: str = "") -> str:
    """A bound as people write it."""
    if unit.startswith("bytes"):
        for size, name in ((2**50, "PiB"), (2**40, "TiB"), (MIB, "MiB")):
            if value >= size and value % size == 0:
                return f"{value / size:g} {name}"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def default(value: Any, unit: str) -> str:
    """A default as it would be given, and as people write it where that is another thing."""
    if isinstance(value, str):
        return f"`{value or 'none'}`"
    told = number(value, unit)
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" + f" ({told})" * (" " in told)


def node_settings() -> Iterator[Row]:
    """Flag, variable, default, range and meaning of each setting of a node."""
    yield (
        "`--id`",
        "`NODE_IDENTIFIER`",
        "",
        "an integer from 0 to 2⁶³-1",
        "the id of the node; has to be given",
    )
    yield "`--bind`", "`PBPROTO_BIND`", "`127.0.0.1:8081`", "host:port", "where to listen"
    yield "`--server`", "`PBPROTO_SERVER`", "", "see below", "the web server"
    for spec in settings.TUNABLE:
        yield (
            f"`--{spec.name.replace('_', '-')}`",
            f"`{settings.PREFIX}{spec.name.upper()}`",
            default(spec.default, spec.metadata["unit"]),
            _range(spec.metadata),
            spec.metadata["help"],
        )


def _range(metadata: Any) -> str:
    if "low" not in metadata:
        return str(metadata["unit"])
    low, high, unit = metadata["low"], metadata["high"], metadata["unit"]
    return f"{unit}, {number(low, unit)} to {number(high, unit)}"


def service_options() -> Iterator[Row]:
    """Every option of every word of the view service."""
    (words,) = (action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    meaning = {action.dest: action.help or "" for action in words._choices_actions}
    for word, parser in words.choices.items():
        yield f"`{word}`", "", meaning[word]
        for action in parser._actions:
            if action.dest != "help":
                yield "", f"`{_written(action)}`", action.help or ""


def _written(action: argparse.Action) -> str:
    name = action.metavar or (action.dest if not action.option_strings else action.dest.upper())
    if action.choices:
        name = "|".join(map(str, action.choices))
    if not action.option_strings:
        return str(name)
    return action.option_strings[0] if action.nargs == 0 else f"{action.option_strings[0]} {name}"


def service_presets() -> Iterator[Row]:
    """How long the view service waits before it concludes something, by preset, in seconds."""
    meaning = described(Config)
    for field in fields(Config):
        times = (f"{getattr(PRESETS[name], field.name) / SECOND:g} s" for name in PRESETS)
        yield f"`{field.name}`", *times, meaning.get(field.name, "")


def described(class_: type) -> dict[str, str]:
    """The sentences that stand behind the fields of a class."""
    (body,) = ast.parse(inspect.getsource(class_)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
        ):
            assert isinstance(text.value, ast.Constant)
            found[field.target.id] = " ".join(str(text.value.value).split())
    return found


def table(head: Row, body: Iterable[Row]) -> nodes.table:
    """A table whose cells are plain text, with code between backticks."""
    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    top, rows = nodes.thead(), nodes.tbody()
    top += _row(head)
    rows += [_row(row) for row in body]
    group += [top, rows]
    return nodes.table("", group, classes=["generated"])


def _row(cells: Row) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        entry, paragraph = nodes.entry(), nodes.paragraph()
        for place, piece in enumerate(cell.replace("``", "`").split("`")):
            if piece:
                paragraph += nodes.literal(piece, piece) if place % 2 else nodes.Text(piece)
        entry += paragraph
        row += entry
    return row


class _Table(SphinxDirective):
    """A table with this head."""

    head: ClassVar[Row]

    def rows(self) -> Iterator[Row]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return [table(self.head, self.rows())]


class NodeSettings(_Table):
    """The settings of a node."""

    head = ("flag", "variable", "default", "unit and range", "meaning")

    def rows(self) -> Iterator[Row]:
        return node_settings()


class ServiceOptions(_Table):
    """The words and options of the view service."""

    head = ("word", "option", "meaning")

    def rows(self) -> Iterator[Row]:
        return service_options()


class ServicePresets(_Table):
    """The times of the view service."""

    head = ("", *PRESETS, "meaning")

    def rows(self) -> Iterator[Row]:
        return service_presets()


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("node-settings", NodeSettings)
    app.add_directive("service-options", ServiceOptions)
    app.add_directive("service-presets", ServicePresets)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
