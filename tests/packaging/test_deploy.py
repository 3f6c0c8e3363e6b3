"""The files of deploy/ and docs/deployment.md name what exists, and agree with each other."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

import pbproto
from frontends.common.settings import parse_arguments, split_address
from tests.live.harness import ROOT
from viewservice.__main__ import main as viewservice

from .conftest import Built
from .files import (
    DEPLOY,
    DOCUMENT,
    Program,
    compose,
    compose_programs,
    copied,
    image_check,
    image_environment,
    instructions,
    kustomization,
    pods,
    programs,
    texts,
    typed,
)
from .installed import PACKAGES, build, contents
from .pending import FLAGS, VARIABLES

pytestmark = pytest.mark.xdist_group("packaging")

ADDRESS_OF_ORDERS = "127.0.0.1:8070"
TOOLS = Path(sys.executable).parent
"""Where pip puts the programs of packages."""
OTHERS = ("venv",)
"""Modules that the document runs and that are not ours."""


@cache
def help_of(module: str) -> str:
    """What the real parser of a program tells about itself."""
    told = io.StringIO()
    asked: Callable[[], object] = partial(parse_arguments, module, ["a server"], ["--help"])
    if module == "viewservice":
        asked = partial(viewservice, ["run", "--help"])
    with contextlib.redirect_stdout(told), pytest.raises(SystemExit) as ended:
        asked()
    assert ended.value.code == 0
    return told.getvalue()


def flags_of(module: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]*", help_of(module)))


def variables() -> set[str]:
    """The variables that a node reads."""
    return set(re.findall(r"\b(?:PBPROTO_[A-Z_]+|NODE_IDENTIFIER)\b", help_of("frontends.quart_app")))


# Programs, flags and variables.


@pytest.mark.parametrize("program", programs(), ids=lambda program: program.where)
def test_the_programs_are_there(program: Program) -> None:
    """Goal: nothing is started that does not exist. Method: look for the module that each command runs."""
    if program.module not in OTHERS:
        assert program.module.split(".")[0] in PACKAGES
        assert importlib.util.find_spec(f"{program.module}.__main__") is not None


def test_flags_exist() -> None:
    """Goal: no program is given a flag that it does not have. Method: compare with what the real parsers
    tell; those that are not there yet are on a list, and only they."""
    used = {
        (program.module, word.partition("=")[0])
        for program in programs()
        if program.module not in OTHERS
        for word in program.arguments
        if word.startswith("--")
    }
    # In running text nearly all flags are docker's; the view service's have their own backticks.
    words = re.findall(r"`(--(?:tls|token|store|nodes|size)[a-z-]*)", DOCUMENT.read_text())
    used |= {("viewservice", flag) for flag in words}
    assert len(used) > 3
    missing = {f"{module} {flag}" for module, flag in used if flag not in flags_of(module)}
    assert sorted(missing) == sorted(FLAGS)


def test_variables_exist() -> None:
    """Goal: no setting is given that a node does not have. Method: look up each variable, wherever it stands,
    in what the real parser tells; those that are not there yet are on a list, and only they."""
    named = {
        name
        for text in texts().values()
        for name in re.findall(r"\b(?:PBPROTO_[A-Z_]+|NODE_IDENTIFIER)\b", text)
    }
    assert {"NODE_IDENTIFIER", "PBPROTO_BIND"} <= named
    assert sorted(named - variables()) == sorted(VARIABLES)


def test_words_of_the_view_service_exist(tmp_path: Path) -> None:
    """Goal: an operator's line works as it stands. Method: give each to the real parser, with a token that is
    here and an address at which nobody listens: it gets as far as that."""
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    words = [
        line.partition("python -m viewservice ")[2] for line in typed() if "python -m viewservice " in line
    ]
    assert len(words) > 5
    for word in sorted(set(words)):
        error = io.StringIO()
        with contextlib.redirect_stderr(error):
            given, flag, _ = word.partition(" --token-file ")
            assert flag, word  # without it, it would be refused
            assert viewservice([*given.split(), "--token-file", str(token), "--at", "127.0.0.1:1"]) == 1
        assert "127.0.0.1:1 does not answer" in error.getvalue(), word


def test_the_version_is_the_same_everywhere() -> None:
    """Goal: the image that is built is the one that is run. Method: compare all places with the package."""
    found = {match for text in texts().values() for match in re.findall(r"pbproto:([\w.]+\w)", text)}
    assert found == {pbproto.__version__}
    assert kustomization()["images"] == [
        {"name": "pbproto", "newName": "pbproto", "newTag": pbproto.__version__}
    ]


# The image.


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """Goal: the image can be built. Method: look for the sources of each COPY, and go through .dockerignore,
    where the last line that fits decides."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    sources = [source for stage in copied() for source in stage]
    assert set(PACKAGES) < set(sources)
    for source in sources:
        assert (ROOT / source).exists()
        ignored = False
        for rule in rules:
            if fnmatch(source, rule.lstrip("!")):
                ignored = not rule.startswith("!")
        assert not ignored, source
    assert not any(fnmatch(rule, "!*secret*") or rule in ("!deploy", "!**") for rule in rules)


