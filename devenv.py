#!/usr/bin/env python3
"""Set this checkout up, run its tests, or run a cluster of it on this machine and play with its failures.

Only the standard library is used, because this file is what installs everything else. It reads from top to
bottom: the virtual environment, the tests, the command line. The cluster is in devenv_cluster.py, its
prompt in devenv_prompt.py, and what both print goes through devenv_terminal.py.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

try:
    import fcntl
except ImportError:
    sys.exit("devenv.py needs Linux, macOS or another POSIX system (on Windows: WSL)")
if sys.version_info < (3, 11):  # noqa: UP036 - older interpreters are told so instead of failing somewhere
    sys.exit(f"devenv.py needs Python 3.11 or newer; {sys.executable} is {platform.python_version()}")

from devenv_cluster import SERVERS, Settings, check_ports
from devenv_prompt import run_cluster
from devenv_terminal import Stopped, UserError, ending, say, screen

ROOT = Path(__file__).resolve().parent
PYTHON_VARIABLE = "PBPROTO_DEVENV_PYTHON"
RUNNING = "requirements.txt"
TESTS = "requirements-test.txt"
DOCS = ("sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html", "docs", "build/docs")
CLEAN_UP_SECONDS = 15
TICK_SECONDS = 1.0
DEFAULT_TEST_ARGUMENTS = ("-n", "4", "--dist", "loadgroup")  # more than cores: most tests wait, not compute

HELP = f"""\
  python3 devenv.py setup         make .venv from requirements.txt (the others do this by themselves;
                                  `test` adds requirements-test.txt)
  python3 devenv.py -n 3          run a cluster of 3 nodes until Ctrl-C; at a terminal it takes commands
                                  (kill, restart, pause, view ...; type `help` there)
  python3 devenv.py -n 5 --viewservice --spares 2
                                  the view service decides on views: type `kill 1` and watch
  python3 devenv.py docs          build the documentation into build/docs
  python3 devenv.py test [ARGS]   ruff check, ruff format --check, mypy, then pytest with ARGS
                                  (default: {" ".join(DEFAULT_TEST_ARGUMENTS)})
"""
NOTES = f"""\
Node i listens on 127.0.0.1, port base+i. Without a terminal on standard input the cluster runs until SIGINT
or SIGTERM. No node outlives this program. The logs' directory is kept only if something went wrong.

.venv belongs to this program: one that it did not finish, or that no longer fits requirements.txt or this
Python's version, is made again. {PYTHON_VARIABLE}=/path/to/python uses that interpreter, with
what is installed there, and leaves .venv alone.

