"""What the service decides, and what it must not: node by node, on a desk."""

from __future__ import annotations

import pytest

from pbproto.config import MILLISECOND, SECOND
from pbproto.status import lasting
from viewservice import EMPTY, Lead, Record, Stored, Trouble
from viewservice.config import PRESETS
from viewservice.judging import suspected_members

from .desk import Desk, members, quick


def begun(*ids: int, size: int = 0) -> Desk:
    """A service whose first view is active."""
    desk = Desk(ids, size)
    desk.begin()
    assert desk.view() == ids[: size or len(ids)]
    assert all(desk.nodes[id_].status == "active" for id_ in desk.view())
    return desk


# The first view.


def test_the_first_view_has_epoch_1_and_as_many_members_as_wanted() -> None:
    """Empty nodes, one more than wanted: the ones with the lowest ids, the others are spares."""
    desk = begun(1, 2, 3, 4, size=3)
    assert (desk.register.epoch, desk.view()) == (1, (1, 2, 3))
    assert desk.alarms() == []


def test_no_first_view_before_every_node_has_said_that_it_is_empty() -> None:
    """One that does not answer may hold the data: nothing is decided, and it is said why."""
    desk = Desk((1, 2, 3))
    desk.kill(3)
    desk.begin()
    desk.run(5000)
    assert desk.register.epoch == 0
    assert "waiting_for_nodes" in desk.codes()
    desk.nodes[3].trouble = None
    desk.run(500)
    assert desk.view() == (1, 2, 3)


def test_a_view_that_is_served_already_is_taken_over() -> None:
    """A person has told views before: the service goes on from the present one, and tells nothing."""
    desk = Desk((1, 2, 3))
    for id_ in (1, 2):
        node = desk.nodes[id_]
        node.status, node.epoch, node.view, node.holds = "active", 7, (1, 2), True
    desk.size = 2
    desk.begin()
    assert (desk.register.epoch, desk.view()) == (7, (1, 2))
    assert [say.id for say in desk.said] == [3]  # that it is not in it
    desk.kill(1)
    desk.run(700)
    assert (desk.register.epoch, desk.view()) == (8, (2,))


def test_nodes_that_hold_data_but_no_view_are_left_to_a_person() -> None:
    """The record is lost, the nodes are not: to start an empty store over them would lose what they hold."""
    desk = Desk((1, 2))
    desk.nodes[2].holds = True
    desk.nodes[2].status, desk.nodes[2].epoch, desk.nodes[2].view = "outside", 4, (1,)
    desk.begin()
    desk.run(5000)
    assert desk.register.epoch == 0
    assert "unknown_state" in desk.alarms()


def test_a_member_restarted_before_the_first_view_is_active_is_told_it_again() -> None:
    """Only epoch 1 starts an empty store, so the same view has to come about."""
    desk = Desk((1, 2))
    desk.obey = False
    desk.begin()
    assert desk.register.epoch == 1
    desk.restart(2)
    desk.obey = True
    desk.run(1000)
    assert (desk.register.epoch, desk.view()) == (1, (1, 2))
    assert desk.nodes[2].status == "active"


def test_no_second_view_before_the_first_was_active() -> None:
    """A member dies before: a later view would wait for data that never was."""
    desk = Desk((1, 2))
    desk.install = False
    desk.begin()
    desk.kill(2)
    desk.run(3000)
    assert desk.register.epoch == 1
    assert "first_view_not_active" in desk.alarms()


# Failures.


def test_a_dead_primary_is_replaced_by_those_who_hold_the_data() -> None:
    """Its machine refuses connections: the others go on within the time that the settings say."""
    desk = begun(1, 2, 3)
    desk.kill(1)
    desk.run(250)
    assert desk.view() == (1, 2, 3)
    desk.run(400)
    assert (desk.register.epoch, desk.view()) == (2, (2, 3))
    assert all(desk.nodes[id_].status == "active" for id_ in (2, 3))


def test_a_restarted_member_is_not_counted_on() -> None:
    """2 is back and empty under its old address: it leaves the view, and 1 alone carries the data."""
    desk = begun(1, 2)
    desk.restart(2)
    desk.run(300)
    assert desk.view() == (1,)
    assert desk.register.carriers == ((1, 101),)


