"""What the outside tells a node, and what the node does about it: obedience, nudges, views told again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pbproto import Ballot, Kind, Reason, Result, TellView, ViewAccepted, ViewRefused
from pbproto.config import MILLISECOND
from pbproto.messages import Adopted, Promise, Propose, Refusal, Replicate, Told
from pbproto.out import Out
from pbproto.views import _rank, nudge, pursue

from .cluster import Cluster, active, of, refusals, tell, view

# What the outside says.


def test_a_view_is_acknowledged_at_once_and_installed_when_all_have_it() -> None:
    """The sender goes node by node: tell one after the other, look in between."""
    cluster = Cluster((0, 1, 2))
    for id_ in (2, 0):
        assert tell(cluster, id_, (0, 1, 2)) == ""
        cluster.run()
        assert cluster.status(id_).status == "installing"
    assert tell(cluster, 1, (0, 1, 2)) == ""
    cluster.advance(300)
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_nudge_makes_a_waiting_primary_resend_at_once(order: tuple[int, int]) -> None:
    """Nobody has to wait for a timer, whoever is told last: no time passes here."""
    cluster = Cluster((0, 1))
    for id_ in order:
        cluster.tell((0, 1), to=(id_,))
        cluster.run()
    assert cluster.status(1).status == "active"
    assert cluster.now == 0


def test_a_view_of_one_serves_alone() -> None:
    """Views are authoritative: no majority is asked for."""
    cluster = Cluster((5,))
    cluster.tell((5,))
    assert cluster.status(5).status == "active"


def test_a_node_outside_its_view_keeps_the_state() -> None:
    """It may be the last copy: put a node outside, then into a view with an empty one."""
    cluster = active(0)
    cluster.put(0, b"k", b"v")
    cluster.tell((), to=(0,))
    assert cluster.status(0).status == "outside"
    assert cluster.noted(0, "stopped_serving") == [{"reason": "outside the told view"}]
    cluster.start(1)
    cluster.install((0, 1))
    read = cluster.get(1, b"k")
    cluster.run()
    assert cluster.value(read) == (b"v", 1)


def test_clients_of_a_node_that_is_put_outside_are_answered() -> None:
    """Certain for what is in no log, unknown for what may be."""
    cluster = active(0, 1)
    cluster.hold(of())
    write, read = cluster.put(0, b"k", b"v"), cluster.get(0, b"k")
    cluster.tell((1,), to=(0,))
    assert cluster.rejection(write) == ("outside_view", False)
    assert cluster.rejection(read) == ("outside_view", True)


# Unnumbered views.


def test_the_same_view_told_twice_is_installed_once() -> None:
    """A PUT may arrive twice: the view stays active, in its ballot."""
    cluster = active(0, 1)
    ballot = cluster.state(0).promised
    cluster.install((0, 1))
    cluster.install((0, 1), to=(1, 0, 1))
    assert cluster.state(0).promised == ballot


# Numbered views.


def test_an_older_number_is_refused() -> None:
    """A late PUT of an old view changes nothing, on members and on nodes that only promised."""
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1, 2), epoch=1)
    cluster.install((0, 1), epoch=5)
    for id_ in (0, 1):
        before = cluster.state(id_).promised
        assert tell(cluster, id_, (0, 1, 2), 4) == Reason.STALE_EPOCH.value
        assert cluster.state(id_).promised == before
        assert cluster.status(id_).status == "active"
    assert tell(cluster, 2, (0, 1, 2), 4) == ""


def test_a_view_for_another_life_changes_nothing() -> None:
    """A PUT that is late reaches the next life of its node: it says whom it means, and is refused."""
    cluster = active(0)
    life = cluster.state(0).incarnation
    assert cluster.step(0, TellView(view((0,)), life))[0] == ViewAccepted()
    cluster.start(0)
    for other in (life, life ^ 1):
        effects = cluster.step(0, TellView(view((0,)), other))
        assert [effect.reason for effect in effects if isinstance(effect, ViewRefused)] == [Reason.OTHER_LIFE]
    assert cluster.status(0).status == "none"


def test_a_number_names_one_view() -> None:
    """The same epoch with other members is a mistake of the outside, told or promised: it is refused."""
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1), epoch=1)
    assert tell(cluster, 0, (0, 2), 1) == Reason.EPOCH_TAKEN.value
    assert tell(cluster, 2, (0, 1, 2), 1) == ""
    assert tell(cluster, 2, (0, 2), 1) == Reason.EPOCH_TAKEN.value
    assert tell(cluster, 0, (0, 1), 1) == ""
    assert cluster.status(0).status == "installing"
    cluster.run()
    assert cluster.status(0).status == "active"


def test_a_number_that_was_promised_is_taken_though_it_was_never_told() -> None:
    """An unnumbered view takes an epoch; a numbered one with that number must be the same view."""
    cluster = active(0, 1)
    assert cluster.status(0).epoch == 1
    assert tell(cluster, 0, (0,), 1) == Reason.EPOCH_TAKEN.value
    assert tell(cluster, 0, (0, 1), 1) == ""


def test_an_unnumbered_view_after_a_numbered_one_takes_the_next_number() -> None:
    """Mixed kinds: told to nodes that know epoch 7, a plain view becomes 8, and 7 is stale then."""
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1, 2), epoch=1)
    cluster.install((0, 1, 2), epoch=7)
    cluster.install((0, 1))
    assert cluster.status(0).epoch == 8
    assert tell(cluster, 0, (0, 1, 2), 7) == Reason.STALE_EPOCH.value
    assert tell(cluster, 0, (0, 2), 8) == Reason.EPOCH_TAKEN.value


def test_told_again_without_its_number_a_view_stays_the_same() -> None:
    """The present view, told without the number it has, names the same epoch: it stays active."""
    cluster = Cluster((0, 1))
    cluster.install((0, 1), epoch=1)
    ballot = cluster.state(0).promised
    cluster.install((0, 1))
    assert cluster.state(0).promised == ballot
    assert cluster.status(0).epoch == 1


# Promises and lives.


def test_a_member_that_is_restarted_in_an_active_view_is_filled_again() -> None:
    """Told the view again, after the primary or alone, it is installed once more: with all its data."""
    cluster = active(0, 1, 2)
    cluster.put(0, b"k", b"v")
    cluster.run()
    ballot = cluster.state(0).promised
    cluster.start(2)
    cluster.tell((0, 1, 2), to=(2,))
    cluster.run()
    assert cluster.state(2).store.data == {b"k": b"v"}
    assert cluster.state(0).promised > ballot


def test_a_former_life_of_a_member_is_not_listened_to() -> None:
    """Late mail of a life that is known to be over must not start the view over again, for ever.

    1 restarted and was filled again; a nudge and a promise of its former life arrive late.
    """
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,))
    (late,) = cluster.on_the_way(Told)
    cluster.install((0, 1))
    former = cluster.state(1).incarnation
    cluster.start(1)
    cluster.install((0, 1))
    ballot = cluster.state(0).promised
    cluster.deliver(late)
    assert cluster.ignored(0, "former_life") == 1
    assert cluster.state(0).promised == ballot
    cluster.start(2)
    cluster.hold(of(Promise))
    cluster.tell((0, 1, 2))
    cluster.run()
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Promise(ballot, None, 0, 0, 0, 0, ()), sender_life=former)
    assert cluster.ignored(0, "former_life") == 2
    cluster.release()
    cluster.run()
    assert cluster.state(0).promised == ballot
    assert cluster.status(1).status == "active"


def test_without_a_told_view_there_is_nothing_to_do() -> None:
    """The rooms can be asked at any time: a fresh node pursues nothing, an outsider nudges nobody."""
    cluster = Cluster((0,))
    out = Out()
    pursue(cluster.state(0), out)
    nudge(cluster.state(0), out)
    cluster.tell((), to=(0,))
    nudge(cluster.state(0), out)
    assert out.effects == []


# Nudges and refusals.


def test_a_nudge_starts_nothing_that_was_not_ordered() -> None:
    """A primary that was told nothing, something else, or is no primary does not act on a member's word."""
    cluster = Cluster((0, 1, 2))
    cluster.tell((0, 1), to=(1,))
    cluster.run()
    assert cluster.state(0).proposal is None
    assert cluster.status(1).waiting_for[0].reason == "it has not been told a view since it started"
    cluster.tell((0, 2), to=(0,))
    cluster.advance(2_100)
    assert cluster.status(1).waiting_for[0].reason == "it was told another view"
    told = Told(view((0, 2)).members, 0)
    cluster.forge(1, 0, told)
    assert cluster.ignored(0, "not_the_primary") == 1
    cluster.tell((0, 2), to=(2,))
    cluster.forge(0, 2, told)
    assert cluster.ignored(2, "not_the_primary") == 1
    cluster.tell((), to=(0,))
    cluster.forge(2, 0, Told((), 0))
    assert cluster.ignored(0, "not_the_primary") == 2


