"""A client that keeps the times of each of its requests, in a process of its own.

Each connection sends one request at a time: with ``--interval``, one each time so many seconds have passed,
and its time is counted from when it was *due*, not from when the connection had become free for it: a
store that stops for a second then looks as slow as it was to everybody who wanted something in that
second (no coordinated omission). Without it, as fast as the answers come.

Prints ``ready`` once every connection has had an answer, runs until its standard input is closed, then
prints ``[[operation, due, answered, status], ...]``, in seconds of the machine's monotonic clock, which all
processes of a Linux machine share; status 0 is a connection that broke.

    python -m bench.programs.probe --address 127.0.0.1:8081 --operations put,get --connections 4
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import Callable

from bench.work import key_name

RECONNECT = 0.005
"""Seconds before a broken connection is made anew."""

Record = tuple[str, float, float, int]


class Probe:
    """The connections of one client, and what they saw."""

    def __init__(self, address: str, operations: list[str], keys: int, size: int, seed: int) -> None:
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._operations = operations
        self._keys = keys
        self._body = json.dumps({"value": "v" * size}).encode()
        self._chance = random.Random(seed)
        self._turn = 0
        self.records: list[Record] = []
        self.stopping = False

    async def run(self, interval: float, phase: float, ready: Callable[[], None]) -> None:
        """One connection until told to stop; ``phase`` (0 to 1) keeps connections from beating in step."""
        due = time.monotonic() + phase * interval
        first = True
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
            except OSError:
                await asyncio.sleep(RECONNECT)
                continue
            try:
                while not self.stopping:
                    now = time.monotonic()
                    if interval and due > now:
                        await asyncio.sleep(due - now)
                    began = due if interval else now
                    due += interval
                    operation = self._operations[self._turn % len(self._operations)]
                    self._turn += 1
                    self.records.append(await self._exchange(operation, began, reader, writer))
                    if first:
                        first = False
                        ready()
            except (OSError, EOFError):
                self.records.append((operation, began, time.monotonic(), 0))
                await asyncio.sleep(RECONNECT)
            finally:
                writer.close()

    def _request(self, operation: str) -> bytes:
        if operation == "ping":
            return b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
        path = f"/data/{key_name(self._chance.randrange(self._keys))}".encode()
        if operation == "get":
            return b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path
        head = b"PUT %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (path, len(self._body))
        return head + self._body

    async def _exchange(
        self, operation: str, began: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Record:
        writer.write(self._request(operation))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        return operation, began, time.monotonic(), int(head[9:12])


async def run(options: argparse.Namespace) -> list[Record]:
    """All connections until standard input is closed."""
    probe = Probe(options.address, options.operations.split(","), options.keys, options.size, options.seed)
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    waiting = options.connections

    def ready() -> None:
        nonlocal waiting
        waiting -= 1
        if waiting == 0:
            print("ready", flush=True)

    def stop() -> None:
        probe.stopping = True
        loop.remove_reader(sys.stdin.fileno())
        stopped.set()

    loop.add_reader(sys.stdin.fileno(), stop)
    tasks = [
        loop.create_task(probe.run(options.interval, index / options.connections, ready))
        for index in range(options.connections)
    ]
    await stopped.wait()
    # What is under way is not waited for: it has no time of its own, and may never come.
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return probe.records


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--operations", default="put", help="put, get, ping; each connection takes the next")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument(
        "--interval", type=float, default=0.0, help="seconds between requests of a connection"
    )
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--size", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    records = asyncio.run(run(parser.parse_args()))
    print(json.dumps(records))


if __name__ == "__main__":
    main()
