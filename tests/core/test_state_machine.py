"""A Hypothesis state machine over ``step``: any rules in any order that the fault model allows, then an end.

Hypothesis picks the rules and their arguments, and makes what fails short. The outside is the one of the
random runs: it issues views as ``docs/protocol.md`` says it owes. ``Watch`` checks every step.

The default run is small and always the same. ``PBPROTO_EXAMPLES=5000`` makes it that many new runs.
"""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as play

from pbproto import Config, Delete, Effect, Get, GetAll, InvariantError, Put, Reason
from pbproto import base as base_room
from pbproto import commit as commit_room
from pbproto import forwarding as forwarding_room
from pbproto import reads as reads_room
from pbproto import waiting as waiting_room
from pbproto.config import MILLISECOND
from pbproto.out import Out
from pbproto.state import State, Waiter

from .cluster import Cluster, Mail
from .test_random_runs import Run, check_history, finish

NEW_EXAMPLES = int(os.environ.get("PBPROTO_EXAMPLES", "0"))
BUDGET = settings(
    max_examples=NEW_EXAMPLES or 100,
    stateful_step_count=60,
    deadline=None,
    database=None,
    derandomize=not NEW_EXAMPLES,
    suppress_health_check=list(HealthCheck),
)
TIMEOUT = 3000
"""Milliseconds until a client is turned away."""
LATE_COPIES = 21
"""How many of the last messages may arrive once more."""

any_node = st.integers(0, 2)
any_mail = st.integers(0, 20)
any_key = st.sampled_from((b"a", b"b"))
some_nodes = st.sets(any_node, min_size=1)


class Remembering(Cluster):
    """A cluster that remembers what arrived: the network may bring it again at any time."""

    delivered: deque[Mail]

    def deliver(self, mail: Mail) -> tuple[Effect, ...]:
        self.delivered.append(mail)
        return super().deliver(mail)