def test_a_nudge_of_another_number_is_of_another_view() -> None:
    """The number belongs to the view: nudge with the members right and the epoch wrong."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(0,), epoch=1)
    cluster.mail.clear()
    cluster.forge(1, 0, Told(view((0, 1)).members, 2))
    assert refusals(cluster, 0) == [Refusal.TOLD_OTHER_VIEW]


def test_nudges_become_rarer() -> None:
    """A primary that is gone is not shouted at: note the times of the nudges to it."""
    cluster = Cluster((1,))
    cluster.tell((0, 1))
    times = []
    for _ in range(7):
        times.append(cluster.now // MILLISECOND)
        cluster.mail.clear()
        assert cluster.next_deadline is not None
        cluster.now = cluster.next_deadline
        cluster.wake()
        assert len(cluster.on_the_way(Told)) == 1
    gaps = [after - before for before, after in pairwise(times)]
    assert gaps == [250, 500, 1000, 2000, 2000, 2000]


# Told again.


def deposed() -> Cluster:
    """{0, 1, 2} was active; then {2} was told to 2 alone, and 2 wrote; nobody else has heard of it."""
    cluster = active(0, 1, 2)
    cluster.advance(500)
    cluster.install((2,), to=(2,))
    token = cluster.put(2, b"k", b"alone")
    cluster.run()
    cluster.written(token)
    return cluster


@pytest.mark.parametrize("witness", [0, 1])
def test_a_view_that_is_told_again_is_not_active_before_that_is_proven(witness: int) -> None:
    """What a node remembers as active may have been replaced: were it to say so, 2's write could be lost.

    The view is told again to one node only, which cannot reach the others.
    """
    cluster = deposed()
    cluster.cut(witness, *(id_ for id_ in cluster.ids if id_ != witness))
    cluster.tell((0, 1, 2), to=(witness,))
    assert cluster.status(witness).status == "installing"
    cluster.advance(5_000)
    assert cluster.status(witness).status == "installing"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_a_replaced_view_that_is_told_again_is_installed_again(order: tuple[int, ...]) -> None:
    """Told to all, in any order, it becomes active in a new ballot, with what was written meanwhile."""
    cluster = deposed()
    old = cluster.state(0).promised
    cluster.tell((0, 1, 2), to=order)
    cluster.advance(5_000)
    assert [cluster.status(id_).status for id_ in order] == ["active"] * 3
    assert cluster.state(0).promised > old
    read = cluster.get(1, b"k")
    cluster.run()
    assert cluster.value(read) == (b"alone", 1)


def test_a_primary_that_hears_that_it_was_replaced_is_not_active() -> None:
    """Even before anybody tells it a view again: its backup refuses, and the status follows."""
    cluster = deposed()
    cluster.put(0, b"k", b"too late")
    cluster.advance(300)
    status = cluster.status(0)
    assert status.status == "installing"
    assert [(waiting.id, "promised" in waiting.reason) for waiting in status.waiting_for] == [(2, True)]


def test_an_active_view_that_is_told_again_is_proven_by_a_round() -> None:
    """In the normal case the proof takes one round of messages, and clients do not notice."""
    cluster = active(0, 1, 2)
    cluster.tell((0, 1, 2))
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["installing"] * 3
    token = cluster.put(1, b"k", b"v")
    cluster.run()
    assert [cluster.status(id_).status for id_ in cluster.ids] == ["active"] * 3
    cluster.written(token)


def test_a_view_of_one_that_is_told_again_is_active_at_once() -> None:
    """There is nobody who could have promised another ballot."""
    cluster = active(0)
    cluster.tell((0,))
    assert cluster.status(0).status == "active"


def test_a_restarted_member_that_promised_a_late_copy_is_found() -> None:
    """A late copy of a proposal to its former life, and lost nudges, must not leave it forgotten.

    1 restarts in an active view, is told it, its nudge is lost; a copy of 0's old proposal, which names no
    life, reaches it. It promised what nobody waits for; it goes on nudging until the view is active.
    """
    for told_again in (False, True):
        cluster = Cluster((0, 1))
        cluster.propose((0, 1))
        copy = cluster.on_the_way(Propose)[0]
        cluster.run()
        cluster.start(1)
        cluster.tell((0, 1), to=(1,))
        cluster.lose(of(Told))
        cluster.deliver(copy)
        assert cluster.state(1).promised == cluster.state(0).promised
        cluster.lose(of(Promise))
        if told_again:
            cluster.tell((0, 1))
            cluster.lose(of(Told))
        cluster.advance(6_000)
        assert cluster.status(1).status == "active"


# Views that change while they change.


def test_a_view_that_is_not_wanted_any_more_is_not_installed_further() -> None:
    """A told view replaces the one before, also while that is installed, at its primary and elsewhere."""
    cluster = Cluster((0, 1, 2))
    cluster.propose((0, 1, 2), to=(0,))
    assert cluster.state(0).proposal is not None
    cluster.tell((0, 2), to=(0, 2))
    cluster.run()
    assert cluster.status(2).status == "active"
    cluster.tell((0, 1, 2), to=(0,))
    cluster.install((1, 2), to=(1, 2))
    cluster.tell((1, 2), to=(0,))
    assert cluster.state(0).proposal is None
    assert cluster.status(0).status == "outside"


def test_a_node_told_outside_and_in_again_proposes_anew() -> None:
    """It gave its role up, so the view it remembers is not active: it is installed again, with the data."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    ballot = cluster.state(0).promised
    cluster.tell((1,), to=(0,))
    cluster.tell((0, 1), to=(0,))
    cluster.run()
    assert cluster.state(0).promised > ballot
    assert cluster.status(0).status == "active"
    assert cluster.state(0).store.data == {b"k": b"v"}


