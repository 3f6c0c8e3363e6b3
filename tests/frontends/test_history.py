"""The ring of events: what is kept, how it is numbered, and what its words say."""

from __future__ import annotations

from itertools import count

import pytest

from frontends.common.history import KEPT, STARTED, Event, History
from frontends.common.told import words
from pbproto import Code, Note


def made(number: int = 0) -> History:
    """A history of a node that told its first time at second 100, and of so many views."""
    seconds = count(100)
    history = History(0x5EED, clock=lambda: float(next(seconds)))
    for each in range(number):
        history.add(told(each))
    return history


def told(epoch: int) -> Note:
    return Note(Code.VIEW_TOLD, (("members", "1=a:1,2=b:1"), ("epoch", epoch)))


def test_a_life_begins_with_its_start() -> None:
    """Goal: a restart is seen. Method: look at a history to which nothing was added."""
    assert made().since(0) == (
        1,
        0,
        (Event(1, 100.0, STARTED, "info", (("incarnation", "0" * 12 + "5eed"),)),),
    )


def test_who_asks_again_gets_what_is_new() -> None:
    """Goal: ``since`` gives each event once. Method: ask, add one, ask for what came after."""
    history = made(2)
    first = history.since(0)
    assert [event.number for event in first.events] == [1, 2, 3]
    assert history.since(first.last).events == ()
    history.add(told(7))
    after = history.since(first.last)
    assert [(event.number, dict(event.fields)["epoch"]) for event in after.events] == [(4, 7)]
    assert (after.last, after.missed) == (4, 0)
    assert history.since(10**18).events == ()


def test_a_full_ring_says_what_was_missed() -> None:
    """Goal: nothing grows, and a gap is no secret. Method: more events than are kept, asked for from several
    places."""
    history = made(KEPT + 49)
    whole = history.since(0)
    assert (len(whole.events), whole.last, whole.missed) == (KEPT, KEPT + 50, 50)
    assert history.since(20).missed == 30
    assert (history.since(50).missed, history.since(51).missed) == (0, 0)
    assert len(history.since(KEPT + 45).events) == 5


def test_what_anybody_can_cause_at_any_rate_is_not_kept() -> None:
    """Goal: rejected clients do not drive a failover out. Method: add such notes."""
    history = made()
    history.add(Note(Code.REJECTED, (("reason", "timeout"), ("certain", 1), ("waited_for", ""))))
    history.add(Note(Code.IGNORED, (("reason", "repeated"), ("message", "Told"), ("sender", 1))))
    assert history.since(0).last == 1


def test_a_refusal_is_kept_once_until_something_begins_anew() -> None:
    """Goal: a member that refuses four times a second does not fill the ring. Method: the same refusal, one
    with other words, one of another member, and the first one after a new proposal."""

    def refusal(member: int, reason: str) -> Note:
        return Note(Code.REFUSED_BY, (("member", member), ("reason", reason)))

    history = made()
    for note in (refusal(1, "a"), refusal(1, "a"), refusal(1, "b"), refusal(1, "b"), refusal(2, "b")):
        history.add(note)
    assert history.since(0).last == 4
    history.add(Note(Code.PROPOSED, (("ballot", "2.0@1"), ("members", "1,2"))))
    history.add(refusal(1, "b"))
    assert history.since(0).last == 6


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (Code.SUSPECTED, "warning"),
        (Code.DROPPED, "error"),
        (Code.INSTALLED, "info"),
        (Code.BLOCKED, "warning"),
    ],
)
def test_what_matters_has_a_level(code: Code, level: str) -> None:
    """Goal: a page can show what is bad as bad. Method: add notes of each level."""
    history = made()
    history.add(Note(code))
    assert history.since(1).events[0].level == level


def test_a_node_that_is_sent_home_is_no_everyday_event() -> None:
    """Goal: the one trace of it can be seen. Method: a view, and the empty one."""
    history = made()
    history.add(told(1))
    history.add(Note(Code.VIEW_TOLD, (("members", "nobody"), ("epoch", 2))))
    assert [event.level for event in history.since(1).events] == ["info", "warning"]


def test_events_are_told_in_words() -> None:
    """Goal: the words have the fields in them, lists with spaces, and are those of the page. Method: events
    by hand."""
    for members, epoch, which in (
        ("1=a:1,2=b:1", 3, "the view of epoch 3: 1=a:1, 2=b:1"),
        ("1=a:1", "unnumbered", "a view without a number: 1=a:1"),
        ("nobody", 3, "the empty view of epoch 3: it belongs to no view"),
        ("nobody", "unnumbered", "the empty view: it belongs to no view"),
    ):
        event = Event(1, 0.0, "view_told", "info", (("members", members), ("epoch", epoch)))
        assert words(event) == f"told {which}"
    for number, backups in ((0, "no backups"), (1, "1 backup"), (2, "2 backups")):
        event = Event(1, 0.0, "became_primary", "info", (("ballot", "1.0@1"), ("backups", number)))
        assert words(event) == f"became the primary in ballot 1.0@1, with {backups}"
    event = Event(1, 0.0, "dropped", "error", (("member", 2), ("first", 5), ("end", 9)))
    assert words(event).startswith("lost in a join: positions 5 to 9 (not included) of the log of node 2 ")
