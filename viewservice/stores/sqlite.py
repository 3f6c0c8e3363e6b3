"""The record in a file of this machine: nothing to set up. Several instances on one machine may share it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from viewservice import codec
from viewservice.record import EMPTY, Record

from .base import Store, StoreError

BEAT = 0.5
"""Seconds between two signs of life of the instance that acts."""
TAKE_OVER = 2.0
"""Seconds without one after which another takes over."""
BUSY = 5.0
"""Seconds that a transaction waits for another one's end."""

_TABLES = """
CREATE TABLE IF NOT EXISTS record (
    one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS history (version INTEGER PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS leader (
    one INTEGER PRIMARY KEY CHECK (one = 1), name TEXT NOT NULL, beat REAL NOT NULL
);
"""
KEPT = 1000
"""How many former records are kept, for people."""


class SqliteStore(Store):
    """``path``: the file, made if there is none. Raises ``StoreError`` if it cannot be used."""

    kind = "sqlite"

    def __init__(self, path: Path, name: str = "") -> None:
        self._path = path
        self._name = name or f"{os.getpid()}-{os.urandom(4).hex()}"
        self._again = asyncio.Event()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # For its user alone, as its journals are then: whoever can only read it can hold the lock that
            # keeps all others from writing, and with that the service from deciding anything.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            with closing(self._open()) as connection:
                connection.executescript(_TABLES)
                self._read(connection)
        except (OSError, sqlite3.Error, codec.RecordError) as error:
            raise StoreError(f"{path}: {error}") from error

    def _open(self) -> sqlite3.Connection:
        # A connection for each transaction: they are few, and so none is ever left open by a thread.
        connection = sqlite3.connect(self._path, timeout=BUSY, isolation_level=None)
        connection.execute("PRAGMA synchronous = FULL")  # written down means: also after a power failure
        return connection

    @staticmethod
    def _read(connection: sqlite3.Connection) -> Record:
        row = connection.execute("SELECT body FROM record").fetchone()
        return EMPTY if row is None else codec.load(row[0])

    async def campaign(self, lead: Callable[[Record | None], None]) -> None:
        leading = False
        while True:
            if self._again.is_set():
                self._again.clear()
                leading = False
            try:
                record = await asyncio.to_thread(self._beat)
            except sqlite3.Error:
                self.errors += 1
                record = None
            except codec.RecordError as error:
                raise StoreError(str(error)) from error
            if record is None and leading:
                lead(None)
            elif record is not None and not leading:
                lead(record)
            leading = record is not None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._again.wait(), BEAT)

    def _beat(self) -> Record | None:
        """The record if this instance acts now."""
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            now = time.monotonic()  # not before: to begin may take long, and others beat meanwhile
            row = connection.execute("SELECT name, beat FROM leader").fetchone()
            # A beat of the future is one from before the machine was started again.
            if row is not None and row[0] != self._name and 0 <= now - row[1] < TAKE_OVER:
                connection.execute("ROLLBACK")
                return None
            connection.execute("INSERT OR REPLACE INTO leader VALUES (1, ?, ?)", (self._name, now))
            record = self._read(connection)
            connection.execute("COMMIT")
        return record

    async def write(self, record: Record) -> Record | None:
        try:
            return await asyncio.to_thread(self._write, record)
        except (sqlite3.Error, codec.RecordError):
            self.errors += 1
            return None

    def _write(self, record: Record) -> Record:
        body = codec.dump(record)
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            known = self._read(connection)
            if known.version != record.version - 1:
                connection.execute("ROLLBACK")
                return known
            connection.execute("INSERT OR REPLACE INTO record VALUES (1, ?, ?)", (record.version, body))
            connection.execute("INSERT INTO history VALUES (?, datetime('now'), ?)", (record.version, body))
            connection.execute("DELETE FROM history WHERE version <= ?", (record.version - KEPT,))
            connection.execute("COMMIT")
        return record

    def resign(self) -> None:
        self._again.set()

    async def close(self) -> None:
        with suppress(sqlite3.Error):
            await asyncio.to_thread(self._leave)

    def _leave(self) -> None:
        with closing(self._open()) as connection:
            connection.execute("DELETE FROM leader WHERE name = ?", (self._name,))
