"""What a node says about itself: the words, whom it waits for, and why."""

from __future__ import annotations

import pytest

from pbproto import Config
from pbproto.config import MILLISECOND
from pbproto.messages import Adopt, Confirm, Fetch, Promise, Refusal, Refuse, Replicate, SnapshotChunk
from pbproto.status import (
    _progress,
    _waits_while_active,
    _waits_while_installing,
    explain,
    lasting,
    waiting_for,
)
from pbproto.values import NO_BALLOT

from .cluster import Cluster, active, address, of, view


def reasons(cluster: Cluster, id_: int) -> list[tuple[int, str]]:
    """Whom the node waits for and why; where they are has to be right as well."""
    for waiting in cluster.status(id_).waiting_for:
        assert waiting.address == address(waiting.id)
    return [(waiting.id, waiting.reason) for waiting in cluster.status(id_).waiting_for]


def told_why(cluster: Cluster, id_: int) -> str:
    return explain(cluster.state(id_), cluster.now)


def test_a_fresh_node_says_that_it_knows_nothing() -> None:
    """Every field before the first view."""
    cluster = Cluster((4,))
    status = cluster.status(4)
    assert (status.status, status.role, status.ready) == ("none", "none", False)
    assert (status.view, status.epoch, status.primary, status.synced) == (None, None, None, None)
    assert (status.promised, status.commit, status.log_end, status.keys) == (NO_BALLOT, 0, 0, 0)
    assert (status.waiting_for, status.blocked, status.dropped, status.waiting) == ((), "", (), 0)
    assert told_why(cluster, 4) == "this node has not been told a view since it started"


def test_a_node_outside_says_so() -> None:
    """Outside another view, and outside the empty one, which has no primary."""
    cluster = Cluster((4,))
    for members, primary in (((1, 2), 1), ((), None)):
        cluster.tell(members, to=(4,))
        status = cluster.status(4)
        assert (status.status, status.role, status.ready) == ("outside", "none", False)
        assert (status.view, status.primary) == (view(members), primary)
        assert told_why(cluster, 4) == "this node is not a member of the view it was told"


def test_active_members_say_what_they_are() -> None:
    """Role, ballot, counts, on the primary and on a backup."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.advance(500)
    for id_, role in ((0, "primary"), (1, "backup")):
        status = cluster.status(id_)
        assert (status.status, status.role, status.ready) == ("active", role, True)
        assert (status.epoch, status.primary, status.view) == (1, 0, view((0, 1)))
        assert status.synced == status.promised == cluster.state(0).promised
        assert (status.commit, status.log_end, status.keys) == (1, 1, 1)
        assert told_why(cluster, id_) == "the view is active; the answer did not come in time"


def test_the_epoch_is_the_told_or_the_installed_one() -> None:
    """A numbered view has it from the start, an unnumbered one once it is proposed or promised."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,))
    assert cluster.status(1).epoch is None
    cluster.propose((0, 1), to=(0,))
    assert cluster.status(0).epoch == 1
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,), epoch=6)
    assert cluster.status(1).epoch == 6


def test_a_stopping_node_is_not_ready() -> None:
    """It is active and turns everybody away: load balancers have to know."""
    cluster = active(0)
    cluster.close(0)
    assert (cluster.status(0).status, cluster.status(0).ready) == ("active", False)


def test_a_primary_names_suspected_backups_and_for_how_long() -> None:
    """A view may be active and not ready: cut a backup off, look twice."""
    cluster = active(0, 1, 2)
    cluster.cut(2, 0, 1)
    cluster.put(0, b"k", b"v")
    cluster.advance(1_000)
    assert reasons(cluster, 0) == [(2, "it does not answer, for 0 ms")]
    cluster.now += 250 * 10**6
    assert reasons(cluster, 0) == [(2, "it does not answer, for 250 ms")]
    assert (cluster.status(0).status, cluster.status(0).ready) == ("active", False)
    assert told_why(cluster, 0) == "waiting for node 2: it does not answer, for 250 ms"


