"""Runs the blocks of one page, in order."""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from .blocks import (
    AS,
    BEHIND,
    CHECKED,
    CLUSTER,
    COMMANDS,
    COMPILED,
    HELP,
    NOT,
    ROOT,
    SAVE,
    UNTIL,
    Block,
    Page,
    PageError,
)
from .commands import Command, commands_of, kept, like, whole
from .programs import Program, Shell
from .taken_apart import Bench
from .workshop import PROMPT, RunningCluster, Workshop, translated

PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "toml": tomllib.loads,
    "ini": lambda text: configparser.ConfigParser(strict=False, interpolation=None).read_string(text),
}

_HAS_TESTS = re.compile(r"^(?:async )?def test_", re.MULTILINE)


class Run:
    """One page that is being run."""

    def __init__(self, page: Page, workshop: Workshop) -> None:
        self.page = page
        self.left_out: list[str] = []
        """Commands that are not run, and why."""
        self.unchecked: set[str] = set()
        """Programs that are not installed here, of whose commands only the files were looked for."""
        self._workshop = workshop
        self._names: dict[str, Any] = {"__name__": f"page {page.name}"}
        self._cluster: RunningCluster | None = None
        self._next = page.cluster
        """The command of the cluster that the page speaks of from here on, until something is asked of it."""
        self._shell: Shell | None = None
        self._behind: list[Program] = []
        self._tests: list[Block] = []

    def __enter__(self) -> Run:
        return self

    @property
    def _where(self) -> Path:
        """Where the reader is who has followed the page until here."""
        return self._workshop.folder if self._shell is None else Path(self._in_shell("pwd")[1].strip())

    @property
    def _present(self) -> RunningCluster | None:
        """The cluster that the page speaks of, started or put in order when it is needed."""
        if self._next is not None:
            self._cluster = self._workshop.cluster(self._next)
            self._next = None
        return self._cluster

    def __exit__(self, *_: object) -> None:
        for program in self._behind:
            program.end()
        if self._next is not None:
            self._workshop.spoken_of.add(self._next)
        if self._shell is not None:
            self._shell.close()

    def block(self, block: Block) -> None:
        """Run, parse or pass over one block."""
        if (names := block.lines_of(SAVE)) is not None:
            self._save(block, *names)
        if block.language == "python" and names is None:
            self._python(block)
        elif block.language in PARSERS:
            PARSERS[block.language](block.text)
        elif block.language in COMMANDS:
            self._commands(block)

    def _python(self, block: Block) -> None:
        text = self._translated(block.text) if block.lines_of(COMPILED) is None else block.text
        code = compile("\n" * block.line + text, block.page, "exec")
        if (reason := block.lines_of(COMPILED)) is not None:
            self.left_out.append(f"{block.place}: {block.language} ({' '.join(reason)})")
        elif _HAS_TESTS.search(block.text):
            self._tests.append(block)
        else:
            with contextlib.chdir(self._where):
                exec(code, self._names)

    def finish(self) -> None:
        """Run what waits for the end of the page: its tests, in one go, in a project of the reader's."""
        if not self._tests:
            return
        project = self._workshop.project(self.page.name)
        for block in self._tests:
            (project / f"test_line_{block.line}.py").write_text(block.text)
        status, printed = self._in_shell(
            f"(cd {shlex.quote(str(project))} && pytest -q --strict-markers -p no:cacheprovider)"
        )
        written = sum(len(_HAS_TESTS.findall(block.text)) for block in self._tests)
        assert status == 0, f"{self.page.name}:\n{printed}"
        assert f"{written} passed" in printed, f"{self.page.name}: {written} tests, and:\n{printed}"

    def _save(self, block: Block, name: str) -> None:
        later = self.page.blocks[self.page.blocks.index(block) + 1 :]
        if not any(Path(name).stem in each.text for each in later if each.language in COMMANDS):
            raise PageError(f"{block.place}: no command further down does anything with {name}")
        path = self._where / name
        if path.parent != self._where or (self._where == self._workshop.folder and (ROOT / name).exists()):
            raise PageError(f"{block.place}: {name} is none of the reader's own files")
        path.write_text(self._translated(block.text))

    def _commands(self, block: Block) -> None:
        commands = self._without_those_left_out(block, commands_of(block))
        commands = self._without_those_checked(block, commands)
        if (instead := block.lines_of(AS)) is not None:
            forms = [Command("$ ", text) for text in whole(instead, block.place)]
            if lacks := kept(commands, forms):
                raise PageError(f"{block.place}: the shortened form lacks something: {'; '.join(lacks)}")
            commands = forms
        if block.lines_of(CLUSTER) is not None:
            (command,) = commands
            self._next = command.bare
        elif block.lines_of(HELP) is not None:
            self._help(block, commands)
        elif (until := block.lines_of(UNTIL)) is not None:
            for command, text in zip(commands, self._each(block, until, len(commands)), strict=True):
                if text == "--help":
                    self._help(block, [command])
                elif text == "-":
                    self._command(block, command)
                else:
                    self._until(command, text)
        elif (until := block.lines_of(BEHIND)) is not None:
            texts = [self._translated(text) for text in self._each(block, until, len(commands))]
            started = [self._program(self._translated(command.bare)) for command in commands]
            self._behind += started
            for program, text in zip(started, texts, strict=True):
                program.wait_until_up(text)
        else:
            for command in commands:
                self._command(block, command)

    def _without_those_left_out(self, block: Block, commands: list[Command]) -> list[Command]:
        reasons = dict(line.split(": ", 1) for line in block.lines_of(NOT) or ())
        for text, reason in reasons.items():
            if text not in [command.bare for command in commands]:
                raise PageError(f"{block.place}: there is no command {text!r} to leave out")
            self.left_out.append(f"{self.page.name}: {text} ({reason})")
            for command in commands:
                if command.bare == text and command.flags:
                    self._help_if_there(block, command)
        return [command for command in commands if command.bare not in reasons]

    def _help_if_there(self, block: Block, command: Command) -> None:
        if command.help.startswith("python ") or self._in_shell(f"command -v {command.program}")[0] == 0:
            self._help(block, [command])
        else:
            self.unchecked.add(command.program)

    def _without_those_checked(self, block: Block, commands: list[Command]) -> list[Command]:
        names = {name.strip() for line in block.lines_of(CHECKED) or () for name in line.split(",")}
        programs = {command: names & set(re.split(r"[\s;|]+", command.bare)) for command in commands}
        if idle := names - set().union(*programs.values()):
            raise PageError(f"{block.place}: no command has {', '.join(sorted(idle))} to be checked")
        bench = Bench(self._in_shell, self._workshop.folder, self._workshop.helps)
        for command in (each for each in commands if programs[each]):
            if wrong := bench.check(command.bare):
                raise PageError(f"{block.place}: {'; '.join(wrong)}")
        self.unchecked |= bench.absent
        return [command for command in commands if not programs[command]]

    @staticmethod
    def _each(block: Block, lines: tuple[str, ...], count: int) -> list[str]:
        if len(lines) == 1:
            return [lines[0]] * count
        if len(lines) != count:
            raise PageError(f"{block.place}: {count} commands, and {len(lines)} texts to wait for")
        return list(lines)

    def _translated(self, text: str) -> str:
        if translated(text, 1) == text and "PID" not in text.split():
            return text
        cluster = self._present
        if cluster is not None and "PID" in text.split():
            text = text.replace("PID", str(cluster.pid(cluster.ids[0])))
        base = cluster.base if cluster is not None else self._workshop.ports
        return translated(text, base)

    def _command(self, block: Block, command: Command) -> None:
        if command.prompt == PROMPT:
            if self._present is None:
                raise PageError(f"{block.place}: there is no cluster at whose prompt this could be typed")
            expected = self._translated(command.expected)
            status, printed = 0, self._present.typed(self._translated(command.text), expected)
        else:
            status, printed = self._in_shell(self._translated(command.text))
        assert status == 0, f"{block.place}: {command.text!r} ended with {status}:\n{printed}"
        expected = self._translated(command.expected)
        assert not expected or like(expected, printed), (
            f"{block.place}: {command.text!r} did not print\n{expected}\nbut\n{printed}"
        )

    def _in_shell(self, text: str) -> tuple[int, str]:
        if self._shell is None:
            self._shell = Shell(self._workshop.folder, self._workshop.environment)
        return self._shell.run(text)

    def _help(self, block: Block, commands: list[Command]) -> None:
        for command in commands:
            text = command.help
            if text not in self._workshop.helps:
                status, printed = self._in_shell(text)
                assert status == 0, f"{block.place}: {text}:\n{printed}"
                self._workshop.helps[text] = printed
            wanted = command.flags or {command.word}
            unknown = [each for each in wanted if each not in self._workshop.helps[text]]
            assert not unknown, f"{block.place}: {command.program} knows no {', '.join(unknown)}"

    def _until(self, command: Command, text: str) -> None:
        if command.name not in self._workshop.done:
            # Beside a cluster whose ports it would find taken, as a reader would who did not end that one.
            program = self._program(translated(command.bare, self._workshop.ports))
            try:
                program.wait_until_up(translated(text, self._workshop.ports))
            finally:
                program.end()
            self._workshop.done.add(command.name)

    def _program(self, line: str) -> Program:
        return Program(line, self._where, self._workshop.environment)
