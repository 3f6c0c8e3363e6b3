"""A primary that comes back empty asks whether somebody serves, and is filled before it proposes."""

from __future__ import annotations

import pytest

from pbproto import InvariantError
from pbproto.config import MILLISECOND
from pbproto.messages import (
    Fetch,
    Learned,
    Message,
    Offer,
    Propose,
    Refusal,
    Refuse,
    Replicate,
    Seek,
    SnapshotChunk,
)
from pbproto.proposing import REFUSALS
from pbproto.seeking import PATIENCE
from pbproto.state import Filling, Seeking, check
from pbproto.values import NO_BALLOT, Ballot

from .cluster import Cluster, active, address, of, refusals, tell, view
from .test_filling import copied, filling, learner, reasons
from .test_transfer import LOG, SNAPSHOT, filled

NOTHING = REFUSALS[Refusal.NOTHING_TO_OFFER]


def seeking(cluster: Cluster, id_: int) -> Seeking:
    found = cluster.state(id_).seeking
    assert found is not None, f"node {id_} asks nobody"
    return found


def returning(*, held: tuple[type[Message], ...] = (SnapshotChunk,), **settings: int) -> Cluster:
    """1 leads {1, 2} and holds six operations; 0 is empty, is told {0, 1, 2}, and copies from 1."""
    cluster = filled((0, 1, 2), (1, 2), **{**SNAPSHOT, **settings})
    cluster.hold(of(*held))
    cluster.tell((0, 1, 2))
    cluster.run()
    return cluster


# The way it is meant to go.


@pytest.mark.parametrize("settings", [SNAPSHOT, LOG], ids=["snapshot", "log"])
@pytest.mark.parametrize("members", [(1,), (2,), (1, 2)])
def test_a_primary_that_comes_back_is_filled_and_leads(
    settings: dict[str, int], members: tuple[int, ...]
) -> None:
    """What leads is equal to who was there; whoever of the others is a newcomer gets it under the seal."""
    cluster = filled((0, 1, 2), members, **settings)
    cluster.install((0, 1, 2))
    cluster.advance(500)
    one, *others = (cluster.state(id_).store for id_ in cluster.ids)
    for other in others:
        assert other.data == one.data
        assert list(other.origins.items()) == list(one.origins.items())
        assert list(other.keys.items()) == list(one.keys.items())
    assert len(one.data) == 6
    assert cluster.noted(0, "state_received") == [{"source": members[0], "what": "copy", "end": 6}]
    assert [cluster.state(id_).learning for id_ in cluster.ids] == [None] * 3
    assert cluster.noted(members[0], "state_sent") == [{"to": 0, "what": "copy", "end": 6}]


def test_the_others_serve_meanwhile() -> None:
    """Until it proposes they go on as before; what they write is in its view, too."""
    cluster = returning()
    before = cluster.state(1).promised
    assert not filling(cluster, 1).proposes
    for node in (1, 2):
        write = cluster.put(node, b"by %d" % node, b"v")
        read = cluster.get(node, b"by %d" % node)
        cluster.run()
        assert cluster.written(write).position == 5 + node
        assert cluster.value(read) == (b"v", 6 + node)
        assert cluster.status(node).ready
    cluster.advance(900)
    assert cluster.state(1).promised == before
    cluster.release()
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    assert cluster.status(0).role == "primary"
    assert len(cluster.state(0).store.data) == 8


def test_who_asks_says_what_it_waits_for() -> None:
    """In GET /view: whom it asked, and whom it copies from by now. The others wait for its proposal."""
    cluster = filled((0, 1, 2), (1, 2), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1, 2))
    waits = [(each.id, each.address, each.reason) for each in cluster.status(0).waiting_for]
    assert waits == [(id_, address(id_), "it has not said whether it serves") for id_ in (1, 2)]
    cluster.run()
    waits = [(each.id, each.address, each.reason) for each in cluster.status(0).waiting_for]
    assert waits == [(1, address(1), "fetching a copy from it: position 0 of 6")]
    assert [each.reason for each in cluster.status(2).waiting_for] == [
        "the primary has not proposed this view yet"
    ]
    assert (cluster.status(0).status, cluster.status(0).ready) == ("installing", False)


# When there is nobody to wait for.


def test_where_nobody_serves_it_proposes_at_once() -> None:
    """The first view of all: it takes one message more each way, and no time."""
    cluster = Cluster((0, 1, 2))
    cluster.tell((0, 1, 2))
    assert cluster.state(0).proposal is None
    cluster.install((0, 1, 2))
    assert cluster.now == 0
    assert cluster.ignored(1, "nothing_to_offer") == cluster.ignored(2, "nothing_to_offer") == 1