def test_joined_halves_lose_nothing_in_silence() -> None:
    """Two halves were given views and both wrote: the higher ballot wins, and all say what was lost.

    {0} and {1, 2} wrote; {0, 1, 2} joins them.
    """
    cluster = active(0, 1, 2)
    cluster.put(0, b"k", b"common")
    cluster.advance(500)
    cluster.watch.one_history = False
    cluster.install((0,))
    cluster.put(0, b"k", b"left")
    for _ in range(2):
        cluster.tell((2,), to=(1, 2))
        cluster.tell((1, 2), to=(1, 2))
    cluster.run()
    cluster.put(1, b"k", b"right")
    cluster.run()
    cluster.tell((0, 1, 2))
    cluster.advance(3_000)
    read = cluster.get(0, b"k")
    cluster.run()
    assert cluster.value(read) == (b"right", 2)
    for id_ in cluster.ids:
        assert [(loss.id, loss.first, loss.end) for loss in cluster.status(id_).dropped] == [(0, 1, 2)]
        assert len(cluster.noted(id_, "dropped")) == 1


def test_a_nudge_without_anything_to_hasten_changes_nothing() -> None:
    """A primary that neither leads nor proposes does nothing on a member's word: take its proposal away."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1))
    cluster.state(0).proposal = None
    assert cluster.forge(1, 0, Told(view((0, 1)).members, 0)) == ()


def test_a_plain_view_has_the_epoch_that_it_has_or_would_take() -> None:
    """To compare numbered views with: one that is new, one that is told again, one that is installed."""
    state = Cluster((0,)).state(0)
    other = view((0, 2))
    state.seen_epoch = 4
    assert _rank(state, view((0, 1))) == 5
    state.told, state.told_rank = view((0, 1)), 3
    assert _rank(state, view((0, 1))) == 3
    assert _rank(state, other) == 5
    state.promised, state.promised_view = Ballot(4, 0, 0, 1), other
    assert _rank(state, other) == 4
    state.seen_epoch = 6
    assert _rank(state, other) == 7


def test_a_refused_number_is_explained() -> None:
    """Who gives numbers reads what this node knows: an old number, and one that is taken."""
    cluster = Cluster((0,))
    cluster.tell((0,), epoch=3)
    for told, words in (
        (view((0,), 2), "epoch 2 is older than epoch 3, which this node knows"),
        (view((0, 1), 3), "epoch 3 names a view with other members"),
    ):
        (refusal,) = cluster.step(0, TellView(told))
        assert isinstance(refusal, ViewRefused)
        assert refusal.detail == words


def test_a_view_on_its_way_is_not_started_anew_by_telling_it_again() -> None:
    """It is hastened: the same ballot, proposed once more to whoever has not promised."""
    cluster = Cluster((0, 1))
    cluster.propose((0, 1), to=(0,))
    ballot = cluster.state(0).promised
    cluster.mail.clear()
    cluster.tell((0, 1), to=(0,))
    assert cluster.state(0).promised == ballot
    assert len(cluster.on_the_way(Propose, receiver=1)) == 1


def test_a_blocked_view_is_tried_anew_when_it_is_told_again() -> None:
    """The outside may know better: a new attempt of the same number."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), epoch=4)
    cluster.run()
    assert cluster.status(0).blocked
    before = cluster.state(0).promised
    cluster.tell((0, 1), to=(0,), epoch=4)
    assert cluster.state(0).promised == before._replace(attempt=before.attempt + 1)


