"""Small histories written by hand that no order explains, each with the rule that it breaks."""

from __future__ import annotations

from dataclasses import dataclass, field

from .cases import delete, get, listing, put, refused, unknown
from .history import History


@dataclass(frozen=True, slots=True)
class Bad:
    """A history that no order explains."""

    calls: History
    says: str
    """A part of what the verdict must say."""
    says_with_numbers: str = ""
    """The same with numbers, if they tell another story."""
    by_numbers: bool = field(default=False, kw_only=True)
    """Only the numbers are wrong."""
    initial: tuple[tuple[str, str], ...] = ()


BAD: dict[str, Bad] = {
    # A get must not see what was overwritten before it began.
    "stale read": Bad(
        (put("x", "1", (0, 1), 0), put("x", "2", (2, 3), 1, True), get("x", "1", (4, 5), 2)), "stale read"
    ),
    # Two reads one after the other must not go back.
    "new value, then the old one": Bad(
        (
            put("x", "1", (0, 1), 0),
            put("x", "2", (2, 20), 1, True),
            get("x", "2", (3, 4), 2),
            get("x", "1", (5, 6), 1),
        ),
        "read out of order",
    ),
    # Whichever put was first, its value came back after the other one.
    "values in turns": Bad(
        (
            put("x", "1", (0, 20), 0),
            put("x", "2", (0, 20), 1, True),
            get("x", "1", (1, 2), 1),
            get("x", "2", (3, 4), 2),
            get("x", "1", (5, 6), 1),
            get("x", "2", (7, 8), 2),
        ),
        "values alternate",
    ),
    # The second put must have found what the first one wrote.
    "lost update": Bad(
        (put("x", "1", (0, 1), 0), put("x", "2", (2, 3), 1, False)),
        "lost write",
    ),
    # A get must not see a value whose put began after its end.
    "read from the future": Bad((get("x", "1", (0, 1), 0), put("x", "1", (2, 3), 0)), "read from the future"),
    # An answered write must be there.
    "lost acknowledged write": Bad((put("x", "1", (0, 1), 0), get("x", None, (2, 3), 1)), "lost write"),
    "lost acknowledged write, old value back": Bad(
        (get("x", "0", (0, 1), 0), put("x", "1", (2, 3), 0, True), get("x", "0", (4, 5), 1)),
        "stale read",
        initial=(("x", "0"),),
    ),
    # The store at the beginning does not lose keys by itself.
    "what was there is missing": Bad((get("x", None, (0, 1), 0),), "lost write", initial=(("x", "0"),)),
    # After a delete the value does not come back by itself.
    "value resurrected": Bad(
        (put("x", "1", (0, 1), 0), delete("x", (2, 3), 1), get("x", "1", (4, 5), 2)), "resurrected"
    ),
    # A value that was there, then missing, then there again, was written twice.
    "missing in between": Bad(
        (
            put("x", "1", (0, 1), 0),
            unknown(delete("x", (0, 1), 0)),
            get("x", None, (2, 3), 2),
            get("x", "1", (4, 5), 2),
        ),
        "read out of order",
    ),
    "value never written": Bad((get("x", "1", (0, 1), 0),), "never written"),
    # What was refused for certain is never seen.
    "not_applied visible": Bad(
        (refused(put("x", "1", (0, 1), 0)), get("x", "1", (2, 3), 1)), "not_applied seen"
    ),
    "not_applied visible in a listing": Bad(
        (refused(put("x", "1", (0, 1), 0)), listing({"x": "1"}, (2, 3), 1)), "not_applied seen"
    ),
    # Nothing else can have been number 0.
    "not_applied has a number": Bad(
        (refused(put("x", "1", (0, 1), 0)), put("y", "1", (2, 3), 1)),
        "gap that nothing fills",
        by_numbers=True,
    ),
    "not_applied explains existed": Bad(
        (refused(put("x", "1", (0, 1), 0)), put("x", "2", (2, 3), 1, True)), "wrong existed"
    ),
    # Every attempt was refused: the operation does not exist.
    "refused at every attempt, visible": Bad(
        (
            refused(put("x", "1", (0, 1), 0, name="n")),
            refused(put("x", "1", (2, 3), 0, name="n")),
            get("x", "1", (4, 5), 1),
        ),
        "not_applied seen",
    ),
    # An unanswered write happens once: its value does not come back after another write.
    "unknown applied twice": Bad(
        (
            unknown(put("x", "1", (0, 1), 0)),
            get("x", "1", (2, 3), 1),
            put("x", "2", (4, 5), 1, True),
            get("x", "1", (6, 7), 3),
        ),
        "stale read",
    ),
    # One unanswered delete removes the key once.
    "unknown delete applied twice": Bad(
        (
            put("x", "1", (0, 1), 0),
            unknown(delete("x", (2, 3), 0)),
            put("x", "2", (4, 5), 2, False),
            put("x", "3", (6, 7), 4, False),
        ),
        "no order",
        "gap that nothing fills",
    ),
    "unknown visible before it began": Bad(
        (get("x", "1", (0, 1), 1), unknown(put("x", "1", (2, 3), 0))), "read from the future"
    ),
    # A listing is taken at one point: the new x was there only after the old y was gone.
    "torn listing": Bad(
        (
            put("x", "1", (0, 1), 0),
            put("y", "1", (2, 3), 1),
            put("y", "2", (4, 5), 2, True),
            put("x", "2", (6, 7), 3, True),
            listing({"x": "2", "y": "1"}, (0, 20), 4),
        ),
        "no time is left",
        "wrong listing",
    ),
    # Two writes at once, and two listings that saw them in different orders.
    "listings disagree": Bad(
        (
            put("x", "1", (0, 9), 0),
            put("y", "1", (0, 9), 1),
            listing({"x": "1"}, (1, 8), 1),
            listing({"y": "1"}, (1, 8), 1),
        ),
        "no order",
        "wrong listing",
    ),
    # A listing must not be older than a get that ended before it began.
    "listing older than a get": Bad(
        (put("x", "1", (0, 20), 0), get("x", "1", (1, 2), 1), listing({}, (3, 4), 0)), "lost write"
    ),
    "listing with a key too much": Bad(
        (put("x", "1", (0, 1), 0), listing({"x": "1", "y": "1"}, (2, 3), 1)), "never written"
    ),
    "wrong existed: created, but it was there": Bad(
        (
            put("x", "1", (0, 1), 0),
            put("x", "2", (2, 3), 1, False),
            get("x", "2", (4, 5), 2),
        ),
        "lost write",
    ),
    "wrong existed: updated, but it was missing": Bad((put("x", "1", (0, 1), 0, True),), "wrong existed"),
    "wrong existed: deleted, but it was missing": Bad((delete("x", (0, 1), 0, True),), "wrong existed"),
    "wrong existed: 404, but it was there": Bad(
        (put("x", "1", (0, 1), 0), delete("x", (2, 3), 1, False), get("x", "1", (4, 5), 2)), "lost write"
    ),
    # Two deletes of one key at once: one of them finds it missing.
    "both deletes found it": Bad(
        (put("x", "1", (0, 1), 0), delete("x", (2, 9), 1), delete("x", (2, 9), 2)),
        "no order",
        "wrong existed",
    ),
    "both puts created it": Bad(
        (put("x", "1", (0, 9), 0), put("x", "2", (0, 9), 1)), "no order", "wrong existed"
    ),
    # One name, and two answers about its one effect.
    "retry answered differently": Bad(
        (put("x", "1", (0, 1), 0, name="n"), put("x", "1", (2, 3), 0, True, name="n")), "two answers"
    ),
    "retry has another number": Bad(
        (put("x", "1", (0, 1), 0, name="n"), put("x", "1", (2, 3), 1, name="n")),
        "two answers",
        by_numbers=True,
    ),
    # The repeated put brought the value back after the delete.
    "retry applied twice": Bad(
        (
            put("x", "1", (0, 1), 0, name="n"),
            delete("x", (2, 3), 1),
            put("x", "1", (4, 5), 0, name="n"),
            get("x", "1", (6, 7), 3),
        ),
        "resurrected",
    ),
    # The first answer came before the get: the effect cannot wait for the second attempt.
    "effect after its first answer": Bad(
        (
            put("x", "1", (0, 1), 0, name="n"),
            get("x", None, (2, 3), 0),
            put("x", "1", (4, 5), 0, name="n"),
        ),
        "lost write",
    ),
    "two requests under one name": Bad(
        (put("x", "1", (0, 1), 0, name="n"), put("x", "2", (2, 3), 1, True, name="n")),
        "two different requests",
    ),
    # Of two requests under one name one at most takes effect.
    "both unknown requests under a name": Bad(
        (
            unknown(put("x", "1", (0, 1), 0, name="n")),
            unknown(put("y", "2", (0, 1), 0, name="n")),
            get("y", "2", (2, 3), 1),
            get("x", "1", (4, 5), 2),
        ),
        "no order",
        "missing numbers",
    ),
    # The name was answered for the put, so the delete under it had no effect.
    "a request under a name that is taken": Bad(
        (
            put("x", "1", (0, 1), 0, name="n"),
            unknown(delete("x", (2, 3), 0, name="n")),
            get("x", None, (4, 5), 2),
        ),
        "lost write",
    ),
    "duplicate number": Bad(
        (put("x", "1", (0, 1), 0), put("y", "1", (2, 3), 0)), "duplicate number", by_numbers=True
    ),
    "gap that nothing fills": Bad(
        (put("x", "1", (0, 1), 0), put("y", "1", (2, 3), 2)), "gap", by_numbers=True
    ),
    # The only unanswered write began after somebody with a higher number had his answer.
    "gap filled too late": Bad(
        (put("x", "1", (0, 1), 1), unknown(put("y", "1", (2, 3), 0))),
        "gap that nothing fills",
        by_numbers=True,
    ),
    # The unanswered put could be number 1, but then the get must have seen it.
    "gap filled by what was not seen": Bad(
        (
            put("x", "1", (0, 1), 0),
            unknown(put("x", "2", (2, 3), 0)),
            get("x", "1", (5, 6), 2),
        ),
        "missing numbers",
        by_numbers=True,
    ),
    # One write, two gaps.
    "two gaps, one unknown": Bad(
        (unknown(put("y", "1", (0, 1), 0)), put("x", "1", (2, 3), 1), put("x", "2", (4, 5), 3, True)),
        "gap",
        by_numbers=True,
    ),
    # Both unanswered puts were seen, at a number that only one write comes before.
    "two seen, one number": Bad(
        (
            unknown(put("x", "1", (0, 1), 0)),
            unknown(put("y", "1", (0, 1), 0)),
            get("x", "1", (2, 9), 1),
            get("y", "1", (2, 9), 1),
        ),
        "wrong value",
        by_numbers=True,
    ),
    # A delete is needed twice, and there are two; but the one that could be first began too late.
    "the right write, too late": Bad(
        (
            put("x", "1", (0, 1), 0),
            get("x", None, (4, 5), 2),
            unknown(put("y", "1", (2, 3), 0)),
            unknown(delete("x", (6, 7), 0)),
        ),
        "lost write",
    ),
    # Who begins after another one has ended has the higher number.
    "numbers against time": Bad(
        (put("x", "1", (0, 1), 1), put("y", "1", (2, 3), 0)), "numbers against time", by_numbers=True
    ),
    "read with an old number": Bad(
        (put("x", "1", (0, 1), 0), get("y", None, (2, 3), 0)), "numbers against time", by_numbers=True
    ),
    "read with a number to come": Bad(
        (get("x", None, (0, 1), 1), put("y", "1", (2, 3), 0)), "numbers against time", by_numbers=True
    ),
    # By its number the get came after the delete, so it cannot have seen the value.
    "value does not fit the number": Bad(
        (put("x", "1", (0, 1), 0), delete("x", (2, 9), 1), get("x", "1", (3, 8), 2)),
        "wrong value",
        by_numbers=True,
    ),
    "listing does not fit the number": Bad(
        (put("x", "1", (0, 1), 0), put("y", "1", (2, 9), 1), listing({"x": "1"}, (3, 8), 2)),
        "wrong listing",
        by_numbers=True,
    ),
    "answer without a number": Bad((put("x", "1", (0, 1), None),), "without a number", by_numbers=True),
    "number below the first": Bad((put("x", "1", (0, 1), -1),), "below the first", by_numbers=True),
}
