"""Leases: who reads alone, and who waits for that to end."""

from __future__ import annotations

import pytest

from pbproto import Config, Receive
from pbproto.config import MILLISECOND
from pbproto.leases import counted
from pbproto.messages import Confirm, Confirmed, Promise, Propose, Refuse, Replicate, Replicated

from .cluster import Cluster, active, of

LEASE = 1_000 * MILLISECOND
SETTINGS = {"lease": LEASE, "clock_drift": 10_000}
COUNTED = 980
"""Milliseconds that a primary counts of it where clocks are off by 1 in 100."""


def leased(*ids: int, **settings: int) -> Cluster:
    """An active view in which every backup has given its lease at the time 0."""
    cluster = active(*ids, **SETTINGS, **settings)
    assert cluster.now == 0
    return cluster


# Who reads alone.


def test_a_primary_with_all_leases_answers_reads_alone() -> None:
    """No round, no message: read one key and all while everything is held back."""
    cluster = leased(0, 1, 2)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.hold(of())
    assert cluster.value(cluster.get(0, b"k")) == (b"v", 1)
    assert cluster.listing(cluster.get_all(0)) == ({b"k": b"v"}, 1)
    assert cluster.mail == []


def test_a_backups_question_is_answered_without_a_round() -> None:
    """The primary knows at once what the readers must see: hold back all that it would ask the others."""
    cluster = leased(0, 1, 2)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.hold(of(Replicate))
    read = cluster.get(1, b"k")
    cluster.run()
    assert cluster.value(read) == (b"v", 1)
    assert cluster.lead(0).asks == {}
    assert cluster.on_the_way(Replicate) == []


def test_without_leases_every_read_takes_a_round() -> None:
    """Leases are off unless they are set: look at what is asked for and given, and read."""
    cluster = active(0, 1)
    cluster.hold(of())
    assert cluster.waits(cluster.get(0, b"k"))
    (mail,) = cluster.on_the_way(Replicate)
    assert isinstance(mail.message, Replicate)
    assert mail.message.lease == 0
    cluster.deliver(mail)
    (answer,) = cluster.on_the_way(Replicated)
    assert isinstance(answer.message, Replicated)
    assert answer.message.lease == 0


def test_a_lease_is_counted_from_the_sending_and_less_than_it_was_given() -> None:
    """The answers come 300 ms after the sending, in a cluster that nothing else is said in: read at the last
    nanosecond and at the first one after it.
    """
    cluster = leased(0, 1, 2, heartbeat=10_000 * MILLISECOND)
    held = cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.now += 300 * MILLISECOND - 1
    cluster.release(held)
    cluster.run()
    assert cluster.lead(0).leased_until == COUNTED * MILLISECOND
    cluster.hold(of())
    cluster.now = COUNTED * MILLISECOND - 1
    assert cluster.value(cluster.get(0, b"k")) == (b"v", 1)
    cluster.now += 1
    assert cluster.waits(cluster.get(0, b"k"))


def test_what_is_counted_fits_into_what_is_given_on_any_two_clocks() -> None:
    """Slow holder, fast giver: compare in true time, which is theirs multiplied out to stay exact."""
    million = 1_000_000
    for drift in (1, 333, 10_000, 100_000, 499_999):
        for lease in (1, 7, 1_000, LEASE, 7 * LEASE + 3):
            kept = counted(lease, drift)
            assert kept < lease
            assert kept * (million + drift) <= lease * (million - drift)
    assert counted(LEASE, 10_000) == COUNTED * MILLISECOND


def test_one_backup_without_a_lease_is_enough_for_a_round() -> None:
    """Any one of them may be the member on which the next view rests: one answer is held back."""
    cluster = leased(0, 1, 2)
    cluster.hold(of(Replicated, sender=1))
    cluster.advance(COUNTED)
    lead = cluster.lead(0)
    assert lead.backups[2].leased_until > cluster.now >= lead.backups[1].leased_until
    assert cluster.waits(cluster.get(0, b"k"))


def test_an_idle_primary_keeps_its_leases() -> None:
    """Signs of life renew them, in time: look every 50 ms for some seconds."""
    cluster = leased(0, 1, 2)
    for _ in range(60):
        cluster.advance(50)
        assert cluster.lead(0).leased_until > cluster.now


