"""Commands that cannot be run here, taken apart: what is true of them without an engine, a cluster, or root.

Of each simple command: its words are among those that the program's own help lists, its flags stand in that
help, and files of the checkout that it names exist. What a container or ``sudo`` would run is taken apart
the same way. What needs no engine is run: ``kubectl kustomize`` for ``kubectl apply -k``, ``kubectl create
--dry-run=client``, and ``docker-compose config``.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from frontends.common import routes
from frontends.common.settings import Settings

from .blocks import ROOT
from .commands import Command

COMPOSE = str(Path(sys.executable).with_name("docker-compose"))
"""Compose by itself, from a package of the tests: it reads its files without an engine."""
KEYWORDS = frozenset(("until", "while", "do", "done", "if", "then", "else", "fi", "!"))
TREES = ("deploy", "docs", "examples", "tests", "frontends", "pbproto", "pbkv", "viewservice")
_PATH = re.compile(rf"(?<![\w./-])(?:(?:{'|'.join(TREES)})/[\w./@-]+|[\w-]+\.(?:txt|toml))")
_PYTHON = re.compile(r"(?:.*/)?python3?")
_URL = re.compile(r"http://[\d.]+:\d+(/\S*)")
_ROOM = r"(?<![\w-])"
Ask = Callable[[str], tuple[int, str]]


def simple_commands(text: str) -> Iterator[list[str]]:
    """The simple commands of a line of the shell, each as its words, without redirections."""
    if re.search(r"\$\(|`|<<|\(\)", text):
        raise AssertionError(f"{text!r} cannot be taken apart: it has a command within a command")
    lexer = shlex.shlex(text.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = list(lexer)
    for place, token in enumerate(tokens):
        if set(token) <= set("();&|"):
            yield from [words] if words else []
            words = []
        elif not words and (token in KEYWORDS or re.match(r"\w+=", token)):
            continue
        elif not set(token) <= set("<>") and not (place and set(tokens[place - 1]) <= set("<>")):
            words.append(token)
    if words:
        yield words


def unfolded(words: Sequence[str]) -> Iterator[list[str]]:
    """A command, and those that it would run as root or in a container."""
    if words[0] == "sudo":
        yield from unfolded(words[1:])
        return
    inner = next((i for i, word in enumerate(words) if i and _PYTHON.fullmatch(word)), None)
    if inner is None or "exec" not in words[:inner]:
        yield list(words)
        return
    yield list(words[:inner])
    yield from unfolded(words[inner:])


class Bench:
    """Where commands are taken apart: asks programs for their help, by the shell of a page."""

    def __init__(self, ask: Ask, folder: Path, helps: dict[str, str]) -> None:
        self._ask = ask
        self._folder = folder
        self._helps = helps
        self.absent: set[str] = set()
        """Programs that are not installed, whose words and flags were not looked at."""

    def check(self, text: str) -> list[str]:
        """What is wrong with a command."""
        wrong = [f"there is no {path}" for path in _PATH.findall(text) if not self._exists(path)]
        for words in simple_commands(text):
            for each in unfolded(words):
                wrong += self._one(each)
        return wrong

    def _exists(self, path: str) -> bool:
        return (ROOT / path).exists() or (self._folder / path).exists()

    def _one(self, words: list[str]) -> list[str]:
        program = words[0].rpartition("/")[2]
        if program in ("kubectl", "docker", "systemctl", "install", "curl"):
            if program == "docker" and words[1:2] == ["compose"]:
                return self._words([COMPOSE, *words[2:]]) + self._compose(words[2:])
            if shutil.which(program) is None:
                self.absent.add(program)
                return []
            special = {"kubectl": self._kubectl, "systemctl": _units, "curl": _routes}
            return self._words(words) + special.get(program, lambda _: [])(words)
        if program == "pip":
            return self._words(["python", "-m", "pip", *words[1:]]) + _extras(words)
        if _PYTHON.fullmatch(program):
            return self._python(words)
        return [] if program in (".", "sleep", "test", "echo") else [f"nobody knows how to check {program}"]

    def _python(self, words: list[str]) -> list[str]:
        if "-m" in words:
            command = Command("$ ", f"python {shlex.join(words[words.index('-m') :])}")
            said = self._help(command.help)
            wanted = command.flags or {command.word}
            return [f"{command.program} knows no {each}" for each in wanted if each not in said]
        script = next(word for word in words[1:] if not word.startswith("-"))
        files = (path for path in (ROOT / "deploy").rglob("*") if path.is_file())
        told = any(script in path.read_text() for path in files if "secrets" not in path.parts)
        return [] if told else [f"no file of deploy/ puts {script} anywhere"]

    def _words(self, words: list[str]) -> list[str]:
        """Whether the words and flags are those of the program's help."""
        program = words[: 3 if words[1:2] == ["-m"] else 1]
        rest = words[len(program) :]
        if "--" in rest:
            rest = rest[: rest.index("--")]
        said, flags = self._descend(program, rest)
        if said is None:
            return [f"{shlex.join(words)}: none of its words is a command of {program[0]}"]
        return [f"{shlex.join(words)}: no flag {flag}" for flag in flags if not _is_flag(flag, said)]

    def _descend(self, program: list[str], rest: list[str]) -> tuple[str | None, list[str]]:
        """The help of a program and of the words that lead to what is done, and the flags that are given."""
        flags = [word.partition("=")[0] for word in rest if re.match(r"--?[A-Za-z]", word)]
        if program[0] in ("install", "curl", "systemctl"):
            said = self._help(f"{program[0]} --help{' all' * (program[0] == 'curl')}")
            verb = next((word for word in rest if not word.startswith("-")), "")
            known = program[0] != "systemctl" or _lists(verb, said)
            return (said if known else None), flags
        path, told, deeper = list(program), self._help(f"{shlex.join(program)} --help"), True
        if program[0] == "kubectl":
            told += self._help("kubectl options")
        heard = told
        while deeper:
            deeper = False
            for word in rest:
                if not word.startswith("-") and word not in path and _lists(word, heard):
                    path.append(word)
                    heard = self._help(f"{shlex.join(path)} --help")
                    told, deeper = told + heard, True
                    break
        return (told if len(path) > len(program) else None), flags

    def _help(self, command: str) -> str:
        if command not in self._helps:
            status, said = self._ask(command)
            assert status == 0, f"{command}:\n{said}"
            self._helps[command] = said
        return self._helps[command]

    def _really(self, command: list[str]) -> list[str]:
        status, said = self._ask(shlex.join(command))
        return [] if status == 0 else [f"{shlex.join(command)}:\n{said}"]

    def _compose(self, words: list[str]) -> list[str]:
        file = words[words.index("-f") + 1]
        status, said = self._ask(shlex.join([COMPOSE, "-f", file, "config", "--services"]))
        if status:
            return [said]
        verb = next(i for i, word in enumerate(words) if i > 1 and not word.startswith("-"))
        named = [word for word in words[verb + 1 :] if not word.startswith("-")]
        return [f"{file} has no service {name}" for name in named if name not in said.split()]

    def _kubectl(self, words: list[str]) -> list[str]:
        if "create" in words:
            return self._really([*words, "--dry-run=client", "-o", "name"])
        if "apply" in words and "-k" in words:
            return self._really(["kubectl", "kustomize", words[words.index("-k") + 1]])
        return []


