"""HTTP in front of a Redis primary: `SET`, then `WAIT` until the replicas have it; reads go to the primary.

Each write takes a connection of its own until it is replicated, for `WAIT` holds up its connection. The
pool has as many as there may be clients.

    python -m bench.programs.redis_front --bind 127.0.0.1:9001 --redis 127.0.0.1:6379 --replicas 2
"""

from __future__ import annotations

import argparse
from typing import Any

from bench.programs.plain_store import serve

CONNECTIONS = 1024
WAIT_MS = 10_000


class Redis:
    """The primary, by redis-py."""

    def __init__(self, address: str, replicas: int) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._replicas = replicas
        self._client: Any = None

    async def start(self) -> None:
        """Connect on the running loop."""
        from redis.asyncio import BlockingConnectionPool
        from redis.asyncio import Redis as Client

        pool = BlockingConnectionPool(
            host=self._host, port=self._port, max_connections=CONNECTIONS, timeout=60, decode_responses=True
        )
        self._client = Client(connection_pool=pool)

    async def put(self, key: str, value: str) -> bool:
        """``SET`` and ``WAIT`` in one round trip. redis-py cannot tell cheaply whether the key is new."""
        await self._replicated(lambda pipe: pipe.set(key, value))
        return False

    async def get(self, key: str) -> str | None:
        """``GET``."""
        value: str | None = await self._client.get(key)
        return value

    async def delete(self, key: str) -> bool:
        """``DEL`` and ``WAIT``."""
        return bool(await self._replicated(lambda pipe: pipe.delete(key)))

    async def listing(self) -> dict[str, str]:
        """All keys, then their values."""
        keys = await self._client.keys("*")
        return dict(zip(keys, await self._client.mget(keys), strict=True)) if keys else {}

    def leads(self) -> bool:
        """It talks to the primary."""
        return True

    async def _replicated(self, command: Any) -> Any:
        async with self._client.pipeline(transaction=False) as pipe:
            command(pipe)
            pipe.wait(self._replicas, WAIT_MS)
            result, reached = await pipe.execute()
        if reached < self._replicas:
            raise RuntimeError(f"{reached} of {self._replicas} replicas have it")
        return result


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bind", required=True)
    parser.add_argument("--redis", required=True)
    parser.add_argument("--replicas", type=int, required=True)
    options = parser.parse_args()
    serve(Redis(options.redis, options.replicas), options.bind)


if __name__ == "__main__":
    main()
