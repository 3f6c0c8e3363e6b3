"""How the outside behaves, what it knows of each node, and how it tells a view to one."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from .line import Line, LostError, NotConnectedError, Open
from .rules import Issued, Ledger

LOOK_TIMEOUT = 0.7
"""Seconds that a node may take to say how it is; a PUT that may be late may take as long."""
LONG = 600.0
"""Seconds that any other PUT is waited for: longer than any fault."""


@dataclass(slots=True)
class Sight:
    """What the outside knows of one node, and wants of it."""

    line: Line
    seen_at: float = 0.0
    view: dict[str, Any] = field(default_factory=dict)
    """What it last said; empty if it did not answer the last time."""
    tell: bool = False
    """Whether it is to be told the latest view, though it may have been told it before."""
    tell_at: float = 0.0
    """When it may be told: some hear of a view later than others."""
    restart_at: float = 0.0
    shunned: int = 0
    """How often in a row it was left out because views with it did not work."""
    shunned_until: float = 0.0
    put: Future[bool] | None = None
    put_view: Issued | None = None
    """The PUT under way, and what it tells."""
    put_since: float = 0.0


@dataclass(frozen=True, slots=True)
class Manners:
    """How the outside behaves. Seconds and probabilities."""

    patience: float = 1.0
    """How long a node may be silent, or complained about, before it is left out."""
    whims: float = 0.02
    """How often, each time it looks, it changes the view for no reason."""
    late: float = 0.3
    """How many nodes hear of a view later than the others."""
    again: float = 0.01
    """How often a node is told a numbered view, perhaps an old one, once more."""
    pause: float = 0.1


def put(ledger: Ledger, open_: Open, body: object, view: Issued, node: int, counts: Counter[str]) -> bool:
    """Tell one node one view; whether it said yes. What may not come late is waited for.

    Raises ``AssertionError`` if the node does not take what it has to take.
    """
    life = ledger.life(node)
    line = Line(open_, LOOK_TIMEOUT)
    try:
        line.connect()
        errand = ledger.begin(view, node, life)
        if errand is None:
            return False
        patience = LOOK_TIMEOUT if ledger.may_be_late(view, node) else LONG
        try:
            answer = line.ask("PUT", "/view", body, patience=patience, connected=True)
        except LostError:
            counts["PUTs without an answer"] += 1
            ledger.end(errand, answered=False, may_arrive=True)
            return False
        ledger.end(errand, answered=answer.status == 200)
        late = view is not ledger.view
        counts["late PUTs" if late else "PUTs"] += 1
        if answer.status != 200 and not (answer.status == 409 and ledger.numbered and late):
            raise AssertionError(f"PUT {body} to node {node}: {answer.status} {answer.body!r}")
        return answer.status == 200
    except NotConnectedError:
        return False
    finally:
        line.close()
