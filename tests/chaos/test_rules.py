"""What the outside owes: the ledger forbids what would break a rule, and believes no empty word."""

from __future__ import annotations

import pytest

from .rules import Errand, Issued, Ledger, RuleError

ALL = (0, 1, 2)


def ledger(*, numbered: bool = False) -> Ledger:
    """A ledger whose first view, of all, is active."""
    made = Ledger(ALL, numbered=numbered)
    activate(made, ALL)
    return made


def tell(book: Ledger, view: Issued, node: int, *, answered: bool = True, may_arrive: bool = False) -> Errand:
    errand = book.begin(view, node, book.life(node))
    assert errand is not None
    book.end(errand, answered=answered, may_arrive=may_arrive)
    return errand


def activate(book: Ledger, members: tuple[int, ...]) -> Issued:
    view = book.issue(members)
    for node in members:
        tell(book, view, node)
    assert book.observe(book.told(members[0]))
    return view


def test_each_view_has_a_member_of_all_since_the_last_active() -> None:
    """Goal: rule 1. Method: {0,1,2} is active, {0,1} and {1,2} are ordered, not active: only 1 is left."""
    book = ledger()
    book.issue((0, 1))
    book.issue((1, 2))
    assert book.keepers == {1}
    assert "carries the data over" in book.why_not((0, 2))
    with pytest.raises(RuleError):
        book.issue((0, 2))
    assert book.issue((1,)).members == (1,)


def test_activity_renews_the_keepers() -> None:
    """Goal: once a view is active all its members carry the data, and nobody else."""
    book = ledger()
    activate(book, (1, 2))
    assert book.keepers == {1, 2}
    activate(book, ALL)
    assert book.keepers == {0, 1, 2}


def test_last_keeper_is_never_killed() -> None:
    """Goal: a kill that would lose the data is refused, and changes nothing; any other is not."""
    book = ledger()
    assert book.kill(0)
    assert book.kill(1)
    assert not book.kill(1), "it is dead already"
    assert not book.kill(2)
    assert book.keepers == {2}
    book.dead(0)
    book.born(0)
    assert not book.kill(2), "a life that began again holds nothing"
    assert "carries the data over" in book.why_not((0, 1))


def test_word_from_before_a_death_counts_for_nothing() -> None:
    """Goal: "active" makes keepers of all members only if the view was told after the last death.

    Method: told, then another member is killed; the same word, while it dies and after; told again.
    """
    book = ledger()
    view = book.issue(ALL)
    for node in ALL:
        tell(book, view, node)
    errand = book.told(0)
    assert book.kill(2)
    assert not book.observe(errand)
    dying = tell(book, view, 0)
    assert book.observe(dying)
    assert book.keepers == {0, 1}, "who is being killed is no keeper"
    book.dead(2)
    assert not book.observe(dying)
    book.born(2)
    assert book.keepers == {0, 1}
    assert book.observe(tell(book, view, 2))
    assert book.keepers == {0, 1, 2}


def test_word_of_another_view_or_of_no_member_counts_for_nothing() -> None:
    """Goal: only a member, told the latest view, proves anything; a word without a PUT does not."""
    book = ledger()
    old = book.told(0)
    view = book.issue((1, 2))
    assert not book.observe(old)
    assert not book.observe(None)
    assert book.told(1) is None
    assert not book.observe(tell(book, view, 0))
    assert not book.latest_is_active
    assert book.observe(tell(book, view, 1))
    assert book.active == 2


def test_unanswered_put_proves_nothing() -> None:
    """Goal: a view is not called active by a member that may not have heard of it."""
    book = ledger(numbered=True)
    view = book.issue(ALL)
    tell(book, view, 0, answered=False, may_arrive=True)
    assert book.told(0) is None


def test_no_view_while_an_unnumbered_put_may_still_arrive() -> None:
    """Goal: rule 3. Method: a PUT under way, one whose answer was lost, and the death of its node."""
    book = ledger()
    view = book.issue((0, 1))
    errand = book.begin(view, 1, book.life(1))
    assert errand is not None
    assert "under way to [1]" in book.why_not(ALL)
    book.end(errand, answered=False, may_arrive=True)
    assert book.under_way() == (1,)
    with pytest.raises(RuleError):
        book.issue(ALL)
    assert book.kill(1)
    assert book.why_not((0,)), "it is not dead yet"
    book.dead(1)
    assert book.issue((0,)).number == 3


def test_old_unnumbered_view_is_never_sent() -> None:
    """Goal: rule 3, seen from the errand: an earlier view has no PUT any more."""
    book = ledger()
    old = book.issue((0, 1))
    book.issue((0,))
    assert book.begin(old, 0, book.life(0)) is None


def test_numbered_puts_may_be_late_at_nodes_that_were_running() -> None:
    """Goal: rule 3 and 4 for numbered views: late where the node was there when the view was ordered only."""
    book = ledger(numbered=True)
    old = book.issue((0, 1))
    tell(book, old, 1, answered=False, may_arrive=True)
    assert book.why_not(ALL) == ""
    assert book.kill(2)
    book.dead(2)
    latest = book.issue((0, 1))
    book.born(2)
    assert [view.epoch for view in (old, latest)] == [2, 3]
    assert book.begin(old, 1, book.life(1)) is not None
    assert book.begin(old, 2, book.life(2)) is None


def test_restarted_node_is_told_the_latest_view_only() -> None:
    """Goal: rule 4: while a PUT to a life that began after its view is under way, no other view follows."""
    book = ledger(numbered=True)
    assert book.kill(2)
    book.dead(2)
    view = book.issue((0, 1, 2))
    book.born(2)
    errand = book.begin(view, 2, book.life(2))
    assert errand is not None
    assert not book.may_be_late(view, 2)
    assert book.may_be_late(view, 1)
    assert book.why_not((0, 1))
    book.end(errand, answered=True)
    assert not book.why_not((0, 1))


def test_put_goes_to_the_life_it_was_meant_for() -> None:
    """Goal: a connection made to one life of a node is never used for the next one."""
    book = ledger()
    view = book.issue(ALL)
    life = book.life(1)
    assert book.kill(1)
    assert book.begin(view, 1, life) is None
    book.dead(1)
    book.born(1)
    assert book.begin(view, 1, life) is None
    assert book.begin(view, 1, None) is None
    errand = book.begin(view, 1, book.life(1))
    assert errand is not None
    assert book.kill(1)
    book.dead(1)
    book.born(1)
    book.end(errand, answered=True)
    assert book.told(1) is None


def test_first_numbered_view_comes_first() -> None:
    """Goal: only epoch 1 starts an empty store, so nothing is ordered before it is active."""
    book = Ledger(ALL, numbered=True)
    book.issue(ALL)
    assert "epoch 1" in book.why_not((0, 1))
    assert Ledger(ALL, numbered=False).why_not((0,)) == ""
    assert book.why_not((0, 7)) == "there is no such node"
