"""Runs commands in this process, over nodes of a test's making."""

from __future__ import annotations

from typing import Any

import httpx
from click.testing import CliRunner, Result

from pbkv.cli import cli
from pbkv.cli.session import Session
from tests.client.desk import A, Reaction

ONE = ("--node", A)
QUICK = ("--timeout", "0.05")


def run(handler: Reaction, *arguments: str, **more: Any) -> Result:
    """Run a command at these nodes."""
    session = Session(transport=httpx.MockTransport(handler), sleep=more.pop("sleep", lambda _: None))
    environment = {"PBKV_NODES": None, "PBKV_TOKEN": None, "PBKV_CACERT": None, "NO_COLOR": None}
    environment |= {"FORCE_COLOR": None, **more.pop("env", {})}
    result = CliRunner(env=environment).invoke(cli, arguments, obj=session, prog_name="pbkv", **more)
    assert "Traceback" not in result.output
    return result
