"""The invariants that every step ends with: each one stops the node when it is broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbproto import Ballot, InvariantError
from pbproto.state import Follow, State, Waiting, check

from .cluster import Cluster, view


def leading() -> State:
    """A primary with one committed operation, out of a cluster."""
    cluster = Cluster((0, 1))
    cluster.install((0, 1))
    cluster.put(0, b"k", b"v")
    cluster.run()
    return cluster.state(0)


def _apply_too_much(state: State) -> None:
    state.store.applied += 1


def _commit_beyond_the_log(state: State) -> None:
    state.commit += 1
    state.store.applied += 1


def _trim_too_much(state: State) -> None:
    state.log.start += 5


def _sync_too_high(state: State) -> None:
    state.synced = Ballot(99, 0, 0, 1)


def _active_and_not_synced(state: State) -> None:
    state.lead = None
    state.synced = None


def _two_roles(state: State) -> None:
    state.follow = Follow(view((0, 1)).primary)


def _lead_an_old_ballot(state: State) -> None:
    assert state.lead is not None
    state.lead.ballot = Ballot(0, 0, 0, 1)


def _count_what_is_not_there(state: State) -> None:
    assert state.lead is not None
    state.lead.backups[1].acked = 0


@pytest.mark.parametrize(
    "damage",
    [
        _apply_too_much,
        _commit_beyond_the_log,
        _trim_too_much,
        _sync_too_high,
        _active_and_not_synced,
        _two_roles,
        _lead_an_old_ballot,
        _count_what_is_not_there,
    ],
)
def test_a_broken_invariant_stops_the_node(damage: Callable[[State], None]) -> None:
    """Rather stop than lie: damage a healthy state in one way, and check it."""
    state = leading()
    check(state)
    damage(state)
    with pytest.raises(InvariantError):
        check(state)


def test_the_low_water_mark_is_the_oldest_that_waits() -> None:
    """Every request below it was answered: look with nobody and with somebody waiting."""
    waiting = Waiting(next_counter=5)
    assert waiting.settled == 5
    waiting.arrivals.append((3, 0))
    assert waiting.settled == 3


def test_every_member_has_what_counts_as_operations() -> None:
    """A history without operations counts as none: look at a node before and after its first one."""
    cluster = Cluster((0,))
    cluster.install((0,))
    assert not cluster.state(0).has_operations
    cluster.put(0, b"k", b"v")
    assert cluster.state(0).has_operations
