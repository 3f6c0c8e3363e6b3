"""What happened to a cluster, in lines that a person reads when a test has failed."""

from __future__ import annotations

from collections import deque

from pbproto import Code, Note

from .timeline import Timeline

MOST_LINES = 10_000
SHOWN = 80
_TOO_SMALL = (
    Code.PROPOSED,
    Code.PROMISED,
    Code.BASE_CHOSEN,
    Code.IGNORED,
    Code.REFUSED_BY,
    Code.REJECTED,
    Code.STATE_SENT,
)
"""Notes of nodes that would hide the others; a rejection shows as the answer that it is."""


class Transcript:
    """The last ``MOST_LINES`` lines, each with its virtual time in seconds."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._count = 0

    def add(self, text: str) -> None:
        """Something happened now."""
        self._count += 1
        self._lines.append(f"{self._timeline.seconds:10.4f} s  {text}")

    def note(self, node: int, note: Note) -> None:
        """A node has decided something."""
        if note.code not in _TOO_SMALL:
            said = "".join(f", {name} {value}" for name, value in note.fields)
            self.add(f"node {node}: {note.code.value}{said}")

    @property
    def lines(self) -> list[str]:
        """All that is kept, the oldest first."""
        return list(self._lines)

    def tail(self, shown: int = SHOWN) -> str:
        """The last lines, and how many came before them."""
        lines = self.lines[-shown:]
        before = self._count - len(lines)
        return "\n".join([f"… {before} earlier lines", *lines] if before else lines)
