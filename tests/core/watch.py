"""What must be true of the whole cluster after every step: invariants 1 to 5 and 9 of ``docs/protocol.md``.

Looks at what the last step can have changed only, so that long runs stay affordable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pbproto import Ballot, Delete, Effect, Operation, Put, Reject, Reply, Send, Written
from pbproto.messages import Adopted, Promise, Replicate, Replicated
from pbproto.state import Lead, State
from pbproto.store import KEY_BYTES
from pbproto.values import RequestId

if TYPE_CHECKING:
    from .cluster import Cluster

    Life = tuple[int, int]

FEW = 50
"""Keys that are added up at each commit."""


@dataclass(slots=True)
class Seen:
    """What was seen of one life of one node after its last step."""

    promised: Ballot
    synced: Ballot | None = None
    end: int = 0
    commit: int = 0


@dataclass(slots=True)
class OneLog:
    """The operations that a ballot was ever seen with, by position, and the positions of their requests."""

    operations: dict[int, Operation] = field(default_factory=dict)
    requests: dict[RequestId, int] = field(default_factory=dict)

    def add(self, ballot: Ballot, position: int, operation: Operation) -> None:
        known = self.operations.setdefault(position, operation)
        assert known == operation, f"one log per ballot: {ballot} has {known} and {operation} at {position}"
        first = self.requests.setdefault(operation.request, position)
        assert first == position, f"exactly once: {operation.request} stands at {first} and at {position}"


@dataclass(slots=True)
class Watch:
    """Remembers what was seen, and compares."""

    seen: dict[Life, Seen] = field(default_factory=dict)
    logs: dict[Ballot, OneLog] = field(default_factory=dict)
    leads: dict[Ballot, Life] = field(default_factory=dict)
    committed: dict[int, Operation] = field(default_factory=dict)
    """The one history of the cluster. Two halves that were ordered to write on their own have two."""
    one_history: bool = True
    most: int = 0
    """Operations that were committed at most, anywhere."""
    sought: int = 0
    """Steps at the end of which a node that was going to propose was copying another one's state first."""
    sizes: dict[Ballot, int] = field(default_factory=dict)
    """How large the data was when a primary was first seen to lead."""
    refused_values: dict[bytes, int] = field(default_factory=dict)
    """Values of writes that were certainly not applied, with their tokens; tests use each value once, but for
    the empty one."""

    def after(self, cluster: Cluster, id_: int, effects: Iterable[Effect]) -> None:
        """Check the node that has just made a step, against all that is known."""
        state = cluster.state(id_)
        life = (id_, state.incarnation)
        seen = self.seen.setdefault(life, Seen(state.promised))
        assert state.promised >= seen.promised, f"node {id_} went back on its promise"
        self._messages(seen, effects)
        self._log(cluster, id_, seen)
        self._commit(cluster, id_, seen)
        self.most = max(self.most, state.commit)
        self._copy(cluster, id_)
        if (state.commit, state.synced) != (seen.commit, seen.synced):
            count(state)
        if state.lead is not None:
            self._bound(state, state.lead)
            leader = self.leads.setdefault(state.lead.ballot, life)
            assert leader == life, f"{state.lead.ballot} has the primaries {leader} and {life}"
            self._everywhere(cluster, id_)
        self._answers(cluster, effects)
        seen.promised, seen.synced, seen.end, seen.commit = (
            state.promised,
            state.synced,
            state.log.end,
            state.commit,
        )

    def _messages(self, seen: Seen, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Send):
                continue
            message = effect.message
            if isinstance(message, Replicated | Adopted | Promise):
                assert message.ballot >= seen.promised, f"seal: {seen.promised} is promised, {message} said"
            if isinstance(message, Replicate):
                log = self.logs.setdefault(message.ballot, OneLog())
                for position, operation in enumerate(message.operations, message.first):
                    log.add(message.ballot, position, operation)

    def _log(self, cluster: Cluster, id_: int, seen: Seen) -> None:
        state = cluster.state(id_)
        if state.synced is None:
            return
        log = self.logs.setdefault(state.synced, OneLog())
        first = state.log.start
        if seen.synced == state.synced:
            assert state.log.end >= seen.end, f"the log of {state.synced} got shorter at node {id_}"
            first = max(first, seen.end)
        for position in range(first, state.log.end):
            log.add(state.synced, position, state.log[position])

    def _commit(self, cluster: Cluster, id_: int, seen: Seen) -> None:
        state = cluster.state(id_)
        if not self.one_history or state.synced is None:
            return
        log = self.logs[state.synced].operations
        # A new copy of the state may come with a commit that lies lower, or much higher.
        first = seen.commit if seen.synced == state.synced else 0
        for position in range(first, state.commit):
            operation = log.get(position)
            if operation is not None:
                known = self.committed.setdefault(position, operation)
                assert known == operation, f"committed at {position}: {known}, at node {id_}: {operation}"
                if operation.value:
                    token = self.refused_values.get(operation.value)
                    assert token is None, f"{operation.value!r} of token {token} was 'certainly not applied'"

    def _copy(self, cluster: Cluster, id_: int) -> None:
        """A learner holds nothing that was not committed anywhere."""
        state = cluster.state(id_)
        learning = state.learning
        if learning is None:
            return
        self.sought += state.seeking is not None
        copy = learning.copy
        if copy is not None:
            assert copy.applied <= self.most, f"node {id_} copied {copy.applied} of {self.most} operations"

    def _bound(self, state: State, lead: Lead) -> None:
        """The data grows up to the bound of who orders it, and not above what there was."""
        size, bound = state.store.data_bytes, state.config.max_data_bytes
        most = max(bound, self.sizes.setdefault(lead.ballot, size))
        assert not bound or size <= most, f"node {state.id} let the data grow to {size} bytes of {most}"

    def _everywhere(self, cluster: Cluster, id_: int) -> None:
        state = cluster.state(id_)
        lead = state.lead
        assert lead is not None
        for backup in lead.backups.values():
            replica = cluster.replicas.get(backup.member.id)
            if replica is None or replica.state.incarnation != backup.incarnation:
                continue
            other = replica.state
            assert other.synced is not None
            assert other.synced >= lead.ballot, f"{backup.member.id} does not hold {lead.ballot}"
            if other.synced == lead.ballot:
                assert other.log.end >= backup.acked >= state.commit, f"{backup.member.id} lacks what counts"

    def _answers(self, cluster: Cluster, effects: Iterable[Effect]) -> None:
        for effect in effects:
            if not isinstance(effect, Reply | Reject):
                continue
            event = cluster.asked[effect.token].event
            if isinstance(effect, Reject):
                # The same key on a repeated request makes them one; what was refused may have been the copy.
                if effect.certain and isinstance(event, Put) and not event.idempotency_key:
                    self.refused_values[event.value] = effect.token
            elif isinstance(effect.outcome, Written) and self.one_history:
                assert isinstance(event, Put | Delete)
                operation = self.committed.get(effect.outcome.result.position)
                if operation is not None:
                    value = event.value if isinstance(event, Put) else None
                    assert (operation.key, operation.value) == (event.key, value), (effect, operation)


def count(state: State) -> None:
    """The size of the data is the sum that it is said to be; of many keys it is added up now and then."""
    data = state.store.data
    if len(data) > FEW and state.commit % 16:
        return
    counted = sum(KEY_BYTES + len(key) + len(value) for key, value in data.items())
    assert state.store.data_bytes == counted, f"node {state.id} counts {state.store.data_bytes} of {counted}"