def test_an_answer_to_an_earlier_sending_renews_nothing() -> None:
    """What is counted is the round that is answered: a copy of an old answer comes after a new sending."""
    cluster = leased(0, 1)
    held = cluster.hold(of(Replicated))
    cluster.put(0, b"k", b"v")
    cluster.run()
    (answer,) = cluster.on_the_way(Replicated)
    cluster.release(held)
    cluster.run()
    cluster.advance(400)
    cluster.hold(of())
    cluster.get(1, b"k")
    cluster.put(0, b"k", b"w")
    before = cluster.lead(0).backups[1].leased_until
    cluster.step(0, Receive(answer.envelope, answer.message))
    assert cluster.lead(0).backups[1].offered_at == cluster.now
    assert cluster.lead(0).backups[1].leased_until == before


def test_what_is_sent_again_is_counted_from_the_first_sending() -> None:
    """The answer may be to either: lose the first, and let the second be answered 250 ms later."""
    cluster = leased(0, 1, heartbeat=10_000 * MILLISECOND)
    cluster.put(0, b"k", b"v")
    assert cluster.lose(of(Replicate)) == 1
    cluster.advance(250)
    cluster.run()
    assert cluster.lead(0).backups[1].acked == 1
    assert cluster.lead(0).leased_until == COUNTED * MILLISECOND


def test_all_backups_are_asked_in_one_round() -> None:
    """A round begins once in a step, whoever is asked: look at the messages of two writes."""
    cluster = leased(0, 1, 2)
    for expected in (1, 2):
        cluster.now += MILLISECOND
        cluster.put(0, b"k", b"v")
        rounds = [
            mail.message.round
            for mail in cluster.on_the_way(Replicate)
            if isinstance(mail.message, Replicate)
        ]
        assert rounds == [expected, expected]
        cluster.run()


def test_reads_that_wait_are_answered_when_the_leases_are_there() -> None:
    """Reads and a question wait for a round that has not begun; answers to the one before give leases.

    The leases lapse first: no answer comes for two seconds. The late ones give none, but let the next signs
    of life go out; then somebody reads.
    """
    cluster = leased(0, 1, 2)
    cluster.hold(of(Replicated))
    cluster.advance(2_000)
    cluster.hold(of(Replicate))
    for late in cluster.on_the_way(Replicated):
        cluster.deliver(late)
    begun = cluster.lead(0).round
    reads = [cluster.get(0, b"k"), cluster.get_all(0), cluster.get(1, b"k")]
    cluster.run()
    assert all(cluster.waits(read) for read in reads)
    for kind in (Replicate, Replicated):
        for mail in cluster.on_the_way(kind):
            cluster.deliver(mail)
    assert cluster.lead(0).backups[2].round == begun
    assert cluster.value(reads[0]) == (None, 0)
    assert cluster.listing(reads[1]) == ({}, 0)
    cluster.run()
    assert cluster.value(reads[2]) == (None, 0)


def test_a_leased_read_does_not_wait_for_what_is_not_committed() -> None:
    """Nobody was told of that, and nobody has seen it: read at both nodes while a write is under way."""
    cluster = leased(0, 1)
    cluster.put(0, b"k", b"old")
    cluster.run()
    cluster.hold(of(Replicated))
    write = cluster.put(0, b"k", b"new")
    cluster.run()
    assert cluster.value(cluster.get(0, b"k")) == (b"old", 1)
    read = cluster.get(1, b"k")
    cluster.run()
    assert cluster.value(read) == (b"old", 1)
    assert cluster.waits(write)


# What is given.


@pytest.mark.parametrize(("own", "asked", "given"), [(300, 1_000, 300), (2_000, 1_000, 1_000), (0, 1_000, 0)])
def test_a_backup_gives_what_it_is_asked_for_and_no_more_than_its_own_settings_say(
    own: int, asked: int, given: int
) -> None:
    """Members may be set differently: the primary counts what it got. Start a backup with other settings."""
    cluster = Cluster((0, 1), Config(lease=asked * MILLISECOND, clock_drift=10_000))
    cluster.config = Config(lease=own * MILLISECOND)
    cluster.start(1)
    cluster.install((0, 1))
    assert cluster.state(1).lease_until == given * MILLISECOND
    assert cluster.lead(0).leased_until == counted(given * MILLISECOND, 10_000)


def test_a_primary_that_asks_for_none_gets_none() -> None:
    """A backup that would give one is not asked: start the primary without."""
    cluster = Cluster((0, 1), Config(**SETTINGS))
    cluster.config = Config()
    cluster.start(0)
    cluster.install((0, 1))
    assert cluster.state(1).lease_until == 0
    assert cluster.waits(cluster.get(0, b"k"))


