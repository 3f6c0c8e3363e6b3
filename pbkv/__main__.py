"""``pbkv`` and ``python -m pbkv``: the command line of the store."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; ends the process."""
    try:
        from .cli import run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("click", "httpx", "rich"):
            raise
        print(f"pbkv: {missing} is not installed", file=sys.stderr)
        print("      install it with: pip install 'pbproto[cli]'", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
