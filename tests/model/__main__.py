"""``python -m tests.model``: search a scope, say what was found, exit 1 if anything is wrong.

Wrong is a violation, a property that is not seen, and figures other than those that are pinned.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Sequence

import pbproto
import progress

from .explorer import Found, Search
from .figures import COST, PINNED, Figures
from .scope import Scope
from .scopes import FAST, SCOPES
from .words import tell


class Watcher:
    """Shows at a terminal how far the searches are."""

    def __init__(self, bar: progress.Bar, names: Sequence[str]) -> None:
        self._bar = bar
        self._names = names
        self._before = 0
        """States that the scopes before this one were expected to have."""

    def __call__(self, found: Found) -> None:
        name = found.scope.name
        place = f" ({self._names.index(name) + 1} of {len(self._names)})" * (len(self._names) > 1)
        self._bar.reach(
            self._before + found.states,
            f"{name}{place}: depth {found.depth}, {found.frontier:,} to follow, {memory():,} MiB",
        )

    def ended(self, states: int) -> None:
        """The next scope follows, after one of which so many states were expected."""
        self._before += states
        self._bar.reach(self._before)


def expected(name: str, asked: argparse.Namespace) -> int | None:
    """How many states a search will meet, if that is known."""
    as_it_is = asked.depth is None and not asked.plain
    states = PINNED[name][1] if as_it_is and name in PINNED else None
    most: int | None = asked.max_states
    if states is None or most is None:
        return states if most is None else most
    return min(states, most)


def memory() -> int:
    """The most memory this process had so far, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def summary(found: Found, seconds: float) -> str:
    """The last line: what was searched, and how far."""
    scope = found.scope
    what = {
        "exhausted": "exhausted",
        "bounded": f"bounded: everything up to {found.depth} actions",
        "limit": f"stopped: everything up to {found.depth} actions, and a part of those one longer",
        "violation": f"VIOLATION of {found.check!r} after {found.depth} actions: {found.text}",
        "unseen": f"NOT SEEN: {', '.join(found.unseen)}",
    }[found.verdict]
    caps = f", {found.cut:,} steps beyond the caps not followed" if found.cut else ""
    return (
        f"{scope.name}: {what}; {found.states:,} states, {found.edges:,} actions, depth {found.depth}"
        f"{caps}, {seconds:.1f} s of CPU, {memory():,} MiB"
    )


TABLE = (
    "| scope | nodes | clients, requests | views | timers | restarts | stops | again | | states | actions "
    "| CPU |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def row(scope: Scope) -> str:
    """What a scope lets happen, and what it comes to, as a line of a table."""
    requests = [ask for asks in scope.clients for ask in asks]
    verdict, states, actions, depth = PINNED.get(scope.name, ("not searched yet", 0, 0, 0))
    far = f"up to {depth} actions" if verdict == "bounded" else verdict
    numbered = ", numbered" if any(order.epoch for order in scope.orders) else ""
    return (
        f"| `{scope.name}` | {scope.nodes} | {len(scope.clients)}, {len(requests)} "
        f"| {len(scope.orders)}{numbered} | {scope.timers} | {scope.crashes} | {scope.closes} "
        f"| {scope.again} | {far} | {states:,} | {actions:,} | {COST.get(scope.name, '')} |"
    )


def differs(found: Found, expected: Figures | None) -> str:
    """How the figures differ from those that are pinned, in words; nothing if they do not."""
    if expected is None or found.pinned == expected:
        return ""
    return "NOT AS PINNED: {}, {:,} states, {:,} actions, depth {}".format(*expected)


def document(search: Search, seconds: float) -> dict[str, object]:
    """The result for a program."""
    found, nodes = search.found, search.universe.nodes
    return {
        "scope": found.scope.name,
        "verdict": found.verdict,
        "check": found.check,
        "text": found.text,
        "states": found.states,
        "actions": found.edges,
        "depth": found.depth,
        "cut": found.cut,
        "frontier": found.frontier,
        "seen": found.seen,
        "unseen": list(found.unseen),
        "path": list(tell(search.universe, found.path, found.check)) if found.check else [],
        "node_states": len(nodes.facts),
        "node_steps": nodes.computed,
        "messages": len(nodes.events),
        "histories": len(search.universe.histories.met),
        "cpu_seconds": round(seconds, 2),
        "memory_mib": memory(),
        "package": pbproto.__file__,
    }


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="show the scopes and what each is about")
    what.add_argument("--table", action="store_true", help="show what each lets happen, as in the documents")
    what.add_argument(
        "--scope", action="append", metavar="NAME", choices=sorted(SCOPES), help="search this one"
    )
    what.add_argument("--all-fast", action="store_true", help="search all that run with the tests")
    parser.add_argument("--depth", type=int, help="end after this many actions, whatever the scope says")
    parser.add_argument("--max-states", type=int, help="stop at about this many states")
    parser.add_argument(
        "--stop", action="store_true", help="end with the first scope that is not as it should be"
    )
    parser.add_argument("--plain", action="store_true", help="without the two reductions of the search")
    parser.add_argument("--explain", action="store_true", help="show the nodes along the path of a violation")
    parser.add_argument("--seen", action="store_true", help="show what was seen, and at which depth first")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each scope")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    asked = options(arguments)
    if asked.list:
        for scope in SCOPES.values():
            print(f"{scope.name:26} {scope.about}")
        return 0
    if asked.table:
        print("\n".join((TABLE, *map(row, SCOPES.values()))))
        return 0
    names = FAST if asked.all_fast else asked.scope
    states = [expected(name, asked) for name in names]
    status = 0
    with progress.bar(None if None in states else sum(filter(None, states)), "states") as bar:
        watcher = Watcher(bar, names)
        for name, each in zip(names, states, strict=True):
            status = max(status, run(name, asked, bar, watcher))
            watcher.ended(each or 0)
            if status and asked.stop:
                break
    return status


def run(name: str, asked: argparse.Namespace, bar: progress.Bar, watcher: Watcher) -> int:
    """Search one scope and print what was found; the exit status.

    A search that was asked to be another one than the scope's own is not held to the pinned figures.
    """
    start = time.process_time()
    search = Search(SCOPES[name], watcher, asked.plain)
    found = search.run(max_states=asked.max_states, depth=asked.depth)
    seconds = time.process_time() - start
    as_it_is = asked.depth is None and asked.max_states is None and not asked.plain
    difference = differs(found, PINNED.get(name) if as_it_is else None)
    with bar.aside():
        report(search, seconds, asked)
        if difference:
            print(f"{name}: {difference}", file=sys.stderr if asked.json else sys.stdout)
    return 1 if found.verdict in ("violation", "unseen") or difference else 0


def report(search: Search, seconds: float, asked: argparse.Namespace) -> None:
    """Print what was found."""
    found = search.found
    if asked.json:
        print(json.dumps(document(search, seconds)))
        return
    if found.check:
        for line in tell(search.universe, found.path, found.check, asked.explain):
            print(line)
    if asked.seen:
        for seen, depth in sorted(found.seen.items(), key=lambda item: item[1]):
            print(f"  {seen} at depth {depth}")
    print(summary(found, seconds))


if __name__ == "__main__":
    sys.exit(main())