def test_it_waits_for_the_last_refusal() -> None:
    """One who serves nobody says nothing of the others: the second may be the one that does."""
    cluster = Cluster((0, 1, 2))
    cluster.hold(of(Refuse, sender=2))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert list(seeking(cluster, 0).asked) == [2]
    assert [each.id for each in cluster.status(0).waiting_for] == [2]
    cluster.release()
    cluster.run()
    assert cluster.state(0).lead is not None


def test_a_silent_member_is_not_waited_for_long() -> None:
    """It may be gone, and it has to promise anyway."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1, 2))
    cluster.run()
    cluster.advance(PATIENCE * 250 - 1)
    assert cluster.state(0).proposal is None
    cluster.advance(1)
    assert cluster.state(0).proposal is not None


def test_who_fills_and_falls_silent_is_not_waited_for_long() -> None:
    """It died on the way: when a backup would be suspected the view is proposed without a copy."""
    cluster = returning()
    cluster.crash(1)
    began = cluster.now
    cluster.advance(999)
    assert cluster.state(0).proposal is None
    cluster.advance(1)
    assert cluster.state(0).proposal is not None
    assert cluster.now - began == 1_000 * MILLISECOND


def test_each_part_of_the_copy_gives_it_more_time() -> None:
    """A large state takes as long as it takes: let nearly a second pass between the parts."""
    cluster = returning()
    for _ in range(2):
        cluster.advance(900)
        cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
        cluster.lose(of(SnapshotChunk))
        cluster.run()
    assert cluster.state(0).proposal is None
    assert cluster.state(0).seeking is not None
    assert cluster.noted(0, "state_received") == []


def test_nobody_is_asked_where_there_is_no_need() -> None:
    """By a view of itself alone; by one that is active already, as a backup that is left over, too; by one
    whose proposal is out."""
    cluster = Cluster((0,))
    cluster.install((0,))
    assert cluster.on_the_way(Seek) == []
    cluster = active(0, 1, 2)
    cluster.crash(0)
    cluster.tell((1, 2), to=(1,))
    assert cluster.on_the_way(Seek) == []
    assert cluster.state(1).proposal is not None
    cluster = Cluster((0, 1, 2))
    cluster.propose((0, 1), to=(0,))
    cluster.tell((0, 1, 2), to=(0,))
    assert cluster.on_the_way(Seek) == []
    assert cluster.state(0).proposal is not None


# The outside goes on.


def test_told_again_it_neither_asks_again_nor_waits_longer() -> None:
    """An impatient outside repeats itself every hundred milliseconds."""
    cluster = Cluster((0, 1))
    cluster.cut(0, 1)
    for _ in range(5):
        cluster.tell((0, 1), to=(0,))
        cluster.advance(100)
    assert len(cluster.on_the_way(Seek)) == 1
    assert cluster.state(0).proposal is not None


def test_told_again_by_a_number_it_proposes_that() -> None:
    """The members are the same and so is the question; the epoch is the one that was said last."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(0,))
    cluster.tell((0, 1), epoch=1)
    assert len(cluster.on_the_way(Seek)) == 1
    assert seeking(cluster, 0).view == view((0, 1), 1)
    cluster.run()
    assert [cluster.status(id_).status for id_ in (0, 1)] == ["active"] * 2
    assert cluster.status(1).epoch == 1


def test_told_another_view_it_asks_those() -> None:
    """{0, 2} after {0, 1}: what 1 says is of no interest any more."""
    cluster = Cluster((0, 1, 2))
    cluster.tell((0, 1), to=(0,))
    cluster.tell((0, 2), to=(0, 2))
    assert list(seeking(cluster, 0).asked) == [2]
    cluster.run()
    assert [cluster.status(id_).status for id_ in (0, 2)] == ["active"] * 2


@pytest.mark.parametrize("ids", [(1, 2), ()])
def test_told_to_stay_outside_it_proposes_nothing(ids: tuple[int, ...]) -> None:
    """Nor does whoever fills it for ever: it offers until the other would propose, and once more."""
    cluster = returning()
    cluster.tell(ids, to=(0,))
    assert cluster.state(0).seeking is None
    cluster.release()
    cluster.run()
    cluster.advance(5_000)
    assert cluster.noted(0, "proposed") == []
    assert cluster.lead(1).filling is None
    assert cluster.lead(1).ballot == cluster.state(2).promised


