"""What the files of deploy/ say: the programs that they start, with what arguments and settings."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.live.harness import ROOT

DEPLOY = ROOT / "deploy"
DOCUMENT = ROOT / "docs" / "deployment.md"
UNITS = tuple(sorted((DEPLOY / "systemd").glob("*.service")))


@dataclass(frozen=True)
class Program:
    """One program that a file starts."""

    where: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """What ``python -m`` runs."""
        return self.command[self.command.index("-m") + 1]

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.command[self.command.index("-m") + 2 :]

    def option(self, flag: str) -> str:
        """The argument of a flag."""
        return self.arguments[self.arguments.index(flag) + 1]

    @property
    def nodes(self) -> dict[int, str]:
        """The addresses that a view service is given."""
        pairs = (pair.partition("=") for pair in self.option("--nodes").split(","))
        return {int(id_): address for id_, _, address in pairs}


# Docker.


@dataclass(frozen=True)
class Instruction:
    """A line of a Dockerfile."""

    stage: int
    word: str
    rest: str


@cache
def dockerfile() -> tuple[Instruction, ...]:
    text = (DEPLOY / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    found, stage = [], 0
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        word, _, rest = line.strip().partition(" ")
        stage += word == "FROM"
        if word:
            found.append(Instruction(stage, word, rest))
    return tuple(found)


def instructions(word: str) -> list[str]:
    """What stands behind a word of the Dockerfile, in its last stage."""
    last = dockerfile()[-1].stage
    return [each.rest for each in dockerfile() if each.word == word and each.stage == last]


def copied() -> tuple[dict[str, str], ...]:
    """By stage, from where to where files of the checkout are copied."""
    found: dict[int, dict[str, str]] = {each.stage: {} for each in dockerfile() if each.stage}
    for each in dockerfile():
        if each.word == "COPY" and not each.rest.startswith("--from"):
            *sources, target = each.rest.split()
            found[each.stage].update(dict.fromkeys(sources, target))
    return tuple(found.values())


def image_environment() -> dict[str, str]:
    (line,) = instructions("ENV")
    return _pairs(shlex.split(line))


def _pairs(words: list[str]) -> dict[str, str]:
    return {name: text for name, _, text in (word.partition("=") for word in words)}


def image_check() -> list[str]:
    """The command of HEALTHCHECK."""
    (line,) = instructions("HEALTHCHECK")
    command: list[str] = json.loads(line.partition(" CMD ")[2])
    return command


def image_extras() -> tuple[str, ...]:
    """What is installed in the image beside the package itself."""
    (line,) = (each.rest for each in dockerfile() if each.word == "RUN" and "pip install" in each.rest)
    (extras,) = re.findall(r"'\.\[([\w,]+)\]'", line)
    return tuple(extras.split(","))


def image_program() -> Program:
    (line,) = instructions("CMD")
    return Program("Dockerfile", tuple(json.loads(line)), image_environment())


# Compose.


@cache
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def compose_programs() -> dict[str, Program]:
    return {
        name: Program(
            f"compose.yaml: {name}",
            tuple(service.get("command", image_program().command)),
            {**image_environment(), **service.get("environment", {})},
        )
        for name, service in compose()["services"].items()
    }


# Kubernetes.


@cache
def kustomization() -> Any:
    return yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())


@cache
def manifests() -> tuple[Any, ...]:
    """All objects of the kustomization."""
    paths = (DEPLOY / "kubernetes" / name for name in kustomization()["resources"])
    return tuple(document for path in paths for document in yaml.safe_load_all(path.read_text()))


def manifest(kind: str, name: str) -> Any:
    (found,) = (each for each in manifests() if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def pods() -> dict[str, Any]:
    """The pods' templates, by kind and name of what makes them."""
    return {
        f"{each['kind']}/{each['metadata']['name']}": each["spec"]["template"]
        for each in manifests()
        if each["kind"] in ("StatefulSet", "Deployment")
    }


def kubernetes_programs() -> dict[str, Program]:
    found = {}
    for name, template in pods().items():
        (container,) = template["spec"]["containers"]
        environment = {each["name"]: each.get("value", "0") for each in container.get("env", ())}
        found[name] = Program(name, tuple(container["command"]), {**image_environment(), **environment})
    return found


# systemd.


def unit_lines(path: Path) -> list[tuple[str, str]]:
    """The settings of a unit, in order."""
    return [
        (name, value)
        for name, separator, value in (line.partition("=") for line in path.read_text().splitlines())
        if separator and not name.startswith("#")
    ]


def unit_programs() -> dict[str, Program]:
    found = {}
    for path in UNITS:
        lines = unit_lines(path)
        (command,) = (value for name, value in lines if name == "ExecStart")
        environment: dict[str, str] = {}
        for name, value in lines:
            if name == "Environment":
                environment.update(_pairs(value.split()))
        found[path.name] = Program(path.name, tuple(command.split()), environment)
    return found


# All.


def programs() -> list[Program]:
    named = (compose_programs(), kubernetes_programs(), unit_programs())
    return [image_program(), *(program for each in named for program in each.values()), *in_the_document()]


def in_the_document() -> Iterator[Program]:
    """The commands that the document tells people to type, where they run a program of ours."""
    for number, command in enumerate(typed()):
        words = shlex.split(command)
        if "-m" in words and words[words.index("-m") - 1].rpartition("/")[2].startswith("python"):
            yield Program(f"deployment.md, {number}: {command}", tuple(words))


@cache
def typed() -> tuple[str, ...]:
    """The commands of the document's blocks, those that go on in the next line put together."""
    text = re.sub(r"\s*\\\n\s*", " ", DOCUMENT.read_text())
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return tuple(line for block in blocks for line in block.splitlines())


def texts() -> dict[str, str]:
    """Everything there is to read, by name."""
    paths = [path for path in DEPLOY.rglob("*") if path.is_file() and "secrets" not in path.parts]
    return {path.name: path.read_text() for path in (*paths, DOCUMENT)}