Exit status: 0 all went well, 1 something failed, 2 wrong arguments or a taken port, 128+N ended by signal N
before the work was done.
"""

# ---------------------------------------------------------------------------- the virtual environment


def install_step(command: Sequence[str], lock: int) -> str:
    """Run one step of an installation; return "" or the line that says best why it failed.

    At a terminal the step draws its own progress; elsewhere its many lines are kept back. The lock is handed
    on: should this program be killed, it stays held until the orphaned step has ended, too.
    """
    out, err = (None, None) if os.isatty(1) else (subprocess.PIPE, subprocess.STDOUT)
    null = subprocess.DEVNULL
    with subprocess.Popen(command, pass_fds=[lock], stdin=null, stdout=out, stderr=err) as step:
        try:
            with ending.interrupts():
                output, _ = step.communicate()
        finally:
            step.kill()  # does nothing to a step that has ended
    if step.returncode == 0:
        return ""
    lines = (output or b"").decode(errors="replace").split("\n")
    errors = [line for line in lines if line.startswith("ERROR")] or [line for line in lines if line.strip()]
    return errors[-1].strip() if errors else f"exit status {step.returncode}"


@contextlib.contextmanager
def ticking(text: Callable[[], str]) -> Iterator[None]:
    """At a terminal show each second that a step goes on which says nothing; an empty text shows nothing."""
    ended = threading.Event()
    began = time.monotonic()

    def tick() -> None:
        while not ended.wait(TICK_SECONDS):
            if line := text():
                screen.show(f"  {line}, {time.monotonic() - began:.0f} s")

    if not screen.draws():
        yield
        return
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        ended.set()
        ticker.join()
        screen.show("")


@dataclass
class Environment:
    """The virtual environment beside this file, and the promise that it fits requirements.txt.

    A stamp, written last, says what it was made from; without the right stamp it is made from nothing, as
    nobody can tell what an interrupted pip has left behind. What only the tests need is added when they are
    first run, so that whoever wants to see the store does not wait for it; it has a stamp of its own.

    Who makes it holds the lock alone, who uses it shares the lock until its end: a second run neither sees
    half an environment nor pulls one away from under a running cluster.
    """

    root: Path = ROOT
    step: Callable[[Sequence[str], int], str] = install_step
    lock: IO[str] | None = None  # the open lock file; closing it gives up the lock

    def __post_init__(self) -> None:
        self.folder = self.root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "devenv.stamp"

    def stamp_of(self, requirements: str) -> Path:
        """Where it is written down that a file of requirements is installed."""
        return self.stamp if requirements == RUNNING else self.folder / f"devenv-{requirements}.stamp"

    def wanted_stamp(self, requirements: str = RUNNING) -> str:
        """Name everything that makes an old environment useless when it changes."""
        content = (self.root / requirements).read_bytes()
        return f"{hashlib.sha256(content).hexdigest()} {platform.python_version()}\n"

    def has(self, requirements: str) -> bool:
        """Tell whether a file of requirements was installed, to its end, as it is now."""
        try:
            return self.stamp_of(requirements).read_bytes() == self.wanted_stamp(requirements).encode()
        except OSError:
            return False

    def is_current(self) -> bool:
        """Tell whether the environment is finished, fits, and its interpreter still runs.

        The interpreter is tried because it depends on the one it was made with, which may be gone.
        """
        probe = "import sys, importlib.util as util\n"
        probe += "sys.exit(sys.prefix == sys.base_prefix or util.find_spec('pip') is None)"
        if not self.has(RUNNING):
            return False
        try:
            command = [str(self.python), "-I", "-c", probe]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def take_lock(self, lock: IO[str], kind: int) -> None:
        """Take or change the lock, saying so when that means waiting for another run."""
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            say("devenv: waiting for another devenv.py that sets up or uses .venv ...")
            with ending.interrupts():
                fcntl.flock(lock, kind)

    def ready(self, more: str = "") -> Path:
        """Return an interpreter that has all of requirements.txt, and of ``more``.

        Whatever is missing is installed first.
        """
        if own := os.environ.get(PYTHON_VARIABLE):
            if found := shutil.which(own):
                return Path(found).absolute()  # not resolved: a virtual environment's python is a link
            raise UserError(f"{PYTHON_VARIABLE} names {own}, which is not a program that can be run")
        try:
            self.folder.mkdir(exist_ok=True)
            self.lock = (self.folder / "devenv.lock").open("a")
            self.take_lock(self.lock, fcntl.LOCK_SH)
            if not self.is_current() or (more and not self.has(more)):
                # Given up first, so that two who both want to make it cannot wait for each other.
                fcntl.flock(self.lock, fcntl.LOCK_UN)
                self.take_lock(self.lock, fcntl.LOCK_EX)
                if not self.is_current():
                    self.make(self.lock)
                if more and not self.has(more):
                    self.install(more, self.lock)
                self.take_lock(self.lock, fcntl.LOCK_SH)
        except OSError as error:
            raise UserError(f"cannot set up {self.folder}: {error}") from None
        return self.python

    def make(self, lock: IO[str]) -> None:
        """Make the environment from nothing; the lock must be held alone."""
        for module in ("venv", "ensurepip"):
            if importlib.util.find_spec(module) is None:
                raise UserError(
                    f"{sys.executable} lacks the module {module} (Debian, Ubuntu: apt install python3-venv);"
                    f" or set {PYTHON_VARIABLE} to an interpreter that has requirements.txt installed"
                )
        began = time.monotonic()
        say(f"devenv: making .venv with Python {platform.python_version()}")
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != Path(lock.name):  # or a run that waits would get the lock of a lost file
                entry.unlink()
        with ticking(lambda: "it is being made, with pip"):
            problem = self.step([sys.executable, "-I", "-m", "venv", str(self.folder)], lock.fileno())
        if problem:
            raise UserError(f"cannot make {self.folder}: {problem}")
        self.install(RUNNING, lock)
        say(f"devenv: .venv is ready ({time.monotonic() - began:.0f} s)")

    def install(self, requirements: str, lock: IO[str]) -> None:
        """Install what a file asks for; the lock must be held alone."""
        say(f"devenv: installing {requirements} (a minute or so)")
        # -I, because packages found through PYTHONPATH would count as installed already.
        pip = [str(self.python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        if screen.draws():
            pip.append("--quiet")  # two lines a package, and a bar each; one line that counts them says more
        with ticking(lambda: self.installed(requirements)):
            problem = self.step([*pip, "-r", str(self.root / requirements)], lock.fileno())
        if problem:
            raise UserError(f"pip could not install {requirements}: {problem} (is the network reachable?)")
        self.stamp_of(requirements).write_text(self.wanted_stamp(requirements))

    def installed(self, requirements: str = RUNNING) -> str:
        """Say how far pip is: it fetches all packages before it puts the first one in place."""
        found = [path.name for path in self.folder.glob("lib/python*/site-packages/*.dist-info")]
        others = sum(not name.startswith(("pip-", "setuptools-")) for name in found)
        files = dict.fromkeys((RUNNING, requirements))
        lines = [line for name in files for line in (self.root / name).read_text("utf-8").splitlines()]
        wanted = sum("==" in line for line in lines)
        return f"{others} of {wanted} packages are installed" if others else f"{wanted} packages are fetched"


# ---------------------------------------------------------------------------- the tests


def run_in_foreground(command: Sequence[str]) -> int:
    """Run a step of the tests; when this program is told to end, let the step clean up first."""
    step = subprocess.Popen(command, cwd=ROOT)
    try:
        with ending.interrupts():
            return step.wait()
    except Stopped as stopped:
        if stopped.signum != signal.SIGINT:  # a terminal's Ctrl-C has reached the step already
            step.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            step.wait(CLEAN_UP_SECONDS)
        raise
    finally:
        step.kill()  # does nothing to a step that has ended


def run_tests(python: Path, arguments: Sequence[str]) -> int:
    """Run every check even if one fails; pytest goes last, because its summary is what closes a good run."""
    pytest = ["pytest", *(arguments or DEFAULT_TEST_ARGUMENTS)]
    failed = []
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], pytest):
        say(f"devenv: {' '.join(words)}")
        if run_in_foreground([str(python), "-m", *words]) != 0:
            failed.append("pytest" if words is pytest else " ".join(words))
    if failed:
        say(f"devenv: failed: {', '.join(failed)}")
    return 1 if failed else 0


# ---------------------------------------------------------------------------- the command line


class Parser(argparse.ArgumentParser):
    """One line for a wrong argument instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message} (--help explains)", 2)


