"""What must be true after every step of every node, and at the end: the invariants of ``docs/protocol.md``.

Omniscient: the checks see all nodes at once and the true order of all steps, so they say at which step a rule
was broken, long before a client could notice. ``tests.core.watch`` holds invariants 1 to 5; here are the
rest, and what the clients were told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import pairwise
from typing import Protocol

from pbproto import (
    Ballot,
    Code,
    Delete,
    Effect,
    Event,
    Get,
    Note,
    Put,
    Reject,
    Reply,
    Send,
)
from pbproto.effects import Listing, Value, ViewAccepted, Written
from pbproto.events import TellView
from pbproto.messages import Promise, Replicated
from pbproto.state import State
from pbproto.store import Store
from pbproto.values import RequestId, View
from tests.core.watch import Watch

from . import conduct, tap
from .answers import Answers
from .arrivals import arrivals
from .host import Host
from .truth import Truth
from .violation import Violation, demand


class Scene(Protocol):
    """What the checks look at: a world of a simulation, or the stage of a story."""

    now: int
    steps: int
    hosts: dict[int, Host]

    def state(self, id_: int) -> State:
        """The state of a node that runs."""


Life = tuple[int, int]


@dataclass(slots=True)
class Before:
    """What a step may have changed."""

    promised: Ballot
    log_end: int
    commit: int
    synced: Ballot | None
    lead: Ballot | None
    suspected: bool
    lease_until: int
    held: tuple[frozenset[int], frozenset[RequestId]]
    """As a primary: whose questions were open, and which writes were parked."""
    closing: bool
    serving: bool
    told: View | None
    next_counter: int
    needed: int
    """From where on the log was kept for newcomers."""


@dataclass(slots=True)
class Asked:
    """A request as the checks see it."""

    event: Event
    step: int
    floor: int
    """Writes that had certainly happened when it arrived: its answer must not be older."""
    request: RequestId | None


@dataclass(slots=True)
class Checks:
    """Remembers what was seen, and compares."""

    world: Scene
    leases: bool = False
    """Whether reads need no round while all backups stand by their primary."""
    watch: Watch = field(default_factory=Watch)
    truth: Truth = field(default_factory=Truth)
    asked: dict[int, Asked] = field(default_factory=dict)
    """By token: the watch looks here for what a client asked."""
    floor: int = 0
    """Every answer given so far stands below this position, or saw exactly this many writes."""
    acknowledged: dict[Ballot, int] = field(default_factory=dict)
    """How many operations had happened when a client was last told of a write in each ballot."""
    lives: dict[Ballot, dict[int, int]] = field(default_factory=dict)
    """Per ballot that became active: which life of which member it was installed with."""
    left: dict[tuple[Life, Ballot], int] = field(default_factory=dict)
    """At which step a life left a ballot, by a higher promise or by its end."""
    sealed: dict[tuple[Life, Ballot], int] = field(default_factory=dict)
    """The same, by a higher promise only."""
    reached: dict[tuple[Life, Ballot], int] = field(default_factory=dict)
    """How far the log of a life went in an active ballot."""
    orders: dict[Life, list[View]] = field(default_factory=dict)
    """The views that each life was told and has accepted."""
    named: dict[bytes, tuple[object, object]] = field(default_factory=dict)
    epochs: dict[int, object] = field(default_factory=dict)
    copies: dict[int, tuple[Store, dict[bytes, bytes]]] = field(default_factory=dict)
    """Per node the store it uses, and what must be in it."""
    answered: list[tuple[int, Ballot, int]] = field(default_factory=list)
    """Writes that clients were told of since halves served: node, the ballot that ordered it, position."""
    parted_at: int | None = None
    """When two halves began to write on their own."""
    told_at: dict[Life, int] = field(default_factory=dict)
    """At which step each life was told a view last, and accepted it."""
    losses: list[tuple[int, int]] = field(default_factory=list)
    """Positions, from and to, that some node noted as dropped."""
    noted: dict[tuple[Life, Ballot], set[tuple[int, int, int]]] = field(default_factory=dict)
    """The same with the member, by the node that noted it and the ballot."""
    full: dict[RequestId, None] = field(default_factory=dict)
    """Forwarded writes that found no room."""
    answers: dict[Life, Answers] = field(default_factory=dict)
    """Who waits at each node that is up."""
    digests: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    """Per position the digest of a store that had applied everything below, and the node it was seen at."""

    @property
    def replicas(self) -> dict[int, object]:
        return {host.id: host.replica for host in self.world.hosts.values() if host.replica is not None}

    def state(self, id_: int) -> State:
        return self.world.state(id_)

    def histories_part(self) -> None:
        """Two halves are ordered to write on their own: there is no one history any more."""
        self.watch.one_history = False
        if self.parted_at is None:
            self.parted_at = self.world.now

    # Steps.

    def before(self, host: Host) -> Before:
        state = self.state(host.id)
        lead = state.lead
        return Before(
            state.promised,
            state.log.end,
            state.commit,
            state.synced,
            lead.ballot if lead is not None else None,
            lead is not None and any(backup.suspected for backup in lead.backups.values()),
            state.lease_until,
            conduct.held_by(lead),
            state.closing,
            state.serving,
            state.told,
            state.waiting.next_counter,
            conduct.needed(state),
        )

    def after(self, host: Host, event: Event, effects: tuple[Effect, ...], before: Before) -> None:
        """Hold the node that has just made a step, and what it said, against all that is known."""
        state = self.state(host.id)
        for arrival, counter in arrivals(event, effects, before.next_counter):
            request = RequestId(host.id, host.life, counter) if counter is not None else None
            self.asked[arrival.token] = Asked(arrival, self.world.steps, self.floor, request)
        if isinstance(event, TellView) and any(isinstance(effect, ViewAccepted) for effect in effects):
            self.orders.setdefault((host.id, host.life), []).append(event.view)
            self.told_at[(host.id, host.life)] = self.world.steps
        try:
            self.watch.after(self, host.id, effects)  # type: ignore[arg-type]
        except AssertionError as error:
            raise Violation("watch", str(error)) from error
        self._ballots(host, state, effects, before)
        self._obeys(state, effects)
        conduct.other_ballot(state, event, effects, before)
        conduct.says_active(self, host, state)
        conduct.says_ready(host, state)
        conduct.bounded(state, before)
        conduct.keeps_out(host, state, before)
        conduct.stands_by(state, before)
        conduct.refusals(self, state, effects)
        conduct.losses(self, state, effects)
        conduct.full(self, state, event, effects, before)
        applied = tap.take()
        self._in_place(host, state, applied)
        if self.watch.one_history:
            self.truth.learn(applied)
            self._stores(host, state, before)
        ballot = before.promised
        for effect in effects:
            if isinstance(effect, Note) and effect.code in (Code.PROPOSED, Code.PROMISED):
                ballot = state.promised  # what was answered before, in the same step, was in the last one
            elif isinstance(effect, Reply):
                self._reply(host, state, effect, ballot)
            elif isinstance(effect, Reject):
                self._reject(effect)
        self.answers.setdefault((host.id, host.life), Answers()).after(host, event, effects, before)
        deadline = host.replica.deadline  # type: ignore[union-attr]
        demand(deadline is None or deadline > state.now, "deadline", f"node {host.id} spins at {state.now}")

    def _ballots(self, host: Host, state: State, effects: tuple[Effect, ...], before: Before) -> None:
        life = (host.id, host.life)
        if state.promised != before.promised:
            # What it took in, in the same step, before a lease ran out and it began a view of its own.
            for effect in effects:
                if isinstance(effect, Send) and isinstance(effect.message, Replicated):
                    key = (life, effect.message.ballot)
                    held = min(effect.message.log_end, state.log.end)
                    self.reached[key] = max(held, self.reached.get(key, 0))
            self.left.setdefault((life, before.promised), self.world.steps)
            self.sealed.setdefault((life, before.promised), self.world.steps)
        if state.synced is not None and state.synced == state.promised:
            key = (life, state.promised)
            self.reached[key] = max(state.log.end, self.reached.get(key, 0))
        lead = state.lead
        if lead is None:
            return
        if lead.ballot == before.lead:
            if state.commit > before.commit:
                self._on_all(host, lead.ballot, state.commit - 1)
            return
        self.lives[lead.ballot] = {host.id: host.life} | {
            id_: backup.incarnation for id_, backup in lead.backups.items()
        }
        conduct.leads(state, self.lives[lead.ballot])
        ordered = self.orders.get(life, [])
        demand(
            any(view.members == state.promised_view.members for view in ordered),
            "obedience",
            f"node {host.id} leads {state.promised_view.members}, which nobody ordered of it",
        )
        if self.watch.one_history:
            # A later ballot may be ahead already: then this one starts, but can never commit anything.
            counts = [count for ballot, count in self.acknowledged.items() if ballot < lead.ballot]
            before_it = max(counts, default=0)
            demand(
                state.commit >= before_it,
                "durability",
                f"{lead.ballot} starts with {state.commit} operations, {before_it} were acknowledged",
            )

    def _obeys(self, state: State, effects: tuple[Effect, ...]) -> None:
        """A member promises only what was told to it, or a newer numbered view; an epoch names one view."""
        for effect in effects:
            if not (isinstance(effect, Send) and isinstance(effect.message, Promise)):
                continue
            told, view = state.told, state.promised_view
            demand(told is not None, "obedience", f"node {state.id} promises and was told nothing")
            assert told is not None
            demand(
                told.members == view.members,
                "obedience",
                f"node {state.id} promises {view.members}, but was told {told.members}",
            )
            orders = self.orders.get((state.id, state.incarnation), [])
            if told.epoch is None:
                demand(
                    bool(orders) and orders[-1].members == view.members,
                    "obedience",
                    f"node {state.id} promises {view.members}, not the view it was told last",
                )
            else:
                newest = max((order.epoch or 0 for order in orders), default=0)
                demand(
                    state.promised.epoch >= newest,
                    "obedience",
                    f"node {state.id} promises epoch {state.promised.epoch} after it was told {newest}",
                )
                first = self.epochs.setdefault(state.promised.epoch, view.members)
                demand(
                    first == view.members,
                    "obedience",
                    f"epoch {state.promised.epoch} names {first} and {view.members}",
                )

    def _stores(self, host: Host, state: State, before: Before) -> None:
        """Replicas that have applied the same are the same, whatever they are copies of."""
        if state.commit == before.commit and state.synced == before.synced:
            return
        if state.synced == before.synced and state.commit % 8:
            return
        digest = digest_of(state.store)
        known = self.digests.setdefault(state.commit, (digest, host.id))
        demand(
            known[0] == digest,
            "equal stores",
            f"the stores of {known[1]} and {host.id} differ after {state.commit} operations",
        )

    def _in_place(self, host: Host, state: State, applied: list[tap.Applied]) -> None:
        """The copy in use changes by operations only; a transferred state is put together beside it."""
        store = state.store
        known = self.copies.get(host.id)
        if known is None or known[0] is not store:
            self.copies[host.id] = (store, dict(store.data.items()))
            return
        data = known[1]
        for by, _, operation, _ in applied:
            if by is store and operation.value is not None:
                data[operation.key] = operation.value
            elif by is store:
                data.pop(operation.key, None)
        demand(data == store.data, "copy in use", f"node {host.id}'s store changed, and not by an operation")

    def ended(self, host: Host) -> None:
        """A life is over: it holds nothing any more."""
        state = self.state(host.id)
        self.answers.pop((host.id, host.life), None)
        self.left.setdefault(((host.id, host.life), state.promised), self.world.steps)

    # Answers.

    def _reply(self, host: Host, state: State, reply: Reply, ballot: Ballot) -> None:
        asked = self.asked[reply.token]
        outcome = reply.outcome
        told = state.told
        demand(
            told is not None and told.member(host.id) is not None,
            "serving",
            f"node {host.id} answers a client outside the view it was told",
        )
        if isinstance(outcome, Written):
            self._written(host, state, asked, outcome, ballot)
        else:
            self._read(host, asked, outcome, ballot)

    def _written(self, host: Host, state: State, asked: Asked, outcome: Written, ballot: Ballot) -> None:
        position, event = outcome.result.position, asked.event
        assert isinstance(event, Put | Delete)
        self._on_all(host, ballot, position)
        if not self.watch.one_history:
            ordered = [ballot for ballot, start in state.lineage if start <= position]
            self.answered.append((host.id, ordered[-1], position))
        if event.idempotency_key:
            answer = ((type(event), event.key, getattr(event, "value", None)), outcome.result)
            known = self.named.setdefault(event.idempotency_key, answer)
            if self.watch.one_history:
                demand(known == answer, "exactly once", f"{event} got {answer[1]}, an earlier one {known[1]}")
        elif self.watch.one_history:
            demand(
                position >= asked.floor,
                "real time",
                f"a write at {position} began after {asked.floor} writes had happened",
            )
        if not self.watch.one_history:
            return
        kind = self.truth.kind(position)
        demand(kind is not None, "commit", f"a write is answered at {position}, which nobody has committed")
        demand(
            kind == outcome.result.kind,
            "answer",
            f"at {position}: {outcome.result.kind!r}, in truth {kind!r}",
        )
        self.acknowledged[ballot] = max(position + 1, self.acknowledged.get(ballot, 0))
        self.floor = max(self.floor, position + 1)

    def _on_all(self, host: Host, ballot: Ballot, position: int) -> None:
        """Invariant 2: what a client was told succeeded is in the log of every member."""
        demand(ballot in self.lives, "commit is everywhere", f"node {host.id} answers in no active ballot")
        for id_, life in self.lives[ballot].items():
            end = self.reached.get(((id_, life), ballot), 0)
            demand(
                end > position,
                "commit is everywhere",
                f"node {host.id} answers a write at {position}; the log of {id_} went to {end} in {ballot}",
            )

    def _read(self, host: Host, asked: Asked, outcome: Value | Listing, ballot: Ballot) -> None:
        """Nobody had left the ballot when the read arrived. A lease outlives its giver: then nobody had
        promised a higher one.
        """
        demand(ballot in self.lives, "confirmed read", f"node {host.id} answers a read in no active ballot")
        gone = self.sealed if self.leases else self.left
        for id_, life in self.lives[ballot].items():
            left = gone.get(((id_, life), ballot))
            demand(
                left is None or left >= asked.step,  # in that very step: the node itself, after its answer
                "confirmed read",
                f"node {host.id} answers a read that began at step {asked.step}; "
                f"node {id_} had left {ballot} at step {left}",
            )
        if not self.watch.one_history:
            return
        number = outcome.position
        demand(
            number >= asked.floor,
            "stale read",
            f"a read saw {number} writes, {asked.floor} had happened when it began",
        )
        if isinstance(outcome, Listing):
            seen = dict(outcome.items)
            demand(seen == self.truth.contents(number), "listing", f"not the contents after {number} writes")
        else:
            event = asked.event
            assert isinstance(event, Get)
            value = self.truth.value(event.key, number)
            demand(
                outcome.value == value,
                "value",
                f"{event.key!r} after {number} writes was {value!r}, read as {outcome.value!r}",
            )
        self.floor = max(self.floor, number)

    def _reject(self, reject: Reject) -> None:
        asked = self.asked[reject.token]
        if not reject.certain or asked.request is None or not isinstance(asked.event, Put | Delete):
            return
        demand(
            asked.request not in self.truth.requests,
            "not applied",
            f"({reject.token}) is called not applied and is committed",
        )
        self.truth.refused[asked.request] = reject.token

    # The end.

    def settled(self, view: View) -> None:
        """The faults are over and all is quiet: the members are equal, and what was lost was said."""
        members = [self.state(member.id) for member in view.members]
        one, *others = members
        for other in others:
            demand(
                (one.log.end, one.commit) == (other.log.end, other.commit) and one.commit == one.log.end,
                "equal logs",
                f"{one.id} ends with {one.log.end}/{one.commit}, "
                f"{other.id} with {other.log.end}/{other.commit}",
            )
            demand(
                digest_of(one.store) == digest_of(other.store),
                "equal stores",
                f"{one.id} and {other.id} differ at the end",
            )
        self._nothing_silent(one)
        if self.watch.one_history:
            count = max(self.acknowledged.values(), default=0)
            demand(one.commit >= count, "durability", "acknowledged writes are gone at the end")

    def _nothing_silent(self, state: State) -> None:
        """Each write that a client was told of is in the last log, or in what the members say was dropped."""
        stretches = [*state.lineage, (state.promised, state.log.end)]
        kept = {ballot: (start, end) for (ballot, start), (_, end) in pairwise(stretches)}
        for node, ballot, position in self.answered:
            start, end = kept.get(ballot, (0, 0))
            kept_here = start <= position < end
            said = any(first <= position < stop for first, stop in self.losses)
            demand(
                kept_here or said,
                "silent loss",
                f"the write at {position} in {ballot}, answered at node {node}, is gone and nobody says so",
            )


def digest_of(store: Store) -> bytes:
    """A digest of everything that a store remembers, the order of what it forgets first included."""
    digest = blake2b(digest_size=16)
    for key, value in sorted(store.data.items()):
        digest.update(b"%d:%b=%b;" % (len(key), key, value))
    for name, origin in store.origins.items():
        results = sorted(origin.results.items())
        digest.update(repr((name, origin.first_position, origin.settled, origin.last_position)).encode())
        digest.update(repr([(counter, int(kind), at) for counter, (kind, at) in results]).encode())
    for idempotency_key, (fingerprint, (kind, at)) in store.keys.items():
        digest.update(b"%b %b %d %d;" % (idempotency_key, fingerprint, kind, at))
    digest.update(b"%d %d" % (store.applied, store.evicted))
    return digest.digest()
