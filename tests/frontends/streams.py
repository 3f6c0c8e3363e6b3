"""What tests of servers say over a connection: an application that answers anything; how answers are read."""

from __future__ import annotations

import asyncio
from typing import Any


async def application(_: Any, receive: Any, send: Any) -> None:
    """Takes the body and says how long it was."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def answer(
    reader: asyncio.StreamReader, *, bodiless: bool = False
) -> tuple[int, dict[str, str], bytes]:
    """The next answer: status, headers in lower case, body; that to a HEAD has none."""
    async with asyncio.timeout(20):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:-2])
        length = 0 if bodiless else int(headers["content-length"])
        return int(lines[0].split()[1]), headers, await reader.readexactly(length)