def test_told_to_follow_it_proposes_nothing() -> None:
    """A view with another primary is told while it asks: only that one proposes."""
    cluster = Cluster((0, 1, 2))
    cluster.tell((1, 2), to=(1,))
    assert cluster.state(1).seeking is not None
    cluster.install((0, 1, 2))
    cluster.advance(2_000)
    assert cluster.noted(1, "proposed") == []


def test_told_back_what_it_has_promised_it_proposes_nothing() -> None:
    """{0, 1} is being installed, then {1, 2} is told to 1, then {0, 1} again: 1 is no primary of that."""
    cluster = Cluster((0, 1, 2))
    held = cluster.hold(of(Replicate))
    cluster.tell((0, 1))
    cluster.run()
    assert cluster.state(1).follow is not None
    assert not cluster.state(1).active
    cluster.hold(of(Seek))
    cluster.tell((1, 2), to=(1,))
    assert cluster.state(1).seeking is not None
    cluster.tell((0, 1), to=(1,))
    assert cluster.state(1).seeking is None
    cluster.advance(PATIENCE * 250)
    assert cluster.noted(1, "proposed") == []
    cluster.release(held)
    cluster.advance(1_000)
    assert cluster.status(1).status == "active"


def test_a_view_learned_from_its_proposal_ends_the_question() -> None:
    """A newer numbered view reaches it as a proposal: it promises, and proposes nothing of its own."""
    cluster = Cluster((0, 1, 2))
    cluster.tell((1, 2), to=(1,), epoch=1)
    assert cluster.state(1).seeking is not None
    ballot = Ballot(2, 0, 0, cluster.state(0).incarnation)
    cluster.forge(0, 1, Propose(ballot, view((0, 1, 2)).members, True))
    assert cluster.state(1).seeking is None
    assert cluster.state(1).promised == ballot
    cluster.run()
    cluster.advance(PATIENCE * 250)
    assert cluster.noted(1, "proposed") == []


def test_a_lease_is_waited_out_before_anybody_is_asked() -> None:
    """Who stands by a primary neither proposes nor asks; when it may, it is active, and need not ask."""
    lease = 1_000 * MILLISECOND
    cluster = active(0, 1, 2, lease=lease)
    cluster.crash(0)
    cluster.tell((1, 2))
    cluster.run()
    assert cluster.state(1).postponed
    assert cluster.state(1).seeking is None
    assert cluster.on_the_way(Seek) == []
    cluster.advance(2_500)
    assert [cluster.status(id_).status for id_ in (1, 2)] == ["active"] * 2
    assert cluster.now >= lease


def test_clients_of_a_node_that_stops_are_turned_away_at_once() -> None:
    """Who asks still becomes the primary, and is then what a stopping node is: no host for clients."""
    cluster = returning()
    token = cluster.get(0, b"key0")
    assert cluster.waits(token)
    cluster.close(0)
    assert cluster.rejection(token) == ("closing", True)
    cluster.release()
    cluster.run()
    assert cluster.status(0).status == "active"
    assert not cluster.status(0).ready


# Who is asked.


def test_only_who_leads_a_healthy_view_fills() -> None:
    """A backup, one who is told nothing, one who suspects a backup, one who fills its own newcomers: no."""
    cluster = filled((0, 1, 2, 3), (1, 2))
    members = view((0, 1, 2)).members
    cluster.forge(0, 2, Seek(members))
    cluster.forge(0, 3, Seek(members))
    assert refusals(cluster, 2) == refusals(cluster, 3) == [Refusal.NOTHING_TO_OFFER]
    cluster.lose(of())
    cluster.tell((1, 2, 3), to=(1,))
    assert filling(cluster, 1).proposes
    before = filling(cluster, 1)
    cluster.forge(0, 1, Seek(members))
    assert refusals(cluster, 1) == [Refusal.NOTHING_TO_OFFER]
    assert filling(cluster, 1) is before
    cluster = filled((0, 1, 2), (1, 2))
    cluster.cut(1, 2)
    cluster.advance(2_000)
    cluster.lose(of())
    cluster.forge(0, 1, Seek(members))
    assert refusals(cluster, 1) == [Refusal.NOTHING_TO_OFFER]


