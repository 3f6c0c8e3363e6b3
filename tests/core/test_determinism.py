"""The same events at the same times give the same effects, byte for byte, in every process.

Also under every other version of Python that is installed: named in ``PBPROTO_PYTHONS`` (interpreters, with
the path separator between them), on the path as ``python3.12`` and so on, or kept by pyenv.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from .script import play

TESTS = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
VARIABLE = "PBPROTO_PYTHONS"


def run(hash_seed: str, python: str = sys.executable) -> str:
    """The script's output in a process of its own, under this interpreter."""
    path = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    done = subprocess.run(
        [python, "-m", f"{__package__}.script"],
        cwd=TESTS,
        env={
            **os.environ,
            "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "utf-8",
        },
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


def version_of(python: str) -> str:
    """Which version of CPython this is, such as ``3.12``; empty if it does not run, or is another Python.

    A name on the path may be a shim of a version manager that has nothing behind it.
    """
    program = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    name, _, version = done.stdout.strip().partition(" ")
    return version if name == "cpython" else ""


def interpreter(version: str) -> str:
    """The command of an installed CPython of this version; empty if there is none."""
    found = os.environ.get(VARIABLE, "").split(os.pathsep)
    found.append(which(f"python{version}") or "")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found += [str(path) for path in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))]
    return next((python for python in found if python and version_of(python) == version), "")


def test_two_processes_say_the_same() -> None:
    """Invariant 7: play a long script in two processes whose hashes differ, compare all that they print."""
    one, other = run("0"), run("4711")
    assert len(one) > 100_000
    assert one == other


@pytest.mark.parametrize("version", VERSIONS)
def test_other_versions_of_python_say_the_same(version: str) -> None:
    """A cluster may run on several versions: play the script under each that is installed, compare."""
    if version == version_of(sys.executable):
        pytest.skip(f"Python {version} is what runs this test")
    python = interpreter(version)
    if not python:
        pytest.skip(f"no CPython {version} is named in {VARIABLE}, on the path, or kept by pyenv")
    assert run("31", python) == run("0")


def test_an_interpreter_is_what_it_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A comparison with ourselves, or with nothing, would tell nothing: look for this version, and for one
    that is named and does not run, or says something else."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert version_of(sys.executable) == own
    shim = tmp_path / "python9.9"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    other = tmp_path / "other"
    other.write_text("#!/bin/sh\necho pypy 9.9\n")
    other.chmod(0o755)
    monkeypatch.setenv(VARIABLE, os.pathsep.join([str(shim), str(other), sys.executable]))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert interpreter(own) == sys.executable
    assert interpreter("9.9") == ""


def test_the_script_tells_something() -> None:
    """A comparison of nothing would always hold: look for what the script promises to contain."""
    cluster = play()
    codes = {note.code.value: True for _, note in cluster.notes}
    for code in ("suspected", "recovered", "state_sent", "state_received", "rejected", "became_primary"):
        assert code in codes
    kinds = {type(asked.answer).__name__: True for asked in cluster.asked.values()}
    assert sorted(kinds) == ["Reject", "Reply"]
    received = [note["what"] for id_ in cluster.ids for note in cluster.noted(id_, "state_received")]
    assert "log" in received
    assert "snapshot" in received