def test_a_backup_notices_a_silent_primary() -> None:
    """Nothing comes from the primary for long: the backup says so, and starts nothing by itself."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.advance(2_800)
    assert reasons(cluster, 1) == []
    cluster.advance(500)
    ((id_, reason),) = reasons(cluster, 1)
    assert id_ == 0
    assert reason.startswith("the primary has been silent for 3")
    assert not cluster.status(1).ready


def test_a_proposer_names_who_has_not_promised_and_who_has_not_adopted() -> None:
    """Whom the view waits for, step by step, and why if it is known."""
    cluster = Cluster((0, 1, 2))
    cluster.hold(of(Promise, sender=2))
    held = cluster.hold(of(Adopt, receiver=1))
    cluster.tell((0, 1), to=(2,))
    cluster.tell((0, 1, 2), to=(0, 1))
    cluster.run()
    assert reasons(cluster, 0) == [(2, "it was told another view")]
    assert told_why(cluster, 0) == "the view is being installed (node 2: it was told another view)"
    cluster.tell((0, 1, 2), to=(2,))
    cluster.run()
    cluster.release()
    cluster.hold(held)
    cluster.run()
    assert reasons(cluster, 0) == [(1, "it does not hold the state yet")]
    refuse = Refuse(cluster.state(0).promised, Refusal.WRONG_INCARNATION, 1, NO_BALLOT)
    cluster.forge(1, 0, refuse)
    assert reasons(cluster, 0) == [(1, "it was restarted and has not been told this view since")]


def test_a_member_says_what_the_primary_has_not_done_yet() -> None:
    """Not proposed, not started, not confirmed: the three things a backup waits for."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(1,))
    assert reasons(cluster, 1) == [(0, "the primary has not proposed this view yet")]
    held = cluster.hold(of(Replicate))
    cluster.tell((0, 1), to=(0,))
    cluster.run()
    assert reasons(cluster, 1) == [(0, "the primary has not started the view yet")]
    cluster.release(held)
    cluster.run()
    cluster.hold(of(Confirm))
    cluster.tell((0, 1), to=(1,))
    assert reasons(cluster, 1) == [(0, "the primary has not confirmed the view yet")]


def test_a_transfer_shows_how_far_it_is() -> None:
    """Large states take their time: look at a member that fetches a log, then one that fetches a snapshot."""
    for keep, expected in (
        (10**6, ["fetching the log from it: position 0 of 3", "fetching the log from it: position 1 of 3"]),
        (0, ["fetching the log from it: position 0 of 3", "fetching the state from it: item 1 of 4"]),
    ):
        cluster = active(0, 1, log_keep_bytes=keep, chunk_bytes=1)
        for number in range(3):
            cluster.put(0, b"%d" % number, b"v")
        cluster.run()
        cluster.start(1)
        cluster.tell((0, 1))
        seen = []
        cluster.hold(of(Fetch))
        cluster.run()
        for _ in range(2):
            seen += [reason for _, reason in reasons(cluster, 1)]
            cluster.deliver(cluster.on_the_way(Fetch)[0])
            cluster.run()
        assert seen == expected


def test_without_a_transfer_there_is_no_progress() -> None:
    """Ask a node that fetches nothing, and one that waits for nobody."""
    cluster = active(0)
    assert _progress(cluster.state(0)) == ""
    assert waiting_for(cluster.state(0), cluster.now) == ()


def test_a_primary_that_proves_its_view_says_that_it_is_being_installed() -> None:
    """Told again, it waits for nobody by name until somebody is suspected."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.tell((0, 1), to=(0,))
    assert cluster.status(0).status == "installing"
    assert told_why(cluster, 0) == "the view is being installed"
    cluster.advance(1_500)
    assert [id_ for id_, _ in reasons(cluster, 0)] == [1]


def test_a_blocked_view_is_explained() -> None:
    """It needs a new word from outside, and the node says which."""
    cluster = Cluster((0,))
    cluster.tell((0,), epoch=3)
    status = cluster.status(0)
    assert status.blocked == told_why(cluster, 0).removeprefix("the view cannot be installed: ")
    assert status.status == "installing"


def test_every_room_can_be_looked_into() -> None:
    """The rooms answer for any state, also one that no event leads to: ask for a fresh node's waits."""
    state = Cluster((0,)).state(0)
    assert _waits_while_active(state, 0) == ()
    assert _waits_while_installing(state, 0) == ()


def test_the_silence_of_a_primary_is_counted_from_its_last_word() -> None:
    """In whole milliseconds since then: look at a cluster that ran for a while, and an idle one."""
    cluster = active(0, 1)
    cluster.advance(2_000)
    follow = cluster.state(1).follow
    assert follow is not None
    heard_at = follow.heard_at
    assert heard_at > 0
    cluster.cut(0, 1)
    cluster.advance(3_500)
    cluster.now += 7
    silent = lasting(cluster.now - heard_at)
    assert reasons(cluster, 1) == [(0, f"the primary has been silent for {silent}")]
    cluster = active(0, 1)
    cluster.advance(60_000)
    assert reasons(cluster, 1) == []