def test_who_is_in_the_view_or_would_not_be_is_not_filled() -> None:
    """A member has what there is; and who is not in the view that it asks for has no use for a copy."""
    cluster = active(1, 2)
    cluster.forge(2, 1, Seek(view((0, 2)).members))
    cluster.forge(0, 1, Seek(view((1, 2)).members))
    cluster.forge(0, 1, Seek(()))
    assert refusals(cluster, 1) == [Refusal.NOTHING_TO_OFFER] * 3
    assert cluster.lead(1).filling is None


def test_asked_twice_it_goes_on() -> None:
    """A late copy of the question: nothing begins anew, and the copy is offered once more."""
    cluster = filled((0, 1, 2), (1, 2), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 1, 2))
    question = cluster.on_the_way(Seek, receiver=1)[0]
    cluster.run()
    before = learner(cluster, 0, 1)
    frozen = before.frozen
    cluster.deliver(question)
    assert learner(cluster, 0, 1) is before
    assert before.frozen is frozen is not None
    assert len(cluster.on_the_way(Offer)) == 1
    assert len(cluster.noted(1, "filling")) == 1


def test_the_last_who_asks_is_filled() -> None:
    """A new life of it, or another node: who asked before is told, and proposes by itself.

    {0, 2, 3} was told to 0 and then {1, 2, 3} to 1, while {2, 3} serves.
    """
    cluster = filled((0, 1, 2, 3), (2, 3), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk))
    cluster.tell((0, 2, 3), to=(0,))
    cluster.run()
    first = learner(cluster, 0, 2)
    cluster.start(0)
    cluster.tell((0, 2, 3), to=(0,))
    cluster.run(until=lambda: learner(cluster, 0, 2) is not first)
    cluster.run()
    assert learner(cluster, 0, 2).incarnation == cluster.state(0).incarnation
    assert seeking(cluster, 0).asked == {2: None}
    cluster.hold(of(Propose))
    cluster.tell((1, 2, 3), to=(1,))
    cluster.run()
    assert list(filling(cluster, 2).learners) == [1]
    assert cluster.state(0).seeking is None
    assert cluster.state(0).proposal is not None


def test_who_can_commit_nothing_more_says_so() -> None:
    """There is nothing to wait for: the primary-to-be proposes when the other ends, not a second later."""
    cluster = returning()
    cluster.hold(of(Propose))
    cluster.crash(2)
    began = cluster.now
    cluster.advance(5_000, until=lambda: cluster.noted(1, "filled"))
    assert reasons(cluster, 1) == ["the present view can commit nothing"]
    assert cluster.now - began < 1_500 * MILLISECOND
    # 2 is dead and says nothing; 1 was the last that had not refused.
    assert cluster.state(0).proposal is not None


def test_told_a_view_of_its_own_it_lets_go() -> None:
    """1 fills 0, and is told to fill 3: 0 is told that nothing more comes of it."""
    cluster = filled((0, 1, 2, 3), (1, 2), **SNAPSHOT)
    cluster.hold(of(SnapshotChunk, Propose))
    cluster.tell((0, 1, 2), to=(0,))
    cluster.run()
    assert list(filling(cluster, 1).learners) == [0]
    cluster.tell((1, 2, 3), to=(1,))
    assert list(filling(cluster, 1).learners) == [3]
    cluster.run()
    assert cluster.state(0).proposal is not None


def test_told_its_own_view_again_it_goes_on() -> None:
    """{1, 2} is told to 1 once more while it fills 0: that is the outside's last word to 1, not to 0."""
    cluster = returning()
    before = filling(cluster, 1)
    cluster.tell((1, 2), to=(1,))
    assert filling(cluster, 1) is before


def test_a_copy_in_the_middle_of_the_telling_waits_for_the_rest() -> None:
    """The outside goes node by node: 0 is told first, is filled, proposes, and is refused until 1 is told.

    1 serves all the while, and when it has promised, only what came since is fetched.
    """
    cluster = filled((0, 1, 2), (1, 2))
    cluster.tell((0, 1, 2), to=(0,))
    cluster.run()
    assert copied(cluster, 0) == 6
    assert refusals(cluster, 1) == []
    assert cluster.status(0).waiting_for[0].reason == "it was told another view"
    write = cluster.put(1, b"more", b"v")
    cluster.run()
    assert cluster.written(write).position == 6
    cluster.tell((0, 1, 2), to=(1, 2))
    cluster.advance(500)
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    assert [note["what"] for note in cluster.noted(0, "state_received")] == ["copy", "log"]


