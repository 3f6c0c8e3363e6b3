"""What a measurement leaves behind: tables on stdout, JSON and pictures in a directory."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .processes import ROOT, BenchError

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
PACKAGES = (
    "quart",
    "hypercorn",
    "uvicorn",
    "uvloop",
    "granian",
    "flask",
    "waitress",
    "aiohttp",
    "redis",
    "pysyncobj",
)
MEASURED = ("pbproto", "frontends", "bench")
"""Where the code is that has to be that of the commit; results in the documents change nothing."""
PROGRAMS = {
    "wrk": ["wrk", "-v"],
    "etcd": ["etcd", "--version"],
    "redis-server": ["redis-server", "--version"],
}

Plot = Callable[[Path], None]
"""Draws one picture into the file that it is given."""


@dataclass(frozen=True)
class Report:
    """The outcome of one command.

    ``name`` is the command's; ``text`` its tables in Markdown; ``data`` what goes into the JSON file;
    ``plots`` the pictures by name.
    """

    name: str
    text: str
    data: Mapping[str, Any]
    plots: Mapping[str, Plot]


def machine() -> dict[str, Any]:
    """Where and with what the measurement ran."""
    return {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "programs": {name: _first_line(command) for name, command in PROGRAMS.items()},
    }


def describe(where: Mapping[str, Any]) -> str:
    """One line about the machine, for the head of a table."""
    return (
        f"{where['when'][:10]}, commit {where['commit']}, {where['cores']} cores of {where['processor']}, "
        f"Linux {where['kernel']}, Python {where['python']}"
    )


def publish(report: Report, out: Path | None, write_docs: bool) -> None:
    """Print the tables and write the files. Raises ``BenchError`` where a directory cannot be written."""
    where = machine()
    text = f"{describe(where)}\n\n{report.text}"
    print(text)
    document = {"command": report.name, "machine": where, **report.data}
    if out is not None:
        _write(out, report, document)
    if write_docs:
        shown = _write(PICTURES, report, document)
        pictures = "".join(f"\n\n![{name}](benchmarks/{name}.svg)" for name in shown)
        written = replace_block(DOCUMENT.read_text(encoding="utf-8"), report.name, text + pictures)
        DOCUMENT.write_text(written, encoding="utf-8")


def replace_block(document: str, name: str, text: str) -> str:
    """The document with the text between the markers of this name replaced. Raises ``BenchError``."""
    pattern = re.compile(
        rf"(<!-- {re.escape(name)}: begin -->\n).*?(<!-- {re.escape(name)}: end -->)", re.DOTALL
    )
    replaced, times = pattern.subn(lambda match: f"{match[1]}\n{text}\n\n{match[2]}", document)
    if times != 1:
        raise BenchError(f"the document has {times} places for the results of {name}, not one")
    return replaced


def _write(directory: Path, report: Report, document: Mapping[str, Any]) -> list[str]:
    from .plots import available

    try:
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{report.name}.json"
        path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchError(f"cannot write to {directory}: {error}") from error
    if not report.plots or not available():
        return []
    for name, plot in report.plots.items():
        plot(directory / f"{name}.svg")
    return list(report.plots)


def _commit() -> str:
    """The commit that was measured, with a plus sign if the code differs from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        done = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
        )
        same = subprocess.run(
            [*git, "diff", "--quiet", "HEAD", "--", *MEASURED], check=False, capture_output=True
        )
    except OSError:
        return "unknown"
    if done.returncode != 0:
        return "unknown"
    return done.stdout.strip() + ("" if same.returncode == 0 else "+")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
