"""What a person may order, and what is refused."""

from __future__ import annotations

import pytest

from viewservice import Lead, Service
from viewservice.orders import WORDS

from .desk import Desk, members
from .test_core import begun


def test_a_dry_run_changes_nothing_and_says_what_would_be() -> None:
    """Who carries the data, who is filled, who leaves, what would be lost."""
    desk = begun(1, 2, 3, 4, size=3)
    desk.nodes[1].commit = desk.nodes[2].commit = 5
    desk.run(500)
    before = desk.register
    answer = desk.order("plan", 2, 4)
    assert answer is not None
    assert answer.document == {
        "epoch": 2,
        "members": [2, 4],
        "primary": 2,
        "allowed": True,
        "why_not": None,
        "carried_by": [2],
        "filled": [4],
        "leaving": [1, 3],
        "lost": "nothing",
    }
    answer = desk.order("plan", 4)
    assert answer is not None
    assert (answer.document["allowed"], answer.document["lost"]) == (False, "everything")
    assert desk.register == before


def test_status_says_how_everybody_is() -> None:
    """A primary, a backup that is gone, a spare."""
    desk = begun(1, 2, 3, size=2)
    desk.order("pause")
    desk.kill(2)
    desk.run(1000)
    answer = desk.order("status")
    assert answer is not None
    nodes = {node["id"]: node for node in answer.document["nodes"]}
    assert [nodes[id_]["place"] for id_ in (1, 2, 3)] == ["primary", "backup", "spare"]
    assert nodes[2]["unfit"] == "nobody listens at its address"
    assert (nodes[1]["carries"], nodes[2]["carries"]) == (True, False)
    assert answer.document["trouble"] == "paused"


def test_while_it_is_paused_nothing_changes_by_itself() -> None:
    """A dead primary stays in the view until the service goes on."""
    desk = begun(1, 2)
    desk.order("pause")
    desk.kill(1)
    desk.run(5000)
    assert desk.view() == (1, 2)
    assert "paused" in desk.codes()
    desk.order("resume")
    desk.run(1000)
    assert desk.view() == (2,)


def test_a_switchover_stays() -> None:
    """The primary is the member with the lowest id: those below leave, and do not come back by themselves."""
    desk = begun(1, 2, 3)
    answer = desk.order("switchover", 2)
    assert answer is not None
    assert answer.ok
    desk.run(20_000)
    assert (desk.view(), desk.register.floor) == ((2, 3), 2)
    desk.order("add", 1, address="n1:80")
    desk.run(5000)
    assert desk.view() == (1, 2, 3)


def test_a_switchover_needs_the_data() -> None:
    """Not to a node outside, nor to one that is not proven."""
    desk = begun(1, 2, 3, size=2)
    for id_ in (3, 9):
        answer = desk.order("switchover", id_)
        assert answer is not None
        assert not answer.ok
    desk.kill(2)
    desk.run(250)
    answer = desk.order("switchover", 2)
    assert answer is not None
    assert not answer.ok


def test_nodes_are_added_and_removed() -> None:
    """A new one is a spare at first; a member that is removed leaves the view; the last one stays."""
    desk = begun(1, 2)
    desk.nodes[3] = type(desk.nodes[1])(3, 103)
    desk.order("add", 3, address="n3:80")
    desk.run(1000)
    assert desk.view() == (1, 2)
    desk.order("remove", 1)
    desk.run(5000)
    assert desk.view() == (2, 3)
    assert desk.register.nodes == members(2, 3)
    assert desk.nodes[1].status == "outside"
    desk.order("remove", 3)
    desk.run(500)
    assert desk.view() == (2,)
    answer = desk.order("remove", 2)
    assert answer is not None
    assert not answer.ok
    assert desk.view() == (2,)


@pytest.mark.parametrize(
    ("word", "ids", "fields"),
    [
        ("add", (3,), {}),
        ("add", (3,), {"address": "n1:80"}),
        ("add", (1,), {"address": "elsewhere:80"}),
        ("remove", (9,), {}),
        ("remove", (), {}),
        ("switchover", (), {}),
        ("size", (), {"size": 0}),
        ("force", (), {}),
        ("force", (9,), {}),
        ("dance", (), {}),
    ],
)
def test_what_makes_no_sense_is_refused(word: str, ids: tuple[int, ...], fields: dict[str, str]) -> None:
    """With words, and without a change."""
    desk = begun(1, 2)
    before = desk.register
    answer = desk.order(word, *ids, **fields)
    assert answer is not None
    assert not answer.ok
    assert answer.document["error"]
    assert desk.register == before


def test_a_person_may_force_what_nobody_proves() -> None:
    """1 held the data and was restarted; 2 was cut off before, holds most of it, and is all there is."""
    desk = begun(1, 2)
    desk.order("pause")
    desk.restart(1)
    desk.order("resume")
    desk.run(300)
    assert desk.view() == (2,)
    desk.nodes[2].trouble = None
    desk.restart(2)
    desk.nodes[2].holds, desk.nodes[2].status = True, "outside"
    desk.run(1000)
    assert "nobody_proven" in desk.alarms()
    answer = desk.order("force", 1)
    assert answer is not None
    assert not answer.ok
    answer = desk.order("force", 2)
    assert answer is not None
    assert answer.ok
    desk.run(500)
    assert desk.nodes[2].status == "active"


def test_who_is_forced_in_and_holds_nothing_is_not_counted_on() -> None:
    """2 holds the data and 3 is empty: a view of both rests on 2 alone."""
    desk = begun(1, 2, 3)
    desk.order("pause")
    for id_ in (1, 2, 3):
        desk.restart(id_)
    desk.nodes[2].holds, desk.nodes[2].status = True, "outside"
    desk.run(1000)
    answer = desk.order("force", 2, 3)
    assert answer is not None
    assert answer.ok
    assert desk.register.carriers == ((2, desk.nodes[2].life),)


def test_an_instance_that_does_not_act_says_so() -> None:
    """Every word is refused."""
    desk = Desk((1,))
    desk.service = Service()
    for word in WORDS:
        answer = desk.order(word)
        assert answer is not None
        assert answer.document["reason"] == "not_leading"


def test_orders_that_are_overtaken_are_refused() -> None:
    """Another instance wrote at the same moment: the person looks again."""
    desk = begun(1, 2)
    desk.store = "holds"
    desk.order("size", size=1)
    answer = desk.order("pause")
    assert answer is not None
    assert answer.document["reason"] == "busy"
    desk.step(Lead(None))
    assert desk.answers[-1].document["reason"] == "overtaken"