def test_when_nobody_is_proven_it_says_so_and_waits() -> None:
    """Both restarted: an empty store must not take the place of the one that was lost without a word."""
    desk = begun(1, 2)
    desk.restart(1)
    desk.restart(2)
    desk.run(2000)
    assert desk.register.epoch == 1
    assert desk.alarms() == ["nobody_proven"]
    desk.run(30_000)
    assert desk.alarms() == ["nobody_proven"] * 2


def test_a_member_that_was_never_filled_is_not_promoted() -> None:
    """1 and 2 are joined by 3, which is still being filled when both are gone: it holds nothing."""
    desk = begun(1, 2, 3, size=2)
    desk.install = False
    desk.order("size", size=3)
    desk.run(3000)
    assert desk.view() == (1, 2, 3)
    desk.kill(1)
    desk.kill(2)
    desk.run(5000)
    assert desk.view() == (1, 2, 3)
    assert "nobody_proven" in desk.alarms()


def test_a_newcomer_leaves_again_when_another_fails() -> None:
    """3 is being filled when 1 dies: 2 goes on alone, and 3 can come again."""
    desk = begun(1, 2, 3, size=2)
    desk.install = False
    desk.order("size", size=3)
    desk.run(3000)
    desk.kill(1)
    desk.run(1000)
    assert desk.view() == (2,)
    desk.install = True
    desk.run(6000)
    assert desk.view() == (2, 3)


def test_a_node_that_is_silent_to_the_service_alone_stays() -> None:
    """The others are content with it: only the way to it is broken."""
    desk = begun(1, 2, 3)
    for id_ in (1, 3):
        desk.silence(id_)
        desk.run(10_000)
        assert desk.view() == (1, 2, 3)
        desk.nodes[id_].trouble = None


def test_a_silent_primary_that_its_backups_miss_is_replaced() -> None:
    """Paused, or cut off from everybody: nothing is refused, but the backups say that they hear nothing."""
    desk = begun(1, 2, 3)
    desk.silence(1)
    desk.run(2000)
    for id_ in (2, 3):
        desk.nodes[id_].waits = ((1, "the primary has been silent for 2900 ms"),)
    desk.run(2000)
    assert desk.view() == (2, 3)


def test_a_backup_that_the_primary_cannot_reach_is_taken_out() -> None:
    """It answers the service, but not the primary, whose writes wait for it."""
    desk = begun(1, 2, 3)
    for passed in range(8):
        desk.nodes[1].waits = ((3, f"it does not answer, for {passed * 200} ms"),)
        desk.run(200)
    desk.run(200)
    assert desk.view() == (1, 2)


def filling() -> Desk:
    """2 was taken in as a newcomer, and is being filled by 1."""
    desk = begun(1, 2, size=1)
    desk.install = False
    desk.order("size", size=2)
    desk.run(3000)
    return desk


def test_what_was_complained_of_before_a_view_was_active_is_over() -> None:
    """A slow primary's last word is that 2 is still being filled; 2 itself says that all is well."""
    desk = filling()
    desk.nodes[1].waits = ((2, "it is being filled: position 0 of 40"),)
    desk.run(1300)
    desk.silence(1)
    desk.nodes[2].status = "active"
    desk.run(1000)
    assert desk.view() == (1, 2)


def test_a_view_told_again_does_not_hide_who_is_cut_off() -> None:
    """Told again, it counts as being installed until a round has proven it, which 3 prevents."""
    desk = begun(1, 2, 3)
    desk.nodes[1].status = "installing"
    for passed in range(12):
        desk.nodes[1].waits = ((3, f"it does not answer, for {lasting(passed * 200 * MILLISECOND)}"),)
        desk.run(200)
    assert desk.view() == (1, 2)


def test_a_complaint_that_passes_means_nothing() -> None:
    """A backup is late now and then."""
    desk = begun(1, 2, 3)
    for _ in range(5):
        desk.nodes[1].waits = ((3, "it does not answer, for 10 ms"),)
        desk.run(1000)
        desk.nodes[1].waits = ()
        desk.run(400)
    assert desk.register.epoch == 1


