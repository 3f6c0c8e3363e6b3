"""Plays story files: ``python -m tests.simulation.stories [--regenerate] [FILE …]`` (all, if none is named).

Prints how what the replicas do now differs from what the files say; ``--regenerate`` writes it into the
files, so that a change of behaviour is reviewed as a diff. Ends with status 1 if a rule is broken or, without
the flag, a file differs, and with status 2 at a file that cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path

from .stage import play
from .story import StoryError, dump
from .story_reading import load

FOLDER = Path(__file__).resolve().parents[1] / "stories"


def files(folder: Path = FOLDER) -> list[Path]:
    """All story files, in order."""
    return sorted(folder.glob("*.story"))


def differences(text: str, name: str = "story") -> list[str]:
    """How the story would have to change to be true: a unified diff, or nothing. Raises ``StoryError``."""
    now = dump(play(load(text)).story)
    lines = unified_diff(text.splitlines(), now.splitlines(), name, f"{name}, now", lineterm="")
    return list(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns its status."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.stories", description=__doc__)
    parser.add_argument(
        "--regenerate", action="store_true", help="write what the replicas do now into the files"
    )
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    bad = 0
    for path in options.files or files():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            print(f"{path}: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
            return 2
        try:
            played = play(load(text))
            changes = differences(text, path.name)
        except StoryError as error:
            print(f"{path}: {error}")
            bad += 1
            continue
        print("\n".join(changes), end="\n" if changes else "")
        print("".join(f"{path}: {rule}\n" for rule in played.broken), end="")
        if options.regenerate and changes:
            path.write_text(dump(played.story), encoding="utf-8")
            print(f"{path}: written")
        bad += bool(played.broken) or (bool(changes) and not options.regenerate)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
