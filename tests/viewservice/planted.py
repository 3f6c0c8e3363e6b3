# ruff: noqa: E501 - pieces of source are quoted as they are
"""The view service with a rule switched off: each has to be found by whole runs.

python -m tests.viewservice.planted [NAME …]      # hunts, and says in which seed each is found
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import progress

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 400


@dataclass(frozen=True, slots=True)
class Plant:
    """A rule that is switched off: edits of ``viewservice``, and the seed in which that shows."""

    name: str
    rule: str
    seed: int
    edits: tuple[tuple[str, str, str], ...]


def plant(name: str, rule: str, seed: int, *edits: tuple[str, str, str]) -> Plant:
    """A plant of ``(file, old, new)`` edits."""
    return Plant(name, rule, seed, edits)


PLANTS = (
    plant(
        "tell-before-writing",
        "a view is written down before it is told",
        0,
        (
            "core.py",
            """        self._writing = record
        out.append(Write(record))
""",
            """        self._adopt(record)
        self._writing = record
        out.append(Write(record))
""",
        ),
        (
            "core.py",
            "if sight is None or sight.record.epoch == 0 or self._writing is not None:",
            "if sight is None or sight.record.epoch == 0:",
        ),
    ),
    plant(
        "go-on-when-overtaken",
        "who is overtaken goes on from what is written down",
        6,
        (
            "core.py",
            """        self._adopt(record)
        if record != written:
""",
            """        self._adopt(written)
        if record != written:
""",
        ),
    ),
    plant(
        "believe-a-lost-write",
        "where nobody knows what was written it has to be read",
        16,
        (
            "core.py",
            """        if record is None:
            # It may have been written or not: whoever acts next reads it.
            self._lead(None, out)
            return
        before = self._record
""",
            """        if record is None:
            record = written
        before = self._record
""",
        ),
    ),
    plant(
        "forget-the-number",
        "an instance that begins to act goes on from the number that is written down",
        3,
        (
            "core.py",
            """        self._watched = {}
        self._adopt(record)
""",
            """        self._watched = {}
        self._adopt(replace(record, epoch=max(min(record.epoch, 1), record.epoch - 1)))
""",
        ),
    ),
    plant(
        "promote-whoever-answers",
        "nobody is counted on who is not proven to hold the data",
        3,
        (
            "judging.py",
            "for id_, life in sorted({*self.record.carriers, *self.proven}):",
            "for id_, life in self.record.lives:",
        ),
    ),
    plant(
        "count-the-restarted",
        "a node that was restarted counts as empty",
        0,
        (
            "judging.py",
            "        return watched.report.incarnation != self.life(id_)\n",
            "        return False\n",
        ),
        ("judging.py", "                and report.incarnation == life\n", ""),
        (
            "judging.py",
            "                found[id_] = life\n",
            "                found[id_] = report.incarnation\n",
        ),
    ),
    plant(
        "tell-any-life",
        "a view is told to lives that were seen before it was written",
        5,
        (
            "core.py",
            """            if report is not None and report.incarnation != life:
                continue
""",
            """            if report is not None:
                life = report.incarnation
""",
        ),
    ),
    plant(
        "count-those-who-leave",
        "who carries the data is in every view since, the next one too",
        3,
        (
            "choosing.py",
            "        carriers=tuple(sorted(carriers.items())),\n",
            "        carriers=tuple(sorted({**dict(record.carriers), **carriers}.items())),\n",
        ),
    ),
    plant(
        "proven-for-ever",
        "who was proven to hold what one view wrote is not proven for the next",
        27,
        (
            "core.py",
            """            self._proven = set()
            self._active_at = self._now
""",
            """            self._active_at = self._now
""",
        ),
    ),
    plant(
        "active-is-active",
        "only what a node says of this very view proves anything",
        3,
        (
            "judging.py",
            "            and report.epoch == self.record.epoch\n            and report.members == self.record.members\n",
            "",
        ),
    ),
    plant(
        "renew-without-proof",
        "the first view is told again only while somebody proves that it was never active",
        28,
        (
            "core.py",
            """    if not any(report.incarnation == lives.get(report.id) and not report.holds for report in reports):
        return None
""",
            "",
        ),
    ),
    plant(
        "second-view-too-early",
        "only the first view starts an empty store",
        0,
        ("judging.py", "        return bool(self.proven) or any(\n", "        return True or any(\n"),
        ("choosing.py", "if not sight.proven and record.epoch == 1 and not any(", "if False and not any("),
    ),
    plant(
        "say-it-once",
        "a node that has not obeyed is told again",
        70,
        (
            "core.py",
            "            if leaves or self._now - self._said_at.get(id_, NEVER) < self._pause(id_):\n",
            "            if leaves or id_ in self._said_at:\n",
        ),
    ),
    plant(
        "never-mind-the-dead",
        "who is gone is taken out",
        24,
        (
            "choosing.py",
            "    if unfit:\n        return _without(sight, unfit)\n",
            "    if unfit:\n        return None\n",
        ),
    ),
    plant(
        "forget-the-former-members",
        "members that could not be told are told later that they are outside",
        371,
        (
            "choosing.py",
            "    lives = {id_: life for id_, life in record.lives if record.node(id_) is not None}\n",
            "    lives: dict[int, int] = {}\n",
        ),
    ),
    plant(
        "let-the-lower-ones-in",
        "a switchover keeps lower ids from leading by themselves",
        38,
        (
            "choosing.py",
            "        if node.id in record.ids or node.id < record.floor:\n",
            "        if node.id in record.ids:\n",
        ),
    ),
    plant(
        "a-switchover-for-ever",
        "a switchover lasts as long as its primary is a member",
        89,
        (
            "choosing.py",
            "    return record.floor if not record.ids or record.ids[0] in ids else 0\n",
            "    return record.floor\n",
        ),
    ),
)


def put(each: Plant | None, folder: Path) -> None:
    """Put the service, with the fault, into ``folder``, and everything else beside it."""
    shutil.copytree(
        ROOT / "viewservice", folder / "viewservice", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pbproto", "tests", "progress.py"):
        (folder / name).symlink_to(ROOT / name)
    for file, old, new in each.edits if each is not None else ():
        path = folder / "viewservice" / file
        source = path.read_text(encoding="utf-8")
        name = each.name if each is not None else ""
        assert source.count(old) == 1, f"{name}: {file} has this {source.count(old)} times:\n{old}"
        path.write_text(source.replace(old, new), encoding="utf-8")


def broken_in(each: Plant | None, first: int, end: int) -> str:
    """What the first of these seeds that breaks a rule says; empty if none does."""
    with tempfile.TemporaryDirectory() as name:
        put(each, Path(name))
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(
            [sys.executable, "-m", "tests.viewservice.runs", "--seeds", str(first), str(end), "--stop"],
            cwd=name,
            env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert "runs," in done.stdout, done.stderr[-2000:]
    return "" if done.returncode == 0 else done.stdout.splitlines()[0]


def main() -> int:
    wanted = sys.argv[1:]
    plants = [each for each in PLANTS if not wanted or each.name in wanted]
    with progress.bar(len(plants), "faults") as bar:
        for each in plants:
            bar.tell(each.name)
            found = broken_in(each, 0, SEEDS)
            with bar.aside():
                print(f"{each.name}: {found or 'NOT FOUND'}"[:220], flush=True)
            bar.advance()
    return 0


if __name__ == "__main__":
    sys.exit(main())
