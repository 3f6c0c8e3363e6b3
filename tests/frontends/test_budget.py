"""Long bodies share a number of bytes; short ones are not counted."""

from __future__ import annotations

from frontends.common.budget import SHORT, Budget, Share


def test_a_share_finds_no_room_beside_another() -> None:
    """Two bodies of which only one has room: the second gets it when the first has ended."""
    budget = Budget(3 * SHORT)
    one, other = Share(budget), Share(budget)
    assert one.need(2 * SHORT)
    assert not other.need(2 * SHORT)
    one.end()
    assert other.need(2 * SHORT)
    assert not one.need(2 * SHORT)


def test_a_share_grows() -> None:
    """A body whose length nobody said takes what it has so far, and may find no room later."""
    budget = Budget(10 * SHORT)
    one, other = Share(budget), Share(budget)
    assert other.need(4 * SHORT)
    assert all(one.need(size * SHORT) for size in range(1, 7))
    assert one.need(2 * SHORT)  # as much as it had before
    assert not one.need(7 * SHORT)
    other.end()
    assert one.need(10 * SHORT)


def test_short_bodies_are_not_counted() -> None:
    """What a server buffers anyway needs no room."""
    budget = Budget(2 * SHORT)
    assert Share(budget).need(2 * SHORT)
    assert all(Share(budget).need(SHORT) for _ in range(100))
    assert not Share(budget).need(SHORT + 1)


def test_one_body_always_passes() -> None:
    """However small the limit is, a body that is allowed is not turned away for ever."""
    budget = Budget(1)
    share = Share(budget)
    assert share.need(100 * SHORT)
    share.end()
    share.end()
    assert Share(budget).need(100 * SHORT)
