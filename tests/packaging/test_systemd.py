"""The units of deploy/systemd fit systemd, their examples and the document."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from tests.live.harness import ROOT

from .files import DEPLOY, UNITS, typed, unit_lines, unit_programs


def test_units_name_what_they_are_given() -> None:
    """Goal: credentials and variables are where they are used. Method: compare them within each unit, with
    the example of its environment, and with the document."""
    for path in UNITS:
        lines, program = unit_lines(path), unit_programs()[path.name]
        text = path.read_text()
        credentials = dict(value.split(":") for name, value in lines if name == "LoadCredential")
        assert set(re.findall(r"%d/([\w-]+)", text)) == set(credentials)
        (environment,) = (value for name, value in lines if name == "EnvironmentFile")
        example = (
            DEPLOY / "systemd" / f"{environment.rpartition('/')[2].replace('-%i', '')}.example"
        ).read_text()
        assert environment.replace("%i", "1") in example
        for variable in re.findall(r"\$\{(\w+)\}", " ".join(program.command)):
            assert re.search(rf"^{variable}=", example, re.MULTILINE)
        for needed in (*credentials.values(), environment.replace("%i", "1")):
            assert any(re.fullmatch(rf"sudo install .* {needed}", line) for line in typed()), needed
        assert any(f"{path.relative_to(ROOT)} /etc/systemd/system/" in line for line in typed())
    assert "sudo python3 -m venv /opt/pbproto" in typed()
    assert {program.command[0] for program in unit_programs().values()} == {"/opt/pbproto/bin/python"}


def test_the_memory_can_be_watched(tmp_path: Path) -> None:
    """Goal: the alarm at 70 % of the memory has its figure. Method: what the library reads is left in /proc
    by the units; without that file it says nothing of the process."""
    (tmp_path / "self" / "fd").mkdir(parents=True)
    for name in ("stat", "limits"):
        shutil.copy(f"/proc/self/{name}", tmp_path / "self" / name)

    def found() -> set[str]:
        registry = CollectorRegistry()
        ProcessCollector(proc=str(tmp_path), registry=registry)
        return {family.name for family in registry.collect()}

    assert found() == set()
    shutil.copy("/proc/stat", tmp_path / "stat")
    assert "process_resident_memory_bytes" in found()
    for path in UNITS:
        assert ("ProcSubset", "pid") not in unit_lines(path), path


def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """Goal: no setting that systemd does not know, and little left open. Method: let it read them, with an
    interpreter that is there, where it is installed."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("there is no systemd on this machine")
    units = []
    for path in UNITS:
        unit = tmp_path / path.name.replace("@.", "@1.")
        unit.write_text(path.read_text().replace("/opt/pbproto/bin/python", sys.executable))
        units.append(str(unit))
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *units],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
    for name in units:
        command = [analyze, "security", "--offline=yes", "--threshold=20", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
