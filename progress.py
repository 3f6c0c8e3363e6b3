"""How far long work is, in one line at a terminal; shared by the commands of `tests` and of `bench`.

The line goes to standard error, so that standard output stays what programs read. Without a terminal there,
or with TERM=dumb, nothing is drawn. NO_COLOR is honoured, and the line fits the present width.

It stands beside `devenv.py`, because `bench` imports nothing from `tests`, and copies of a checkout in which
faults are planted have no `bench`. `rich` is imported only where a line is drawn: worker processes, which
draw none, import this file as well.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, Task
    from rich.progress_bar import ProgressBar

REFRESHES = 4
"""How often a second the line is drawn."""
WIDTH = 20
"""Columns of the bar itself."""
ROOM = 3
"""Columns at the right that stay free: a terminal prints ^C there, and must not begin a new line for it."""
SECONDS = "s"


class Bar:
    """Progress that nobody sees; ``said`` is told each text, for those who read a log."""

    def __init__(self, said: Callable[[str], None] | None = None) -> None:
        self._said = said

    def advance(self, amount: float = 1, text: str | None = None) -> None:  # noqa: ARG002
        """So much more is done."""
        if text is not None:
            self.tell(text)

    def reach(self, done: float, text: str | None = None) -> None:  # noqa: ARG002
        """So much is done."""
        if text is not None:
            self.tell(text)

    def tell(self, text: str) -> None:
        """What is going on."""
        if self._said is not None:
            self._said(text)

    @contextmanager
    def step(self, text: str, seconds: float = 0.0, amount: float = 1) -> Iterator[None]:  # noqa: ARG002
        """So much of the whole: done at the end, or bit by bit where it is known how long it runs."""
        self.tell(text)
        yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        """For printing: no line is in the way."""
        yield


class _Drawn(Bar):
    """A line at a terminal."""

    def __init__(self, progress: Progress, total: float | None, unit: str) -> None:
        super().__init__()
        self._progress = progress
        self._task = progress.add_task("", total=total, unit=unit, then=0.0, began=0.0, seconds=0.0, amount=1)

    def advance(self, amount: float = 1, text: str | None = None) -> None:
        self._update(advance=amount, description=text)

    def reach(self, done: float, text: str | None = None) -> None:
        total = self._progress.tasks[0].total
        self._update(completed=done if total is None else min(done, total), description=text)

    def tell(self, text: str) -> None:
        self._progress.update(self._task, description=text)
        self._draw()

    @contextmanager
    def step(self, text: str, seconds: float = 0.0, amount: float = 1) -> Iterator[None]:
        self._progress.update(self._task, began=time.monotonic(), seconds=seconds, amount=amount)
        self.tell(text)
        yield
        self._update(advance=amount, seconds=0.0)

    def _update(self, **how: Any) -> None:
        self._progress.update(self._task, then=self._progress.tasks[0].elapsed, **how)
        self._draw()

    @contextmanager
    def aside(self) -> Iterator[None]:
        self._progress.stop()
        try:
            yield
            sys.stdout.flush()  # it may be the same terminal
        finally:
            _start(self._progress)

    def _draw(self) -> None:
        if not self._progress.live.auto_refresh:
            self._progress.refresh()


def shown(stream: IO[str] | None = None) -> bool:
    """Whether ``stream``, by default standard error, is a terminal on which a line can be written over."""
    stream = stream or sys.stderr
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


@contextmanager
def bar(
    total: float | None,
    unit: str,
    *,
    said: Callable[[str], None] | None = None,
    still: bool = False,
) -> Iterator[Bar]:
    """A line that is gone at the end; ``total`` is ``None`` where nobody knows how much there is to do.

    ``said``: where no line is drawn, this is told the texts instead. ``still``: the line is drawn when it is
    told something, and by no thread in between, which would take time from what is measured in this process.
    Where the unit is ``SECONDS`` it is known how many are left.
    """
    if not shown():
        yield Bar(said)
        return
    progress = _columns(still)
    drawn = _Drawn(progress, total, unit)
    _start(progress)
    try:
        yield drawn
    finally:
        progress.stop()


def _start(progress: Progress) -> None:
    progress.start()
    progress.console.show_cursor(True)  # or a program that is killed would leave the terminal without one


def left(done: float, total: float | None, then: float, now: float) -> float | None:
    """Seconds that are left, if it goes on as it went in the ``then`` seconds that ``done`` took of ``now``.

    Between two steps it counts down; ``None`` where nothing is known.
    """
    if not total or done <= 0 or then <= 0:
        return None
    return max(0.0, then / done * total - now)


def clock(seconds: float | None) -> str:
    """Hours, minutes and seconds."""
    if seconds is None:
        return "-:--:--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _columns(still: bool) -> Progress:
    from rich.console import Console, RenderableType
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn
    from rich.segment import Segments
    from rich.table import Column
    from rich.text import Text

    class Figures(ProgressColumn):
        """How much, for how long, how long still."""

        def render(self, task: Task) -> RenderableType:
            now, share = task.elapsed or 0.0, _share(task)
            unit = task.fields["unit"]
            if task.total is None:
                return Text(f"{task.completed:,.0f} {unit} in {clock(now)} ")
            if unit == SECONDS:
                return Text(f"{share:,.0f}/{task.total:,.0f} s, {clock(task.total - share)} left ")
            # What is under way counts up to now, what is done up to when that was said.
            then = now if task.fields["seconds"] else task.fields["then"]
            text = f"{task.completed:,.0f}/{task.total:,.0f} {unit} in {clock(now)}"
            return Text(f"{text}, {clock(left(share, task.total, then, now))} left ")

    class Filled(BarColumn):
        """The bar, in which a step that is under way counts in part."""

        def render(self, task: Task) -> ProgressBar:
            bar = super().render(task)
            bar.completed = _share(task)
            return bar

    # What the environment says of colours counts; whether there is a terminal was asked already.
    console = Console(file=sys.stderr, force_terminal=True)

    class Line(Progress):
        def get_renderables(self) -> Iterator[RenderableType]:
            # A table whose columns do not fit becomes wider than it may: what is too much is cut off.
            width = console.options.update_width(max(1, console.width - ROOM))
            for line in console.render_lines(self.make_tasks_table(self.tasks), width, pad=False):
                yield Segments(line)

    words = TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, ratio=1))
    return Line(
        Filled(WIDTH, table_column=Column(no_wrap=True)),
        Figures(Column(no_wrap=True)),
        words,
        console=console,
        auto_refresh=not still,
        refresh_per_second=REFRESHES,
        transient=True,
        expand=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def _share(task: Task) -> float:
    """What is done, with the part of the present step that is over as far as the clock can tell."""
    seconds: float = task.fields["seconds"]
    part: float = min(0.99, (time.monotonic() - task.fields["began"]) / seconds) if seconds else 0.0
    return task.completed + part * float(task.fields["amount"])
