"""Makes a failing run small: the shortest prefix and the fewest faults that still fail in the same way.

Every attempt is one whole run of a smaller plan. No clock and no chance: the same failing run and the same
budget give the same small run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .plan import Ask, Change, Fault, Item, Plan
from .reduce import reduce
from .run import Outcome, run
from .simplify import simpler, squeezed, without_node
from .violation import Violation


@dataclass(frozen=True, slots=True)
class Size:
    """What there is to understand in a run."""

    asks: int
    changes: int
    faults: int
    message_faults: int
    nodes: int
    steps: int

    def __str__(self) -> str:
        return (
            f"{self.asks} asks, {self.changes} views, {self.faults} faults, "
            f"{self.message_faults} message faults, {self.nodes} nodes, {self.steps} steps"
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it got."""

    runs: int
    budget: int
    doing: str
    size: Size


def size_of(outcome: Outcome) -> Size:
    """The size of a run."""
    items = outcome.plan.items
    return Size(
        sum(isinstance(item, Ask) for item in items),
        sum(isinstance(item, Change) for item in items),
        sum(isinstance(item, Fault) for item in items),
        len(outcome.tally.message_faults),
        len(outcome.plan.parameters.ids),
        outcome.steps,
    )


def nature(violation: Violation) -> str:
    """What two failures must share to count as the same.

    The check; and where one check stands for many rules, which of them: its words without numbers.
    """
    detail = ""
    if violation.check == "core":
        detail = violation.detail.partition("lie: ")[2]
    elif violation.check in ("watch", "crash"):
        detail = violation.detail.partition(":")[0]
    return f"{violation.check} {re.sub(r'[0-9]+', '#', detail)}"


FEW = 3
"""Of so many named faults of messages the numbers are varied."""