def test_a_primary_that_reaches_nobody_is_the_one_that_is_cut_off() -> None:
    """Both backups answer the service, and neither answers the primary."""
    desk = begun(1, 2, 3)
    desk.nodes[1].waits = ((2, "it does not answer"), (3, "it does not answer"))
    desk.run(2000)
    assert desk.view() == (2, 3)


def test_a_view_that_is_stuck_loses_whom_it_waits_for() -> None:
    """A newcomer refuses for good: the view without it comes, whatever the reason is."""
    desk = filling()
    assert desk.view() == (1, 2)
    desk.nodes[1].waits = ((2, "it holds operations of another history"),)
    desk.run(2000)
    assert desk.view() == (1,)


def test_a_newcomer_that_would_lead_does_not_take_the_data_along() -> None:
    """1 comes back empty and would lead {1, 2}, with the lowest id; it gets nothing from 2, which goes on."""
    desk = begun(1, 2)
    desk.restart(1)
    desk.run(300)
    assert desk.view() == (2,)
    desk.install = False
    while desk.view() != (1, 2):
        desk.run(100)
    desk.nodes[1].waits = ((2, "it does not hold the state yet"),)
    desk.run(2200)
    assert desk.view() == (2,)
    assert desk.alarms() == []


def test_a_paused_node_is_told_a_view_once_in_a_while() -> None:
    """It answers nothing: it must not find a heap of orders when it goes on."""
    desk = begun(1, 2, 3)
    desk.obey = False
    desk.kill(1)
    desk.run(700)
    before = len(desk.said)
    desk.run(1000)
    assert len(desk.said) - before <= 4


def test_a_newcomer_that_makes_progress_is_waited_for() -> None:
    """Each look shows another position: filling takes as long as it takes."""
    desk = filling()
    for position in range(40):
        desk.nodes[1].waits = ((2, f"it is being filled: position {position} of 40"),)
        desk.run(400)
    assert desk.view() == (1, 2)


def filled_by_items() -> Desk:
    """The primary speaks of positions, which stand still; 2 itself says how many items it has."""
    desk = filling()
    desk.nodes[1].waits = ((2, "it is being filled: position 0 of 59"),)
    for item in range(12):
        desk.nodes[2].waits = ((1, f"fetching a copy from it: item {item} of 55"),)
        desk.run(400)
    return desk


def test_a_newcomer_that_answers_late_while_it_fetches_is_waited_for() -> None:
    """What it said last is that it comes further."""
    desk = filled_by_items()
    desk.silence(2)
    desk.run(2000)
    assert desk.view() == (1, 2)


def test_a_newcomer_that_falls_silent_while_it_fetches_is_not_waited_for() -> None:
    """What it said last does not hold for ever."""
    desk = filled_by_items()
    desk.silence(2)
    desk.run(4500)
    assert desk.view() == (1,)


def test_a_newcomer_that_fetches_nothing_any_more_is_not_waited_for() -> None:
    """It answers, with the same words each time."""
    desk = filled_by_items()
    desk.run(3000)
    assert desk.view() == (1,)


# Spares.


def test_a_spare_takes_the_place_of_a_dead_member() -> None:
    """Survivors first, then the spare; the dead one comes back as a spare."""
    desk = begun(1, 2, 3, 4, size=3)
    desk.run(3000)
    desk.kill(2)
    desk.run(1500)
    assert [record.ids for record in desk.writes[-2:]] == [(1, 3), (1, 3, 4)]
    desk.restart(2)
    desk.run(20_000)
    assert desk.view() == (1, 3, 4)
    desk.kill(4)
    desk.run(2000)
    assert desk.view() == (1, 2, 3)


def test_a_spare_is_watched_before_it_is_taken() -> None:
    """It has just begun to answer: it may flap."""
    desk = begun(1, 2, size=2)
    desk.restart(2)
    desk.run(300)
    assert desk.view() == (1,)
    desk.run(1500)
    assert desk.view() == (1,)
    assert "no_spare" not in desk.codes()


