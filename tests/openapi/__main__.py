"""Looks for a difference between the nodes and their OpenAPI document, for as long as wanted.

``python -m tests.openapi --examples 2000`` takes some minutes for each frontend. The seed is printed: the
same seed and number of examples make the same requests.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import cast, get_args

from tests.live.harness import Kind

from .running import look_at_node


def main() -> int:
    """Run; 0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.openapi", description=__doc__)
    parser.add_argument("--examples", type=int, default=500, help="requests per operation and phase (500)")
    parser.add_argument("--seed", type=int, default=1, help="of what is generated (1)")
    parser.add_argument("--frontend", choices=[kind for kind in get_args(Kind) if kind != "mixed"])
    parser.add_argument("--tokens", action="store_true", help="the node asks for a token")
    parser.add_argument("--server", help="the server under the frontend; by default its first")
    arguments = parser.parse_args()
    kinds = [arguments.frontend] if arguments.frontend else ["quart", "wsgi"]
    options = [f"--seed={arguments.seed}", f"--max-examples={arguments.examples}"]
    worst = 0
    for kind in kinds:
        print(f"==== {kind}, seed {arguments.seed}, {arguments.examples} examples", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            found, log = look_at_node(
                Path(folder),
                cast(Kind, kind),
                arguments.server,
                options,
                60 + 10 * arguments.examples,
                guarded=arguments.tokens,
            )
        print(found.output, flush=True)
        if "Traceback" in log:
            print(f"the node's log has a traceback:\n{log}")
            worst = 1
        worst = max(worst, found.status)
    return worst


if __name__ == "__main__":
    sys.exit(main())
