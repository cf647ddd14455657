"""A service's own data: SQLite in a file, a pool of connections, transactions that are all or nothing."""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import LifoQueue
from threading import Lock
from typing import Any

from devbox.workload import hops
from devbox.workload.faults import Calm, Trouble

Row = sqlite3.Row

_BUSY_SECONDS = 10.0


@functools.cache
def _label(sql: str) -> str:
    """`SQL SELECT orders`: equal work has equal names."""
    table = re.search(r'(?:FROM|INTO|UPDATE)\s+"?(\w+)', sql)
    return " ".join(["SQL", sql.split()[0], *(table.groups() if table else ())])


class Transaction:
    """Statements that take effect together."""

    def __init__(self, connection: sqlite3.Connection, trouble: Trouble) -> None:
        self._connection = connection
        self._trouble = trouble

    def _execute(self, sql: str, values: tuple[Any, ...]) -> sqlite3.Cursor:
        self._trouble.strike(_label(sql), self._connection)
        return self._connection.execute(sql, values)

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query."""
        with hops.inside(_label(sql), statement=sql):
            return self._execute(sql, values).fetchall()

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query, if there is one."""
        with hops.inside(_label(sql), statement=sql):
            found: Row | None = self._execute(sql, values).fetchone()
            return found

    def run(self, sql: str, *values: Any) -> int:
        """Execute a statement; how many rows it touched. A broken constraint is `sqlite3.IntegrityError`."""
        with hops.inside(_label(sql), statement=sql):
            return self._execute(sql, values).rowcount


class Store:
    """One database file. Thread-safe; `write` transactions wait for each other, `read` ones for nobody.

    The write-ahead log survives the death of the process at any point (it is flushed to the disk only at
    checkpoints, so the last moments may be lost when the machine itself dies).
    """

    def __init__(self, path: Path, schema: str, trouble: Trouble | None = None, connections: int = 8) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._trouble = trouble or Calm()
        self._late = f"Store.release {path.stem}s"
        self._single = Lock()
        self._writing = Lock()
        self._free: LifoQueue[sqlite3.Connection | None] = LifoQueue()
        for _ in range(connections):
            self._free.put(None)
        first = self._connect()
        first.executescript(schema)
        first.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    @contextmanager
    def borrow(self) -> Iterator[sqlite3.Connection]:
        """A connection of the pool, for as long as the context lasts; waits while all are out."""
        with self._one_only():
            connection = self._free.get()
            try:
                connection = connection or self._connect()
                yield connection
                self._trouble.strike(self._late)
            finally:
                self._free.put(connection)

    @contextmanager
    def _one_only(self) -> Iterator[None]:
        """A pool of one, while that fault is on."""
        if not self._trouble.level("pool", self._late):
            yield
            return
        with hops.inside("Store.borrow"):
            self._single.acquire()
        try:
            yield
        finally:
            self._single.release()

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """All rows of a query outside a transaction."""
        with self.borrow() as connection:
            return Transaction(connection, self._trouble).rows(sql, *values)

    def row(self, sql: str, *values: Any) -> Row | None:
        """The first row of a query outside a transaction."""
        with self.borrow() as connection:
            return Transaction(connection, self._trouble).row(sql, *values)

    def close(self) -> None:
        """Close the connections that are not in use."""
        for _ in range(self._free.qsize()):
            connection = self._free.get()
            if connection is not None:
                connection.close()
            self._free.put(None)

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction that takes effect as a whole when the context ends well, and not at all otherwise."""
        with self.borrow() as connection:
            with hops.inside("SQL BEGIN"):  # the time that is spent waiting for other writers
                # SQLite lets a second writer sleep and look again; among threads a lock wakes it at once.
                self._writing.acquire()
            try:
                yield from self._transaction(connection)
            finally:
                self._writing.release()

    def _transaction(self, connection: sqlite3.Connection) -> Iterator[Transaction]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield Transaction(connection, self._trouble)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        with hops.inside("SQL COMMIT"):
            connection.execute("COMMIT")
