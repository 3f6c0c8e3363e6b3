"""Where a write is acknowledged: what every member holds is committed, and only that is answered."""

from __future__ import annotations

import pytest

from pbproto import Ballot, InvariantError, Kind, Operation, Replica, Result
from pbproto.commit import advance, apply_next
from pbproto.messages import Confirmed, Forward, Forwarded, Replicate, Replicated, VerdictCode
from pbproto.out import Out
from pbproto.state import FOREVER
from pbproto.store import Store

from .cluster import Cluster, active, of


def test_one_backup_is_not_enough() -> None:
    """A write is committed by the answers of all backups: hold back those of one, then let them go."""
    cluster = active(0, 1, 2)
    held = cluster.hold(of(Replicated, sender=2))
    token = cluster.put(0, b"k", b"v")
    cluster.run()
    assert cluster.state(1).log.end == cluster.state(2).log.end == 1
    assert cluster.lead(0).backups[1].acked == 1
    assert cluster.state(0).commit == 0
    assert cluster.waits(token)
    cluster.release(held)
    cluster.run()
    assert cluster.written(token) == Result(Kind.CREATED, 0)
    assert cluster.state(0).commit == 1


@pytest.mark.parametrize("node", [0, 1])
def test_nobody_is_answered_before_the_commit(node: int) -> None:
    """Neither the primary's client nor a backup's hears of success while an answer is missing.

    Ask each of them, hold back all answers, and let half a second pass.
    """
    cluster = active(0, 1, 2)
    held = cluster.hold(of(Replicated))
    token = cluster.put(node, b"k", b"v")
    cluster.advance(500)
    assert cluster.state(0).log.end == 1
    assert cluster.waits(token)
    assert cluster.on_the_way(Forwarded) == []
    cluster.release(held)
    cluster.run()
    assert cluster.written(token) == Result(Kind.CREATED, 0)


def test_what_is_not_committed_is_not_in_the_store() -> None:
    """The store is the state at the commit: look into all stores while the answers are held back."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v")
    cluster.run()
    assert [cluster.state(id_).store.data for id_ in (0, 1)] == [{}, {}]


def test_a_former_life_of_a_backup_does_not_count() -> None:
    """B restarts empty inside the view: its former life's answer must not commit what it does not hold.

    Say in its name, but from another life, that it holds the write.
    """
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    token = cluster.put(0, b"k", b"v")
    cluster.forge(1, 0, Replicated(cluster.state(0).promised, 1, 0), sender_life=12345)
    assert cluster.ignored(0, "not_a_backup") == 1
    assert cluster.waits(token)
    cluster.release()
    cluster.run()
    cluster.written(token)


def test_who_is_not_a_backup_does_not_count() -> None:
    """Acknowledgements are kept per member: let a stranger and the primary's own view's outsider answer."""
    cluster = Cluster((0, 1, 2))
    cluster.install((0, 1))
    cluster.hold(of(Replicate))
    token = cluster.put(0, b"k", b"v")
    answer = Replicated(cluster.state(0).promised, 1, 0)
    cluster.forge(2, 0, answer)
    cluster.forge(9, 0, answer)
    assert cluster.ignored(0, "not_a_backup") == 2
    assert cluster.waits(token)


def test_an_answer_counts_in_its_ballot_only() -> None:
    """Position 0 of another ballot is another operation: answer in lower and higher ones, and to nobody."""
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    token = cluster.put(0, b"k", b"v")
    ballot = cluster.state(0).promised
    for other in (Ballot(0, 0, 0, 0), ballot._replace(attempt=1), ballot._replace(incarnation=1)):
        cluster.forge(1, 0, Replicated(other, 1, 0))
    cluster.forge(0, 1, Replicated(ballot, 1, 0))
    assert cluster.ignored(0, "other_ballot") == 3
    assert cluster.ignored(1, "other_ballot") == 1
    assert cluster.waits(token)


def test_an_answer_beyond_what_was_said_is_not_believed() -> None:
    """Nobody holds what was never sent: acknowledge a position, then a round, above the primary's own."""
    cluster = active(0, 1)
    ballot = cluster.state(0).promised
    cluster.forge(1, 0, Replicated(ballot, 1, 0))
    cluster.forge(1, 0, Replicated(ballot, 0, 1))
    assert cluster.ignored(0, "beyond_the_log") == 2
    assert cluster.lead(0).backups[1].acked == 0


