"""The reference of ``pbkv``, made from its commands: ``{command-line}`` has a section for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes  # type: ignore[import-untyped]
from reference_tables import Row, table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pbkv.cli.app import cli

NAME = "pbkv"


def commands(command: click.Command, name: str) -> Iterator[tuple[click.Command, str]]:
    """A command and those below it, with their full names."""
    yield command, name
    if isinstance(command, click.Group):
        for word in sorted(command.commands):
            yield from commands(command.commands[word], f"{name} {word}")


def options(command: click.Command, context: click.Context, common: frozenset[str]) -> Iterator[Row]:
    """The options of a command, as its help has them, without those that all commands have."""
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and not set(parameter.opts) & common:
            record = parameter.get_help_record(context)
            if record is not None:
                yield f"`{record[0]}`", " ".join(record[1].split())


def words(text: str) -> list[nodes.Node]:
    """The paragraphs of a help text; flags stand in it as they are typed."""
    found: list[nodes.Node] = []
    for paragraph in text.replace("\b\n", "").split("\n\n"):
        whole = " ".join(paragraph.split())
        found += [nodes.paragraph("", whole)] if whole else []
    return found


class CommandLine(SphinxDirective):
    """A section for each command: how it is called, what it does, its options."""

    def run(self) -> list[nodes.Node]:
        top = frozenset(opt for each in cli.params if isinstance(each, click.Option) for opt in each.opts)
        common = top | {"--help"}
        return [
            self._section(command, name, frozenset() if command is cli else common)
            for command, name in commands(cli, NAME)
        ]

    def _section(self, command: click.Command, name: str, common: frozenset[str]) -> nodes.section:
        context = click.Context(command, info_name=name)
        section = nodes.section(ids=[nodes.make_id(name)], names=[name])
        section += nodes.title(name, name)
        usage = f"{name} {' '.join(command.collect_usage_pieces(context))}"
        section += nodes.literal_block(usage, usage, language="text")
        section += words(command.help or "")
        rows = list(options(command, context, common))
        if rows:
            section += table(("option", "meaning"), rows)
        return section


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("command-line", CommandLine)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
