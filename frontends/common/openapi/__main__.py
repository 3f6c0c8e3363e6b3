"""Prints the OpenAPI document of a node with the settings of this environment (``PBPROTO_…``)."""

from __future__ import annotations

import json
import os
import sys

from frontends.common.settings import SettingError, from_environment

from .document import build


def main() -> int:
    """Print the document; the exit status."""
    try:
        settings = from_environment({"NODE_IDENTIFIER": "0", **os.environ})
    except SettingError as error:
        sys.stderr.write(f"openapi: {error}\n")
        return 2
    print(json.dumps(build(settings), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
