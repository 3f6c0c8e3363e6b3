"""A node of a dict replicated by PySyncObj (Raft in pure Python), behind HTTP.

Every operation, a read as well, is a replicated call, and is answered when it was applied here: the way to a
linearizable read that PySyncObj has. The calls wait by callback instead of holding a thread each.

    python -m bench.programs.pysyncobj_node --bind 127.0.0.1:9001 --raft 127.0.0.1:9101 [--others …]
"""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

from pysyncobj import SyncObj, SyncObjConf, replicated

from bench.programs.plain_store import serve


class Dict(SyncObj):  # type: ignore[misc]
    """The replicated object."""

    def __init__(self, raft: str, others: list[str], period: float) -> None:
        conf = SyncObjConf()
        if period:
            conf = SyncObjConf(autoTickPeriod=period, appendEntriesPeriod=period)
        super().__init__(raft, others, conf)
        self._pairs: dict[str, str] = {}

    @replicated  # type: ignore[untyped-decorator]
    def put(self, key: str, value: str) -> bool:
        """Whether the key is new."""
        created = key not in self._pairs
        self._pairs[key] = value
        return created

    @replicated  # type: ignore[untyped-decorator]
    def get(self, key: str) -> str | None:
        """The value, read at one place of the log."""
        return self._pairs.get(key)

    @replicated  # type: ignore[untyped-decorator]
    def delete(self, key: str) -> bool:
        """Whether there was such a key."""
        return self._pairs.pop(key, None) is not None

    @replicated  # type: ignore[untyped-decorator]
    def everything(self) -> dict[str, str]:
        """A copy of all pairs."""
        return dict(self._pairs)


class Node:
    """The replicated dict as a backend."""

    def __init__(self, replicated_dict: Dict) -> None:
        self._dict = replicated_dict

    async def start(self) -> None:
        """Wait for the cluster to have a leader."""
        while not self._dict.isReady():
            await asyncio.sleep(0.02)

    async def put(self, key: str, value: str) -> bool:
        """A replicated call."""
        return bool(await self._call(self._dict.put, key, value))

    async def get(self, key: str) -> str | None:
        """A replicated call."""
        value: str | None = await self._call(self._dict.get, key)
        return value

    async def delete(self, key: str) -> bool:
        """A replicated call."""
        return bool(await self._call(self._dict.delete, key))

    async def listing(self) -> dict[str, str]:
        """A replicated call."""
        return dict(await self._call(self._dict.everything))

    def leads(self) -> bool:
        """Whether this node is Raft's leader."""
        return bool(self._dict.getStatus()["leader"] == self._dict.selfNode)

    async def _call(self, call: Any, *arguments: str) -> Any:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()

        def called(result: Any, error: int) -> None:  # on PySyncObj's own thread
            loop.call_soon_threadsafe(settle, result, error)

        def settle(result: Any, error: int) -> None:
            if done.cancelled():
                return
            if error:
                done.set_exception(RuntimeError(f"PySyncObj failed: {error}"))
            else:
                done.set_result(result)

        call(*arguments, callback=called)
        return await done


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bind", required=True)
    parser.add_argument("--raft", required=True)
    parser.add_argument("--others", default="")
    parser.add_argument("--period", type=float, default=0.0, help="seconds between two appends; 0: default")
    options = parser.parse_args()
    others = [each for each in options.others.split(",") if each]
    serve(Node(Dict(options.raft, others, options.period)), options.bind)


if __name__ == "__main__":
    main()
