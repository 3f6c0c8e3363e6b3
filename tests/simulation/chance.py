"""Chance, drawn in a way that is the same on every machine and every Python.

Only ``random()`` and whole numbers are used: what goes through a logarithm may differ in the last bit from
one C library to the next, and one bit is another run.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from random import Random
from typing import TypeVar

T = TypeVar("T")


def stream(seed: int, *names: object) -> Random:
    """A source of chance of its own for each name, so that what one part draws moves nothing elsewhere."""
    text = "/".join([str(seed), *map(str, names)])
    return Random(int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big"))


def chance(random: Random, probability: float) -> bool:
    return random.random() < probability


def between(random: Random, low: int, high: int) -> int:
    """A whole number from ``low`` to ``high``, both included."""
    return low + int(random.random() * (high - low + 1))


def pick(random: Random, items: Sequence[T]) -> T:
    return items[int(random.random() * len(items))]


def some(random: Random, items: Sequence[T], count: int) -> tuple[T, ...]:
    """``count`` of the items, none twice, in a random order."""
    rest = list(items)
    return tuple(rest.pop(int(random.random() * len(rest))) for _ in range(min(count, len(rest))))


def steep(random: Random, high: int) -> int:
    """From 0 to ``high``, mostly small."""
    return int(high * random.random() ** 3)
