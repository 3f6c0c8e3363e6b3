"""Who arrives in a step: one client, or several at once; and which of them were let in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pbproto import Batch, Effect, Event, Reason, Reject
from pbproto.events import Request

DOOR = (Reason.CLOSING, Reason.NO_VIEW, Reason.OUTSIDE, Reason.OVERLOADED)
"""What a client is told that is turned away at the door, and nobody else in a step of arrivals."""


def requests_of(event: Event) -> tuple[Request, ...]:
    """The clients' requests in an event, in order."""
    if isinstance(event, Batch):
        return event.requests
    return (event,) if isinstance(event, Request) else ()


def arrivals(event: Event, effects: Iterable[Effect], first: int) -> Iterator[tuple[Request, int | None]]:
    """Each request with its number at this node, or ``None`` for one that was turned away at the door.

    ``first`` is the number that the node gives next. Whoever is turned away gets none.
    """
    turned_away = {effect.token for effect in effects if isinstance(effect, Reject) and effect.reason in DOOR}
    for request in requests_of(event):
        if request.token in turned_away:
            yield request, None
        else:
            yield request, first
            first += 1
