"""All that happened in a run, line by line, for people: time, node, event, and below it what the node did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbproto.events import Receive

from .saving import lives_of, printed
from .trace import Record, Step
from .words import body_text, event_text, milliseconds


def transcript(records: Iterable[Record]) -> str:
    """The records as text.

    Times are true ones, in milliseconds; ``~`` stands before the time on the node's own clock, where it
    differs. Lives are numbered in the order of their incarnations. What happens outside the nodes has dashes
    before it.
    """
    records = list(records)
    return "".join(line + "\n" for line in _lines(records, lives_of(records)))


def _lines(records: list[Record], lives: dict[int, int]) -> Iterator[str]:
    begun: set[int] = set()
    for record in records:
        time = f"{milliseconds(record.time):>14}"
        if not isinstance(record, Step):
            yield f"{time} -- {record.text}"
            continue
        if record.life not in begun:
            begun.add(record.life)
            yield f"{time} -- node {record.node} lives its life {lives[record.life]}"
        local = "" if record.local == record.time else f" ~{milliseconds(record.local)}"
        yield f"{time} step {record.number} node {record.node}{local}: {_event(record, lives)}"
        for line in printed(record, lives):
            yield f"{'':>19}{line}"
        yield f"{'':>19}({record.status})"


def _event(step: Step, lives: dict[int, int]) -> str:
    if isinstance(step.event, Receive) and step.mail is not None:
        return f"receives {step.mail.name}: {body_text(step.event.message, lives)}"
    return event_text(step.event, lives)
