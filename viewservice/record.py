"""What is written down before it is done: the one thing that the service must not forget."""

from __future__ import annotations

from dataclasses import dataclass

from pbproto import Member

Life = tuple[int, int]
"""A node's id and the incarnation in which it was seen."""


@dataclass(frozen=True, slots=True)
class Record:
    """The last view that was decided, and what the next one has to rest on.

    It is replaced as a whole, and only if nobody replaced it since it was read (compare and set by
    ``version``). So there is one sequence of records, each made by somebody who knew the one before, and
    each view number stands in one of them for the first time: no two views have the same number.
    """

    version: int = 0
    """How often it was written; 0: never."""
    epoch: int = 0
    """The number of the view; 0: there was none yet."""
    members: tuple[Member, ...] = ()
    lives: tuple[Life, ...] = ()
    """Whom the view may be told: nodes in a life that was seen before the view was written down.

    A life that began later has forgotten what it promised, and to it any view but the latest is a wrong
    order (docs/protocol.md, *What the outside owes*, 4). Members that have no life here are dead.
    """
    carriers: tuple[Life, ...] = ()
    """Members, in these lives, of the last view that was known to be active and of every view since.

    One of them, in that life, has to be in the next view (the same, 1).
    """
    nodes: tuple[Member, ...] = ()
    """All nodes there are, members and spares, in order of id."""
    leaving: tuple[Member, ...] = ()
    """Nodes that a person has removed, and that are still told so."""
    size: int = 1
    """How many members a view should have."""
    floor: int = 0
    """No node with a lower id is taken in by itself: someone has switched over from it to this one."""
    paused: bool = False
    """Nothing is changed by itself."""
    why: str = ""
    """In words, for people."""

    def node(self, id_: int) -> Member | None:
        """The node with this id, also one that is leaving."""
        return next((node for node in (*self.nodes, *self.leaving) if node.id == id_), None)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the view's members, in order; the first is the primary's."""
        return tuple(member.id for member in self.members)


EMPTY = Record()
"""What is there before anything was written."""
