"""The command line of the limits."""

from __future__ import annotations

import argparse

from bench.work import key_name
from frontends.common.settings import Settings


def limit_options(program: str) -> tuple[Settings, dict[str, str]]:
    """The settings that choose and set up the server, and the data to begin with.

    ``--plain`` is ``lean="off"``: without a node's own way past ASGI or WSGI.
    """
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--server", required=True)
    parser.add_argument("--bind", required=True)
    parser.add_argument("--keys", type=int, default=0)
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    # Made anew for each key: a node has no two keys that share the memory of their values either.
    data = {key_name(index): "v" * options.size for index in range(options.keys)}
    lean = "off" if options.plain else "on"
    return Settings(1, bind=options.bind, server=options.server, lean=lean), data
