"""The outside of the search keeps its contract, and uses all of the room that the contract leaves."""

from __future__ import annotations

from dataclasses import replace

from .facts import Facts
from .nodes import Nodes
from .outside import Act, Views
from .scope import Order, Scope, view

PLAIN = Scope(
    "s",
    "",
    nodes=3,
    first=(0, 1),
    clients=(),
    orders=(Order((1, 2), (1, 2)), Order((0, 2), (0, 2))),
    crashes=1,
)
NUMBERED = replace(PLAIN, orders=(Order((1,), (0, 1), 2), Order((0, 1), (0, 1), 3)), first_epoch=1)


def says(views: Views, id_: int, place: int) -> Facts:
    """What a node looks like that says that this view is active."""
    told = views.views[place]
    assert told is not None
    nodes = Nodes(views.scope)
    facts = nodes.facts[nodes.start(id_, 0)]
    return replace(facts, says_active=(told.members, told.epoch))


def test_a_view_is_ordered_only_with_a_keeper() -> None:
    """Rule 1: each view has a member of the last active one and of every one since.

    After {0,1} and {1,2}, {0,2} has none until {1,2} was found active.
    """
    views = Views(PLAIN)
    second = views.after(views.start, Act("order", -1, 1))
    assert views.met[second].keepers == 0b010
    assert not [act for act in views.acts(second) if act.what == "order"]
    told = views.after(second, Act("tell", 2, 1))
    active = views.look(told, says(views, 2, 1))
    assert views.met[active].keepers == 0b110
    assert Act("order", -1, 2) in views.acts(active)


def test_a_node_is_believed_only_after_it_was_told() -> None:
    """Rule 2: 'active' counts at a member that was told the view after it was ordered.

    A node says so untold, then told but of another view, then of the right one.
    """
    views = Views(PLAIN)
    second = views.after(views.start, Act("order", -1, 1))
    assert views.look(second, says(views, 1, 1)) == second
    told = views.after(second, Act("tell", 1, 1))
    assert views.look(told, says(views, 1, 0)) == told
    assert views.look(told, says(views, 1, 1)) != told


def test_the_last_keeper_does_not_crash() -> None:
    """The fault model: some member keeps the data.

    After the order of {1,2} node 1 alone keeps it; the others may crash, and only once.
    """
    views = Views(PLAIN)
    second = views.after(views.start, Act("order", -1, 1))
    assert [act.node for act in views.acts(second) if act.what == "crash"] == [0, 2]
    crashed = views.after(second, Act("crash", 2, 1))
    assert not [act for act in views.acts(crashed) if act.what == "crash"]


def test_a_crash_voids_what_was_heard_and_told() -> None:
    """A node that crashed keeps nothing; only the latest view is told to its next life.

    Crash a node that a PUT is on its way to, and one that was told.
    """
    views = Views(NUMBERED)
    third = views.after(views.after(views.start, Act("order", -1, 1)), Act("order", -1, 2))
    assert views.met[third].puts[0] == 0b110
    crashed = views.after(third, Act("crash", 0, 1))
    assert views.met[crashed].puts[0] == 0b100
    told = views.after(crashed, Act("tell", 1, 1))
    assert views.met[told].fresh == 0, "the PUT of an older view proves nothing of the latest"


def test_late_puts_are_for_numbered_views() -> None:
    """Rule 3: an unnumbered PUT never arrives after a later view was ordered; a numbered one may.

    Order two views and look which PUTs are still on their way.
    """
    views = Views(PLAIN)
    second = views.after(views.start, Act("order", -1, 1))
    active = views.look(views.after(second, Act("tell", 2, 1)), says(views, 2, 1))
    third = views.after(active, Act("order", -1, 2))
    assert [(act.node, act.place) for act in views.acts(third) if act.what == "tell"] == [(0, 2), (2, 2)]
    late = Views(NUMBERED)
    third = late.after(late.after(late.start, Act("order", -1, 1)), Act("order", -1, 2))
    told = [(act.node, act.place) for act in late.acts(third) if act.what == "tell"]
    assert told == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_a_view_is_told_again_as_often_as_the_scope_says() -> None:
    """Telling a view again is an action of its own, with a budget.

    Use it up at the view that is active from the start.
    """
    views = Views(replace(PLAIN, again=1))
    again = views.after(views.start, Act("tell", 0, 0))
    assert views.met[again].again == 0
    assert not [act for act in views.acts(again) if act.what == "tell"]


def test_a_node_that_stops_keeps_the_data_until_it_is_gone() -> None:
    """A stop in order has a budget of its own, and takes nothing from anybody.

    Stop the only keeper; then it is still the one that must not crash.
    """
    views = Views(replace(PLAIN, closes=1))
    second = views.after(views.start, Act("order", -1, 1))
    stopped = views.after(second, Act("close", 1, 0))
    assert (views.met[stopped].keepers, views.met[stopped].closes) == (0b010, 0)
    assert not [act for act in views.acts(stopped) if act.what == "close"]
    assert [act.node for act in views.acts(stopped) if act.what == "crash"] == [0, 2]


def test_a_split_needs_no_keeper() -> None:
    """The halves of a split are ordered although nobody carries the data over.

    {0} and then {1}.
    """
    views = Views(replace(PLAIN, orders=(Order((0,), (0,)), Order((1,), (1,), free=True))))
    half = views.after(views.start, Act("order", -1, 1))
    other = views.after(half, Act("order", -1, 2))
    assert views.met[other].keepers == 0b010
    assert views.event(2).view == view((1,))
