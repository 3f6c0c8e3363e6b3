"""Where the log goes to the backups: batches, resends, suspicion, signs of life."""

from __future__ import annotations

from pbproto.config import MILLISECOND
from pbproto.messages import Replicate, Replicated
from pbproto.out import Out
from pbproto.replication import suspect
from pbproto.state import FOREVER

from .cluster import Cluster, Mail, active, of

RESEND = 250
SUSPECT = 1000
HEARTBEAT = 400


def operations(mail: Mail) -> list[bytes]:
    assert isinstance(mail.message, Replicate)
    return [operation.key for operation in mail.message.operations]


def test_what_queues_up_travels_in_one_message() -> None:
    """One Replicate is under way to each backup; the next carries all that arrived meanwhile.

    Write four times before the first is answered.
    """
    cluster = active(0, 1)
    for number in range(4):
        cluster.put(0, b"%d" % number, b"v")
    (first,) = cluster.on_the_way(Replicate)
    assert operations(first) == [b"0"]
    cluster.run(until=lambda: cluster.on_the_way(Replicated))
    cluster.run(until=lambda: cluster.on_the_way(Replicate))
    (second,) = cluster.on_the_way(Replicate)
    assert operations(second) == [b"1", b"2", b"3"]


def test_each_backup_has_its_own_pace() -> None:
    """A slow backup holds the commit back, not what the others get: hold the answers of one."""
    cluster = active(0, 1, 2)
    cluster.hold(of(Replicated, sender=2))
    for number in range(3):
        cluster.put(0, b"%d" % number, b"v")
        cluster.run()
    assert cluster.state(1).log.end == 3
    assert cluster.state(2).log.end == 1
    assert cluster.state(0).commit == 0


def test_a_batch_is_bounded() -> None:
    """One message must not grow without end: five writes queue up, two fit."""
    cluster = active(0, 1, batch_bytes=180)
    for number in range(5):
        cluster.put(0, b"%d" % number, b"v")
    sizes = []
    while cluster.mail:
        mail = cluster.mail[0]
        if isinstance(mail.message, Replicate):
            sizes.append(len(mail.message.operations))
        cluster.deliver(mail)
    assert [size for size in sizes if size] == [1, 2, 2]
    assert cluster.state(0).commit == 5


def test_an_operation_larger_than_a_batch_travels_alone() -> None:
    """A limit that stops the only way would stop the cluster: write values above the limit."""
    cluster = active(0, 1, batch_bytes=10)
    tokens = [cluster.put(0, b"k", b"v" * 100 + b"%d" % number) for number in range(3)]
    cluster.run()
    assert [cluster.written(token).position for token in tokens] == [0, 1, 2]