def test_copies_of_an_answer_change_nothing() -> None:
    """Identities, never counts: deliver one backup's answer three times while the other is silent."""
    cluster = active(0, 1, 2)
    cluster.hold(of(Replicated))
    token = cluster.put(0, b"k", b"v")
    cluster.run()
    (answer,) = cluster.on_the_way(Replicated, sender=1)
    for _ in range(3):
        cluster.deliver(answer)
    assert cluster.waits(token)
    assert cluster.lead(0).backups[1].acked == 1


def test_a_late_answer_makes_no_debt() -> None:
    """A backup that has answered everything owes nothing: deliver an old answer of it much later."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"1")
    cluster.run(until=lambda: cluster.on_the_way(Replicated))
    (old,) = cluster.on_the_way(Replicated)
    cluster.run()
    cluster.put(0, b"k", b"2")
    cluster.run()
    cluster.advance(500)
    cluster.deliver(old)
    backup = cluster.lead(0).backups[1]
    assert (backup.owed_since, backup.acked) == (FOREVER, 2)


def test_a_late_answer_shows_life_and_leaves_the_debt() -> None:
    """An old answer says that the backup is alive, not that it holds the last message.

    Answer an older Replicate half a second after a newer one went out: the backup owes from then on.
    """
    cluster = active(0, 1)
    cluster.put(0, b"k", b"1")
    cluster.run(until=lambda: cluster.on_the_way(Replicated))
    (old,) = cluster.on_the_way(Replicated)
    cluster.run()
    cluster.hold(of(Replicate))
    cluster.put(0, b"k", b"2")
    backup = cluster.lead(0).backups[1]
    assert backup.owed_since == cluster.now
    cluster.advance(500)
    cluster.deliver(old)
    assert backup.owed_since == cluster.now
    assert backup.acked == 1


def test_a_sign_of_life_ends_the_suspicion() -> None:
    """Nothing wedges: suspect a backup by its silence, and let it answer."""
    cluster = active(0, 1)
    held = cluster.cut(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.advance(1_200)
    assert cluster.lead(0).backups[1].suspected
    cluster.release(held)
    cluster.run()
    assert not cluster.lead(0).backups[1].suspected
    assert cluster.noted(0, "recovered") == [{"backup": 1}]


def test_the_answers_to_one_backup_travel_together() -> None:
    """What is committed at once is told at once: three writes of one backup's clients, one message."""
    cluster = active(0, 1)
    held = cluster.hold(of(Replicate))
    tokens = [cluster.put(1, b"k%d" % number, b"v") for number in range(3)]
    cluster.run()
    cluster.lose(of(Replicate))
    cluster.release(held)
    cluster.advance(300, until=lambda: cluster.on_the_way(Forwarded))
    cluster.run()
    assert [cluster.written(token).position for token in tokens] == [0, 1, 2]


def test_the_kinds_of_results_reach_a_backups_clients() -> None:
    """A result is decided at the operation's place in the order: every kind, through a backup."""
    cluster = active(0, 1)
    tokens = [
        cluster.put(1, b"k", b"v"),
        cluster.put(1, b"k", b"w"),
        cluster.delete(1, b"k"),
        cluster.delete(1, b"k"),
    ]
    cluster.run()
    assert [cluster.written(token) for token in tokens] == [
        Result(kind, position) for position, kind in enumerate(Kind)
    ]


