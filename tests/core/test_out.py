"""The effects of one step, in order, and where messages go."""

from __future__ import annotations

from pbproto import Ballot, Config, Envelope, Member, Note, Send, View
from pbproto.effects import Code
from pbproto.log import Log
from pbproto.messages import Confirm
from pbproto.out import Out
from pbproto.state import State
from pbproto.values import NO_BALLOT

from .cluster import view

CONFIRM = Confirm(NO_BALLOT, 1)


def state() -> State:
    made = State(7, 70, Config())
    made.history = 700
    return made


def test_effects_keep_their_order() -> None:
    """The caller executes them in order: collect three of two kinds."""
    out = Out()
    out.note(Code.CLOSED)
    out.send(state(), Member(1, "a:1"), 10, CONFIRM)
    out.note(Code.BLOCKED, reason="x", count=2)
    assert out.effects == [
        Note(Code.CLOSED),
        Send("a:1", Envelope(7, 70, 1, 10, 0), CONFIRM),
        Note(Code.BLOCKED, (("reason", "x"), ("count", 2))),
    ]


def test_a_history_without_operations_counts_as_none() -> None:
    """Send from a node that holds nothing, and from one that holds an operation."""
    made, out = state(), Out()
    made.log = Log(1)
    out.send(made, Member(1, "a:1"), 10, CONFIRM)
    (effect,) = out.effects
    assert isinstance(effect, Send)
    assert effect.envelope.history == 700


def answered_at(promised: View, told: View | None, ballot: Ballot = NO_BALLOT) -> str:
    """The address to which node 7 answers a message of node 1, life 10."""
    made, out = state(), Out()
    made.promised, made.promised_view, made.told = ballot, promised, told
    out.answer(made, Envelope(1, 10, 7, 70, 0), CONFIRM)
    (effect,) = out.effects
    assert isinstance(effect, Send)
    assert effect.envelope == Envelope(7, 70, 1, 10, 0)
    return effect.address


def test_an_answer_goes_to_the_told_then_the_promised_view_then_nowhere() -> None:
    """An address is known from a view or not at all; the newest word on it counts: try all pairs of views."""
    nobody, here, there = view(()), View.of([(1, "here:1")]), View.of([(1, "there:1")])
    assert answered_at(nobody, None) == ""
    assert answered_at(nobody, here) == "here:1"
    assert answered_at(here, None) == "here:1"
    assert answered_at(here, nobody) == "here:1"
    assert answered_at(here, there) == "there:1"


def test_the_primary_that_proposed_a_ballot_is_where_it_was_then() -> None:
    """The next view may name another address for the next life of that id: answer this life and another."""
    here, there = View.of([(1, "here:1")]), View.of([(1, "there:1")])
    assert answered_at(here, there, Ballot(3, 0, 1, 10)) == "here:1"
    assert answered_at(here, there, Ballot(3, 0, 1, 11)) == "there:1"
    assert answered_at(view(()), there, Ballot(3, 0, 1, 10)) == "there:1"
    assert answered_at(view(()), view(()), Ballot(3, 0, 1, 10)) == ""


def test_all_who_read_everything_in_one_step_share_a_copy() -> None:
    """A copy of the whole map costs: one for each position, not one for each reader."""
    made, out = state(), Out()
    made.store.data[b"k"] = b"v"
    first = out.listing(made)
    assert first == {b"k": b"v"}
    assert out.listing(made) is first
    made.store.data[b"k"] = b"w"
    made.commit += 1
    assert out.listing(made) == {b"k": b"w"}
    assert first == {b"k": b"v"}
