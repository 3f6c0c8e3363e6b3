"""The effects of one step, in order, and where messages go."""

from __future__ import annotations

from pbproto import Config, Envelope, Member, Note, Send
from pbproto.effects import Code
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
    made.log.start = 1
    out.send(made, Member(1, "a:1"), 10, CONFIRM)
    (effect,) = out.effects
    assert isinstance(effect, Send)
    assert effect.envelope.history == 700


def test_an_answer_goes_to_the_promised_then_the_told_view_then_nowhere() -> None:
    """An address is known from a view or not at all; the life is the one that spoke."""
    made = state()
    received = Envelope(1, 10, 7, 70, 0)
    addresses = []
    for promised, told in (((), None), ((), (1,)), ((1,), (1,)), ((1,), None)):
        made.promised_view = view(promised)
        made.told = None if told is None else view(told)
        if promised and told:
            made.promised_view = view(()).of([(1, "promised:1")])
        out = Out()
        out.answer(made, received, CONFIRM)
        (effect,) = out.effects
        assert isinstance(effect, Send)
        assert effect.envelope == Envelope(7, 70, 1, 10, 0)
        addresses.append(effect.address)
    assert addresses == ["", "node1:80", "promised:1", "node1:80"]
