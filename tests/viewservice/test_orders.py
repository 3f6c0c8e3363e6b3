"""What a person may order, and what is refused."""

from __future__ import annotations

import pytest

from viewservice import Lead, Service
from viewservice.orders import WORDS
from viewservice.table import show

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


def test_the_answer_to_a_switchover_names_who_stays_outside() -> None:
    """Goal: a person sees at once who is out and what brings them back. Method: switch over, take one in."""
    desk = begun(1, 2, 3)
    answer = desk.order("switchover", 3, by="ops@desk", at="2026-01-31T12:00:00Z")
    assert answer is not None
    assert answer.document["kept_out"] == [1, 2]
    notice = (
        "nodes 1, 2 stay outside since a switchover: until added again (`add 1`, `add 2`), or until node 3"
    )
    assert answer.document["notice"].startswith(notice)
    assert answer.document["why"] == "switchover to node 3, ordered by ops@desk at 2026-01-31T12:00:00Z"
    assert answer.document["cause"] == "switchover"
    assert notice in show("switchover", answer.document)
    answer = desk.order("add", 2)
    assert answer is not None
    assert answer.document["kept_out"] == [1]
    desk.run(5000)
    assert desk.view() == (2, 3)
    answer = desk.order("status")
    assert answer is not None
    assert "node 1 stays outside" in show("status", answer.document)


def test_a_switchover_lasts_as_long_as_its_primary() -> None:
    """Goal: a dead primary keeps nobody out. Method: switch over, kill whom it was for, and see who comes."""
    desk = begun(1, 2, 3)
    desk.order("switchover", 2)
    desk.run(5000)
    assert (desk.view(), desk.register.floor) == ((2, 3), 2)
    desk.kill(2)
    desk.run(1000)
    # The last copy is not left alone; and what 1 leads with it got from 3.
    assert desk.register.floor == 0
    assert "the switchover to node 2 ends" in next(record.why for record in desk.writes if record.epoch == 3)
    desk.run(5000)
    assert desk.view() == (1, 3)
    assert desk.nodes[1].status == "active"
    # It is over for good: the one that comes back is a backup.
    desk.restart(2)
    desk.run(20_000)
    assert desk.view() == (1, 2, 3)


def test_a_switchover_outlasts_a_backup() -> None:
    """Goal: what is not the primary's end does not end it. Method: lose a backup, and remove the primary."""
    desk = begun(1, 2, 3, 4)
    desk.order("switchover", 2)
    desk.run(1000)
    desk.kill(4)
    desk.run(10_000)
    assert (desk.view(), desk.register.floor, desk.register.kept_out) == ((2, 3), 2, (1,))
    desk.order("remove", 2)
    desk.run(10_000)
    assert (desk.view(), desk.register.floor, desk.register.kept_out) == ((1, 3), 0, ())


def test_a_forced_view_keeps_none_of_its_members_out() -> None:
    """Goal: the floor is never above a member. Method: force a view of one that was below it."""
    desk = begun(1, 2, 3)
    desk.order("switchover", 2)
    desk.run(1000)
    desk.nodes[1].holds = True
    answer = desk.order("force", 1, 2)
    assert answer is not None
    assert answer.ok
    assert (desk.view(), desk.register.floor, desk.register.cause) == ((1, 2), 1, "force")


def test_an_address_is_said_once() -> None:
    """Goal: who was known is added by its id. Method: a node that was removed, and one that never was."""
    desk = begun(1, 2)
    desk.order("remove", 2)
    desk.run(1000)
    assert desk.view() == (1,)
    answer = desk.order("add", 2)
    assert answer is not None
    assert answer.ok
    desk.run(5000)
    assert desk.view() == (1, 2)
    assert desk.register.nodes == members(1, 2)
    answer = desk.order("add", 9)
    assert answer is not None
    assert not answer.ok
    assert "node 9 was never known here" in answer.document["error"]


def test_an_address_that_is_another_nodes_by_now_is_not_taken_back() -> None:
    """Goal: no two nodes at one address. Method: give a removed node's address away, and add it by its id."""
    desk = begun(1, 2)
    desk.order("remove", 2)
    desk.run(500)
    desk.nodes[3] = type(desk.nodes[1])(3, 103)
    desk.order("add", 3, address="n2:80")
    answer = desk.order("add", 2)
    assert answer is not None
    assert not answer.ok
    assert "node 3 is at n2:80" in answer.document["error"]


def test_who_paused_it_is_said() -> None:
    """Goal: whoever finds it paused knows whom to ask. Method: pause twice, look, resume, look."""
    desk = begun(1, 2)
    desk.order("pause", by="ann@desk", at="noon")
    answer = desk.order("pause", by="bob@desk", at="one")
    assert answer is not None
    assert answer.document["paused_by"] == "ordered by ann@desk at noon"
    desk.kill(1)
    desk.run(1000)
    assert any("paused (ordered by ann@desk at noon); would" in note.text for note in desk.notes)
    answer = desk.order("resume", by="bob@desk")
    assert answer is not None
    assert answer.document["paused_by"] is None
    said = [note.text for note in desk.notes if note.code == "order"]
    assert said == ["pause, ordered by ann@desk at noon", "resume, ordered by bob@desk"]


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
        ("add", (), {"address": "n3:80"}),
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