def test_an_origin_that_is_gone_is_not_told() -> None:
    """An operation whose origin is no member, or another life of one, is applied, and nobody is told.

    Put such operations into the log as an earlier view may have left them there.
    """
    cluster = active(0, 1)
    life = cluster.state(1).incarnation
    for origin, incarnation in ((7, 1), (1, life + 1)):
        cluster.state(0).log.append(Operation(origin, incarnation, 0, 0, b"k", b"v", b""))
    cluster.advance(500)
    assert cluster.state(0).commit == 2
    assert cluster.on_the_way(Forwarded) == []


def test_the_log_is_trimmed_below_the_commit_only() -> None:
    """What is not committed may be needed by a member: keep nothing, and let one backup lag behind.

    Its answers are lost while three writes arrive; it must be able to get all of them afterwards.
    """
    cluster = active(0, 1, 2, log_keep_bytes=0)
    held = cluster.cut(0, 2)
    tokens = [cluster.put(0, b"k%d" % number, b"v") for number in range(3)]
    cluster.run()
    assert (cluster.state(0).log.start, cluster.state(0).log.end) == (0, 3)
    cluster.release(held)
    cluster.advance(500)
    assert [cluster.written(token).position for token in tokens] == [0, 1, 2]
    assert cluster.state(0).log.start == cluster.state(2).log.start == 3


