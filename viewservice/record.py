"""What is written down before it is done: the one thing that the service must not forget."""

from __future__ import annotations

from dataclasses import dataclass

from pbproto import Member

Life = tuple[int, int]
"""A node's id and the incarnation in which it was seen."""
CAUSES = ("first", "adopted", "failure", "spare", "size", "switchover", "remove", "force")
"""Why a view is decided: it is the first; it was there before the service; somebody is unfit; it was too
small, or too large; a person wants it."""


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
    """No node with a lower id is taken in by itself: it would lead, and a person has switched over from it.

    That lasts until the primary leaves the view (``choosing.floor_with``), or the node is added again.
    """
    paused: bool = False
    """Nothing is changed by itself."""
    paused_by: str = ""
    """Who has ordered that, and when, in words."""
    why: str = ""
    """In words, for people."""
    cause: str = ""
    """Why there is this view, for programs: one of ``CAUSES``."""

    def node(self, id_: int) -> Member | None:
        """The node with this id, also one that is leaving."""
        return next((node for node in (*self.nodes, *self.leaving) if node.id == id_), None)

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the view's members, in order; the first is the primary's."""
        return tuple(member.id for member in self.members)

    @property
    def kept_out(self) -> tuple[int, ...]:
        """The ids of nodes that stay outside because of a switchover."""
        return tuple(node.id for node in self.nodes if node.id < self.floor and node.id not in self.ids)

    @property
    def notice(self) -> str:
        """Who stays outside, and how they come back; empty if nobody does."""
        out = [str(id_) for id_ in self.kept_out]
        if not out:
            return ""
        who = f"node {out[0]} stays" if len(out) == 1 else f"nodes {', '.join(out)} stay"
        words = ", ".join(f"`add {id_}`" for id_ in out)
        return (
            f"{who} outside since a switchover: until added again ({words}), or until node {self.ids[0]}"
            " leaves the view (the member with the lowest id is the primary)"
        )


EMPTY = Record()
"""What is there before anything was written."""