def _lower(name: str) -> Iterator[str]:
    """The same fault of earlier messages of the kind and link."""
    head, number = name.rsplit("#", 1)
    for lower in dict.fromkeys((int(number) - 1, int(number) - 2, int(number) // 2)):
        if lower > 0:
            yield f"{head}#{lower}"


class _UsedUpError(Exception):
    """The budget is used up."""


@dataclass(slots=True)
class _Search:
    """The smallest failing run so far."""

    best: Outcome
    budget: int
    progress: Callable[[Progress], None] | None
    wanted: str
    late: bool
    """The failure showed in the calm phase: then the run may not be cut off before."""
    runs: int = 0
    doing: str = ""
    _failed_not: set[Plan] = field(default_factory=set)

    def attempt(self, plan: Plan, *, strictly: bool = False) -> bool:
        """Whether the plan fails in the same way; if so, it is the best from now on.

        ``strictly``: only if nothing has become more. Raises ``_UsedUpError``.
        """
        if plan == self.best.plan or plan in self._failed_not:
            return False
        if self.runs >= self.budget:
            raise _UsedUpError
        self.runs += 1
        outcome = run(plan)
        violation = outcome.violation
        same = violation is not None and nature(violation) == self.wanted
        if same and strictly:
            before, after = size_of(self.best), size_of(outcome)
            same = after.steps <= before.steps and after.message_faults <= before.message_faults
        if same:
            self.best = outcome
        else:
            self._failed_not.add(plan)
        if self.progress is not None:
            self.progress(Progress(self.runs, self.budget, self.doing, size_of(self.best)))
        return same

    def attempt_renamed(self, plan: Plan) -> bool:
        """``attempt``, and if what happens to single messages is named, also under other names.

        The names count the messages of a link: where there are fewer, they have come to mean others. So try
        what chance would do, and, if they are few, lower numbers.
        """
        names = plan.message_faults
        if self.attempt(plan):
            return True
        if not names:
            return False
        if self.attempt(replace(plan, message_faults=None)):
            self.name_message_faults()
            return True
        lower = ((name, other) for name in sorted(names) for other in _lower(name))
        return len(names) <= FEW and any(
            self.attempt(replace(plan, message_faults=names - {name} | {other})) for name, other in lower
        )

    def name_message_faults(self) -> None:
        """What happened to single messages is what is to happen; chance has no say any more."""
        self.change(message_faults=frozenset(self.best.tally.message_faults))

    def change(self, *, strictly: bool = False, **changes: object) -> bool:
        return self.attempt(replace(self.best.plan, **changes), strictly=strictly)  # type: ignore[arg-type]


def shrink(
    outcome: Outcome, *, budget: int = 1000, progress: Callable[[Progress], None] | None = None
) -> Outcome:
    """A smaller run that fails as ``outcome`` does, after at most ``budget`` runs.

    It is smaller in asks, views, faults, faults of single messages, nodes and steps; if the budget lasts, no
    single one of them can be left out. Raises ``ValueError`` if the outcome is none of a failure.
    """
    violation = outcome.violation
    if violation is None:
        raise ValueError("the run has not failed")
    late = outcome.time > outcome.plan.parameters.length or violation.check == "liveness"
    search = _Search(outcome, budget, progress, nature(violation), late)
    try:
        _cut_tail(search)
        before = None
        while before != search.best.plan:
            before = search.best.plan
            for name, stage in _STAGES:
                search.doing = name
                stage(search)
        _drop_rates(search)
    except _UsedUpError:
        pass
    return search.best


def report(before: Outcome, after: Outcome) -> str:
    """How far shrinking got, in two lines."""
    return f"before: {size_of(before)}\nafter:  {size_of(after)}"


def _cut_tail(search: _Search) -> None:
    """What was to happen after the failure cannot matter; nor does a run that goes on for longer help."""
    search.doing = "the tail"
    best = search.best
    if search.late:
        last = max(
            (item.until if isinstance(item, Fault) else item.at for item in best.plan.items), default=0
        )
        length = min(last + 1, best.plan.parameters.length)
        search.change(parameters=replace(best.plan.parameters, length=length))
        return
    search.change(limit=best.steps)
    items = tuple(item for item in best.plan.items if item.at <= best.time)
    parameters = replace(best.plan.parameters, length=best.time)
    search.change(items=items, parameters=parameters, limit=best.steps)


def _drop_rates(search: _Search) -> None:
    """Rates mean nothing where message faults are named."""
    if search.best.plan.message_faults is not None:
        parameters = replace(search.best.plan.parameters, loss=0.0, copies=0.0, late=0.0, stale=0.0)
        search.change(parameters=parameters)


def _shorten(search: _Search) -> None:
    """The prefix ends with the failure, and the calm begins when nothing is planned any more."""
    _cut_tail(search)


def _undisturbed(search: _Search) -> None:
    """Nothing happens to any single message."""
    search.change(message_faults=frozenset())


def _nodes(search: _Search) -> None:
    for node in search.best.plan.parameters.ids[::-1]:
        plan = without_node(search.best.plan, node)
        if plan is not None:
            search.attempt_renamed(plan)


def _items(search: _Search, kind: type[Ask] | type[Fault] | type[Change]) -> None:
    """Leave out items of one kind; the first view is always sent."""
    items = search.best.plan.items
    first = next((number for number, item in enumerate(items) if isinstance(item, Change)), None)
    others = {number for number, item in enumerate(items) if not isinstance(item, kind) or number == first}

    def fails(numbers: tuple[int, ...]) -> bool:
        kept: Sequence[Item] = [items[number] for number in sorted({*numbers, *others})]
        plan = replace(search.best.plan, items=tuple(kept))
        return search.attempt_renamed(plan) or plan.items == search.best.plan.items

    reduce([number for number in range(len(items)) if number not in others], fails)


def _message_faults(search: _Search) -> None:
    """Leave out what happens to single messages, as far as it can be."""
    search.name_message_faults()
    names = search.best.plan.message_faults
    if names is not None:
        reduce(sorted(names), lambda kept: search.change(message_faults=frozenset(kept)))


def _plainer(search: _Search, candidates: Callable[[Plan], Iterator[tuple[str, Plan]]]) -> None:
    """Take over what still fails. A success changes the plan: the next attempts start from it."""
    tried: set[str] = set()
    found = True
    while found:
        found = False
        for name, plan in candidates(search.best.plan):
            if name in tried:
                continue
            tried.add(name)
            if search.attempt(plan, strictly=True):
                found = True
                break


_STAGES: tuple[tuple[str, Callable[[_Search], None]], ...] = (
    ("undisturbed messages", _undisturbed),
    ("faults", lambda search: _items(search, Fault)),
    ("views", lambda search: _items(search, Change)),
    ("asks", lambda search: _items(search, Ask)),
    ("nodes", _nodes),
    ("single messages", _message_faults),
    ("simpler", lambda search: _plainer(search, simpler)),
    ("idle time", lambda search: _plainer(search, squeezed)),
    ("the tail", _shorten),
)
