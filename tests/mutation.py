"""Mutation testing of the core: ``python -m tests.mutation [--directory DIR] [--workers N] [MUTANT ...]``.

Runs mutmut (``pip install -r requirements-mutation.txt``; its settings are in ``pyproject.toml``) in a copy
of the checkout. The copy is kept, so that a run that was stopped goes on, and ``mutmut show`` and ``mutmut
browse`` work there. Each mutant meets the tests of ``tests/core`` that reach its function, the quickest ones
first.

mutmut switches a mutant on in a process that has imported the package already, so those in functions that
only run during the import, which build the tables of the codec, survive. They meet the codec's tests once
more, each in a process of its own.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import progress

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("pbproto", "tests/__init__.py", "tests/core", "tests/fuzz", "pyproject.toml")
BUILDERS = ("integer", "record", "choice", "many", "optional", "structure")
"""Functions of ``codec.py`` that are called while it is imported, and whose inner functions do the work."""
SECONDS = 120
MEMORY = 4 * 2**30
"""What the codec's tests may take with a mutant, in time and bytes of address space: one that makes them hang
or swell is found."""
LIMITED = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""
CODEC_TESTS = ("tests/core/test_codec.py", "tests/core/test_codec_damage.py")
HOW_TO_INSTALL = "mutmut is missing: pip install -r requirements-mutation.txt"


def main(arguments: list[str]) -> int:
    """The exit status: 0 if mutmut ran (survivors or not), 2 without it."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()) / "pbproto-mutation")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "mutants", nargs="*", help="names or patterns, such as 'pbproto.reads.*'; all if none"
    )
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("mutmut") is None:
        print(HOW_TO_INSTALL, file=sys.stderr)
        return 2
    directory: Path = options.directory
    copy(directory)
    status = mutmut(directory, "run", "--max-children", str(options.workers), *options.mutants).returncode
    survivors, imported = surviving(directory)
    # mutmut shows by itself how far it is; what follows takes minutes as well.
    with progress.bar(len(imported), "mutants") as bar, ThreadPoolExecutor(options.workers) as pool:
        tries = pool.map(partial(found_by_codec_tests, directory), imported)
        for name, found in zip(imported, tries, strict=True):
            survivors += [] if found else [name]
            bar.advance(1, f"tried again, {len(survivors)} survive")
    print(f"Of those that run during the import, {len(imported)} were tried again.")
    print(*sorted(survivors), f"{len(survivors)} survive.", sep="\n")
    print(f"To look at one of them: cd {directory} && mutmut show NAME")
    return status


def copy(directory: Path) -> None:
    """Bring the copy up to date; what mutmut knows from earlier runs stays."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, target = ROOT / name, directory / name
        if source.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def surviving(directory: Path) -> tuple[list[str], list[str]]:
    """The names of the mutants that survived, apart from those in functions that run during the import."""
    lines = mutmut(directory, "results", capture_output=True, text=True).stdout.splitlines()
    names = [line.split(":")[0].strip() for line in lines if line.endswith(": survived")]
    builders = tuple(f"pbproto.codec.x__{name}__" for name in BUILDERS)
    return [name for name in names if not name.startswith(builders)], [
        name for name in names if name.startswith(builders)
    ]


def found_by_codec_tests(directory: Path, name: str) -> bool:
    """Whether the codec's tests fail in a process that imports the package with this mutant switched on."""
    command = [sys.executable, "-c", LIMITED, "-p", "no:xdist", "-p", "no:cacheprovider", "-x", "-q"]
    try:
        done = subprocess.run(
            [*command, *CODEC_TESTS],
            cwd=directory / "mutants",
            env={**os.environ, "MUTANT_UNDER_TEST": name},
            capture_output=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def mutmut(directory: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[Any]:
    return subprocess.run([sys.executable, "-m", "mutmut", *arguments], cwd=directory, check=False, **how)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
