"""Small histories written by hand that some order explains; and how such histories are written.

The numbers are what the API promises: of a write how many writes were effective before it,
of a read how many it has seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .history import Call, History

Time = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Good:
    """A history that some order explains, with its numbers and without."""

    calls: History
    initial: tuple[tuple[str, str], ...] = ()
    first_number: int = 0


def put(
    key: str, value: str, time: Time, number: int | None, existed: bool | None = False, **more: Any
) -> Call:
    return Call(1, 1, "put", *time, "ok", key, value, existed=existed, number=number, **more)


def delete(key: str, time: Time, number: int | None, existed: bool | None = True, **more: Any) -> Call:
    return Call(1, 1, "delete", *time, "ok", key, existed=existed, number=number, **more)


def get(key: str, value: str | None, time: Time, number: int | None) -> Call:
    return Call(2, 2, "get", *time, "ok", key, value, number=number)


def listing(items: dict[str, str], time: Time, number: int | None) -> Call:
    return Call(3, 3, "list", *time, "ok", items=items, number=number)


def unknown(call: Call, *, answered: bool = False) -> Call:
    """The same call, but nobody was told how it ended."""
    end = call.end if answered else None
    return replace(call, outcome="unknown", end=end, existed=None, number=None)


def refused(call: Call) -> Call:
    """The same call, certainly without effect."""
    return replace(call, outcome="not_applied", existed=None, number=None)


GOOD: dict[str, Good] = {
    "nothing at all": Good(()),
    "one after the other": Good(
        (
            put("x", "1", (0, 1), 0),
            get("x", "1", (2, 3), 1),
            delete("x", (4, 5), 1),
            get("x", None, (6, 7), 2),
            listing({}, (8, 9), 2),
        )
    ),
    # A read during a write may see either; two reads during one write may differ, in this order.
    "reads on both sides of a write under way": Good(
        (put("x", "1", (0, 10), 0), get("x", None, (1, 2), 0), get("x", "1", (3, 4), 1))
    ),
    # Two writes at once: their order is told by who reads what later, not by who began first.
    "the later write is the first": Good(
        (put("x", "1", (0, 10), 1, True), put("x", "2", (1, 9), 0), get("x", "1", (11, 12), 2))
    ),
    # What ends when something else begins may happen after it.
    "equal times": Good(
        (
            put("x", "1", (5, 9), 0),
            get("x", None, (9, 9), 0),
            put("y", "1", (20, 29), 1),
            get("y", "1", (20, 20), 2),
        )
    ),
    # An unanswered write happens long after it was sent.
    "unknown, later": Good(
        (unknown(put("x", "1", (0, 1), 0)), get("x", None, (5, 6), 0), get("x", "1", (50, 60), 1))
    ),
    "unknown, never": Good((unknown(put("x", "1", (0, 1), 0)), get("x", None, (50, 60), 0))),
    # A 504 is an answer, but the write may still happen after it.
    "unknown, after its answer": Good(
        (
            unknown(put("x", "1", (0, 1), 0), answered=True),
            get("x", None, (5, 6), 0),
            get("x", "1", (7, 8), 1),
        )
    ),
    # Nobody ever read the unanswered put, but the key existed when the next one came.
    "unknown explains existed": Good(
        (unknown(put("x", "1", (0, 1), 0)), put("x", "2", (5, 6), 1, True), get("x", "2", (7, 8), 2))
    ),
    "unknown explains a delete that found something": Good(
        (unknown(put("x", "1", (0, 1), 0)), delete("x", (5, 6), 1), get("x", None, (7, 8), 2))
    ),
    "unknown delete explains 404": Good(
        (
            put("x", "1", (0, 1), 0),
            unknown(delete("x", (2, 3), 0)),
            delete("x", (5, 6), 2, False),
            get("x", None, (7, 8), 3),
        )
    ),
    # Number 1 belongs to somebody, and only the unanswered put of another key can be it.
    "unknown fills a gap": Good(
        (put("x", "1", (0, 1), 0), unknown(put("y", "1", (2, 3), 0)), put("x", "2", (9, 10), 2, True))
    ),
    # A delete of a missing key is a write too, and has a number.
    "missing deletes count": Good((delete("x", (0, 1), 0, False), put("x", "1", (2, 3), 1))),
    "refused has no effect": Good((refused(put("x", "1", (0, 1), 0)), get("x", None, (2, 3), 0))),
    # The first attempt had the effect, before the second one began: that is why the get saw it.
    "repeated, one effect": Good(
        (
            unknown(put("x", "1", (0, 1), 0, name="n")),
            get("x", "1", (2, 3), 1),
            put("x", "1", (4, 5), 0, name="n"),
            put("x", "1", (6, 7), 0, name="n"),
            get("x", "1", (8, 9), 1),
        )
    ),
    # An answer that is repeated says what was true at the effect, not what is true now.
    "repeated after a delete": Good(
        (
            put("x", "1", (0, 1), 0, name="n"),
            delete("x", (2, 3), 1),
            put("x", "1", (4, 5), 0, name="n"),
            get("x", None, (6, 7), 2),
        )
    ),
    # not_applied speaks of its own attempt only.
    "refused once, done by another attempt": Good(
        (
            unknown(put("x", "1", (0, 1), 0, name="n")),
            refused(put("x", "1", (2, 3), 0, name="n")),
            get("x", "1", (4, 5), 1),
        )
    ),
    # The name belongs to the put; the delete under it was refused (422).
    "another request under a name is refused": Good(
        (
            put("x", "1", (0, 1), 0, name="n"),
            refused(delete("x", (2, 3), 0, name="n")),
            get("x", "1", (4, 5), 1),
        )
    ),
    # Which of two different requests under one name came first is open as long as neither was answered.
    "one of two unknown requests under a name": Good(
        (
            unknown(put("x", "1", (0, 1), 0, name="n")),
            unknown(put("y", "2", (0, 1), 0, name="n")),
            get("y", "2", (2, 3), 1),
            get("x", None, (4, 5), 1),
        )
    ),
    "answers that do not tell whether it existed": Good(
        (put("x", "1", (0, 1), 0, None), delete("x", (2, 3), 1, None), delete("x", (4, 5), 2, None))
    ),
    # The put of x that was there is the one without a name: y tells that the name went to another request.
    "not the one whose name is taken": Good(
        (
            unknown(put("x", "1", (0, 1), 0, name="n")),
            unknown(put("y", "9", (0, 1), 0, name="n")),
            unknown(put("x", "2", (1, 2), 0)),
            put("x", "3", (5, 6), 1, True),
            get("y", "9", (7, 8), 3),
        )
    ),
    # Both deletes have names; y tells which of the names was taken by another request.
    "the delete whose name was free": Good(
        (
            put("x", "1", (0, 1), 0),
            unknown(delete("x", (2, 3), 0, name="n")),
            unknown(put("y", "9", (2, 3), 0, name="n")),
            unknown(delete("x", (2, 3), 0, name="m")),
            unknown(put("z", "9", (2, 3), 0, name="m")),
            get("x", None, (5, 6), 2),
            get("y", "9", (7, 8), 3),
        )
    ),
    # The same with a delete that has none.
    "the delete without a name": Good(
        (
            put("x", "1", (0, 1), 0),
            unknown(delete("x", (2, 3), 0, name="n")),
            unknown(delete("x", (2, 3), 0)),
            unknown(put("y", "9", (2, 3), 0, name="n")),
            get("x", None, (5, 6), 2),
            get("y", "9", (7, 8), 3),
        )
    ),
    # Numbers 0 and 1 are the two puts of x, in this order, since number 2 can only be the put of y.
    "two puts of a key in one gap": Good(
        (
            unknown(put("x", "1", (0, 1), 0)),
            unknown(put("x", "2", (0, 1), 0)),
            get("z", None, (4, 5), 2),
            unknown(put("y", "1", (6, 7), 0)),
            get("x", "2", (8, 9), 3),
        )
    ),
    "unknown reads say nothing": Good((unknown(replace(get("x", None, (0, 1), 0), value="never written")),)),
    "values written twice": Good(
        (
            put("x", "1", (0, 1), 0),
            put("x", "2", (2, 3), 1, True),
            put("x", "1", (4, 5), 2, True),
            get("x", "1", (6, 7), 3),
        )
    ),
    "a store that was not empty": Good(
        (get("x", "old", (0, 1), 7), delete("x", (2, 3), 7), listing({"y": "old"}, (4, 5), 8)),
        (("x", "old"), ("y", "old")),
        7,
    ),
}