def test_everybody_who_is_waited_for_is_named() -> None:
    """Two backups are away: one sentence has both."""
    cluster = active(0, 1, 2)
    cluster.cut(0, 1, 2)
    cluster.advance(1_500)
    assert told_why(cluster, 0) == (
        "waiting for node 1: it does not answer, for 100 ms; node 2: it does not answer, for 100 ms"
    )


def test_a_member_of_another_view_waits_for_a_proposal() -> None:
    """What it promised before does not matter: an active backup is told another view with a new primary."""
    cluster = active(0, 1, 2)
    cluster.tell((1, 2), to=(2,))
    assert reasons(cluster, 2) == [(1, "the primary has not proposed this view yet")]
    cluster.run()
    assert reasons(cluster, 2) == [(1, "it was told another view")]


def test_a_reason_that_is_over_is_not_shown_any_more() -> None:
    """A member that refused and then promised is waited for because of the state, not of the refusal."""
    cluster = Cluster((0, 1))
    cluster.tell((0, 1), to=(0,))
    cluster.run()
    assert reasons(cluster, 0) == [(1, "it has not been told a view since it started")]
    cluster.hold(of(Adopt))
    cluster.tell((0, 1), to=(1,))
    cluster.run()
    assert reasons(cluster, 0) == [(1, "it does not hold the state yet")]


def test_a_primary_that_fetches_the_base_names_its_source() -> None:
    """An empty primary waits for the member that holds the state, and for nobody else meanwhile."""
    cluster = active(0, 1, 2)
    cluster.put(1, b"k", b"v")
    cluster.run()
    cluster.start(0)
    cluster.hold(of(Fetch))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert reasons(cluster, 0) == [(1, "fetching the log from it: position 0 of 1")]


def test_a_backup_that_is_missed_is_named_while_the_view_is_proven() -> None:
    """Told again while a backup is silent: for how long is counted to the moment of asking."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.advance(2_000)
    cluster.tell((0, 1), to=(0,))
    assert cluster.status(0).status == "installing"
    suspected = cluster.lead(0).backups[1].suspected_since
    cluster.now += 123 * MILLISECOND
    silent = lasting(cluster.now - suspected)
    assert reasons(cluster, 0) == [(1, f"it does not answer, for {silent}")]


def test_who_was_followed_before_is_not_waited_for() -> None:
    """Node 1 follows 0 no more: told {1, 2}, it copies from 2, for longer than a primary may be silent."""
    cluster = Cluster((0, 1, 2), Config(log_keep_bytes=0, chunk_bytes=10))
    cluster.install((2,))
    for number in range(30):
        cluster.put(2, b"%d" % number, b"v")
    cluster.hold(of(Adopt, Replicate))
    cluster.propose((0, 1))
    cluster.run()
    assert cluster.state(1).follow is not None
    cluster.crash(0)
    cluster.tell((1, 2), to=(1,))
    for _ in range(5):
        cluster.hold(of(SnapshotChunk))
        cluster.advance(800)
        cluster.deliver(cluster.on_the_way(SnapshotChunk)[0])
        cluster.lose(of(SnapshotChunk))
    assert cluster.state(1).seeking is not None
    ((source, words),) = reasons(cluster, 1)
    assert (source, words) == (2, "fetching a copy from it: item 5 of 31")


@pytest.mark.parametrize("id_", [0, 1])
def test_a_view_that_was_replaced_is_served_before_it_is_proven(id_: int) -> None:
    """Told its own view again a node has to prove it; told the next one after that, it is not that one's word
    which counts: it serves as before until the seal."""
    cluster = active(0, 1)
    cluster.hold(of())
    cluster.tell((0, 1), to=(id_,))
    assert not cluster.status(id_).ready
    cluster.tell((0, 1, 2), to=(id_,))
    assert cluster.status(id_).status == "installing"
    assert cluster.status(id_).ready


def test_the_size_of_the_data_and_its_bound_are_shown_at_every_node() -> None:
    """Goal: whoever watches any node sees how full the store is. Method: write, overwrite, delete; look at
    both.
    """
    cluster = active(0, 1, max_data_bytes=1000)
    assert (cluster.status(0).data_bytes, cluster.status(0).max_data_bytes) == (0, 1000)
    cluster.put(0, "ü".encode(), b"123")
    cluster.put(0, b"k", b"")
    cluster.put(1, "ü".encode(), b"12345")
    cluster.advance(500)
    for id_ in (0, 1):
        assert (cluster.status(id_).data_bytes, cluster.status(id_).keys) == (2 * 256 + 2 + 5 + 1, 2)
    cluster.delete(1, b"k")
    cluster.advance(500)
    assert {cluster.status(id_).data_bytes for id_ in (0, 1)} == {256 + 2 + 5}
    assert Cluster((0,)).status(0).max_data_bytes == 0
