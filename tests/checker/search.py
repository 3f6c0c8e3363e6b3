"""Judges a history without numbers: is there any order that explains it?

The search of Wing and Gong ("Testing and verifying concurrent objects", 1993): take a call that may be next
(it began before every call that is left ends), apply it, go on, take it back if that leads nowhere. With
the memory of Lowe ("Testing for linearizability", 2017): never look twice at one pair of what is done and
what the store holds. And key by key where the keys do not depend on each other (Horn and Kroening, "Faster
linearizability checking via P-compositionality", 2015). Further rules keep it small:

* A read that fits the store is taken at once: it changes nothing, and sooner is never worse.
* A value that was written once, and that somebody has yet to see, is not overwritten.
* A write that nobody was told of happens when a call that may be next needs it, or never: until somebody
  looks at its key nobody could tell. If it is not needed it is not taken: left over it is worth more.
* Some call is the first to end. Until it is taken only calls matter that have to do with it (``_keys``).

Writes that nobody was told of stay possible for ever, so they are not among what is to be done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress

from .operations import Operation
from .parts import Part, Step
from .rings import relink, ring, unlink
from .verdict import Budget, Contradiction, OutOfSteps

QUICK = 20_000
"""Choices of the first search in a part, see ``find_order``."""
COMPARED = 8
"""How many sets of used up writes are kept for each state to compare others with."""
State = tuple[int, int, tuple[int, ...]]
"""The first call that is left, those after it that are not, and what the keys hold."""
NOBODY = -1
Option = tuple[int, int]
"""An unanswered write to take, and after it a call, or ``NOBODY`` for one of them."""


def find_order(part: Part, budget: Budget) -> list[Operation]:
    """An order that explains a part. Raises ``Contradiction``, ``OutOfSteps``.

    Most parts are settled at once. A part that is not may be wrong at one place, while the search goes on
    to vary which unanswered write has been used up where. So the question is then put without that: could
    it be explained if each could happen any number of times? If not, it cannot be explained at all.
    """
    try:
        return Search(part, budget.part(QUICK)).run()
    except OutOfSteps:
        with suppress(OutOfSteps):
            Search(part, budget.part(budget.left // 2), forgetful=True).run()
        return Search(part, budget).run()


class Search:
    """One search in one part of a history; ``run`` once."""

    def __init__(self, part: Part, budget: Budget, *, forgetful: bool = False) -> None:
        self.part, self.budget, self.forgetful = part, budget, forgetful
        self.store = list(part.first)
        self.unread = part.codes.unread
        self.unseen = list(part.readers)
        """Of each watched value: how many reads have yet to see it."""
        count = len(part.steps)
        # Two rings through what is left, by start and by end, with a head at index ``count``.
        self.next_start, self.back_start = ring([*range(count), count])
        by_end = sorted(range(count), key=lambda index: part.steps[index].end)
        self.next_end, self.back_end = ring([*by_end, count])
        self.count = count
        self.done = 0
        """A bit for each call that was taken."""
        self.used = 0
        """A bit for each unanswered write that was taken."""
        self.order: list[int] = []
        """What was taken: a call's index, or ``~index`` of an unanswered write."""
        self.trail: list[tuple[int, int, int]] = []
        """How to go back: a call ``(index, NOBODY, NOBODY)``, or a key and what it held before."""
        self.best: list[int] = []
        self.stuck: list[int] = []

    def run(self) -> list[Operation]:
        """A whole order. Raises ``Contradiction``, ``OutOfSteps``."""
        seen: set[tuple[State, int]] = set()
        least: dict[State, list[int]] = {}
        stack: list[tuple[int, int, Iterator[Option]]] = []
        self._take_reads()
        while self.next_start[self.count] != self.count:
            state = self._state()
            # Who gets here again with the same unanswered writes used up, or more, can do no more than then.
            before = least.setdefault(state, [])
            if (state, self.used) in seen or any(not used & ~self.used for used in before):
                options: Iterator[Option] = iter(())
            else:
                seen.add((state, self.used))
                if len(before) < COMPARED:
                    before.append(self.used)
                options = self._options()
            stack.append((len(self.trail), len(self.order), options))
            while (option := next(stack[-1][2], None)) is None:
                self._note_best()
                stack.pop()
                if not stack:
                    raise self._contradiction()
                self._go_back(*stack[-1][:2])
            self.budget.spend()
            self._take(option)
            self._take_reads()
        return self._named(self.order)

    def _state(self) -> State:
        """All that the rest of the search depends on, but for the unanswered writes that are used up."""
        first = self.next_start[self.count]
        return first, self.done >> first, tuple(self.store)

    def _bound(self) -> float:
        """What began after this cannot be next."""
        first = self.next_end[self.count]
        return math.inf if first == self.count else self.part.steps[first].end

    def _take_reads(self) -> None:
        """Take every read that may be next and fits."""
        steps = self.part.steps
        bound = self._bound()
        index = self.next_start[self.count]
        while index != self.count and steps[index].start <= bound:
            following = self.next_start[index]
            step = steps[index]
            if self._fits(step):
                self._remove(index)
                bound = self._bound()
            index = following

    def _fits(self, step: Step) -> bool:
        """Whether it may be taken at once, since it leaves everything as it is."""
        if step.all is not None:
            return self.store == step.all
        if step.reads:
            return self.store[step.key] == step.value
        # Over a value that nobody will read, such a put is a read of "something is there". Left for later it
        # could not do more: whatever it would replace then is worth at least as much.
        return step.existed is True and self.store[step.key] == step.value == self.unread

    def _enabled(self) -> list[int]:
        steps = self.part.steps
        bound = self._bound()
        found = []
        index = self.next_start[self.count]
        while index != self.count and steps[index].start <= bound:
            found.append(index)
            index = self.next_start[index]
        return found

    def _options(self) -> Iterator[Option]:
        """What is worth trying next: what changes one of the keys that have to do with the first to end."""
        steps = self.part.steps
        enabled = self._enabled()
        keys = [key for key in self._keys(enabled) if not self._held(key)]
        costly: list[Option] = []
        for index in sorted(enabled, key=lambda index: steps[index].end):
            if not steps[index].reads and steps[index].key in keys:
                for helper in self._helpers(steps[index]):
                    if helper == NOBODY:
                        yield helper, index
                    else:
                        costly.append((helper, index))
        for key in keys:
            for value in sorted({self._wanted(steps[index], key) for index in enabled} - {self.store[key]}):
                for helper in self.part.exact(key, value, self.used, self._bound()):
                    yield helper, NOBODY
        # To use an unanswered write up only to make a write's answer true is the last thing to try.
        yield from costly

    def _keys(self, enabled: Sequence[int]) -> list[int]:
        """Keys of which one is changed next, in some order that explains everything, if there is any.

        Begin with the first call to end: a key that it writes, or that must change before it. Until that
        changes only listings can come which see what the key holds now; each that waits for the change of
        no key that is found already adds one that it waits for. Whatever happens before the first change of
        one of these keys touches none of them, so that the change may as well come first. (This is a
        stubborn set: Valmari, "Stubborn sets for reduced state space generation", 1989.)
        """
        steps = self.part.steps
        listings = [steps[index] for index in enabled if steps[index].all is not None]
        first = steps[self.next_end[self.count]]
        keys = [first.key] if first.all is None else [self._wrong(first)[0]]
        for key in keys:  # Grows meanwhile.
            for listing in listings:
                if self._wanted(listing, key) == self.store[key]:
                    wrong = self._wrong(listing)
                    if not any(other in keys for other in wrong):
                        keys.append(wrong[0])
        return keys

    def _wrong(self, listing: Step) -> list[int]:
        """The keys that must change before a listing; not empty, or it would have been taken."""
        assert listing.all is not None
        return [key for key, value in enumerate(listing.all) if self.store[key] != value]

    def _wanted(self, step: Step, key: int) -> int:
        """What a read waits for under a key; of others what is there."""
        if step.all is not None:
            return step.all[key]
        return step.value if step.reads and step.key == key else self.store[key]

    def _helpers(self, step: Step) -> Iterator[int]:
        """The unanswered writes, one at a time, that make the answer to a write true; or none is needed."""
        if step.existed is None or step.existed == (self.store[step.key] >= self.unread):
            yield NOBODY
        elif step.existed:
            for helper in self.part.any_put(step.key, self.used, self._bound()):
                if not self.unseen[self.part.effects[helper][1]]:
                    yield helper
        else:
            yield from self.part.exact(step.key, step.key, self.used, self._bound())

    def _held(self, key: int) -> bool:
        """Whether somebody has yet to see what the key holds, which will not come again."""
        return self.unseen[self.store[key]] > 0

    def _take(self, option: Option) -> None:
        helper, index = option
        if helper != NOBODY:
            key, value = self.part.effects[helper]
            if not self.forgetful:
                self.used |= 1 << helper
            self.order.append(~helper)
            self._set(key, value, helper)
        if index != NOBODY:
            step = self.part.steps[index]
            self._set(step.key, step.value, NOBODY)
            self._remove(index)

    def _set(self, key: int, value: int, helper: int) -> None:
        self.trail.append((~key, helper, self.store[key]))
        self.store[key] = value

    def _remove(self, index: int) -> None:
        unlink(self.next_start, self.back_start, index)
        unlink(self.next_end, self.back_end, index)
        self.done |= 1 << index
        self.order.append(index)
        self.trail.append((index, NOBODY, NOBODY))
        for key, value in self.part.steps[index].watches:
            self.unseen[value] -= 1
            if not self.unseen[value] and value > self.unread:
                self._set(key, self.unread, NOBODY)  # Everybody has seen it: from here on it is one of many.

    def _go_back(self, trail: int, order: int) -> None:
        while len(self.trail) > trail:
            index, helper, value = self.trail.pop()
            if index < 0:
                self.store[~index] = value
                if helper >= 0:
                    self.used &= ~(1 << helper)
                continue
            relink(self.next_end, self.back_end, index)
            relink(self.next_start, self.back_start, index)
            self.done &= ~(1 << index)
            for _, seen in self.part.steps[index].watches:
                self.unseen[seen] += 1
        del self.order[order:]

    def _note_best(self) -> None:
        if len(self.order) > len(self.best) or not self.stuck:
            self.best = list(self.order)
            self.stuck = self._enabled()

    def _named(self, order: Sequence[int]) -> list[Operation]:
        part = self.part
        return [part.helpers[~each] if each < 0 else part.steps[each].operation for each in order]

    def _contradiction(self) -> Contradiction:
        calls = [self.part.steps[index].operation.call for index in self.stuck]
        reason = (
            f"no order explains the answers about {self.part.about}:"
            " the longest one ends where none of these calls can be next"
        )
        return Contradiction(reason, calls, (each.call for each in self._named(self.best)))