def test_a_node_that_flaps_is_backed_off() -> None:
    """Each time it was taken out it stays out longer."""
    desk = begun(1, 2)
    outs = []
    for _ in range(4):
        desk.restart(2)
        desk.run(300)
        assert desk.view() == (1,)
        began = desk.now
        while desk.view() != (1, 2):
            desk.run(100)
        outs.append((desk.now - began) / SECOND)
        desk.run(1000)
    assert outs == sorted(outs)
    assert 4.5 < outs[0] < 6
    assert 38 < outs[3] < 42


def test_nothing_is_done_about_a_missing_spare_but_to_say_so() -> None:
    """The view goes on with fewer members."""
    desk = begun(1, 2)
    desk.kill(2)
    desk.run(3000)
    assert desk.view() == (1,)
    assert "no_spare" in desk.codes()
    assert desk.alarms() == []


# Writing down.


def test_a_view_is_written_down_before_it_is_told() -> None:
    """The store takes its time: nobody hears of the view until it has answered."""
    desk = begun(1, 2)
    desk.store = "holds"
    before = len(desk.said)
    desk.kill(1)
    desk.run(3000)
    assert len(desk.held) == 1
    assert len(desk.said) == before
    desk.register = desk.held[0]
    desk.step(Stored(desk.register))
    desk.run(300)
    assert {say.epoch for say in desk.said[before:]} == {2}


def test_who_is_overtaken_goes_on_from_what_is_written_down() -> None:
    """Another instance was first: this one's view is never told."""
    desk = begun(1, 2, 3)
    other = Record(
        version=desk.register.version + 1,
        epoch=2,
        members=members(1, 2),
        lives=((1, 101), (2, 102), (3, 103)),
        carriers=((1, 101), (2, 102)),
        nodes=members(1, 2, 3),
        size=2,
    )
    desk.register = other
    desk.kill(1)
    desk.run(600)
    assert "overtaken" in desk.codes()
    assert all(say.members == members(1, 2) for say in desk.said if say.epoch == 2)
    desk.run(700)
    assert [record.ids for record in desk.writes if record.epoch == 3] == [(2,)]


def test_whoever_does_not_know_what_was_written_stops_acting() -> None:
    """The store is gone in the middle: what it holds has to be read before anything else is done."""
    desk = begun(1, 2)
    desk.store = "lost"
    desk.kill(1)
    desk.run(1000)
    assert not desk.service.leading
    said = len(desk.said)
    desk.run(1000)
    assert len(desk.said) == said
    desk.store = "works"
    desk.another()
    desk.run(1000)
    assert desk.view() == (2,)
    assert desk.nodes[2].status == "active"


def test_another_instance_goes_on_from_the_record() -> None:
    """It knows nothing but the record; who carries the data is proven anew, or known from it."""
    desk = begun(1, 2, 3)
    desk.another()
    desk.kill(1)
    desk.run(1500)
    assert desk.view() == (2, 3)


def test_a_view_is_told_to_lives_that_were_seen_before_it_was_written() -> None:
    """3 is restarted after the view was decided: to its new life it would be an order it cannot judge."""
    desk = begun(1, 2, 3)
    desk.obey = False
    desk.kill(1)
    desk.run(700)
    assert desk.view() == (2, 3)
    desk.restart(3)
    desk.obey = True
    desk.run(1000)
    assert {say.incarnation for say in desk.said if say.id == 3 and say.epoch == 2} == {103}
    assert desk.view() == (2,)


def test_who_leaves_hears_of_it_when_the_others_go_on() -> None:
    """Until then it serves as well as they."""
    desk = begun(1, 2)
    desk.install = False
    desk.order("switchover", 2)
    desk.run(500)
    assert desk.nodes[1].status == "active"
    desk.install = True
    desk.run(500)
    assert desk.nodes[1].status == "outside"


def test_who_stays_out_since_a_switchover_is_named() -> None:
    """Goal: a person sees why nobody comes in although nodes wait outside. Method: switch over, look."""
    desk = begun(1, 2)
    desk.order("switchover", 2)
    desk.run(3000)
    assert desk.view() == (2,)
    (said,) = {note.text for note in desk.notes if note.code == "no_spare"}
    assert "node 1 stays outside since a switchover" in said
    assert "`add 1`" in said