class Machine(RuleBasedStateMachine):
    """The cluster, its clients, its network and its outside."""

    run: Run

    @initialize(
        nodes=st.integers(2, 3),
        numbered=st.booleans(),
        chunk=st.sampled_from((60, 10**6)),
        keep=st.sampled_from((0, 300, 10**6)),
        rate=st.sampled_from((0, 3_000)),
    )
    def start(self, nodes: int, numbered: bool, chunk: int, keep: int, rate: int) -> None:
        """All nodes are told the first view; it becomes active."""
        config = Config(
            request_timeout=TIMEOUT * MILLISECOND,
            suspect_after=500 * MILLISECOND,
            resend_after=100 * MILLISECOND,
            heartbeat=200 * MILLISECOND,
            batch_bytes=200,
            chunk_bytes=chunk,
            fill_rate=rate,
            log_keep_bytes=keep,
        )
        ids = tuple(range(nodes))
        self.asked_at: dict[int, int] = {}
        # The outside's own dice are never thrown: whatever is random here comes from Hypothesis.
        cluster = Remembering(ids, config)
        cluster.delivered = deque(maxlen=LATE_COPIES)
        self.run = Run(Random(0), cluster, numbered, keepers=ids)
        self.issue(ids, ids, late=())
        self.cluster.run()
        assert self.run.everywhere_active()

    @property
    def cluster(self) -> Remembering:
        cluster = self.run.cluster
        assert isinstance(cluster, Remembering)
        return cluster

    def node(self, number: int) -> int:
        return self.cluster.ids[number % len(self.cluster.ids)]

    # Clients.

    def ask(self, number: int, event: Put | Delete | Get | GetAll) -> None:
        self.asked_at[event.token] = self.cluster.now
        self.cluster.ask(self.node(number), event)

    @property
    def token(self) -> int:
        return len(self.cluster.asked)

    @rule(node=any_node, key=any_key)
    def put(self, node: int, key: bytes) -> None:
        """Values tell their requests."""
        self.ask(node, Put(self.token, key, b"%d" % self.token))

    @rule(node=any_node, value=st.sampled_from((b"x", b"y")), name=st.sampled_from((b"i", b"j")))
    def put_once(self, node: int, value: bytes, name: bytes) -> None:
        self.ask(node, Put(self.token, b"k", value, name))

    @rule(node=any_node, key=any_key, name=st.sampled_from((b"", b"", b"i")))
    def delete(self, node: int, key: bytes, name: bytes) -> None:
        self.ask(node, Delete(self.token, key, name))

    @rule(node=any_node, key=any_key)
    def get(self, node: int, key: bytes) -> None:
        self.ask(node, Get(self.token, key))

    @rule(node=any_node, key=any_key, name=st.sampled_from((b"", b"i")))
    def together(self, node: int, key: bytes, name: bytes) -> None:
        """Two clients in one step: one writes, the other reads."""
        events = (Put(self.token, key, b"%d" % self.token, name), Get(self.token + 1, key))
        self.asked_at |= {event.token: self.cluster.now for event in events}
        self.cluster.ask_together(self.node(node), *events)

    @rule(node=any_node)
    def get_all(self, node: int) -> None:
        self.ask(node, GetAll(self.token))

    # The network and time.

    @precondition(lambda self: self.cluster.mail)
    @rule(index=any_mail)
    def deliver(self, index: int) -> None:
        """Any message arrives, in any order."""
        mail = self.cluster.mail[index % len(self.cluster.mail)]
        if not any(held(mail) for held in self.cluster.rules):
            self.cluster.deliver(mail)

    @precondition(lambda self: self.cluster.delivered)
    @rule(back=any_mail)
    def deliver_again(self, back: int) -> None:
        """Any message arrives once more, however late."""
        delivered = self.cluster.delivered
        self.cluster.deliver(delivered[-1 - back % len(delivered)])

    @rule(count=st.sampled_from((2, 5, 10, 40)))
    def deliver_in_order(self, count: int) -> None:
        """The oldest arrive in order, and so on; else nothing would ever get done."""
        left = iter(range(count))
        self.cluster.run(until=lambda: next(left, None) is None)

    @precondition(lambda self: self.cluster.mail)
    @rule(index=any_mail)
    def lose(self, index: int) -> None:
        del self.cluster.mail[index % len(self.cluster.mail)]

    @rule(one=any_node, other=any_node)
    def cut(self, one: int, other: int) -> None:
        if self.node(one) != self.node(other):
            self.cluster.cut(self.node(one), self.node(other))

    @precondition(lambda self: self.cluster.rules)
    @rule()
    def release(self) -> None:
        self.cluster.release()

    @rule(milliseconds=st.sampled_from((1, 100, 250, 600, TIMEOUT)))
    def pass_time(self, milliseconds: int) -> None:
        self.cluster.now += milliseconds * MILLISECOND
        self.cluster.wake()

    # The outside.

    def issue(self, members: tuple[int, ...], to: tuple[int, ...], late: tuple[int, ...]) -> None:
        """A view is told to these nodes, to some of them later."""
        run = self.run
        run.issue(members)
        for id_ in to:
            if run.numbered and id_ in late:
                run.late.append((id_, run.told))
            else:
                run.tell_one(id_, run.told)

    @rule(keeper=any_node, others=st.sets(any_node), to=some_nodes, late=st.sets(any_node))
    def change_view(self, keeper: int, others: set[int], to: set[int], late: set[int]) -> None:
        """A new view with a keeper among its members is told to some nodes."""
        run = self.run
        run.note_activity()
        keeper = run.keepers[keeper % len(run.keepers)]
        members = tuple(id_ for id_ in self.cluster.ids if id_ == keeper or id_ in others)
        self.issue(members, tuple(id_ for id_ in self.cluster.ids if id_ in to), tuple(sorted(late)))

    @rule(keeper=any_node, others=st.sets(any_node))
    def tell_the_primary_first(self, keeper: int, others: set[int]) -> None:
        """The outside goes node by node, and slowly: all that the first one says is heard before the next."""
        self.change_view(keeper, others, {min({keeper, *others})}, set())
        self.cluster.run()

    @rule(node=any_node)
    def tell_again(self, node: int) -> None:
        """The latest view is told to any node, perhaps once more."""
        self.run.tell_one(self.node(node), self.run.told)

    @precondition(lambda self: self.run.late)
    @rule(index=st.integers(0, 5))
    def tell_late(self, index: int) -> None:
        self.run.tell_one(*self.run.late.pop(index % len(self.run.late)))

    def can_spare(self, victim: int) -> bool:
        """Whether another node can still carry the data over; then the outside counts on the others only."""
        run = self.run
        run.note_activity()
        keepers = tuple(id_ for id_ in run.keepers if id_ != victim)
        if keepers:
            run.keepers = keepers
        return bool(keepers)

    @rule(node=any_node, tell=st.booleans())
    def restart(self, node: int, tell: bool) -> None:
        """A node forgets everything, and what was said to its former life is said to nobody."""
        victim = self.node(node)
        if self.can_spare(victim):
            self.cluster.start(victim)
            self.run.restarted_at = self.cluster.steps
            self.run.late = [late for late in self.run.late if late[0] != victim]
            if tell:
                self.run.tell_one(victim, self.run.told)

    @rule(node=any_node, really=st.integers(0, 3))
    def close(self, node: int, really: int) -> None:
        """A node is about to stop: everyone who waits there is answered at once. It works on as a member."""
        victim = self.node(node)
        if really != 3 or all(self.cluster.state(id_).closing for id_ in self.cluster.ids if id_ != victim):
            return
        self.cluster.close(victim)
        assert self.cluster.status(victim).waiting == 0

    # What must be true at any time, beyond what ``Watch`` sees after each step.

    @invariant()
    def those_who_wait_are_known_and_have_time_left(self) -> None:
        """Who has no answer is on the list of the node, and nobody's time is up."""
        now = self.cluster.now
        waiting: dict[int, int] = dict.fromkeys(self.cluster.ids, 0)
        for token, asked in self.cluster.asked.items():
            if asked.end is None:
                waiting[asked.node] += 1
                assert now < self.asked_at[token] + TIMEOUT * MILLISECOND, f"{asked} waits too long"
        assert waiting == {id_: self.cluster.status(id_).waiting for id_ in self.cluster.ids}

    @invariant()
    def a_node_says_what_it_is(self) -> None:
        """Status can be asked in any state: ready means serving, active means a synced member."""
        for id_ in self.cluster.ids:
            status = self.cluster.status(id_)
            assert not status.ready or self.cluster.state(id_).serving
            if status.status == "active":
                assert status.view is not None
                assert status.view.member(id_) is not None
                assert status.synced == status.promised

    def teardown(self) -> None:
        """The faults stop, and all ends well."""
        if not hasattr(self, "run") or sys.exc_info()[0] is not None:
            return  # it never began, or something is wrong already
        run = self.run
        open_ = [id_ for id_ in self.cluster.ids if not self.cluster.state(id_).closing]
        writers = [id_ for id_ in open_ if id_ in run.members]
        if not writers:
            members = tuple(sorted((*run.members, open_[0])))
            self.issue(members, members, late=())
            writers = open_[:1]
        finish(run, writers[0])
        check_history(self.cluster)