def test_a_nudge_from_a_life_that_is_led_starts_nothing() -> None:
    """A late copy of the nudge of a member that is in the view as it is: no new ballot, no proposal."""
    cluster = active(0, 1)
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Told(view((0, 1)).members, 0))
    assert cluster.state(0).promised == ballot
    assert cluster.on_the_way(Propose) == []


@pytest.mark.parametrize("node", [0, 1])
def test_who_comes_between_two_words_is_served_all_the_while(node: int) -> None:
    """Told another view that has not begun, a node serves as before; told back, it goes on.

    One repeats a key, and is answered with the old result; at the primary in the very step.
    """
    cluster = active(1, 2)
    member = node + 1
    cluster.put(1, b"k", b"v", b"once")
    cluster.advance(500)
    cluster.hold(of(Told))
    for ids in ((0, 1, 2), (1, 2)):
        cluster.tell(ids, to=(member,))
        assert cluster.state(member).told_is_promised is (ids == (1, 2))
        tokens = [cluster.put(member, b"k", b"v", b"once"), cluster.get(member, b"k")]
        assert cluster.waits(tokens[0]) is (member == 2)
        cluster.run()
        assert cluster.written(tokens[0]) == Result(Kind.CREATED, 0)
        assert cluster.value(tokens[1]) == (b"v", 1)


