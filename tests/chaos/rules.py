"""What the outside owes (docs/protocol.md), as a ledger that every view, every kill and every word passes.

Whoever changes views asks here first, and so does whoever kills: a run that broke these rules would prove
nothing. The ledger knows no network and no time; everything in it happens under one lock, in one order.

Rule 1 is kept by *keepers*: nodes that are members of the last view known to be active and of every view
sent after it, and were not restarted since. A new view has one of them, and the last one is never killed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

Members = tuple[int, ...]


class RuleError(AssertionError):
    """The outside was about to break its word."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A view that was ordered. ``number`` counts all views, and is the epoch of a numbered one."""

    number: int
    members: Members
    epoch: int | None
    at: int
    """When it was ordered, on the ledger's own clock, which counts what is written down."""


@dataclass(frozen=True, slots=True)
class Errand:
    """One PUT of one view to one life of one node."""

    view: Issued
    node: int
    at: int


class Ledger:
    """The views that were ordered, who still carries the data, and which PUTs are under way."""

    def __init__(self, nodes: Iterable[int], *, numbered: bool) -> None:
        self._lock = threading.RLock()
        self.nodes: Members = tuple(sorted(nodes))
        self.numbered = numbered
        self.issued: list[Issued] = []
        self.keepers: frozenset[int] = frozenset(self.nodes)
        """All of the empty nodes at first: there is nothing to keep yet."""
        self.active = 0
        """How many views were seen to be active."""
        self._clock = 0
        self._last_death = 0
        self._born = dict.fromkeys(self.nodes, 0)
        self._dead: set[int] = set()
        self._told: dict[int, Errand] = {}
        self._open: set[Errand] = set()
        self._seen_active = 0

    @property
    def view(self) -> Issued | None:
        """The latest view."""
        with self._lock:
            return self.issued[-1] if self.issued else None

    def _now(self) -> int:
        self._clock += 1
        return self._clock

    # ---- views

    def why_not(self, members: Iterable[int]) -> str:
        """Why this view may not be ordered now; empty if it may."""
        with self._lock:
            wanted = frozenset(members)
            if not wanted <= frozenset(self.nodes):
                return "there is no such node"
            if not wanted & self.keepers:
                return f"none of {sorted(wanted)} carries the data over; {sorted(self.keepers)} do"
            if self.numbered and self.issued and not self.active:
                return "the first numbered view has to become active: only epoch 1 starts an empty store"
            if self._open:
                return f"a PUT that may not come late is still under way to {list(self.under_way())}"
            return ""

    def issue(self, members: Iterable[int]) -> Issued:
        """Order a view. Raises ``RuleError`` where that is not allowed."""
        with self._lock:
            wanted = tuple(sorted(set(members)))
            reason = self.why_not(wanted)
            if reason:
                raise RuleError(reason)
            number = len(self.issued) + 1
            view = Issued(number, wanted, number if self.numbered else None, self._now())
            self.issued.append(view)
            self.keepers &= frozenset(wanted)
            self._told.clear()
            return view

    def begin(self, view: Issued, node: int, life: int | None) -> Errand | None:
        """Before a PUT is sent; ``None`` if it may not be.

        ``life`` is what ``life(node)`` said before the connection was made. If it is the same now, the
        connection belongs to that life, and the PUT cannot reach the next one.
        """
        with self._lock:
            if life is None or life != self.life(node):
                return None
            if view is not self.issued[-1] and not self.may_be_late(view, node):
                return None
            errand = Errand(view, node, self._now())
            if not self.may_be_late(view, node):
                self._open.add(errand)
            return errand

    def may_be_late(self, view: Issued, node: int) -> bool:
        """Rules 3 and 4: a numbered view at a node that was running when it was ordered."""
        with self._lock:
            return self.numbered and self._born[node] < view.at

    def end(self, errand: Errand, *, answered: bool, may_arrive: bool = False) -> None:
        """After a PUT: whether it was answered 200, or may still arrive although nobody waits for it.

        One that may not be late, and may still arrive, stays under way until its node is killed.
        """
        with self._lock:
            if not may_arrive:
                self._open.discard(errand)
            if answered and errand.view is self.issued[-1] and self._born[errand.node] < errand.at:
                known = self._told.get(errand.node)
                if known is None or known.at < errand.at:
                    self._told[errand.node] = errand

    def told(self, node: int) -> Errand | None:
        """The last PUT by which this life of a node is known to have been told the latest view.

        To be asked for *before* the node is asked for its status, and brought to ``observe`` with the answer.
        """
        with self._lock:
            return self._told.get(node)

    def under_way(self) -> Members:
        """The nodes to which a PUT is under way that may not come late."""
        with self._lock:
            return tuple(sorted({errand.node for errand in self._open}))

    def counts(self, errand: Errand | None) -> bool:
        """Whether what a member says that was told the view by this PUT says something about all members.

        It does if the view is still the latest and no life has ended since before the PUT.
        """
        with self._lock:
            return (
                errand is not None
                and errand.view is self.issued[-1]
                and errand.node in errand.view.members
                and errand.at > self._last_death
            )

    def observe(self, errand: Errand | None) -> bool:
        """A member, asked after ``errand``, says that its view is active; whether its word counts.

        If it does, all members hold the data now.
        """
        with self._lock:
            if errand is None or not self.counts(errand):
                return False
            self.keepers = frozenset(errand.view.members) - self._dead
            if self._seen_active != errand.view.number:
                self._seen_active = errand.view.number
                self.active += 1
            return True

    @property
    def latest_is_active(self) -> bool:
        """Whether the latest view has been seen to be active."""
        with self._lock:
            return bool(self.issued) and self._seen_active == self.issued[-1].number

    # ---- lives

    def kill(self, node: int) -> bool:
        """Before a node is killed: whether it may be. From here on it carries nothing over."""
        with self._lock:
            if node in self._dead or not self.keepers - {node}:
                return False
            self.keepers -= {node}
            self._dead.add(node)
            self._told.pop(node, None)
            self._last_death = self._now()
            return True

    def dead(self, node: int) -> None:
        """After a node was killed: what was under way to that life will not arrive."""
        with self._lock:
            self._last_death = self._now()  # its last words are worth nothing
            self._open = {errand for errand in self._open if errand.node != node}

    def born(self, node: int) -> None:
        """Before a node is started again."""
        with self._lock:
            self._dead.discard(node)
            self._born[node] = self._now()

    def life(self, node: int) -> int | None:
        """Names the present life of a node; ``None`` if it has none."""
        with self._lock:
            return None if node in self._dead else self._born[node]
