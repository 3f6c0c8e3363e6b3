"""Where pages are run: a copy of the checkout, free ports, and clusters that several pages share."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import shutil
import socket
import sys
import tomllib
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from urllib.parse import quote

import httpx

import pbproto
from tests.live.harness import wait_until

from .blocks import ROOT
from .commands import like
from .programs import Program

COPIED = ("pbproto", "frontends", "viewservice", "pbkv", "bench", "tests", "docs", "deploy", "examples")
PROGRAMS = ("uvicorn", "hypercorn", "granian", "gunicorn", "waitress-serve", "pytest", "pip-audit")
"""Console scripts that pages call by their names."""
PROMPT = "devenv> "
PORTS = 20
_PORT = re.compile(r"(?<![\d.])80(?P<tens>[78])(?P<units>\d)(?!\d)")
_PBKV = re.compile(r"(?<![\w./'-])(?=pbkv (?!import\b)[a-z])")
_WORD_OF_SERVICE = re.compile(
    r"(-m viewservice (?:status|plan|switchover|add|remove|size|pause|resume|force)\b)(?! --)"
)


@contextlib.contextmanager
def held_ports(count: int) -> Iterator[int]:
    """The first of some consecutive ports that no other test or run gets meanwhile.

    They lie below the range from which the system hands out ports. Binding without SO_REUSEADDR fails if
    anybody else has the port; setting the option afterwards lets a server, which sets it too, listen beside
    our socket, which never listens.
    """
    while True:
        base = random.randrange(10_000, 32_000)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + count):
                    holder = stack.enter_context(socket.socket())
                    holder.bind(("127.0.0.1", port))
                    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            except OSError:
                continue
            yield base
            return


def translated(text: str, base: int) -> str:
    """The ports of the pages, 8080 to 8089 and 8070 to 8079, as ports that are ours.

    Programs whose ports stand in no command, since they are defaults, are given them. None listens to other
    machines.
    """

    def ours(port: re.Match[str]) -> str:
        return str(base + int(port["units"]) + (PORTS // 2 if port["tens"] == "7" else 0))

    text = text.replace("devenv.py -n", f"devenv.py --base-port {base} -n")
    nodes = ",".join(f"http://127.0.0.1:{base + each}" for each in (1, 2, 3))
    text = _PBKV.sub(f"PBKV_NODES=${{PBKV_NODES:-{nodes}}} ", text)
    service = f"127.0.0.1:{base + PORTS // 2}"
    text = _WORD_OF_SERVICE.sub(rf"\1 --at {service}", text)
    text = text.replace("-m viewservice --nodes", f"-m viewservice --bind {service} --nodes")
    return _PORT.sub(ours, re.sub(r"(?<=\s):(?=80\d\d\b)", "127.0.0.1:", text))


class Workshop:
    """A copy of the checkout in which commands do what they do, and nothing of ours can be spoiled."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self.folder = folder / "checkout"
        self.folder.mkdir()
        for name in COPIED:
            shutil.copytree(
                ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("secrets", "__pycache__")
            )
        for path in ROOT.glob("*.*"):
            if path.is_file():
                shutil.copy2(path, self.folder)
        self._describe(folder / "site")
        self.environment = self._environment(folder)
        self.ports = stack.enter_context(held_ports(PORTS))
        """For what runs outside a cluster."""
        self.done: set[str] = set()
        """The commands in the foreground that some page has run already."""
        self.helps: dict[str, str] = {}
        """What programs say when they are asked for help, by the command that asks."""
        self.spoken_of: set[str] = set()
        """The commands of clusters that pages show, and ask nothing."""
        self._clusters: dict[str, RunningCluster] = {}

    @staticmethod
    def _describe(site: Path) -> None:
        """What pip writes down of a package that it installs, as far as pytest looks for plugins there."""
        declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        described = site / f"pbproto-{pbproto.__version__}.dist-info"
        described.mkdir(parents=True)
        (described / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: pbproto\nVersion: {pbproto.__version__}\n"
        )
        plugins = declared["entry-points"]["pytest11"]
        lines = [f"{name} = {where}\n" for name, where in plugins.items()]
        (described / "entry_points.txt").write_text("".join(["[pytest11]\n", *lines]))

    def project(self, name: str) -> Path:
        """A directory of a reader who has the store installed and no settings of pytest."""
        found = self.folder.parent / "projects" / name.replace("/", "-")
        found.mkdir(parents=True)
        (found / "pytest.ini").write_text("[pytest]\n")
        return found

    def _environment(self, folder: Path) -> dict[str, str]:
        """Ours, with the programs of this interpreter under the names that the pages use."""
        programs = folder / "bin"
        home = folder / "home"
        venv = self.folder / ".venv" / "bin"
        for each in (programs, home, venv):
            each.mkdir(parents=True)
        here = shlex.quote(sys.executable)
        for path in (programs / "python", programs / "python3", venv / "python"):
            _script(path, f'exec {here} "$@"')
        for name in PROGRAMS:
            script = Path(sys.executable).with_name(name)
            if script.exists():
                _script(programs / name, f'exec {here} {shlex.quote(str(script))} "$@"')
        _script(programs / "pbkv", f'exec {here} -m pbkv "$@"')
        # Without a terminal curl draws its progress between the lines.
        (home / ".curlrc").write_text("silent\nshow-error\n")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PBPROTO_", "PYTEST", "COV_"))
            and name != "NODE_IDENTIFIER"
            and not name.lower().endswith("_proxy")
        }
        return kept | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": f"{self.folder}:{folder / 'site'}",
            "PYTHONUNBUFFERED": "1",
            "HOME": str(home),
            "TMPDIR": str(folder),
            "PBPROTO_DEVENV_PYTHON": sys.executable,
            "LC_ALL": "C.UTF-8",
        }

    def cluster(self, command: str) -> RunningCluster:
        """A cluster as this command starts it: an earlier page's, whole again and empty, or another one."""
        found = self._clusters.get(command)
        if found is not None and found.can_be_renewed:
            found.renew()
            return found
        if found is not None:
            found.program.end()
        base = self._stack.enter_context(held_ports(PORTS))
        found = self._clusters[command] = RunningCluster(self, command, base)
        self._stack.callback(found.program.end)
        return found

    def start_what_was_only_spoken_of(self) -> None:
        """Start the clusters that no page asked anything."""
        for command in self.spoken_of - set(self._clusters):
            self.cluster(command)


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


