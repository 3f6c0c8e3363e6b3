"""A copy of the core with a fault in it, and programs that run with the copy in place of the real one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import progress

from .bugs import Bug

ROOT = Path(__file__).resolve().parents[2]


class MisplantedError(AssertionError):
    """The source is not what the fault was written for."""


def plant(bug: Bug | None, folder: Path) -> None:
    """Put the core, with the fault, into ``folder``, and the tests beside it. Raises ``MisplantedError``."""
    # With what is compiled already: the files that are edited have another time then, and are compiled anew.
    shutil.copytree(ROOT / "pbproto", folder / "pbproto")
    for name in ("tests", "progress.py"):
        (folder / name).symlink_to(ROOT / name)
    for edit in bug.edits if bug is not None else ():
        path = folder / "pbproto" / edit.file
        source = path.read_text(encoding="utf-8")
        if source.count(edit.old) != 1:
            name = bug.name if bug is not None else ""
            raise MisplantedError(f"{name}: {edit.file} has this {source.count(edit.old)} times:\n{edit.old}")
        path.write_text(source.replace(edit.old, edit.new), encoding="utf-8")


def run_in(
    folder: Path, arguments: Sequence[str], timeout: float, *, alone: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m …`` with the copy as the one ``pbproto``.

    ``alone``: nobody else writes to standard error meanwhile, where it may show at a terminal how far it is.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=None if alone and progress.shown() else subprocess.PIPE,
        text=True,
        timeout=timeout,
        check=False,
    )
