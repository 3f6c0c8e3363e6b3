"""Builds what would be published, installs it in an environment that has nothing else, and runs it there.

What an extra asks for is not downloaded again: the distributions that it names, with what they need in turn,
are linked from the environment of the tests, and no others. A dependency that is missing in pyproject.toml
is therefore missing when the program runs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.live.harness import ROOT, Node

PACKAGES = ("frontends", "pbkv", "pbproto", "viewservice")
NOT_SOURCES = ("__pycache__", "secrets", "build", "dist", "_build", "*.egg-info", "*.pyc")
PAGE = Path("frontends/common/pages/below/page")
PLANTED = tuple(PAGE.with_suffix(suffix) for suffix in (".html", ".css", ".js", ".json", ".svg"))
"""Files that a page could have, in a folder that is no package; put into the copy that is built."""


def copy_sources(into: Path) -> Path:
    """A copy of the checkout, to build in: a build leaves files beside the sources."""
    shutil.copytree(ROOT, into, ignore=_ignored)
    for page in PLANTED:
        (into / page).parent.mkdir(parents=True, exist_ok=True)
        (into / page).write_text("planted\n")
    return into


def _ignored(folder: str, names: list[str]) -> set[str]:
    hidden = {name for name in names if name.startswith(".") and name != ".dockerignore"}
    return hidden | shutil.ignore_patterns(*NOT_SOURCES)(folder, names)


def build(sources: Path, into: Path, *what: str) -> None:
    """``python -m build``, by the setuptools that is installed here: nothing is downloaded."""
    command = [sys.executable, "-m", "build", "--no-isolation", *what, "--outdir", str(into), str(sources)]
    done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def clean_environment(**more: str) -> dict[str, str]:
    """Our environment without what would let a program find this checkout, or settings."""
    gone = ("PYTHON", "PIP_", "PBPROTO_", "NODE_IDENTIFIER", "VIRTUAL_ENV")
    return {name: text for name, text in os.environ.items() if not name.startswith(gone)} | more


def contents(wheel: Path) -> dict[str, str]:
    """The files of a wheel, with a digest of each."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def names_in(sdist: Path) -> set[str]:
    """The files of a source distribution, without its one folder."""
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


@dataclass
class Installation:
    """One virtual environment that has the wheel and nothing else, and folders with what extras need."""

    folder: Path
    wheel: Path

    @property
    def python(self) -> Path:
        return self.folder / "venv" / "bin" / "python"

    @property
    def site(self) -> Path:
        return next((self.folder / "venv" / "lib").glob("python*/site-packages"))

    @property
    def elsewhere(self) -> Path:
        """An empty folder to run in: from the checkout Python would take its sources."""
        return self.folder / "elsewhere"

    def make(self) -> None:
        """Make the environment and let pip install the wheel, offline."""
        self.elsewhere.mkdir(parents=True)
        venv = [sys.executable, "-m", "venv", "--without-pip", str(self.folder / "venv")]
        subprocess.run(venv, check=True, env=clean_environment())
        self.pip("install", "--no-index", "--no-compile", str(self.wheel))

    def pip(self, *arguments: str) -> str:
        """What the tests' pip says when it works on this environment."""
        command = [sys.executable, "-m", "pip", "--python", str(self.python), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment(), check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def distribution(self) -> metadata.Distribution:
        """What is installed, as its own metadata describe it."""
        return next(iter(metadata.distributions(name="pbproto", path=[str(self.site)])))

    def with_extras(self, *extras: str) -> Path:
        """A folder for ``PYTHONPATH`` that has what these extras ask for."""
        folder = self.folder / "-".join(extras)
        if not folder.exists():
            folder.mkdir()
            for name in needed(self.distribution, extras):
                _link(name, folder)
        return folder

    def run(self, *command: str, extras: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment to its end."""
        program, *arguments = command
        return subprocess.run(
            [str(self.python.parent / program), *arguments],
            cwd=self.elsewhere,
            env=clean_environment(**self.environment(extras)),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def environment(self, extras: tuple[str, ...]) -> dict[str, str]:
        return {"PYTHONPATH": str(self.with_extras(*extras))} if extras else {}


class InstalledNode(Node):
    """A process of an installation, far from the checkout: any program that answers ``GET /ping``."""

    def __init__(
        self,
        installation: Installation,
        command: Callable[[str], list[str]],
        address: str,
        log: Path,
        *,
        extras: tuple[str, ...],
        node_id: int = 1,
        env: Mapping[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        """``command`` gives what follows the interpreter, from the address to listen on."""
        env = {**installation.environment(extras), **(env or {})}
        prefix = ("env", "-C", str(installation.elsewhere), *prefix)
        super().__init__(node_id, "installed", address, log, env=env, prefix=prefix)
        self._python = installation.python
        self._after = command

    def command(self) -> list[str]:
        return [*self._prefix, str(self._python), *self._after(self.address)]


def needed(distribution: metadata.Distribution, extras: tuple[str, ...]) -> list[str]:
    """The names of all distributions that these extras need; each is here in a version that will do."""
    found: dict[str, frozenset[str]] = {}
    todo = [(distribution, frozenset(extras))]
    while todo:
        dist, wanted = todo.pop()
        for text in dist.requires or ():
            each = Requirement(text)
            if each.marker and not any(each.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                continue
            name = canonicalize_name(each.name)
            if name == "pbproto":
                todo.append((distribution, frozenset(each.extras)))
            elif not each.extras | {""} <= found.get(name, frozenset()):
                found[name] = found.get(name, frozenset()) | each.extras | {""}
                other = metadata.distribution(name)
                assert each.specifier.contains(other.version, prereleases=True), f"{text}: {other.version}"
                todo.append((other, frozenset(each.extras)))
    return sorted(found)


def _link(name: str, into: Path) -> None:
    dist = metadata.distribution(name)
    for top in sorted({path.parts[0] for path in dist.files or ()} - {"..", "__pycache__"}):
        target = into / top
        if not target.exists():
            target.symlink_to(Path(str(dist.locate_file(top))))
