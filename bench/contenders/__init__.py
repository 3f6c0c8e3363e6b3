"""Who is measured, by name."""

from __future__ import annotations

from collections.abc import Callable

from bench.processes import BenchError

from .base import Contender
from .etcd import Etcd
from .limit import Limit
from .others import NaiveFlask, PySyncObj, Redis
from .store import FRONTENDS, Store

__all__ = ["DESCRIPTIONS", "Contender", "Store", "make"]

_MAKERS: dict[str, tuple[str, Callable[[str, int], Contender]]] = {
    **{
        server: (f"this store on {server}", lambda name, nodes: Store(name, name, nodes))
        for server in FRONTENDS
    },
    **{
        f"{server}-lease": (
            f"this store on {server}, reads under a lease",
            lambda name, nodes: Store(name, name.removesuffix("-lease"), nodes, lease=True),
        )
        for server in FRONTENDS
    },
    **{
        f"limit-{server}": (
            f"{server} doing a node's HTTP work, without replication",
            lambda name, _: Limit(name, name.removeprefix("limit-")),
        )
        for server in FRONTENDS
    },
    "limit-uvicorn-plain": (
        "uvicorn with a plain ASGI callable, without replication",
        lambda name, _: Limit(name, "uvicorn", plain=True),
    ),
    "etcd": ("etcd through its JSON gateway, data on a RAM disk", Etcd),
    "redis": ("Redis with replicas, SET and WAIT behind plain ASGI on uvicorn", Redis),
    "pysyncobj": ("PySyncObj, replicated calls behind plain ASGI on uvicorn", PySyncObj),
    "pysyncobj-tuned": (
        "the same, appending every 2 ms instead of every 100",
        lambda name, nodes: PySyncObj(name, nodes, period=0.002),
    ),
    "naive": ("Flask on waitress that POSTs each write to each backup", NaiveFlask),
}

DESCRIPTIONS = {name: description for name, (description, _) in _MAKERS.items()}
"""What each contender is, in one line."""


def make(name: str, nodes: int) -> Contender:
    """A contender that was not started. Raises ``BenchError`` for a name that there is not."""
    if name not in _MAKERS:
        raise BenchError(f"there is no contender {name!r}; there are {', '.join(_MAKERS)}")
    return _MAKERS[name][1](name, nodes)