def test_a_backup_that_is_told_another_view_nudges_its_primary() -> None:
    """What it promised before does not hold it back: an active backup, told alone."""
    cluster = active(0, 1, 2)
    cluster.tell((1, 2), to=(2,))
    assert [mail.receiver for mail in cluster.on_the_way(Told, sender=2)] == [1]


def test_a_primary_that_steps_outside_is_not_active() -> None:
    """It stops in the same step, and says so."""
    cluster = active(0, 1)
    cluster.tell((1,), to=(0,))
    state = cluster.state(0)
    assert (state.active, state.lead) == (False, None)
    assert cluster.noted(0, "stopped_serving") == [{"reason": "outside the told view"}]


def test_a_late_word_of_a_dead_primary_proves_nothing() -> None:
    """A backup is told the view again, and only then hears that it is active: from a primary that is gone.

    Hold back the first Replicate, restart the primary, tell the backup again, deliver. Were it to say
    "active", the outside could take the restarted, empty primary for a holder of the data, and restart the
    only one there is.
    """
    cluster = Cluster((1, 2))
    cluster.tell((1, 2))
    cluster.hold(of(Replicate))
    cluster.run()
    (late,) = cluster.on_the_way(Replicate)
    cluster.start(1)
    cluster.hold(of())
    cluster.tell((1, 2), to=(2,))
    cluster.deliver(late)
    assert cluster.state(2).active
    assert cluster.status(2).status == "installing"
    cluster.release()
    cluster.lose(of())
    cluster.tell((1, 2))
    cluster.advance(5_000)
    assert [cluster.status(id_).status for id_ in (1, 2)] == ["active", "active"]


def test_a_late_word_of_a_dead_backup_proves_nothing() -> None:
    """A primary is told the view again while it installs it, and the last member to adopt is gone by then.

    Hold back its Adopted, restart it, tell the primary again, deliver: the view starts, but is not called
    active before every member, in the life it was installed with, has answered.
    """
    cluster = Cluster((1, 2))
    cluster.tell((1, 2))
    cluster.hold(of(Adopted))
    cluster.run()
    (late,) = cluster.on_the_way(Adopted)
    cluster.start(2)
    cluster.hold(of())
    cluster.tell((1, 2), to=(1,))
    cluster.deliver(late)
    assert cluster.state(1).lead is not None
    assert cluster.status(1).status == "installing"
    cluster.release()
    cluster.tell((1, 2), to=(2,))
    cluster.advance(5_000)
    assert [cluster.status(id_).status for id_ in (1, 2)] == ["active", "active"]
