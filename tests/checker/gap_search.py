"""The search behind ``gaps.py``: number after number, which unanswered write may stand there.

Depth first, with everything undone on the way back, and without recursion. Writes that no later choice can
tell apart are one *class*; of a class the one that may stand earliest is taken first, so that two ways to
the same point look the same and the second one is cut off.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from .gaps import Filler, Gap, Stretch
from .verdict import Budget, Contradiction


@dataclass(slots=True, eq=False)
class Class:
    """Unanswered writes that are alike, and how many of them stand somewhere already."""

    key: str
    after: str | None
    """What the key holds after one of them; of values that nobody looks for, any."""
    wanted: bool
    members: list[Filler] = field(default_factory=list)
    """By the first gap that they may fill."""
    used: int = 0
    last: int = -1
    """The last gap where one of them does no harm."""

    def next(self, gap: int) -> Filler | None:
        """The one to take, if there is one left that may fill this gap."""
        if self.used < len(self.members) and self.members[self.used].earliest <= gap:
            return self.members[self.used]
        return None


@dataclass(frozen=True, slots=True)
class Done:
    """What one choice changed."""

    class_: Class
    stretch: int | None
    was_met: bool


class GapSearch:
    """One search; ``run`` once."""

    def __init__(
        self, gaps: Sequence[Gap], stretches: Sequence[Stretch], fillers: Sequence[Filler], budget: Budget
    ) -> None:
        self.gaps, self.stretches, self.budget = gaps, stretches, budget
        self.met = [stretch.suits(stretch.before) for stretch in stretches]
        self.default = tuple(self.met)
        self.changed: set[int] = set()
        """Open stretches that are met, or not met, other than at their beginning."""
        self.due = [0] * (len(gaps) + 1)
        """How many stretches are not met yet, by their ends."""
        self.ending: list[list[int]] = [[] for _ in range(len(gaps) + 1)]
        self.of_key: dict[str, tuple[list[int], list[int]]] = {}
        for index, stretch in enumerate(stretches):
            self.due[stretch.end] += not self.met[index]
            self.ending[stretch.end].append(index)
            starts, indexes = self.of_key.setdefault(stretch.key, ([], []))
            starts.append(stretch.first)
            indexes.append(index)
        self.total_due = sum(self.due)
        self.used = 0
        self.banned = 0
        """Writes that cannot happen, because another one under their Idempotency-Key must."""
        for filler in fillers:
            if filler.only is not None:
                self.banned |= filler.rivals
        self.classes = self._classes([filler for filler in fillers if filler.only is None])
        self.reserved = self._reserved([filler for filler in fillers if filler.only is not None])
        self.blocked_by: tuple[int, Stretch | None] = (-1, None)
        """The last gap that was reached, and the stretch that failed after it."""

    def _classes(self, fillers: Sequence[Filler]) -> list[Class]:
        wanted = {(stretch.key, stretch.value) for stretch in self.stretches if stretch.exact}
        classes: dict[tuple[str, bool, str | None, int], Class] = {}
        for filler in sorted(fillers, key=lambda filler: filler.earliest):
            key, after = filler.operation.key, filler.operation.after
            is_wanted = after is None or (key, after) in wanted
            alone = filler.index if filler.rivals else -1
            name = (key, is_wanted or alone >= 0, after if is_wanted else "", alone)
            classes.setdefault(name, Class(key, after, is_wanted)).members.append(filler)
        for class_ in classes.values():
            class_.last = max(
                (gap for gap in range(len(self.gaps)) if self._harmless(class_, gap)),
                default=-1,
            )
        return list(classes.values())

    def _reserved(self, fillers: Sequence[Filler]) -> list[list[Class]]:
        """By gap, the writes that are needed in the stretch it lies in and may stand there only."""
        found: list[list[Class]] = [[] for _ in self.gaps]
        for filler in fillers:
            assert filler.only is not None
            class_ = Class(filler.operation.key, filler.operation.after, True, [filler], last=filler.only.end)
            for gap in range(filler.only.first, filler.only.end):
                found[gap].append(class_)
        return found

    def _harmless(self, class_: Class, gap: int) -> bool:
        index = self._stretch_at(class_.key, gap)
        return index is None or self.stretches[index].suits(class_.after)

    def _stretch_at(self, key: str, gap: int) -> int | None:
        """The stretch of a key that a gap lies in; outside of them nobody looks."""
        if key not in self.of_key:
            return None
        starts, indexes = self.of_key[key]
        at = bisect_right(starts, gap) - 1
        if at < 0 or self.stretches[indexes[at]].end <= gap:
            return None
        return indexes[at]

    def run(self) -> list[Filler]:
        """A filler for each gap. Raises ``Contradiction``, ``OutOfSteps``."""
        failed: set[tuple[int, int, frozenset[int]]] = set()
        chosen: list[tuple[Filler, Done]] = []
        options = [self._options(0)]
        while len(chosen) < len(self.gaps):
            gap = len(chosen)
            for class_ in options[-1]:
                self.budget.spend()
                filler = class_.members[class_.used]
                done = self._apply(gap, class_, filler)
                if self._possible(gap + 1) and (self._name(gap + 1) not in failed):
                    chosen.append((filler, done))
                    options.append(self._options(gap + 1))
                    break
                self._undo(gap, filler, done)
            else:
                options.pop()
                failed.add(self._name(gap))
                if not chosen:
                    raise self._contradiction()
                filler, done = chosen.pop()
                self._undo(gap - 1, filler, done)
        return [filler for filler, _ in chosen]

    def _name(self, gap: int) -> tuple[int, int, frozenset[int]]:
        """All that the rest of the search depends on."""
        return gap, self.used, frozenset(self.changed)

    def _options(self, gap: int) -> Iterator[Class]:
        """What may stand here: what is asked for first; then what does no harm, the least flexible first."""
        if gap == len(self.gaps):
            return iter(())
        ranked: list[tuple[int, int, int, Class]] = []
        for order, class_ in enumerate((*self.reserved[gap], *self.classes)):
            filler = class_.next(gap)
            if filler is None or (self.used & filler.rivals) or self.banned >> filler.index & 1:
                continue
            index = self._stretch_at(class_.key, gap)
            if index is None:
                ranked.append((1 + class_.wanted, class_.last, order, class_))
                continue
            stretch = self.stretches[index]
            if not stretch.suits(class_.after):
                if stretch.end > gap + 1:
                    ranked.append((3, stretch.end, order, class_))
            elif self.met[index]:
                ranked.append((1 + class_.wanted, class_.last, order, class_))
            else:
                ranked.append((0, stretch.end, order, class_))
        ranked.sort(key=lambda entry: entry[:3])
        return iter([class_ for *_, class_ in ranked])

    def _apply(self, gap: int, class_: Class, filler: Filler) -> Done:
        class_.used += 1
        self.used |= 1 << filler.index
        index = self._stretch_at(class_.key, gap)
        done = Done(class_, index, index is not None and self.met[index])
        if index is not None:
            self._set(index, self.stretches[index].suits(filler.operation.after))
        for ending in self.ending[gap + 1]:
            self.changed.discard(ending)
        return done

    def _undo(self, gap: int, filler: Filler, done: Done) -> None:
        done.class_.used -= 1
        self.used &= ~(1 << filler.index)
        if done.stretch is not None:
            self._set(done.stretch, done.was_met)
        for ending in self.ending[gap + 1]:
            if self.met[ending] != self.default[ending]:
                self.changed.add(ending)

    def _set(self, index: int, met: bool) -> None:
        if met != self.met[index]:
            self.met[index] = met
            change = -1 if met else 1
            self.due[self.stretches[index].end] += change
            self.total_due += change
        if met != self.default[index]:
            self.changed.add(index)
        else:
            self.changed.discard(index)

    def _possible(self, gap: int) -> bool:
        """Every stretch that ends here is met, and the later ones have gaps enough to be."""
        if self.due[gap]:
            stretch = next(self.stretches[index] for index in self.ending[gap] if not self.met[index])
            if gap > self.blocked_by[0]:
                self.blocked_by = (gap, stretch)
            return False
        asked = 0
        for end in range(gap + 1, min(gap + self.total_due, len(self.due))):
            asked += self.due[end]
            if asked > end - gap:
                return False
        return True

    def _contradiction(self) -> Contradiction:
        gap, stretch = self.blocked_by
        number = self.gaps[max(gap - 1, 0)].number
        reason = f"no unanswered writes fill the missing numbers up to {number} so that all answers are right"
        calls = [self.gaps[max(gap - 1, 0)].next.call]
        if stretch is not None:
            calls = [each.call for each in (stretch.since, stretch.by) if each is not None]
        return Contradiction(reason, calls)
