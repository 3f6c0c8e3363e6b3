"""The commands in a block, and what a shortened form of them has to keep."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from .blocks import Block, PageError

DEFAULT_WORDS = {"bench": "table", "viewservice": "run"}
"""What programs with several words do without one."""
PROMPTS = ("$ ", "devenv> ")
_PROGRAM = re.compile(
    r"(?:\w+=\S*\s+)*"
    r"(?:\S*python3? +-m +(?P<module>[\w.]+)|\S*python3? +(?P<script>\S+\.py)|(?P<word>[\w./-]+))"
)
_FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")


@dataclass(frozen=True)
class Command:
    """One command, and what a console block says that it prints, if it says so."""

    prompt: str
    text: str
    expected: str = ""

    @property
    def bare(self) -> str:
        """Without the comment at its end."""
        return re.sub(r"\s+#\s.*", "", self.text)

    @property
    def name(self) -> str:
        """The same for commands that do the same, whichever way the interpreter is called."""
        return re.sub(r"(^|(?<= ))(\.venv/bin/python|python3)(?= )", "python", self.bare)

    @property
    def word(self) -> str:
        """What a program with several words is told to do, or nothing."""
        found = re.search(rf"{re.escape(self.program)}\s+(?P<word>[a-z]+)(?![\w.:=/])", self.bare)
        return found["word"] if found else DEFAULT_WORDS.get(self.program, "")

    @property
    def program(self) -> str:
        """The module, script or program that it starts."""
        found = _PROGRAM.match(self.bare)
        return (found["module"] or found["script"] or found["word"]) if found else ""

    @property
    def help(self) -> str:
        """The command that asks its program for help: about the word, if the flags are that word's."""
        word = f" {self.word}" if self.flags and self.word else ""
        found = _PROGRAM.match(self.bare)
        if found and found["module"]:
            return f"python -m {self.program}{word} --help"
        return (
            f"python {self.program} --help" if found and found["script"] else f"{self.program}{word} --help"
        )

    @property
    def flags(self) -> frozenset[str]:
        """Its long flags."""
        return frozenset(_FLAG.findall(self.bare))


def commands_of(block: Block) -> list[Command]:
    """The commands of a ``sh`` or ``console`` block. Raises ``PageError``."""
    if block.language != "console":
        return [Command("$ ", text) for text in whole(block.text.splitlines(), block.place)]
    found: list[Command] = []
    for line in block.text.splitlines():
        prompt = next((prompt for prompt in PROMPTS if line.startswith(prompt)), None)
        if prompt is not None:
            found.append(Command(prompt, line.removeprefix(prompt)))
        elif not found:
            raise PageError(f"{block.place}: a console block begins with one of the prompts {PROMPTS}")
        elif line.startswith("> ") and not found[-1].expected:
            found[-1] = Command(found[-1].prompt, f"{found[-1].text}\n{line[2:]}")
        else:
            found[-1] = Command(found[-1].prompt, found[-1].text, f"{found[-1].expected}{line}\n")
    return found


def whole(lines: Iterable[str], place: str = "") -> list[str]:
    """Join lines to whole commands: those that go on, by a backslash, a quote or a loop, are one."""
    found: list[str] = []
    open_ = ""
    for line in lines:
        if not open_ and (not line.strip() or line.lstrip().startswith("#")):
            continue
        open_ = f"{open_}\n{line}" if open_ else line
        if _is_whole(open_):
            found.append(open_)
            open_ = ""
    if open_:
        raise PageError(f"{place}: the shell waits for the end of {open_!r}")
    return found


def _is_whole(text: str) -> bool:
    if text.endswith("\\"):
        return False
    if not re.search(r"""["'`({<]|\b(?:do|then|case|if|for|while|until)\b""", text):
        return True
    done = subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False)
    return done.returncode == 0 and not done.stderr


def kept(commands: Iterable[Command], instead: Iterable[Command]) -> list[str]:
    """What a shortened form lacks: programs and long flags of the commands in whose place it is run."""
    lacks = []
    forms = list(instead)
    for command in commands:
        alike = [form for form in forms if form.program == command.program]
        if not alike:
            lacks.append(f"nothing is run for {command.program}")
        elif missing := command.flags - frozenset().union(*(form.flags for form in alike)):
            lacks.append(f"{command.program} is run without {', '.join(sorted(missing))}")
    return lacks


def like(expected: str, printed: str) -> bool:
    """Whether this is what was expected.

    ``...`` stands for anything, in a line of its own for any number of lines. Which number a write got
    depends on what was written before.
    """
    pattern = "".join(
        r"(?:.*\n)?" if line == "..." else ".*".join(map(re.escape, line.split("..."))) + r"\n"
        for line in expected.strip().split("\n")
    )
    pattern = re.sub(r"(msg\\-num:\\ )\d+", r"\1\\d+", pattern)
    text = printed.replace("\r", "").strip() + "\n"
    return re.fullmatch(pattern, text, re.DOTALL) is not None
