"""Runs schemathesis against a real node and reads what it found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live.harness import ROOT, Cluster, Kind

from .hooks import NODE_ID, TOKEN, tell

CONFIG = Path(__file__).with_name("schemathesis.toml")
MAX_VALUE = 1000
"""Bytes of a value: small, so that schemathesis tries what is at the limit and above it."""


@dataclass(frozen=True)
class Found:
    """What a run of schemathesis says."""

    status: int
    """0: it found nothing. 1: it did. Anything else: it could not run."""
    output: str
    report: dict[str, Any]


def cluster_of_one(folder: Path, kind: Kind, server: str | None = None, *, guarded: bool = False) -> Cluster:
    """A node to be looked at, not started yet. ``guarded``: it asks for a token."""
    servers: dict[str, str] = {} if server is None else {kind: server}
    env = {"PBPROTO_MAX_VALUE_BYTES": str(MAX_VALUE)}
    if guarded:
        tokens = folder / "tokens"
        tokens.write_text(f"read,write,admin {TOKEN}\npeer {TOKEN[::-1]}\n")
        env["PBPROTO_TOKENS"] = str(tokens)
    return Cluster(folder, kind, n=1, first_id=NODE_ID, env=env, servers=servers)


def look(url: str, document: bytes, folder: Path, options: Sequence[str], timeout: float) -> Found:
    """Run schemathesis against the node at ``url``, by this document.

    ``timeout`` in seconds is for the whole run. Raises ``subprocess.TimeoutExpired``.
    """
    report = folder / "schemathesis.json"
    # From a file: of a document that it gets from a node it leaves out the operation that gives it.
    location = folder / "openapi.json"
    location.write_bytes(document)
    command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={CONFIG}", "run", str(location)]
    command += [f"--url={url}", f"--report-json-path={report}", *options]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "tests.openapi.hooks", "NO_COLOR": "1", "NO_PROXY": "*"}
    run = subprocess.run(
        command,
        cwd=folder,  # where it leaves what it remembers
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    content = json.loads(report.read_text()) if report.exists() else {}
    return Found(run.returncode, run.stdout + run.stderr, content)


def look_at_node(
    folder: Path,
    kind: Kind,
    server: str | None,
    options: Sequence[str],
    timeout: float,
    *,
    guarded: bool = False,
) -> tuple[Found, str]:
    """Start a node, tell it a view of itself, and run schemathesis by the document that it serves.

    What it found, and the node's log.
    """
    with cluster_of_one(folder, kind, server, guarded=guarded) as alone:
        alone.start_all()
        node = alone.node(NODE_ID)
        tell(node.url)
        document = node.request("GET", "/openapi.json").content
        given = [f"--header=Authorization: Bearer {TOKEN}"] if guarded else []
        found = look(node.url, document, folder, [*given, *options], timeout)
        alone.assert_none_died()
        return found, node.log_text()
