"""What a new view begins with, decided from the promises of all its members."""

from __future__ import annotations

from .errors import ensure
from .lineage import MAX_LINEAGE, agreement, passed_through
from .messages import Lineage, Promise
from .state import Base, Proposal
from .values import Ballot, Dropped

SPLIT = "members hold operations of different histories"
LOST = (
    "no member holds the state, and the epoch says that there was one: "
    "it must be elsewhere (epoch 1 starts a new, empty store)"
)


def choose(proposal: Proposal, numbered: bool) -> Base | str:
    """The base of the view, or why there is none. ``Base.history`` is 0 where the view starts empty.

    Only members with the highest ``synced`` count. A ballot is synced only after all its members sealed
    whatever was before, so a lower one may lack what the higher one committed; counting the longest log
    among all members instead would let a mere leftover win.
    """
    promises = proposal.promises
    histories = [promise.history for _, promise in promises.values() if promise.log_end]
    if any(history != histories[0] for history in histories):
        return SPLIT
    synced = [promise.synced for _, promise in promises.values() if promise.synced is not None]
    if not synced:
        if numbered and proposal.ballot.epoch > 1:
            return LOST
        return Base(proposal.ballot.primary, 0, 0, (), ())
    highest = max(synced)
    source, end = _source(proposal, highest)
    chosen = promises[source][1]
    lineage = tuple(stretch for stretch in chosen.lineage if stretch[1] <= end)
    dropped = tuple(
        loss
        for id_, (life, promise) in sorted(promises.items())
        if (loss := _loss(id_, life, promise, lineage, end)) is not None
    )
    return Base(source, end, chosen.history, lineage, dropped)


def _source(proposal: Proposal, highest: Ballot) -> tuple[int, int]:
    """Which member holds the base, and where it ends."""
    holders = {id_: it for id_, it in proposal.promises.items() if it[1].synced == highest}
    was_primary = holders.get(highest.primary)
    if was_primary is not None and was_primary[0] == highest.incarnation:
        # It alone acknowledged anything in that ballot, and it knows how far: the rest never happened.
        # Not below the base its ballot began with: it may have been installed and never become active.
        promise = was_primary[1]
        return highest.primary, max(promise.commit, promise.base)
    # Its primary is gone, and any operation that all members hold may have been acknowledged.
    end = max(promise.log_end for _, promise in holders.values())
    longest = [id_ for id_, (_, promise) in sorted(holders.items()) if promise.log_end == end]
    own = proposal.ballot.primary
    return (own if own in longest else longest[0]), end


def _loss(id_: int, life: int, promise: Promise, lineage: Lineage, end: int) -> Dropped | None:
    """Operations of a member that were, or may have been, acknowledged and that the base lacks.

    That happens only where two views were both given to halves of a cluster, both wrote, and are joined.
    """
    synced = promise.synced
    if synced is None:
        return None
    if len(lineage) == MAX_LINEAGE and synced < lineage[0][0]:
        return None  # older than all that the base's lineage remembers: it was away, it did not part
    kept = agreement(promise.lineage, promise.log_end, lineage, end)
    bound = promise.commit
    was_primary = (synced.primary, synced.incarnation) == (id_, life)
    if not was_primary and not passed_through(lineage, synced):
        # The base does not come from this ballot, and a backup does not know what its primary acknowledged.
        bound = promise.log_end
    ensure(kept <= promise.log_end, "logs agree at most as far as they go")
    return Dropped(id_, kept, bound) if bound > kept else None
