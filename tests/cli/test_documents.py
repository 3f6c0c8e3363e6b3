"""What the documents of the client and the command line show works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.live.harness import ROOT, Cluster, _environment

BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_runs(tmp_path: Path) -> None:
    """Goal: a reader who copies a block gets what it shows. Method: run every block of both documents at a
    real cluster, in their order, with the addresses of its nodes in place of those of devenv.py."""
    pbkv = tmp_path / "pbkv"
    pbkv.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pbkv "$@"\n')
    pbkv.chmod(0o755)
    with Cluster(tmp_path, "mixed", 3) as cluster:
        cluster.start_all()
        cluster.install([1, 2, 3])
        nodes = ",".join(node.url for node in cluster.nodes.values())
        path = f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin"
        environment = _environment({"PBKV_NODES": nodes, "PATH": path, "PYTHONPATH": str(ROOT)})
        for name in ("client.md", "cli.md"):
            blocks = BLOCK.findall((ROOT / "docs" / name).read_text(encoding="utf-8"))
            assert len(blocks) > 3
            for language, shown in blocks:
                block = shown
                for node in cluster.nodes.values():
                    block = block.replace(f"127.0.0.1:808{node.id}", node.address)
                if language == "python":
                    exec(compile(block, name, "exec"), {})
                else:
                    run_shell(name, block, environment)
        cluster.assert_none_died()


def run_shell(name: str, block: str, environment: dict[str, str]) -> None:
    result = subprocess.run(
        ["/bin/sh", "-e", "-c", block],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, f"{name}:\n{block}\n{result.stdout}\n{result.stderr}"
