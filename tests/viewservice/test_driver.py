"""The driver: what it asks and tells over HTTP, and what becomes of a store that fails."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest

from pbproto import Member
from pbproto.config import MILLISECOND
from tests.live.harness import reserve_port
from viewservice import Config, Note, Record, Report, Service, Trouble
from viewservice.driver import MAX_REPORT, Driver
from viewservice.effects import Ask
from viewservice.report import MAX_WORDS
from viewservice.stores import Store

QUICK = Config(poll=20 * MILLISECOND, ask_timeout=300 * MILLISECOND, gone_after=40 * MILLISECOND)


class Shelf(Store):
    """A store in memory; ``fails`` says what becomes of the next writes."""

    def __init__(self) -> None:
        self.record = Record()
        self.fails: list[Exception | None] = []
        self.leads = 0
        self._again = asyncio.Event()

    async def campaign(self, lead: Callable[[Record | None], None]) -> None:
        while True:
            self.leads += 1
            lead(self.record)
            await self._again.wait()
            self._again.clear()

    async def write(self, record: Record) -> Record | None:
        trouble = self.fails.pop(0) if self.fails else None
        if trouble is not None:
            raise trouble
        if record.version == self.record.version + 1:
            self.record = record
        return self.record

    def resign(self) -> None:
        self._again.set()

    async def close(self) -> None:
        pass


async def answering(text: bytes) -> tuple[asyncio.Server, str]:
    """A server that answers everything with these bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    return server, f"{host}:{port}"


def http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)


def packed(body: bytes) -> bytes:
    """As ``http``, in an encoding that nobody has asked for: a short answer may unpack to a very long one."""
    return http(gzip.compress(body)).replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n", 1)


VIEW = (
    b'{"id":4,"incarnation":"00000000000000ff","view":[{"address":"a:1","id":4}],"epoch":3,"status":"active",'
    b'"waiting_for":[{"id":5,"address":"b:1","reason":"late"}],"blocked":null,"synced":{"epoch":3},"commit":7,'
    b'"log_end":8}'
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (http(VIEW), None),
        (http(b"{}"), Trouble.STRANGER),
        (http(b"[1]"), Trouble.STRANGER),
        (http(b"no JSON"), Trouble.STRANGER),
        (http(VIEW, b"404 Not Found"), Trouble.STRANGER),
        (http(b'{"id":' + b"[" * 100_000), Trouble.STRANGER),
        (http(VIEW.replace(b'"commit":7', b'"commit":1e999')), Trouble.STRANGER),
        (http(VIEW.replace(b'"commit":7', b'"commit":-7')), Trouble.STRANGER),
        (http(VIEW.replace(b'00ff"', b"00ff" + b"0" * 1000 + b'"')), Trouble.STRANGER),
        (http(VIEW.replace(b'"id":4', b'"id":true')), Trouble.STRANGER),
        (http(VIEW + b" " * MAX_REPORT), Trouble.STRANGER),
        (packed(VIEW), Trouble.STRANGER),
        (b"SSH-2.0-something\r\n", Trouble.SILENT),
    ],
)
async def test_what_a_node_answers(text: bytes, found: Trouble | None) -> None:
    """A report, or another kind of listener, each with its name."""
    server, address = await answering(text)
    driver = Driver(Service(QUICK), Shelf())
    report = await driver._look(Ask(4, address, 0))
    server.close()
    if found is not None:
        assert report is found
        return
    assert isinstance(report, Report)
    assert (report.id, report.incarnation, report.epoch, report.status) == (4, 255, 3, "active")
    assert (report.holds, report.commit, report.log_end) == (True, 7, 8)
    assert [(wait.id, wait.reason) for wait in report.waiting_for] == [(5, "late")]


async def test_words_of_a_node_are_words() -> None:
    """Goal: what listens at an address speaks to no terminal, and breaks no line and no answer.

    Method: orders to a terminal, a line break, half a character, and more than anybody reads.
    """
    hostile = VIEW.replace(b'"active"', b'"\\u001b[2Jactive\\nnode 2 \\ud800"').replace(
        b'"late"', b'"%b"' % (b"x" * 9_999)
    )
    server, address = await answering(http(hostile))
    report = await Driver(Service(QUICK), Shelf())._look(Ask(4, address, 0))
    server.close()
    assert isinstance(report, Report)
    assert report.status == " [2Jactive node 2  "
    assert len(report.waiting_for[0].reason) == MAX_WORDS


async def test_a_question_that_fails_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goal: whatever becomes of a question, the node is asked again. Method: the first one fails of our own
    fault; wait for the node's report."""
    server, address = await answering(http(VIEW))
    shelf = Shelf()
    shelf.record = Record(version=1, nodes=(Member(4, address),), size=1)
    driver = Driver(Service(QUICK), shelf)
    look = driver._look
    failed: list[Ask] = []

    async def first_fails(ask: Ask) -> Report | Trouble:
        if not failed:
            failed.append(ask)
            raise RuntimeError("our own fault")
        return await look(ask)

    monkeypatch.setattr(driver, "_look", first_fails)
    running = asyncio.create_task(driver.run())
    async with asyncio.timeout(30):
        while not driver.meters.answers["report"]:
            await asyncio.sleep(0.01)
    assert driver.meters.answers["stranger"] == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    server.close()


async def test_nobody_leaves_cookies() -> None:
    """Goal: what one node answers is not in the questions to others. Method: a cookie, which knows no ports;
    look at the next question."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(http(VIEW).replace(b"\r\n", b"\r\nset-cookie: a=b\r\n", 1))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    driver = Driver(Service(QUICK), Shelf())
    for _ in range(2):
        assert isinstance(await driver._look(Ask(4, f"{host}:{port}", 0)), Report)
    server.close()
    assert len(heads) == 2
    assert b"cookie" not in heads[1].lower()


async def test_refused_and_silent_are_told_apart() -> None:
    """Nobody listens; somebody listens and says nothing."""
    driver = Driver(Service(QUICK), Shelf())
    holder = reserve_port()
    address = f"127.0.0.1:{holder.getsockname()[1]}"
    assert await driver._look(Ask(1, address, 0)) is Trouble.REFUSED
    holder.listen()
    assert await driver._look(Ask(1, address, 0)) is Trouble.SILENT
    holder.close()


async def test_a_store_that_fails_is_asked_again_from_the_beginning() -> None:
    """Whatever it raises: the service does not know what is written, reads it, and goes on."""
    store = Shelf()
    notes: list[Note] = []
    store.fails = [RuntimeError("the disk is full")]
    driver = Driver(Service(QUICK), store, notes.append)
    running = asyncio.create_task(driver.run())
    nodes: Any = ((1, "127.0.0.1:1"),)
    async with asyncio.timeout(30):
        while store.leads < 1:
            await asyncio.sleep(0.01)
        first = await driver.order("init", nodes=nodes)
        assert not first.ok
        while store.leads < 2:
            await asyncio.sleep(0.01)
        second = await driver.order("init", nodes=nodes)
        assert second.ok
    assert store.record.version == 1
    assert [note.code for note in notes][:3] == [
        "leading",
        "stopped_leading",
        "leading",
    ]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
