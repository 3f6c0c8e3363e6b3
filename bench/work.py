"""The kinds of work that clients do, the same for every contender."""

from __future__ import annotations

from dataclasses import dataclass

BOX = 8
"""Characters of a key: ``k`` and seven digits."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of work.

    ``mix`` has operations (``put``, ``get``, ``delete``, ``list``) with their weights. ``keys`` says how a
    key is chosen: ``uniform``, ``zipf`` (a few keys get most requests), ``sequence`` (each once, in order,
    without end) or ``pairs`` (in order, each twice: first written, then deleted).
    ``backup``: the requests go to a node that is not the primary. ``expected`` has the statuses
    of 400 and above that are no errors in this work.
    """

    name: str
    mix: tuple[tuple[str, int], ...]
    keys: str = "uniform"
    backup: bool = False
    expected: tuple[int, ...] = ()


WORKS = {
    work.name: work
    for work in (
        Work("put", (("put", 1),)),
        Work("get", (("get", 1),)),
        Work("put-backup", (("put", 1),), backup=True),
        Work("get-backup", (("get", 1),), backup=True),
        Work("mixed-90-10", (("get", 90), ("put", 10)), keys="zipf"),
        Work("mixed-50-50", (("get", 50), ("put", 50)), keys="zipf"),
        # A key is written and then deleted. Over several connections a delete may overtake its write.
        Work("delete", (("put", 1), ("delete", 1)), keys="pairs", expected=(404,)),
        Work("list", (("list", 1),)),
        Work("put-new", (("put", 1),), keys="sequence"),
    )
}
"""By name. ``get`` is answered as the contender does it when asked for a linearizable read."""


def key_name(index: int) -> str:
    """The key with this index. The request maker of wrk builds the same names."""
    return f"k{index:0{BOX - 1}d}"
