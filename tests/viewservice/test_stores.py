"""Stores: one record, replaced by compare-and-set, and one instance that acts. SQLite, and a real etcd."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from viewservice import EMPTY, Record, codec
from viewservice.stores import Store, StoreError
from viewservice.stores.etcd import EtcdStore
from viewservice.stores.sqlite import SqliteStore

from .desk import members
from .etcd import Etcd, started

FIRST = Record(
    version=1,
    epoch=3,
    members=members(1, 2),
    lives=((1, 2**63 + 5), (2, 7)),
    carriers=((2, 7),),
    nodes=members(1, 2, 3),
    leaving=members(4),
    size=2,
    floor=1,
    paused=True,
    why='node 3: "it" is gone',
)


class Leader:
    """Campaigns, and remembers what it was told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.told: list[Record | None] = []
        self.task = asyncio.create_task(store.campaign(self.told.append))

    @property
    def leads(self) -> bool:
        return bool(self.told) and self.told[-1] is not None

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def until(condition: object, what: str) -> None:
    """Wait until it is so; for a minute at most."""
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)
    assert condition(), what


def test_a_record_is_written_and_read_as_it_was() -> None:
    """Everything in it, and what is none is refused."""
    assert codec.load(codec.dump(FIRST)) == FIRST
    assert codec.load(codec.dump(EMPTY)) == EMPTY
    for text in ("", "[]", "{}", '{"form": 2}', codec.dump(FIRST).replace('"epoch": 3', '"epoch": "x"')):
        with pytest.raises(codec.RecordError):
            codec.load(text)


# SQLite.


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "views.sqlite"


async def test_a_record_replaces_the_one_before_it_and_no_other(path: Path) -> None:
    """Two know the same record, and both write: the second is told what the first has written."""
    one, two = SqliteStore(path, "one"), SqliteStore(path, "two")
    assert await one.write(FIRST) == FIRST
    other = replace(FIRST, why="another")
    assert await two.write(other) == FIRST
    assert await two.write(replace(other, version=3)) == FIRST
    assert await two.write(replace(other, version=2)) == replace(other, version=2)
    assert SqliteStore(path)._read(one._open()) == replace(other, version=2)


async def test_one_instance_acts_and_another_takes_over(path: Path) -> None:
    """The first ends without a word; and ends in order."""
    one = Leader(SqliteStore(path, "one"))
    await until(lambda: one.leads, "one leads")
    two, three = (Leader(SqliteStore(path, name)) for name in ("two", "three"))
    assert one.told == [EMPTY]
    await one.store.write(FIRST)
    await one.stop()
    await until(lambda: two.leads or three.leads, "another takes over")
    first, second = (two, three) if two.leads else (three, two)
    assert first.told[-1] == FIRST
    assert not second.leads
    await first.stop()
    await first.store.close()
    await until(lambda: second.leads, "the last one takes over")
    await second.stop()


async def test_who_lost_its_footing_reads_again(path: Path) -> None:
    """The core stopped by itself: it is told the record anew."""
    leader = Leader(SqliteStore(path))
    await until(lambda: leader.leads, "it leads")
    await leader.store.write(FIRST)
    leader.store.resign()
    await until(lambda: leader.told[1:] == [FIRST], "it leads again")
    await leader.stop()


def test_nobody_else_on_the_machine_can_lock_the_file(path: Path) -> None:
    """Goal: who may read a SQLite file can keep all others from writing it, so nobody else may. Method: the
    file's rights, under the umask that lets everybody read, and what a reader can do who has them."""
    before = os.umask(0o022)
    try:
        SqliteStore(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM leader").fetchall()
        writer = sqlite3.connect(path, timeout=0, isolation_level=None)
        with closing(writer), pytest.raises(sqlite3.OperationalError, match="locked"):
            writer.execute("INSERT INTO leader VALUES (1, 'a', 0)")


async def test_a_file_that_is_none_is_said_so(tmp_path: Path) -> None:
    """Not a database, and a record of another form."""
    bad = tmp_path / "bad"
    bad.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match="bad"):
        SqliteStore(bad)
    store = SqliteStore(tmp_path / "good")
    with store._open() as connection:
        connection.execute("INSERT INTO record VALUES (1, 1, '{\"form\": 9}')")
    with pytest.raises(StoreError, match="form 9"):
        SqliteStore(tmp_path / "good")


# etcd.


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with started(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.mark.xdist_group("etcd")
async def test_etcd_replaces_a_record_by_compare_and_set(etcd: Etcd) -> None:
    """As the file does."""
    one = EtcdStore(etcd.endpoints, "/cas/", "one")
    two = EtcdStore(etcd.endpoints[::-1], "/cas/", "two")
    assert await one.write(FIRST) == FIRST
    other = replace(FIRST, why="another")
    assert await two.write(other) == FIRST
    assert await two.write(replace(other, version=2)) == replace(other, version=2)
    assert await one.write(replace(other, version=2, why="late")) == replace(other, version=2)
    for store in (one, two):
        await store.close()


@pytest.mark.xdist_group("etcd")
async def test_one_of_those_who_share_an_etcd_acts(etcd: Etcd) -> None:
    """The second takes over when the first has ended, in order or without a word."""
    one, two = (Leader(EtcdStore(etcd.endpoints, "/lead/", name)) for name in ("one", "two"))
    await until(lambda: one.leads or two.leads, "one leads")
    first, second = (one, two) if one.leads else (two, one)
    await first.store.write(FIRST)
    await first.stop()
    await until(lambda: second.leads, "the other takes over when the lease is over")
    assert second.told[-1] == FIRST
    third = Leader(EtcdStore(etcd.endpoints, "/lead/", "three"))
    await second.stop()
    await second.store.close()
    await until(lambda: third.leads, "at once where the lease was given back")
    await third.stop()
    await third.store.close()


@pytest.mark.xdist_group("etcd")
async def test_etcds_leader_dies_and_nothing_is_lost(etcd: Etcd) -> None:
    """Between two writes: the place is kept or taken again, and the record is there."""
    store = EtcdStore(etcd.endpoints, "/dies/")
    leader = Leader(store)
    await until(lambda: leader.leads, "it leads")
    assert await store.write(FIRST) == FIRST
    await asyncio.to_thread(etcd.kill_leader)
    second = replace(FIRST, version=2)
    written: Record | None = None
    async with asyncio.timeout(60):
        while written is None:
            # Nobody knows what became of a write without an answer: it may be there aletcd.
            written = await store.write(second)
    assert written == second
    store.resign()
    count = len(leader.told)
    await until(lambda: leader.told[count:] and leader.told[-1] == second, "it reads what was written")
    await leader.stop()
    await store.close()
