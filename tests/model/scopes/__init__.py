"""The scopes, by what they are about. Those called ``fast-`` run with the tests, ``big-`` by hand.

A big scope stands beside the fast one that it grew from. What they cost stands in ``figures``.
"""

from __future__ import annotations

from . import leases, numbered, restarts, three, two

SCOPES = {
    scope.name: scope
    for scope in (*two.SCOPES, *restarts.SCOPES, *numbered.SCOPES, *three.SCOPES, *leases.SCOPES)
}
FAST = tuple(name for name in SCOPES if name.startswith("fast-"))
BIG = tuple(name for name in SCOPES if name.startswith("big-"))