def test_a_lease_that_is_more_than_was_asked_for_is_not_believed() -> None:
    """No correct member says so: forge an answer that gives an hour."""
    cluster = leased(0, 1)
    cluster.hold(of(Replicated))
    cluster.advance(400)
    lead = cluster.lead(0)
    cluster.forge(1, 0, Replicated(lead.ballot, 0, lead.round, 3_600 * LEASE))
    assert cluster.lead(0).leased_until == (400 + COUNTED) * MILLISECOND


def test_a_member_that_was_told_another_view_gives_no_more_leases() -> None:
    """A primary that nobody tells must not keep the next one waiting for ever: it goes on asking 1."""
    cluster = leased(0, 1, 2)
    cluster.cut(0, 2)
    cluster.tell((1, 2), to=(1, 2))
    cluster.advance(999)
    assert cluster.state(1).follow is not None
    assert cluster.lead(0).backups[1].leased_until == COUNTED * MILLISECOND
    cluster.advance(5)
    assert cluster.status(1).status == "active"


# Who waits.


def test_a_node_that_stands_by_another_proposes_nothing() -> None:
    """Alone it would be active at once, and its former primary would read the past.

    0 is cut off; {1} is told to 1. It says for whom it waits; 0 reads up to its own end of the lease, and 1
    writes when its own has come.
    """
    cluster = leased(0, 1)
    cluster.put(0, b"k", b"old")
    cluster.run()
    cluster.cut(0, 1)
    cluster.now = 100 * MILLISECOND
    cluster.tell((1,))
    cluster.tell((1,))
    assert len(cluster.noted(1, "postponed")) == 1
    write = cluster.put(1, b"k", b"new")
    (wait,) = cluster.status(1).waiting_for
    assert (wait.id, wait.address, wait.reason) == (0, "node0:80", "its lease runs for another 900 ms")
    cluster.advance(COUNTED - 101)
    assert cluster.value(cluster.get(0, b"k")) == (b"old", 1)
    assert cluster.waits(write)
    cluster.advance(1)
    read = cluster.get(0, b"k")
    cluster.advance(19)
    assert cluster.waits(write)
    cluster.advance(1)
    assert cluster.now == 1_000 * MILLISECOND
    assert cluster.written(write).position == 1
    cluster.advance(20_000)
    assert cluster.rejection(read) == ("timeout", True)


def test_a_member_promises_when_its_lease_has_run_out() -> None:
    """And says so itself then, instead of waiting to be asked: 0, which has given none, proposes {0, 2}.

    1 is cut off, and reads as long as it may.
    """
    cluster = Cluster((0, 1, 2), Config(**SETTINGS))
    cluster.install((1, 2))
    cluster.cut(1, 0, 2)
    cluster.tell((0, 2))
    cluster.run()
    (wait,) = cluster.status(0).waiting_for
    assert wait.reason == "it stands by its former primary until that one's lease has run out"
    assert cluster.status(2).waiting_for[0].reason == "its lease runs for another 1.0 s"
    assert cluster.ignored(2, "leased") == 1
    cluster.advance(COUNTED - 1)
    assert cluster.value(cluster.get(1, b"k")) == (None, 0)
    cluster.advance(20)
    assert cluster.status(2).status == "installing"
    cluster.advance(1)
    assert cluster.now == 1_000 * MILLISECOND
    assert [cluster.status(id_).status for id_ in (0, 2)] == ["active"] * 2


@pytest.mark.parametrize("first", [1, 2])
def test_nobody_waits_for_a_primary_that_has_promised(first: int) -> None:
    """1 hands over to 0: its promise ends what 2 gave it, whichever answers first. No time passes."""
    cluster = Cluster((0, 1, 2), Config(**SETTINGS))
    cluster.install((1, 2))
    late = cluster.hold(of(Promise, Refuse, sender=3 - first))
    cluster.tell((0, 1, 2))
    cluster.run()
    assert cluster.status(0).status == "installing"
    cluster.release(late)
    cluster.run()
    assert [cluster.status(id_).status for id_ in (0, 1, 2)] == ["active"] * 3
    assert cluster.now == 0
    assert cluster.ignored(2, "leased") >= 1


def test_a_proposal_names_only_a_primary_that_has_promised() -> None:
    """The one that 2 stands by has not: the proposal, sent again, says nothing, and 2 stays where it is."""
    cluster = Cluster((0, 1, 2), Config(**SETTINGS))
    cluster.install((1, 2))
    cluster.hold(of(Propose, receiver=1))
    cluster.tell((0, 1, 2))
    cluster.advance(600)
    assert cluster.state(2).promised.primary == 1
    assert cluster.ignored(2, "leased") > 1