def _lists(word: str, said: str) -> bool:
    """Whether a help has this word among its commands."""
    return re.search(rf"^\s+{re.escape(word)}(?:\s|,|$)", said, re.MULTILINE) is not None


def _is_flag(flag: str, said: str) -> bool:
    known = re.search(rf"{_ROOM}{re.escape(flag)}(?![\w-])", said) is not None
    if known or flag.startswith("--"):
        return known
    return all(re.search(rf"{_ROOM}-{letter}(?![\w-])", said) for letter in flag[1:])


def _units(words: Sequence[str]) -> list[str]:
    units = {path.name for path in (ROOT / "deploy" / "systemd").glob("*.service")}
    named = [word for word in words[2:] if not word.startswith("-")]
    wanted = {name: re.sub(r"@\d+$", "@", name) + ".service" for name in named}
    return [f"deploy/systemd has no unit {name}" for name, file in wanted.items() if file not in units]


def _routes(words: Sequence[str]) -> list[str]:
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    plans = {
        url: routes.plan(method, found[1].encode(), Settings(id=1))
        for url in words
        if (found := _URL.fullmatch(url))
    }
    if not plans:
        return [f"{shlex.join(words)} asks nobody"]
    return [
        f"no node answers {method} {url}" for url, plan in plans.items() if not isinstance(plan, routes.Plan)
    ]


def _extras(words: Sequence[str]) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"(?:\.|pbproto)\[([\w,]+)\]", " ".join(words))
    extras = {extra for each in named for extra in each.split(",")}
    return [f"the package has no extra {each}" for each in extras - set(project["optional-dependencies"])]
