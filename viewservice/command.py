"""An order at the command line, to an instance that runs somewhere."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import socket
import sys
from typing import Any

import httpx

from .orders import LOOKING, MAX_NAME
from .report import one_line
from .table import show
from .trust import Trust


def give(options: argparse.Namespace, trust: Trust) -> int:
    """Order what the options say, and print what came of it; the exit status."""
    document: dict[str, Any] = {"word": options.command}
    if options.command not in LOOKING:
        document["by"] = _who()
    if "ids" in options:
        document["ids"] = options.ids
    if "id" in options:
        document["ids"] = [options.id]
    for name in ("address", "size"):
        if name in options:
            document[name] = getattr(options, name)
    try:
        response = httpx.post(
            f"{trust.scheme}://{options.at}/orders",
            json=document,
            headers=trust.headers(),
            verify=trust.verify(),
            timeout=15,
            trust_env=False,
        )
        answer = response.json()
        if not isinstance(answer, dict):
            raise ValueError("that is no object")
    except (httpx.HTTPError, ValueError, RecursionError) as error:
        print(f"viewservice: {options.at} does not answer as a view service does: {error}", file=sys.stderr)
        return 1
    if response.status_code != 200:
        print(f"viewservice: {one_line(str(answer.get('detail', answer)))}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if options.json else show(options.command, answer))
    return 0


def _who() -> str:
    """Who gives an order, as far as this machine knows: it is for people, and proves nothing."""
    try:
        name = f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        name = f"uid {os.getuid()}@{socket.gethostname()}"
    return "".join(letter for letter in name if letter.isprintable())[:MAX_NAME]
