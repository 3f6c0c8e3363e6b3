"""``python -m tests.fuzz codec|replica``: fuzz until something breaks or the budget is used up.

Coverage-guided by Atheris (libFuzzer), which is not among the default requirements:
``pip install -r requirements-fuzz.txt``. What breaks is kept as a file; ``--replay FILE`` runs it again, and
needs no engine.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import progress

from . import codec, replica, seeds

TARGETS = {"codec": codec.run, "replica": replica.run}
SEEDS = {"codec": seeds.codec, "replica": seeds.replica}
LENGTHS = {"codec": 4096, "replica": 1024}
"""How many bytes an input has at most."""
STATUS = re.compile(r"#(\d+)\s+(?:NEW|REDUCE|pulse|RELOAD|INITED|READ)\s+(.*)")
"""How far the engine is, as libFuzzer writes it: inputs, then branches, corpus, speed and memory."""
HOW_TO_INSTALL = "The fuzzing engine is missing: pip install -r requirements-fuzz.txt (Linux and macOS)"


def main(arguments: list[str]) -> int:
    """The exit status: 0 if nothing broke, 1 if something did, 2 without an engine or the file to replay."""
    options = _parse(arguments)
    if options.replay is not None:
        try:
            data = options.replay.read_bytes()
        except OSError as error:
            print(f"{options.replay}: {error.strerror}", file=sys.stderr)
            return 2
        TARGETS[options.target](data)
        print(f"{options.replay}: nothing broke")
        return 0
    if importlib.util.find_spec("atheris") is None:
        print(HOW_TO_INSTALL, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        corpus = options.corpus or Path(scratch)
        corpus.mkdir(parents=True, exist_ok=True)
        seeds.write(SEEDS[options.target](), corpus)
        return _fuzz(options, corpus)


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--runs", type=int, help="how many inputs to try")
    budget.add_argument("--seconds", type=int, help="how long to try (60 if neither is said)")
    parser.add_argument("--seed", type=int, default=0, help="where chance begins; 0 for anywhere")
    parser.add_argument("--corpus", type=Path, help="keep the interesting inputs in this directory")
    parser.add_argument("--broken", type=Path, default=Path(), help="where to keep an input that breaks")
    parser.add_argument("--replay", type=Path, help="run this one input, without an engine")
    return parser.parse_args(arguments)


def _fuzz(options: argparse.Namespace, corpus: Path) -> int:
    """Run the engine in a process of its own, since it ends the process it runs in."""
    budget = [f"-runs={options.runs}"] if options.runs else [f"-max_total_time={options.seconds or 60}"]
    options.broken.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-m", f"{__package__}.engine", options.target),
        *budget,
        f"-seed={options.seed}",
        f"-max_len={LENGTHS[options.target]}",
        f"-artifact_prefix={options.broken.resolve()}/{options.target}-",
        "-print_final_stats=1",
        "-timeout=20",
        "-len_control=0",
        str(corpus),
    ]
    status = _run(command, options)
    if status:
        print(f"Something broke. Again: python -m tests.fuzz {options.target} --replay FILE (named above)")
    return 1 if status else 0


def _run(command: list[str], options: argparse.Namespace) -> int:
    """Run the engine; its exit status. At a terminal its many lines about how far it is become one."""
    if not progress.shown():
        return subprocess.run(command, check=False).returncode
    seconds = 0 if options.runs else options.seconds or 60
    with progress.bar(options.runs or seconds, "inputs" if options.runs else progress.SECONDS) as bar:
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as engine:
            assert engine.stderr is not None
            with bar.step("", seconds, seconds) if seconds else nullcontext():
                for line in engine.stderr:
                    _show(line, bar, timed=not options.runs)
        return engine.returncode


def _show(line: str, bar: progress.Bar, *, timed: bool) -> None:
    """Show a line of the engine: how far it is in the line that is written over, all else above it."""
    found = STATUS.match(line)
    if found is None:
        with bar.aside():
            print(line, end="", file=sys.stderr)
        return
    tried, what = int(found[1]), " ".join(found[2].split())
    if timed:
        bar.tell(f"{tried:,} inputs, {what}")
    else:
        bar.reach(tried, what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
