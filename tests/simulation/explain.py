"""Explains a failing run: shrinks it, then writes down its plan, what happened, a picture and a story."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .diagram import diagram
from .plan_file import plan_to_json
from .run import Outcome, run
from .saving import story_of
from .shrink import Progress, report, shrink
from .stage import play
from .story_reading import load
from .transcript import transcript

BUDGET = 1000
"""Runs that shrinking may take."""


def explain(
    outcome: Outcome,
    folder: Path,
    *,
    budget: int = BUDGET,
    progress: Callable[[Progress], None] | None = None,
) -> list[Path]:
    """Write ``plan.json``, ``transcript.txt``, ``run.svg`` and ``regression.story`` into ``folder``.

    Returns their paths. ``python -m tests.simulation --plan FILE`` replays the plan. Raises ``ValueError`` if
    nothing failed.
    """
    small = run(shrink(outcome, budget=budget, progress=progress).plan, keep=True)
    assert small.world is not None
    records = small.world.trace.records
    head = [f"seed {small.plan.seed}", *report(outcome, small).splitlines()]
    head += [f"BROKEN: {small.violation}", *small.plan.parameters.lines()]
    story = story_of(small)
    if not play(load(story)).broken:
        story = f"# No judge of stories sees what broke: {small.violation}.\n{story}"
    texts = {
        "plan.json": plan_to_json(small.plan),
        "transcript.txt": "\n".join(head) + "\n\n" + transcript(records),
        "run.svg": diagram(records, small),
        "regression.story": story,
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]