def seen_by(cluster: Cluster) -> list[str]:
    """What happened in a run: the codes of all notes, the kinds of answers."""
    copies = ["copy" for _, note in cluster.notes if ("what", "copy") in note.fields]
    sought = ["sought"] * cluster.watch.sought
    answers = [type(asked.answer).__name__ for asked in cluster.asked.values() if asked.answer is not None]
    return [note.code.value for _, note in cluster.notes] + copies + sought + answers


@pytest.mark.timeout(900 if NEW_EXAMPLES else 420)  # what fails is made short, for five minutes at most
def test_any_rules_in_any_order() -> None:
    """Invariants 1 to 6 and 8: let Hypothesis play the machine above, within the budget of one test run.

    The runs tell something only if all the rest happened in them as well: look for it.
    """
    happened: Counter[str] = Counter()

    class Counted(Machine):
        def teardown(self) -> None:
            super().teardown()
            if hasattr(self, "run"):
                happened.update(seen_by(self.cluster))

    play(Counted, settings=BUDGET)
    assert happened["Reply"] > 5 * BUDGET.max_examples
    for what in (
        "Reject",
        "suspected",
        "recovered",
        "state_received",
        "closed",
        "stopped_serving",
        "view_learned",
        "filling",
        "filled",
        "copy",
        "sought",
    ):
        assert happened[what] > 0, f"{what} never happened in {happened}"


def _count_one_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit what any backup has."""
    monkeypatch.setattr(commit_room, "min", max, raising=False)


def _answer_reads_unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round that was already sent counts for a read that arrives later."""
    monkeypatch.setattr(reads_room, "_join_round", lambda lead: lead.round)


def _take_the_shortest(monkeypatch: pytest.MonkeyPatch) -> None:
    """A view begins with the shortest log."""
    monkeypatch.setattr(base_room, "max", min, raising=False)


def _read_from_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup answers reads from what it has, without a question to the primary."""
    real = forwarding_room.forward

    def forward(state: State, waiter: Waiter, out: Out) -> None:
        if waiter.operation is None:
            waiting_room.read(state, out, waiter.counter)
        else:
            real(state, waiter, out)

    monkeypatch.setattr(forwarding_room, "forward", forward)


def _always_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is turned away is told "certainly not applied"."""
    real = waiting_room.reject

    def reject(state: State, out: Out, counter: int, reason: Reason, _: bool, detail: str) -> None:
        real(state, out, counter, reason, True, detail)

    monkeypatch.setattr(waiting_room, "reject", reject)


@pytest.mark.parametrize(
    "plant",
    [
        _count_one_for_all,
        _answer_reads_unconfirmed,
        _take_the_shortest,
        _read_from_the_copy,
        _always_certain,
    ],
)
def test_a_planted_fault_is_found(
    monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """A machine that finds nothing tells nothing: break one rule, play within the same budget."""
    plant(monkeypatch)
    with pytest.raises((AssertionError, InvariantError)):
        play(Machine, settings=settings(BUDGET, phases=[Phase.generate]))
