"""`python -m bench profile`: where the primary spends its time under writes, layer by layer, by py-spy.

A sample belongs to the layer of its innermost frame that has one: what the standard library does counts for
who called it. The event loop's own frames count only where nobody else's are in the stack. Sampled is the
thread that holds the interpreter (a hundred threads that wait would fill the picture), and the node is not
stopped for it (with that many threads, being stopped is most of what one would see).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import wrk
from .contenders import Store
from .options import counts, publishing, which_servers
from .processes import BenchError
from .report import Report
from .rounds import steps
from .tables import table
from .work import WORKS

HELP = "where the primary spends its time under writes, layer by layer"
HOW_TO_GET = "py-spy is not installed (pip install -r requirements-bench.txt)"
LAYERS: Sequence[tuple[str, str]] = (
    ("codec", r"(^|/)pbproto/codec\.py"),
    ("core", r"(^|/)pbproto/"),
    ("node", r"(^|/)frontends/common/node\.py"),
    ("recorder", r"(^|/)frontends/common/record"),
    ("peer client", r"(^|/)(frontends/\w+/(driver|carrier)\.py|http/client\.py)"),
    ("server", r"(^|/)frontends/\w+/(uvicorn_\w+|waitress_\w+|servers)\.py"),
    ("frontend mapping", r"(^|/)frontends/"),
    ("framework", r"(^|/)(quart|flask|werkzeug)/"),
    ("server", r"(^|/)(hypercorn|uvicorn|granian|h11|httptools|waitress|gunicorn)/"),
)
"""In the order in which a path is looked at; paths as py-spy prints them."""
LOOP = re.compile(r"(^|/)(asyncio/|uvloop|selectors\.py)")
FRAME = re.compile(r"\((?P<path>[^()]*?)(?::\d+)?\)$")


def layer_of(stack: Sequence[str]) -> str:
    """The layer of a stack; its frames, outermost first, look like ``name (path:line)``. Pure."""
    paths = [match["path"] for frame in stack if (match := FRAME.search(frame)) is not None]
    for path in reversed(paths):
        for name, pattern in LAYERS:
            if re.search(pattern, path):
                return name
    return "event loop" if any(LOOP.search(path) for path in paths) else "other"


def aggregate(raw: str) -> Counter[str]:
    """Samples by layer, from py-spy's raw format: a line is ``frame;frame;frame count``. Pure."""
    layers: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, samples = line.rpartition(" ")
        if stack:
            layers[layer_of(stack.split(";"))] += int(samples)
    return layers


def profile(server: str, connections: int, seconds: int, rate: int) -> tuple[Counter[str], wrk.Load]:
    """Sample the primary of three nodes under writes. Raises ``BenchError``."""
    beside = Path(sys.executable).with_name("py-spy")
    program = str(beside) if beside.exists() else shutil.which("py-spy")
    if program is None:
        raise BenchError(HOW_TO_GET)
    store = Store(server, server, 3)
    with tempfile.TemporaryDirectory() as directory:
        raw = Path(directory) / "raw"
        try:
            store.start_and_load(1000, 100)
            arguments = store.under(
                WORKS["put"], connections=connections, seconds=seconds + 2, keys=1000, size=100
            )
            with wrk.Running(arguments) as running:
                command = [program, "record", "--pid", str(store.process(1).pid), "--format", "raw"]
                command += ["--gil", "--nonblocking", "--subprocesses"]
                command += ["--output", str(raw), "--duration", str(seconds), "--rate", str(rate)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0 or not raw.exists():
                    raise BenchError(f"py-spy failed: {done.stderr[-500:]}")
                return aggregate(raw.read_text()), running.result()
        finally:
            store.stop()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of which servers, for how long."""
    which_servers(parser)
    parser.add_argument("--connections", type=counts, default=[32], help="default 32")
    parser.add_argument("--seconds", type=int, default=10, help="default 10")
    parser.add_argument(
        "--samples", type=int, default=200, metavar="N", help="samples per second; default 200"
    )
    publishing(parser)


def measure(options: argparse.Namespace) -> Report:
    """Run it. Raises ``BenchError``."""
    found: dict[str, Counter[str]] = {}
    notes, data = [], []
    measured = []
    with steps(len(options.servers)) as bar:
        for server in options.servers:
            with bar.step(f"profile: {server}", options.seconds):
                taken = profile(server, options.connections[0], options.seconds, options.samples)
                measured.append((server, *taken))
    for server, layers, load in measured:
        found[server] = layers
        notes.append(f"{server} {load.rate:,.0f}/s, {sum(layers.values())} samples")
        data.append({"server": server, "samples": dict(layers), "rate": load.rate})
    text = (
        f"Samples of the primary of three nodes under PUT from {options.connections[0]} connections "
        f"by layer ({', '.join(notes)} while it was sampled):\n\n{show(found)}"
    )
    return Report("profile", text, {"profiles": data}, {})


def show(found: Mapping[str, Mapping[str, int]]) -> str:
    """The share of each layer, a column for each server, the largest of the first server first. Pure."""
    order = list(dict.fromkeys([*(name for name, _ in LAYERS), "event loop", "other"]))
    first = next(iter(found.values()))
    order.sort(key=lambda name: -first.get(name, 0))
    rows = [
        [name, *(f"{layers.get(name, 0) / max(1, sum(layers.values())):.1%}" for layers in found.values())]
        for name in order
        if any(layers.get(name) for layers in found.values())
    ]
    return table(["layer", *found], rows)
