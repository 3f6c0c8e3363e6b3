"""Random runs of the whole core: everything goes wrong that the fault model allows, then nothing does.

Loss, copies, reordering, cuts, pauses of time, restarts, views that are told late, twice or to some nodes
only. Each life of a node is of an old release or of a new one. ``Watch`` checks the invariants after every
step; at the end the view must become active, every client must have its answer, and the whole history must
have been linearizable. A failure names its seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from pbproto import (
    Config,
    Delete,
    Get,
    GetAll,
    Kind,
    Listing,
    Put,
    Reply,
    Result,
    TellView,
    Value,
    View,
    Written,
)
from pbproto.codec import VERSIONS
from pbproto.config import MILLISECOND

from .cluster import Asked, Cluster, view

SEEDS_PER_TEST = 10
TESTS = 6
ACTIONS = 400


@dataclass(slots=True)
class Run:
    """One random run, and its outside: one process that issues one view after another."""

    random: Random
    cluster: Cluster
    numbered: bool
    members: tuple[int, ...] = ()
    epoch: int = 0
    keepers: tuple[int, ...] = ()
    """Members of the last active view and of all told since, not restarted: each view has one of them."""
    late: list[tuple[int, View]] = field(default_factory=list)
    """Numbered views that will still be told to a node, in any order."""
    told_at: dict[int, int] = field(default_factory=dict)
    issued_at: int = 0
    restarted_at: int = -1
    """Steps at which nodes were told the last view, it was first told, a node was restarted last."""
    joins: bool = False
    """Whether members come and go all the time."""
    releases: Random | None = None
    """Draws which version of the wire form each life of a node speaks; without it, all speak the newest."""
    loss: float = 0.0
    copies: float = 0.0

    def everywhere_active(self) -> bool:
        """Whether the outside would find the last view active at each of its members."""
        statuses = [self.cluster.status(id_) for id_ in self.members]
        return all(status.status == "active" and status.view == self.told for status in statuses)

    def note_activity(self) -> None:
        """Ask around: one member's word is enough, if it was told this very view since the last restart.

        It may have been told an earlier one of the same members, and that may be what it calls active.
        """
        told = self.told
        for id_ in self.members:
            status = self.cluster.status(id_)
            if not self.restarted_at < self.told_at[id_] >= self.issued_at:
                continue
            if status.status == "active" and status.view == told:
                self.keepers = self.members

    def issue(self, members: tuple[int, ...]) -> None:
        """From now on this is the view to be told; it is a new one if its members are."""
        if members != self.members:
            self.epoch += 1
            self.members = members
            self.issued_at = self.cluster.steps
            self.keepers = tuple(id_ for id_ in self.keepers if id_ in members)

    @property
    def told(self) -> View:
        return view(self.members, self.epoch if self.numbered else None)

    def tell_one(self, node: int, told: View) -> None:
        if told == self.told:
            # A late word of an older view, which is refused, says nothing of what the node is by now.
            self.told_at[node] = self.cluster.steps
        self.cluster.step(node, TellView(told))

    def tell(self, members: tuple[int, ...], to: list[int]) -> None:
        """Tell a view to some nodes, or the same view again."""
        self.issue(members)
        for id_ in to:
            if self.numbered and self.random.random() < 0.3:
                self.late.append((id_, self.told))
            else:
                self.tell_one(id_, self.told)

    def change_view(self) -> None:
        """A new view with a keeper among its members."""
        cluster, random = self.cluster, self.random
        self.note_activity()
        keeper = random.choice(self.keepers)
        members = tuple(id_ for id_ in cluster.ids if id_ == keeper or random.random() < 0.5)
        self.tell(members, [id_ for id_ in cluster.ids if id_ in members or random.random() < 0.5])

    def come_and_go(self) -> None:
        """A member leaves the view, and forgets everything; or everybody is told to be in it again."""
        cluster, random = self.cluster, self.random
        if not self.everywhere_active():
            return
        self.note_activity()
        if self.members == cluster.ids:
            gone = random.choice(cluster.ids)
            members = tuple(id_ for id_ in cluster.ids if id_ != gone)
            self.tell(members, list(members))
            self.restart(gone)
        else:
            self.tell(cluster.ids, random.sample(cluster.ids, len(cluster.ids)))

    def restart(self, victim: int) -> None:
        """A node forgets everything, if another one can still carry the data over."""
        self.note_activity()
        keepers = tuple(id_ for id_ in self.keepers if id_ != victim)
        if keepers:
            self.keepers = keepers
            self.start(victim)
            self.restarted_at = self.cluster.steps
            # A PUT is said to one life of a node. Nobody could tell a late one from a new one: the new
            # life has forgotten all later views, and an old member may never have heard of them.
            self.late = [told for told in self.late if told[0] != victim]
            if self.random.random() < 0.8:
                self.tell(self.members, self.random.sample(self.members, len(self.members)))

    def start(self, node: int) -> None:
        """A new life of a node: an upgrade, or the way back, as often as not."""
        self.cluster.start(node)
        if self.releases is not None:
            self.cluster.wires[node] = self.releases.choice(VERSIONS)

    def ask(self) -> None:
        """A client asks any node for anything; values tell their requests."""
        cluster, random = self.cluster, self.random
        node, token = random.choice(list(cluster.replicas)), len(cluster.asked)
        key = random.choice((b"a", b"b", b"c"))
        dice = random.random()
        if dice < 0.4:
            cluster.ask(node, Put(token, key, b"%d" % token, trace=b"trace %d" % token))
        elif dice < 0.5:
            cluster.ask(node, Put(token, b"k", random.choice((b"x", b"y")), random.choice((b"i", b"j"))))
        elif dice < 0.6:
            cluster.ask(node, Delete(token, key, trace=b"trace %d" % token))
        elif dice < 0.9:
            cluster.ask(node, Get(token, key))
        elif dice < 0.95:
            both = (Put(token, key, b"%d" % token), Get(token + 1, key))
            cluster.ask_together(node, *(both if random.random() < 0.5 else both[::-1]))
        else:
            cluster.ask(node, GetAll(token))

    def act(self) -> None:
        """One thing happens."""
        cluster, random = self.cluster, self.random
        dice = random.random()
        if self.joins and dice < 0.1:
            self.come_and_go()
        elif dice < 0.75 and cluster.mail:
            self.pass_mail()
        elif dice < 0.75:
            self.pass_time(300)
        elif dice < 0.85:
            self.ask()
        elif dice < 0.95:
            self.pass_time(random.choice((1, 20, 300)))
        elif dice < 0.96:
            cluster.cut(*random.sample(cluster.ids, 2))
        elif dice < 0.975:
            cluster.release()
        elif dice < 0.985 and self.keepers:
            self.change_view()
        elif dice < 0.99 and self.keepers:
            self.restart(random.choice(cluster.ids))
        elif self.late:
            self.tell_one(*self.late.pop(random.randrange(len(self.late))))

    def pass_mail(self) -> None:
        """Some message arrives, is lost, or arrives and is still on its way."""
        cluster, random = self.cluster, self.random
        # Mostly the oldest ones; else nothing would ever get done.
        for _ in range(random.randrange(1, 12)):
            if not cluster.mail:
                return
            mail = cluster.mail[min(int(random.expovariate(0.5)), len(cluster.mail) - 1)]
            if any(rule(mail) for rule in cluster.rules) or random.random() < self.loss:
                cluster.lose(lambda other, lost=mail: other is lost)  # type: ignore[misc]
                continue
            cluster.deliver(mail)
            if random.random() < self.copies:
                cluster.mail.append(mail)

    def pass_time(self, most: int) -> None:
        self.cluster.now += self.random.randrange(most * MILLISECOND)
        self.cluster.wake()


def start(seed: int, mixed: bool = True) -> Run:
    """A cluster with the first view active, and its own kinds of trouble; ``mixed`` as in ``play``."""
    random = Random(seed)
    ids = tuple(range(3 + seed % 3))
    config = Config(
        request_timeout=3000 * MILLISECOND,
        suspect_after=500 * MILLISECOND,
        resend_after=100 * MILLISECOND,
        heartbeat=200 * MILLISECOND,
        batch_bytes=random.choice((100, 10**6)),
        chunk_bytes=random.choice((60, 400, 10**6)),
        fill_rate=random.choice((0, 3_000)),
        log_keep_bytes=random.choice((0, 300, 10**6)),
    )
    run = Run(random, Cluster(ids, config), numbered=random.random() < 0.5)
    run.keepers = ids
    if mixed:
        run.releases = Random(f"{seed} releases")
        run.cluster.wires = {id_: run.releases.choice(VERSIONS) for id_ in ids}
    run.tell(ids, list(ids))
    while run.late:
        run.tell_one(*run.late.pop())
    run.cluster.run()
    assert run.everywhere_active()
    run.loss = random.choice((0.0, 0.05, 0.2))
    run.copies = random.choice((0.0, 0.1))
    return run


def finish(run: Run, writer: int | None = None) -> None:
    """The faults stop: the view becomes active, everybody is answered, all members are equal.

    The last write goes to ``writer``, or to the last member.
    """
    cluster = run.cluster
    cluster.release()
    run.late.clear()
    for id_ in run.members:
        run.tell_one(id_, run.told)
    last = cluster.put(run.members[-1] if writer is None else writer, b"last", b"last")
    cluster.advance(20_000, until=lambda: run.everywhere_active() and not cluster.waits(last))
    assert run.everywhere_active(), [cluster.status(id_) for id_ in run.members]
    cluster.written(last)
    cluster.advance(3_500)
    waiting = [asked for asked in cluster.asked.values() if asked.end is None]
    assert not waiting, waiting
    one, *others = (cluster.state(id_) for id_ in run.members)
    for other in others:
        assert other.log.end == one.log.end == one.commit == other.commit
        assert other.store.data == one.store.data
        assert list(other.store.origins.items()) == list(one.store.origins.items())
        assert list(other.store.keys.items()) == list(one.store.keys.items())


def check_history(cluster: Cluster) -> None:
    """Every answer fits the one order of operations, and the order fits real time."""
    committed = cluster.watch.committed
    for position, operation in committed.items():
        assert operation.value not in cluster.watch.refused_values, f"{operation} at {position} was refused"
    replies = [asked for asked in cluster.asked.values() if isinstance(asked.answer, Reply)]
    writes = [(asked, written(asked).position) for asked in replies if is_write(asked)]
    plain = [position for asked, position in writes if not idempotency_key(asked)]
    assert len(plain) == len(dict.fromkeys(plain)), "a position is the number of one write"
    # A write at p has the point 2p + 1 in the order, a read at p, between the writes p - 1 and p, has 2p.
    points = [(asked, 2 * seen(asked)[1]) for asked in replies if not is_write(asked)]
    points += [(asked, 2 * position + 1) for asked, position in writes]
    for one, point in points:
        for other, other_point in points:
            # A repeated idempotent request has the point of its first copy, long before it started.
            if end(one) < other.start and not idempotency_key(other):
                assert point <= other_point, f"{one} was over before {other} began"
    check_contents(cluster, replies)


def check_contents(cluster: Cluster, replies: list[Asked]) -> None:
    """Replay the operations: what reads saw and writes did is what the order says."""
    committed = cluster.watch.committed
    known = 0
    while known in committed:
        known += 1
    contents: list[dict[bytes, bytes]] = [{}]
    kinds: list[Kind] = []
    for position in range(known):
        operation, data = committed[position], dict(contents[-1])
        if operation.value is None:
            kinds.append(Kind.MISSING if data.pop(operation.key, None) is None else Kind.DELETED)
        else:
            kinds.append(Kind.UPDATED if operation.key in data else Kind.CREATED)
            data[operation.key] = operation.value
        contents.append(data)
    for asked in replies:
        if is_write(asked):
            result = written(asked)
            if result.position < known:
                assert result.kind == kinds[result.position], asked
        else:
            items, position = seen(asked)
            if position <= known:
                for key, value in items.items():
                    assert contents[position].get(key) == value, asked
                if isinstance(asked.event, GetAll):
                    assert items == contents[position], asked


def is_write(asked: Asked) -> bool:
    return isinstance(asked.event, Put | Delete)


def idempotency_key(asked: Asked) -> bytes:
    return asked.event.idempotency_key if isinstance(asked.event, Put | Delete) else b""


def end(asked: Asked) -> int:
    assert asked.end is not None
    return asked.end


def written(asked: Asked) -> Result:
    assert isinstance(asked.answer, Reply)
    assert isinstance(asked.answer.outcome, Written)
    return asked.answer.outcome.result


def seen(asked: Asked) -> tuple[dict[bytes, bytes | None], int]:
    """What a read saw, key by key, and at which position."""
    assert isinstance(asked.answer, Reply)
    outcome = asked.answer.outcome
    if isinstance(outcome, Listing):
        return dict(outcome.items), outcome.position
    assert isinstance(outcome, Value)
    assert isinstance(asked.event, Get)
    return {asked.event.key: outcome.value}, outcome.position


def play(seed: int, joins: bool = False, mixed: bool = True) -> Run:
    """A whole run of one seed; if ``mixed``, nodes of all releases are in one cluster."""
    run = start(seed, mixed)
    run.joins = joins
    for _ in range(ACTIONS):
        run.act()
    finish(run)
    check_history(run.cluster)
    return run


@pytest.mark.parametrize("first", range(0, SEEDS_PER_TEST * TESTS, SEEDS_PER_TEST))
def test_random_runs_keep_every_invariant(first: int) -> None:
    """Whatever goes wrong in whatever order, the invariants hold, and all ends well once it stops.

    Play seeded runs; on a failure the message starts with the seed, with which ``play`` repeats it.
    """
    answers = 0
    for seed in range(first, first + SEEDS_PER_TEST):
        try:
            run = play(seed)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        answers += sum(isinstance(asked.answer, Reply) for asked in run.cluster.asked.values())
    assert answers > 5 * SEEDS_PER_TEST, "the runs tell something only if clients were answered"


@pytest.mark.parametrize("first", range(1000, 1020, 10))
def test_random_joins_keep_every_invariant(first: int) -> None:
    """The same where members leave, and come back empty, all the time: as backups, and as the primary.

    Such runs tell something only if newcomers were filled while the others served, and joined by that copy.
    """
    copies = sought = close = 0
    for seed in range(first, first + 10):
        try:
            run = play(seed, joins=True)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        fields = [note.fields for _, note in run.cluster.notes]
        copies += sum(("what", "copy") in field for field in fields)
        close += sum(("reason", "all learners are close") in field for field in fields)
        sought += run.cluster.watch.sought
    assert copies > 10, "newcomers were filled"
    assert close > 10, "it was worth waiting for"
    assert sought > 10, "primaries that came back empty were filled"


def test_no_decision_depends_on_the_version_that_is_spoken() -> None:
    """Goal: what a later version adds to a message is for those who look on, so a mixed cluster is the same.

    Method: the same seeds with nodes of all releases and with new ones only; compare all that clients, logs
    and the outside saw. It tells something only if the mixed runs left something out.
    """
    left_out = 0
    for seed in range(2000, 2008):
        mixed, new = (play(seed, mixed=each) for each in (True, False))
        assert mixed.cluster.asked == new.cluster.asked, seed
        assert mixed.cluster.notes == new.cluster.notes, seed
        assert mixed.cluster.watch.committed == new.cluster.watch.committed, seed
        assert (mixed.cluster.now, mixed.cluster.steps) == (new.cluster.now, new.cluster.steps), seed
        left_out += mixed.cluster.left_out
        assert not new.cluster.left_out
    assert left_out > 20