def test_what_is_lost_is_sent_again_less_and_less_often() -> None:
    """A resend waits twice as long as the one before, up to four times: lose all, note the times."""
    cluster = active(0, 1)
    cluster.hold(of(Replicate))
    cluster.put(0, b"k", b"v")
    times: list[int] = []
    start = cluster.now
    while len(times) < 6:
        assert cluster.next_deadline is not None
        cluster.now = cluster.next_deadline
        cluster.mail.clear()
        cluster.wake()
        if cluster.on_the_way(Replicate):
            times.append((cluster.now - start) // MILLISECOND)
    assert times == [RESEND * total for total in (1, 3, 7, 11, 15, 19)]


def test_a_lost_answer_is_asked_for_again() -> None:
    """The backup holds the write and its answer is lost: time alone must bring the client its answer."""
    cluster = active(0, 1)
    cluster.hold(of(Replicated))
    token = cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.lose(of(Replicated))
    cluster.release()
    cluster.advance(RESEND + 1)
    assert cluster.written(token).position == 0
    assert cluster.state(1).log.end == 1


def test_an_answer_resets_the_patience() -> None:
    """After silence the resends are rare; one answer makes them frequent again."""
    cluster = active(0, 1)
    held = cluster.cut(0, 1)
    cluster.put(0, b"k", b"1")
    cluster.advance(5_000)
    cluster.release(held)
    cluster.run()
    backup = cluster.lead(0).backups[1]
    assert backup.resends == 0
    cluster.hold(of(Replicate))
    cluster.put(0, b"k", b"2")
    assert backup.resend_at == cluster.now + RESEND * MILLISECOND


def test_an_idle_primary_asks_for_signs_of_life() -> None:
    """A silent backup is noticed before somebody writes: let an idle cluster be, count the messages."""
    cluster = active(0, 1, 2)
    cluster.run()
    start = cluster.lead(0).backups[1].beat_at
    cluster.now = start
    cluster.wake()
    assert len(cluster.on_the_way(Replicate)) == 2
    assert all(operations(mail) == [] for mail in cluster.on_the_way(Replicate))
    cluster.run()
    assert cluster.lead(0).backups[1].beat_at == start + HEARTBEAT * MILLISECOND


def test_a_backup_that_owes_an_answer_too_long_is_suspected_once() -> None:
    """Silence for the time of suspicion, said once, and visible with its reason."""
    cluster = active(0, 1, 2)
    cluster.cut(0, 2)
    cluster.put(0, b"k", b"v")
    cluster.advance(SUSPECT - 1)
    assert cluster.noted(0, "suspected") == []
    cluster.advance(SUSPECT * 3)
    assert cluster.noted(0, "suspected") == [{"backup": 2, "reason": "it does not answer"}]
    assert not cluster.lead(0).backups[1].suspected


def test_an_idle_cluster_notices_a_silent_backup() -> None:
    """Without any client: cut one off, and wait for a heartbeat and the suspicion."""
    cluster = active(0, 1)
    cluster.cut(0, 1)
    cluster.advance(HEARTBEAT + SUSPECT + 1)
    assert cluster.lead(0).backups[1].suspected


def test_a_better_reason_replaces_the_first_one() -> None:
    """What a member itself says is worth more than its silence, but the suspicion began with the first.

    Suspect the same backup twice by hand.
    """
    cluster = active(0, 1)
    state, backup = cluster.state(0), cluster.lead(0).backups[1]
    out = Out()
    suspect(state, backup, "it does not answer", out)
    since = backup.suspected_since
    state.now += 5
    suspect(state, backup, "it was restarted", out)
    assert (backup.suspected, backup.suspected_since) == ("it was restarted", since)
    assert len(out.effects) == 1


def test_a_view_of_one_commits_at_once() -> None:
    """Without backups nobody has to be asked: a write is answered in the step in which it arrives."""
    cluster = active(0)
    token = cluster.put(0, b"k", b"v")
    assert cluster.written(token).position == 0
    assert cluster.mail == []
    assert cluster.next_deadline is None


def test_a_silent_primary_is_not_forgotten_by_its_deadline() -> None:
    """Whatever is owed, the primary asks to be woken for it: cut all, follow the deadlines for a while."""
    cluster = Cluster((0, 1))
    cluster.install((0, 1))
    cluster.cut(0, 1)
    for _ in range(20):
        before = cluster.now
        deadline = cluster.replicas[0].deadline
        assert deadline is not None
        assert before < deadline <= before + 4 * RESEND * MILLISECOND
        cluster.now = deadline
        cluster.wake()


def test_suspicion_counts_from_when_the_answer_was_owed() -> None:
    """And not from the beginning of time: in a cluster that has run for a while, to the millisecond."""
    cluster = active(0, 1)
    cluster.advance(7_000)
    cluster.hold(of())
    cluster.lose(of())
    while cluster.lead(0).backups[1].owed_since != FOREVER:
        cluster.release()
        cluster.advance(10)
        cluster.hold(of())
    cluster.put(0, b"k", b"v")
    assert cluster.lead(0).backups[1].owed_since == cluster.now
    cluster.advance(SUSPECT - 1)
    assert not cluster.lead(0).backups[1].suspected
    cluster.advance(1)
    assert cluster.lead(0).backups[1].suspected


def test_silence_never_makes_a_view_smaller() -> None:
    """Only the outside changes a view: a primary that hears nobody keeps its members, and answers nobody.

    Cut 0 off from both others for a minute, with a write and a read every ten seconds; then let them return.
    """
    cluster = active(0, 1, 2)
    ballot = cluster.state(0).promised
    cluster.cut(0, 1, 2)
    for number in range(6):
        write, read = cluster.put(0, b"k", b"%d" % number), cluster.get(0, b"k")
        cluster.advance(10_000)
        # The first write was sent to both before they were suspected.
        assert cluster.rejection(write) == ("timeout", number > 0)
        assert cluster.rejection(read) == ("timeout", True)
    assert cluster.state(0).promised == ballot
    assert list(cluster.lead(0).backups) == [1, 2]
    assert cluster.state(0).commit == 0
    cluster.release()
    cluster.advance(3_000)
    assert cluster.state(0).promised == ballot
    assert cluster.state(2).store.data == {b"k": b"0"}


def test_who_hears_and_is_not_heard_may_hold_a_write_that_nobody_was_told_of() -> None:
    """A cut of one way only: 1 holds the write, 0 never learns of it, and its client hears "unknown".

    Lose all that 1 says; then {1} is told. The write is there, and stays.
    """
    cluster = active(0, 1)
    mute = cluster.hold(of(sender=1))
    token = cluster.put(0, b"k", b"v")
    cluster.advance(10_000)
    assert cluster.rejection(token) == ("timeout", False)
    assert cluster.state(1).log.end == 1
    cluster.lose(of(sender=1))
    cluster.release(mute)
    cluster.install((1,))
    assert cluster.value(cluster.get(1, b"k")) == (b"v", 1)
    cluster.tell((0, 1))
    cluster.advance(3_000)
    read = cluster.get(0, b"k")
    cluster.run()
    assert cluster.value(read) == (b"v", 1)