def test_what_is_committed_stays_committed() -> None:
    """A commit that would go back is a broken invariant: take an acknowledgement back by hand."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.lead(0).backups[1].acked = 0
    with pytest.raises(InvariantError, match="stays committed"):
        advance(cluster.state(0), cluster.lead(0), Out())


def test_operations_are_applied_in_order() -> None:
    """A store that is not where the commit is would give wrong numbers: exchange it by hand."""
    cluster = active(0)
    cluster.put(0, b"k", b"v")
    cluster.state(0).commit = 0
    other = Store()
    other.applied = 5
    cluster.state(0).store = other
    with pytest.raises(InvariantError, match="in order"):
        apply_next(cluster.state(0), cluster.state(0).log[cluster.state(0).commit])


def test_the_verdict_of_a_result_has_its_position() -> None:
    """What a backup tells its client comes from the primary: look at the message of a second write."""
    cluster = active(0, 1)
    cluster.put(0, b"k", b"1")
    cluster.run()
    cluster.hold(of(Forwarded))
    cluster.put(1, b"k", b"2")
    cluster.run()
    (mail,) = cluster.on_the_way(Forwarded)
    assert isinstance(mail.message, Forwarded)
    assert [verdict[1:] for verdict in mail.message.verdicts] == [(VerdictCode.UPDATED, 1)]


@pytest.mark.parametrize("late", ["an old round", "an old end"])
def test_an_answer_pays_the_debt_only_if_it_answers_all(late: str) -> None:
    """One message asks for two things, the log and the round: late copies that say only one of them."""
    cluster = active(0, 1)
    cluster.put(0, b"a", b"1")
    cluster.run()
    backup = cluster.lead(0).backups[1]
    cluster.hold(of(Replicated))
    token = cluster.get(0, b"a") if late == "an old round" else cluster.put(0, b"b", b"2")
    cluster.run()
    cluster.now += 7
    old = (1, backup.sent_round - 1) if late == "an old round" else (1, backup.sent_round)
    cluster.forge(1, 0, Replicated(cluster.lead(0).ballot, *old))
    assert backup.owed_since == cluster.now
    assert cluster.on_the_way(Replicate) == []
    (whole,) = cluster.on_the_way(Replicated)
    cluster.deliver(whole)
    assert backup.owed_since == FOREVER
    assert not cluster.waits(token)


def test_a_committed_key_is_not_claimed_any_more() -> None:
    """Claims are for what has a place and no result: write with a key, and commit it."""
    cluster = active(0, 1)
    held = cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v", b"once")
    cluster.run()
    assert list(cluster.lead(0).claimed) == [b"once"]
    cluster.release(held)
    cluster.run()
    assert cluster.lead(0).claimed == {}


def alike(*ids: int) -> Cluster:
    """A view of nodes whose lives have drawn the same number."""
    cluster = Cluster(ids)
    for id_ in ids:
        cluster.replicas[id_] = Replica(id_, 77, cluster.config)
    cluster.install(ids)
    return cluster


def test_equal_numbers_of_lives_do_not_make_two_nodes_one() -> None:
    """Lives are drawn at random; a request belongs to a node and a life: let all draw the same number.

    The first write of each node has the same counter. Each client gets the answer to its own.
    """
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        cluster = alike(0, 1, 2)
        held = cluster.hold(of(Replicated))
        tokens = []
        for id_ in order:
            tokens.append(cluster.put(id_, b"k%d" % id_, b"v"))
            cluster.run()
        cluster.release(held)
        cluster.run()
        assert [cluster.written(token).position for token in tokens] == [0, 1, 2]


def test_a_copy_of_anothers_write_answers_no_client_here() -> None:
    """The same with a write that was applied before: a copy of it comes while an own client waits."""
    cluster = alike(0, 1)
    cluster.put(1, b"theirs", b"v")
    (copy,) = cluster.on_the_way(Forward)
    cluster.run()
    cluster.hold(of(Replicated))
    token = cluster.put(0, b"ours", b"v")
    cluster.deliver(copy)
    assert cluster.waits(token)
    cluster.release()
    cluster.run()
    assert cluster.written(token) == Result(Kind.CREATED, 1)


def test_a_backup_answers_what_it_learns_to_be_committed() -> None:
    """The verdict may be lost: a Replicate, or an answer for readers, that commits the write answers it."""
    for learn in ("replicate", "confirmed"):
        cluster = active(0, 1)
        cluster.hold(of(Forwarded))
        held = cluster.hold(lambda mail: isinstance(mail.message, Replicate) and not mail.message.operations)
        token = cluster.put(1, b"k", b"v")
        cluster.run()
        assert cluster.waits(token)
        if learn == "replicate":
            cluster.release(held)
        else:
            (asked,) = (cluster.state(1).follow,)
            assert asked is not None
            asked.ask, asked.ask_resend_at = 1, cluster.now + 10**9
            cluster.forge(0, 1, Confirmed(cluster.lead(0).ballot, 1, 1))
        cluster.advance(1_000)
        assert cluster.written(token) == Result(Kind.CREATED, 0)


def test_a_write_of_a_former_life_is_not_taken_for_one_of_this_life() -> None:
    """Counters begin anew with each life: the base holds write 0 of the one before, and write 0 waits."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    cluster.put(0, b"old", b"1")
    cluster.run()
    cluster.start(0)
    cluster.release()
    cluster.mail.clear()
    cluster.tell((0, 1))
    token = cluster.put(0, b"new", b"2")
    cluster.advance(1_000)
    assert cluster.written(token) == Result(Kind.CREATED, 1)
    assert cluster.state(1).store.data == {b"old": b"1", b"new": b"2"}


def test_a_late_acknowledgement_of_a_replaced_view_tells_the_truth() -> None:
    """What both backups held when the next view sealed them is in that view: success, said late, is true.

    Both answers for a write are late; {1, 2} takes over and writes k again; then they arrive at 0, which has
    not heard of it. Its client's write has the earlier number, and k keeps the newer value.
    """
    cluster = active(0, 1, 2)
    cluster.hold(of(Replicated))
    old = cluster.put(0, b"k", b"old")
    cluster.run()
    late = cluster.on_the_way(Replicated, receiver=0)
    assert len(late) == 2
    cluster.cut(0, 1, 2)
    cluster.rules.pop(0)
    cluster.install((1, 2))
    new = cluster.put(1, b"k", b"new")
    cluster.run()
    assert cluster.written(new) == Result(Kind.UPDATED, 1)
    assert cluster.waits(old)
    for mail in late:
        cluster.deliver(mail)
    assert cluster.written(old) == Result(Kind.CREATED, 0)
    read = cluster.get(2, b"k")
    cluster.run()
    assert cluster.value(read) == (b"new", 2)