def test_who_was_taken_out_while_it_was_cut_off_hears_of_it_when_it_is_back() -> None:
    """It still believes in the view before, and would keep its clients waiting for ever."""
    desk = begun(1, 2, 3)
    desk.silence(3)
    desk.nodes[1].waits = ((3, "it does not answer"),)
    desk.run(4000)
    assert desk.view() == (1, 2)
    desk.nodes[1].waits = ()
    desk.nodes[3].trouble = None
    desk.run(1000)
    assert desk.nodes[3].status == "outside"


def test_a_view_is_not_active_because_the_one_before_is() -> None:
    """Nobody obeys: 2 and 3 still say "active" of view 1, and no spare is added to a view nobody has."""
    desk = begun(1, 2, 3, 4, size=3)
    desk.obey = False
    desk.kill(1)
    desk.run(5000)
    assert (desk.register.epoch, desk.view()) == (2, (2, 3))
    desk.obey = True
    desk.run(5000)
    assert desk.view() == (2, 3, 4)


def test_somebody_else_who_sends_views_is_noticed() -> None:
    """A node was told a number that is not from here: a person has to choose one outside."""
    desk = begun(1, 2)
    desk.nodes[2].epoch, desk.nodes[2].status = 9, "installing"
    desk.nodes[1].status = "installing"
    desk.run(1000)
    assert "other_outside" in desk.alarms()


def test_its_outage_changes_nothing() -> None:
    """An instance that does not act asks nobody and tells nobody."""
    desk = begun(1, 2)
    desk.step(Lead(None))
    said = len(desk.said)
    desk.kill(1)
    desk.run(5000)
    assert (len(desk.said), desk.register.epoch) == (said, 1)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_conclude_within_their_times(preset: str) -> None:
    """A dead primary is replaced after ``gone_after`` and two looks, at most."""
    desk = Desk((1, 2), config=PRESETS[preset])
    desk.begin()
    desk.kill(1)
    began, config = desk.now, PRESETS[preset]
    while desk.view() != (2,):
        desk.run(10)
    assert desk.now - began <= config.gone_after + 2 * config.poll


def test_a_stranger_at_its_address_is_as_good_as_nobody() -> None:
    """Another process listens where node 1 was."""
    desk = begun(1, 2)
    desk.nodes[1].trouble = Trouble.STRANGER
    desk.run(1000)
    assert desk.view() == (2,)


def test_nothing_is_known_before_anything_was_written() -> None:
    """The empty record has no view and no nodes."""
    assert (EMPTY.version, EMPTY.epoch, EMPTY.ids, EMPTY.node(1)) == (0, 0, (), None)


def test_who_is_suspected_is_known_since_the_first_sign() -> None:
    """Goal: people see what begins to be wrong, and since when.

    Method: a backup that refuses connections, one that is silent, one that the primary complains of; each
    gets well again before it is taken out.
    """

    def suspected() -> dict[int, int]:
        sight = desk.service.sight()
        assert sight is not None
        return {id_: (desk.now - since) // MILLISECOND for id_, since in suspected_members(sight).items()}

    desk = Desk((1, 2, 3), config=quick(gone_after=5 * SECOND))
    desk.begin()
    desk.run(500)
    assert suspected() == {}
    desk.kill(2)
    desk.run(1000)
    assert suspected().keys() == {2}
    assert 700 <= suspected()[2] <= 1000  # from the first question that was refused
    desk.nodes[2].trouble = None
    desk.run(500)
    assert suspected() == {}
    desk.silence(3)
    desk.run(1000)
    assert suspected().keys() == {3}
    assert 1000 <= suspected()[3] <= 1300  # from the last one that was answered
    desk.nodes[3].trouble = None
    desk.nodes[1].waits = ((2, "it has not answered for 700 ms"),)
    desk.run(1000)
    assert suspected().keys() == {2}
    assert 700 <= suspected()[2] <= 1000
    assert desk.view() == (1, 2, 3)