def test_a_primary_that_proposes_anew_is_not_waited_for() -> None:
    """Its own newer proposal ends its lead: it drops a backup, and takes it back. No time passes."""
    cluster = leased(0, 1, 2)
    cluster.install((0, 1))
    cluster.install((0, 1, 2))
    assert cluster.now == 0


def test_a_restarted_primary_waits_for_the_lease_of_its_former_life() -> None:
    """Nobody can tell that life's mail from one that goes on: 0 restarts and is told its view again."""
    cluster = leased(0, 1)
    cluster.put(0, b"k", b"v")
    cluster.run()
    cluster.start(0)
    cluster.tell((0, 1))
    cluster.advance(999)
    assert cluster.status(0).status == "installing"
    cluster.advance(1)
    assert [cluster.status(id_).status for id_ in (0, 1)] == ["active"] * 2
    assert cluster.value(cluster.get(0, b"k")) == (b"v", 1)


def test_a_restarted_backup_waits_for_nothing() -> None:
    """The next view rests on a member that was not restarted, and that one remembers.

    0 is cut off, 1 restarts and is told {1, 2}: it proposes at once, and 2 makes it wait.
    """
    cluster = leased(0, 1, 2)
    cluster.put(0, b"k", b"old")
    cluster.run()
    cluster.cut(0, 1, 2)
    cluster.start(1)
    cluster.tell((1, 2))
    cluster.run()
    assert cluster.noted(1, "proposed")
    assert not cluster.noted(1, "postponed")
    assert cluster.value(cluster.get(0, b"k")) == (b"old", 1)
    cluster.advance(999)
    assert cluster.status(1).status == "installing"
    cluster.advance(1)
    assert cluster.status(1).status == "active"


def test_what_was_postponed_is_dropped_with_the_order() -> None:
    """1 is told {1}, has to wait, and is put outside meanwhile: when the lease is over it does nothing."""
    cluster = leased(0, 1)
    cluster.tell((1,))
    cluster.tell((0,), to=(1,))
    cluster.hold(of())
    cluster.advance(1_500)
    assert cluster.state(1).postponed is False
    assert cluster.state(1).promised.primary == 0
    assert cluster.noted(1, "proposed") == []


def test_a_seal_ends_the_lease_that_was_given() -> None:
    """It belonged to the ballot before: 1 promises a newer one of 0, and then a view without 0 at once."""
    cluster = leased(0, 1, 2)
    held = cluster.hold(of(Promise))
    cluster.tell((0, 1), to=(0, 1))
    cluster.run()
    assert cluster.state(1).lease_until == 0
    cluster.release(held)
    cluster.lose(of())
    cluster.install((1,))
    assert cluster.now == 0


def test_leases_do_not_pass_to_the_next_ballot() -> None:
    """A view begins without any: 0 installs one again, and is answered only when it leads."""
    cluster = leased(0, 1)
    cluster.start(1)
    cluster.hold(of(Replicated))
    cluster.tell((0, 1))
    cluster.run()
    assert cluster.lead(0).leased_until == 0
    assert cluster.waits(cluster.get(0, b"k"))


def test_a_question_is_answered_with_what_is_committed() -> None:
    """Not with the end of the log: 1 asks while a write is under way."""
    cluster = leased(0, 1)
    cluster.put(0, b"k", b"old")
    cluster.run()
    cluster.hold(of())
    cluster.put(0, b"k", b"new")
    cluster.forge(1, 0, Confirm(cluster.lead(0).ballot, 1, leased=True))
    (answer,) = cluster.on_the_way(Confirmed)
    assert answer.message == Confirmed(cluster.lead(0).ballot, 1, 1)


def test_a_view_that_is_told_again_is_not_proven_by_leases() -> None:
    """They outlive their givers, and "active" has to mean that all members are there.

    2 has restarted, and has forgotten everything; 1 is told the view again. Were it to say "active" since 2's
    lease still runs, the outside could restart 1 and 0.
    """
    cluster = leased(0, 1, 2)
    cluster.start(2)
    cluster.tell((0, 1, 2), to=(1,))
    read = cluster.get(1, b"k")
    cluster.run()
    assert cluster.status(1).status == "installing"
    assert cluster.waits(read)
    cluster.advance(500)
    assert cluster.status(1).status == "installing"
    cluster.install((0, 1, 2))
    assert cluster.value(read) == (None, 0)