def test_the_last_offer_may_be_lost() -> None:
    """The one that says that it is close: the next one says so as well, or the refusal after it."""
    cluster = filled((0, 1, 2), (1, 2), **SNAPSHOT)
    cluster.tell((0, 1, 2))
    cluster.run(until=lambda: cluster.on_the_way(Learned))
    cluster.deliver(cluster.on_the_way(Learned)[0])
    assert learner(cluster, 0, 1).ready
    cluster.lose(of(Offer))
    cluster.run()
    assert cluster.state(0).proposal is None
    cluster.advance(250)
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3


def test_a_late_copy_of_its_last_word_costs_no_time() -> None:
    """It is taken for the answer to the last offer, which is lost here: then the refusal tells to propose."""
    cluster = filled((0, 1, 2), (1, 2), **SNAPSHOT)
    cluster.tell((0, 1, 2))
    cluster.run(until=lambda: cluster.on_the_way(Learned))
    word = cluster.on_the_way(Learned)[0]
    cluster.deliver(word)
    cluster.lose(of(Offer))
    cluster.deliver(word)
    assert reasons(cluster, 1) == ["all learners are close"]
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    assert cluster.noted(0, "proposed") != []


# Refusals.


def test_the_answer_to_a_question_is_not_the_answer_to_a_nudge() -> None:
    """0 asked 1 and is told to follow it then: why 1 does not hear of that is not what it said before."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,))
    cluster.forge(0, 1, Refuse(NO_BALLOT, Refusal.NOTHING_TO_OFFER, 0, NO_BALLOT))
    assert cluster.state(1).nudge_refusal == ""
    cluster.forge(0, 1, Refuse(NO_BALLOT, Refusal.TOLD_OTHER_VIEW, 0, NO_BALLOT))
    assert cluster.state(1).nudge_refusal == "it was told another view"
    assert NOTHING == "it serves no view that it could fill others from"


def test_another_node_at_a_members_address_is_not_waited_for() -> None:
    """It says so, and that is an answer, too: nothing is to be expected from there."""
    cluster = Cluster((0, 2))
    cluster.tell((0, 1), to=(0,))
    cluster.lose(of())
    cluster.forge(2, 0, Refuse(NO_BALLOT, Refusal.WRONG_NODE, 1, NO_BALLOT))
    assert cluster.state(0).proposal is not None


def test_what_is_refused_of_the_copy_is_nothing_to_it() -> None:
    """Its filler was restarted: it waits, as for one who is gone, and then proposes."""
    cluster = returning(held=(Fetch,))
    cluster.start(1)
    cluster.tell((0, 1, 2), to=(1,))
    cluster.release()
    cluster.run()
    assert cluster.ignored(0, "other_ballot") >= 1
    cluster.advance(2_000)
    assert cluster.state(0).seeking is None
    assert cluster.state(0).promised.epoch > 1


# What we conclude is checked.


def test_only_a_primary_to_be_prepares_a_view() -> None:
    """After every step: who asks, and who fills for a view of its own, is to propose what it was told."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(0,))
    state = cluster.state(0)
    check(state)
    for told in (None, view(()), view((1,))):
        state.told = told
        with pytest.raises(InvariantError, match="primary-to-be"):
            check(state)
    cluster = filled((0, 1), (0,))
    cluster.tell((0, 1), to=(0,))
    state = cluster.state(0)
    check(state)
    state.seeking = Seeking(view((0, 1)), {}, 0)
    with pytest.raises(InvariantError, match="asks no more"):
        check(state)
    state.seeking = None
    state.told = view((1,))
    with pytest.raises(InvariantError, match="primary-to-be"):
        check(state)
    lead = cluster.lead(0)
    lead.filling = Filling({}, proposes=False)
    check(state)
    cluster = Cluster((0, 1))
    cluster.propose((0, 1), to=(0,))
    state = cluster.state(0)
    state.seeking = Seeking(view((0, 1)), {}, 0)
    with pytest.raises(InvariantError, match="asks no more"):
        check(state)


def test_a_numbered_view_is_asked_for_and_proposed_by_its_number() -> None:
    """A primary that comes back with epoch 2 is filled by who serves epoch 1, and is not blocked."""
    cluster = Cluster((0, 1, 2))
    cluster.install((1, 2), epoch=1)
    cluster.put(1, b"k", b"v")
    cluster.run()
    assert tell(cluster, 0, (0, 1, 2), 2) == ""
    cluster.install((0, 1, 2), epoch=2)
    assert cluster.state(0).promised == Ballot(2, 0, 0, cluster.state(0).incarnation)
    assert cluster.state(0).store.data == {b"k": b"v"}