class RunningCluster:
    """A ``devenv.py`` at a terminal."""

    def __init__(self, workshop: Workshop, command: str, base: int) -> None:
        self.base = base
        self.can_be_renewed = "--viewservice" not in command and "--no-view" not in command
        """Whether its views are decided from here."""
        self.program = Program(translated(command, base), workshop.folder, workshop.environment)
        table = self.program.expect(PROMPT)
        self.ids = [int(id_) for id_ in re.findall(r"^ +(\d+) .* 127\.0\.0\.1:\d+ ", table, re.MULTILINE)]

    def _order(self, line: str, answer: str) -> None:
        self.program.skip()
        self.program.type(line)
        self.program.expect(answer)

    def typed(self, line: str, expected: str) -> str:
        """Type a line at the prompt, and wait for what is expected of it, which is returned."""
        self.program.skip()
        self.program.type(line)

        def found(output: str) -> int:
            lines = [each for each in output.replace(PROMPT, "\n").splitlines() if each]
            if line not in lines or not output.endswith(PROMPT):
                return -1
            answer = lines[lines.index(line) + 1 :]
            # In between it says for whom it waits, and what else happens.
            parts = combinations(range(len(answer) + 1), 2)
            shown = not expected or any(like(expected, "\n".join(answer[a:b])) for a, b in parts)
            return len(output) if shown else -1

        self.program.wait_for(found, f"the answer to {line!r}:\n{expected}")
        return expected

    def pid(self, node_id: int) -> int:
        """The process of a node."""
        wanted = f"\0--id\0{node_id}\0--bind\x00127.0.0.1:{self.base + node_id}\0".encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if wanted in path.read_bytes() and b"/sh\0" not in path.read_bytes():
                    return int(path.parent.name)
        raise AssertionError(f"node {node_id} does not run")

    def renew(self) -> None:
        """Every node runs, all are in one view, and nothing is stored."""
        for id_ in self.ids:
            with contextlib.suppress(AssertionError):
                self.pid(id_)
                continue
            self._order(f"restart {id_}", f"node {id_} runs again")
        self._order(f"view {' '.join(map(str, self.ids))}", "is active")
        address = f"http://127.0.0.1:{self.base + self.ids[0]}"
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as client:
            wait_until(lambda: client.get("/view").json()["status"] == "active", "the view is active again")
            for key in client.get("/data").json():
                client.delete(f"/data/{quote(key, safe='')}").raise_for_status()