def number(lowest: int, highest: int) -> Callable[[str], int]:
    """Make a reader of integers in a range."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
            raise argparse.ArgumentTypeError(f"{text} is not a number from {lowest} to {highest}")
        return int(text)

    return read


def parse(arguments: Sequence[str]) -> Settings:
    """Read what kind of cluster is wanted."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="devenv.py", usage=f"\n{HELP}", epilog=NOTES, formatter_class=layout)
    add = parser.add_argument
    add("-n", "--nodes", type=number(1, 65535), help="how many (default 3)")
    add("--base-port", type=number(0, 65534), metavar="PORT", help="node i gets PORT+i (default 8080)")
    add("--frontend", choices=(*SERVERS, "mixed"), help="default quart; mixed: odd ids quart, even ids wsgi")
    fitting = {server: frontend for frontend, names in SERVERS.items() for server in names}
    fits = "; ".join(f"{frontend}: {', '.join(names)}" for frontend, names in SERVERS.items())
    add("--server", choices=fitting, metavar="NAME", help=f"web server of the nodes that it fits ({fits})")
    add("--no-view", dest="tell_view", action="store_false", help="do not tell the nodes a view")
    add("--viewservice", action="store_true", help="the view service decides on views; it listens at PORT")
    add("--spares", type=number(0, 65534), metavar="K", help="with it: K of the nodes are spares (default 0)")
    add("--logs", dest="logs_to_stderr", action="store_true", help="print the nodes' logs to standard error")
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    settings = Settings(**given)
    if settings.spares >= settings.nodes or (settings.spares and not settings.viewservice):
        parser.error("--spares is for --viewservice, and leaves one member at least")
    if settings.server and settings.frontend not in (fitting[settings.server], "mixed"):
        wants = fitting[settings.server]
        parser.error(
            f"--server {settings.server} is for {wants} nodes, but --frontend is {settings.frontend}"
        )
    return settings


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; return the exit status."""
    ending.install()
    word, *rest = arguments or [""]
    environment = Environment()
    try:
        if word in ("setup", "test") and rest in (["-h"], ["--help"]):
            parse(rest)
        if word == "test":
            return run_tests(environment.ready(TESTS), rest)
        if word == "docs":
            if rest:
                raise UserError("docs takes no arguments (--help explains)", 2)
            return run_in_foreground([str(environment.ready(TESTS)), "-m", *DOCS])
        if word == "setup":
            if rest:
                raise UserError("setup takes no arguments (--help explains)", 2)
            say(f"devenv: {environment.ready()} has what requirements.txt asks for")
            return 0
        settings = parse(arguments)
        first = 0 if settings.viewservice else 1
        check_ports([settings.base_port + i for i in range(first, settings.nodes + 1)])
        run_cluster(settings, environment.ready())
        return 0
    except UserError as error:
        print(f"devenv.py: {error}", file=sys.stderr)
        return error.status
    except Stopped as stopped:
        print("devenv.py: interrupted", file=sys.stderr)
        return 128 + stopped.signum


if __name__ == "__main__":
    status = main(sys.argv[1:])
    with contextlib.suppress(OSError, AttributeError):  # without standard output there is no sys.stdout
        sys.stdout.flush()
    # Not sys.exit, which would complain about a reader that has gone away; nothing is left to clean up.
    os._exit(status)