def test_the_image_has_the_whole_wheel(built: Built, tmp_path: Path) -> None:
    """Goal: no file of the packages is forgotten in the image. Method: build the wheel from what the first
    stage copies, and compare."""
    for source, target in copied()[0].items():
        place = tmp_path / "src" / ("" if target == "./" else target)
        if (built.sources / source).is_dir():
            shutil.copytree(built.sources / source, place)
        else:
            place.mkdir(exist_ok=True)
            shutil.copy(built.sources / source, place)
    build(tmp_path / "src", tmp_path / "dist", "--wheel")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert contents(wheel) == contents(built.wheel)


def test_the_image_is_run_as_nobody_special() -> None:
    """Goal: Kubernetes can see that it is not root, and signals reach the program. Method: look for a number
    as the user, the same that owns the folder and that pods run as, and for the exec form."""
    (user,) = instructions("USER")
    number = user.split(":")[0]
    assert number.isdecimal()
    assert int(number) > 0
    assert any(f"-o {number} " in line and "/var/lib/viewservice" in line for line in instructions("RUN"))
    assert instructions("CMD")[0].startswith("[")
    assert instructions("ENTRYPOINT") == []
    for template in pods().values():
        assert template["spec"]["securityContext"]["runAsUser"] == int(number)


def test_the_image_says_where_it_listens() -> None:
    """Goal: published ports lead somewhere. Method: compare EXPOSE with the address in its environment."""
    host, port = split_address(image_environment()["PBPROTO_BIND"])
    assert (host, instructions("EXPOSE")) == ("0.0.0.0", [str(port)])
    checks = [image_check(), *_checks_of_pods(), *_checks_of_services()]
    path = next(
        target for stage in copied() for source, target in stage.items() if source.endswith("healthcheck.py")
    )
    assert len(checks) == 4
    assert all(command[:3] == ["python", "-I", path] for command in checks)
    assert [command[3:] for command in checks[1:]] == [[ADDRESS_OF_ORDERS]] * 3
    assert f"default {ADDRESS_OF_ORDERS}" in help_of("viewservice")


def _checks_of_services() -> list[list[str]]:
    services = compose()["services"].values()
    return [service["healthcheck"]["test"][1:] for service in services if "healthcheck" in service]


def _checks_of_pods() -> list[list[str]]:
    return [probe["exec"]["command"] for probe in _probes() if "exec" in probe]


def _probes() -> list[Any]:
    containers = [container for pod in pods().values() for container in pod["spec"]["containers"]]
    return [container[f"{kind}Probe"] for container in containers for kind in ("readiness", "liveness")]


def test_the_dockerfile_follows_the_rules() -> None:
    """Goal: no known mistake. Method: hadolint."""
    done = subprocess.run(
        [str(TOOLS / "hadolint"), str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


# Compose.


def test_compose_names_what_it_has() -> None:
    """Goal: `up` finds everything. Method: compare nodes, volumes and secrets with those that are used."""
    document, running = compose(), compose_programs()
    nodes = {
        int(
            program.environment["NODE_IDENTIFIER"]
        ): f"{name}:{split_address(program.environment['PBPROTO_BIND'])[1]}"
        for name, program in running.items()
        if "NODE_IDENTIFIER" in program.environment
    }
    assert running["viewservice"].nodes == nodes
    assert len(nodes) == 3
    ports = [port.split(":") for name in running for port in document["services"][name].get("ports", ())]
    assert [(host, inside) for host, _, inside in ports] == [("127.0.0.1", "8080")] * 3
    assert len({outside for _, outside, _ in ports}) == 3
    for name, service in document["services"].items():
        assert set(service["secrets"]) <= set(document["secrets"])
        words = " ".join((*running[name].command, *running[name].environment.values()))
        assert set(re.findall(r"/run/secrets/([\w-]+)", words)) == set(service["secrets"])
        for mounted in service.get("volumes", ()):
            volume, path = mounted.split(":")
            assert volume in document["volumes"]
            assert running[name].option("--store").startswith(f"sqlite:{path}/")
    made = {path for line in typed() for path in re.findall(r"> (deploy/secrets/\S+)", line)}
    assert {f"deploy/{each['file']}" for each in document["secrets"].values()} == made


def test_compose_understands_the_file() -> None:
    """Goal: no key that Compose does not know. Method: Compose itself reads it; that needs no engine."""
    command = [str(TOOLS / "docker-compose"), "-f", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
